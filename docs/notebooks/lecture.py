"""The lecture on real vectors: a layer, three measures, an identity. Open it with ``marimo edit docs/notebooks/lecture.py``."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="The lecture on real vectors")


@app.cell
def _():
    import marimo as mo
    import numpy as np

    import tokenspace as ts
    from tokenspace import diagram, geometry

    table = ts.open("glove-6b-50d")
    return diagram, geometry, mo, np, table, ts


@app.cell
def _(mo, table):
    mo.md(f"""
    # The lecture on real vectors

    {len(table):,} words of GloVe, {table.d} numbers each. Pick two of them; everything below follows.
    """)
    return


@app.cell
def _(mo):
    first = mo.ui.text(value="king", label="u")
    second = mo.ui.text(value="queen", label="v")
    mo.hstack([first, second], justify="start")
    return first, second


@app.cell
def _(first, mo, second, table):
    unknown = [word for word in (first.value, second.value) if word not in table]
    mo.stop(bool(unknown), mo.md(f"No row for {', '.join(map(repr, unknown))}. Words of this table are in lower case."))
    names = (first.value, second.value)
    u, v = table[names[0]], table[names[1]]
    return names, u, v


@app.cell
def _(mo):
    mo.md("""
    ## The layer: z = Wx (6), active edges (7)

    x has one entry a word, and all but two of them are 0 here. With weights 1 and 0 it is one-hot, and z is the word's own vector: the
    product is a lookup.
    """)
    return


@app.cell
def _(mo):
    a = mo.ui.slider(-2.0, 2.0, step=0.25, value=1.0, label="weight of u", show_value=True)
    b = mo.ui.slider(-2.0, 2.0, step=0.25, value=0.0, label="weight of v", show_value=True)
    shown = mo.ui.slider(2, 8, value=4, label="outputs drawn", show_value=True)
    mo.hstack([a, b, shown], justify="start")
    return a, b, shown


@app.cell
def _(a, b, diagram, mo, names, np, shown, table, ts, u, v):
    ids = table.vocabulary.ids(list(names))
    z = a.value * table.linear(ts.one_hot(int(ids[0]), n=len(table))) + b.value * table.linear(ts.one_hot(int(ids[1]), n=len(table)))
    drawn = diagram.picture(np.stack([u, v])[:, : shown.value], tokens=list(names), x=[a.value, b.value])
    mo.Html(drawn)
    return ids, z


@app.cell
def _(mo, np, table, z):
    nearest = table.nearest(z, k=5, measure="euclidean") if np.any(z) else []
    mo.md(f"Nearest to z: {', '.join(f'{word} ({score:.3f})' for word, score in nearest) or 'nothing, z is zero'}")
    return (nearest,)


@app.cell
def _(mo, names, ts, u, v):
    pair = ts.compare(u, v)
    mo.vstack([mo.md(f"## The three measures of *{names[0]}* and *{names[1]}*: (9), (10), (11)"), mo.Html(pair._repr_html_())])
    return (pair,)


@app.cell
def _(geometry, mo, names, u, v):
    mo.Html(geometry.picture(u, v, names=names))
    return


@app.cell
def _(mo):
    measure = mo.ui.dropdown(["euclidean", "inner_product", "cosine"], value="cosine", label="measure")
    k = mo.ui.slider(1, 20, value=8, label="k", show_value=True)
    mo.vstack([mo.md("## Who is near"), mo.hstack([measure, k], justify="start")])
    return k, measure


@app.cell
def _(k, measure, mo, names, table):
    found = {name: table.nearest(name, k=k.value, measure=measure.value) for name in names}
    lists = [
        mo.ui.table([{"token": word, measure.value: round(score, 4)} for word, score in rows], label=name, selection=None)
        for name, rows in found.items()
    ]
    mo.hstack(lists, widths="equal")
    return (found,)


@app.cell
def _(mo):
    away = mo.ui.slider(0, 6, step=1, value=0, label="both vectors moved away from the origin by 10 to the power of", show_value=True)
    mo.vstack(
        [
            mo.md("""
    ## The identity (12), and its vice

    ‖u − v‖² = ‖u‖² + ‖v‖² − 2⟨u, v⟩ is true on paper. In float32 its right side subtracts large numbers whose difference is small.
    Move both vectors by one constant: their distance stays, and the right side loses its digits.
    """),
            away,
        ]
    )
    return (away,)


@app.cell
def _(away, mo, np, ts, u, v):
    offset = np.float32(10.0**away.value)
    far_u, far_v = (u + offset).astype(np.float32), (v + offset).astype(np.float32)
    by_identity = np.float32(far_u @ far_u) + np.float32(far_v @ far_v) - 2 * np.float32(far_u @ far_v)
    by_difference = ts.euclidean(far_u, far_v) ** 2
    mo.ui.table(
        selection=None,
        data=[
            {"‖u − v‖²": "float64 differences of the float32 numbers", "value": float(((far_u.astype(float) - far_v) ** 2).sum())},
            {"‖u − v‖²": "tokenspace.euclidean, squared", "value": float(by_difference)},
            {"‖u − v‖²": "the identity's right side in float32", "value": float(by_identity)},
        ],
    )
    return by_difference, by_identity


if __name__ == "__main__":
    app.run()
