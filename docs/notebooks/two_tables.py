"""Two tables beside each other: what a smaller one has lost. Open it with ``marimo edit docs/notebooks/two_tables.py``."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Two tables beside each other")


@app.cell
def _():
    import marimo as mo
    import numpy as np

    import tokenspace as ts
    from tokenspace.analysis.alignment import align
    from tokenspace.analysis.overlap import neighbour_overlap
    from tokenspace.analysis.projection import principal_axes

    first = ts.open("glove-6b-50d", limit=10_000)
    return align, first, mo, neighbour_overlap, np, principal_axes, ts


@app.cell
def _(first, mo):
    mo.md(f"""
    # Two tables beside each other

    The first {len(first):,} words of GloVe, and another table made of them. How much of who is near whom has it kept?
    """)
    return


@app.cell
def _(first, mo):
    kind = mo.ui.dropdown(["fewer axes", "float16", "turned", "noise"], value="fewer axes", label="the second table")
    axes = mo.ui.slider(2, first.d, value=20, label="axes kept", show_value=True)
    noise = mo.ui.slider(0.0, 1.0, step=0.05, value=0.2, label="noise, in units of a row's length", show_value=True)
    measure = mo.ui.dropdown(["euclidean", "inner_product", "cosine"], value="cosine", label="measure")
    mo.hstack([kind, axes, noise, measure], justify="start", wrap=True)
    return axes, kind, measure, noise


@app.cell
def _(axes, first, kind, noise, np, principal_axes, ts):
    _random = np.random.default_rng(0)
    _rows = first.matrix
    if kind.value == "fewer axes":
        _made = principal_axes(_rows, axes.value).coordinates
    elif kind.value == "float16":
        _made = _rows.astype(np.float16)
    elif kind.value == "turned":
        _made = _rows @ np.linalg.qr(_random.standard_normal((first.d, first.d)))[0].astype(np.float32)
    else:
        _step = _random.standard_normal(_rows.shape) / np.sqrt(first.d) * np.linalg.norm(_rows, axis=1, keepdims=True)
        _made = (_rows + noise.value * _step).astype(np.float32)
    second = ts.EmbeddingTable(first.vocabulary, _made)
    return (second,)


@app.cell
def _(first, measure, mo, neighbour_overlap, np, second):
    overlap = neighbour_overlap(first, second, k=10, measure=measure.value, sample=500)
    counts = np.bincount(np.rint(10 * overlap.shares).astype(int), minlength=11)
    bars = "".join(
        f'<rect x="{34 * kept + 6}" y="{130 - 120 * count / counts.max():.1f}" width="28" height="{120 * count / counts.max():.1f}"/>'
        f'<text x="{34 * kept + 20}" y="146" text-anchor="middle" font-size="12">{kept}</text>'
        for kept, count in enumerate(counts)
    )
    mo.vstack(
        [
            mo.md(f"**{overlap}**"),
            mo.Html(f'<svg viewBox="0 0 380 150" width="480" fill="#3b6ea8" role="img" aria-label="neighbours kept">{bars}</svg>'),
            mo.md("How many of their ten neighbours 500 words keep."),
        ]
    )
    return counts, overlap


@app.cell
def _(align, first, mo, second):
    aligned = align(second, first) if second.d == first.d and second.dtype == first.dtype else None
    mo.md(
        f"""
    ## Are they one table, turned?

    {aligned if aligned is not None else "Only tables of one width and type can be laid on each other."}
    """
    )
    return (aligned,)


@app.cell
def _(mo):
    asked = mo.ui.text(value="king", label="one word in both")
    asked
    return (asked,)


@app.cell
def _(asked, first, measure, mo, second):
    mo.stop(asked.value not in first, mo.md(f"No row for {asked.value!r}."))
    sides = {name: table.nearest(asked.value, k=10, measure=measure.value) for name, table in (("first", first), ("second", second))}
    both = set(sides["first"].tokens) & set(sides["second"].tokens)
    mo.hstack(
        [
            mo.ui.table(
                [{name: word, measure.value: round(score, 4), "in both": "●" if word in both else ""} for word, score in rows],
                selection=None,
            )
            for name, rows in sides.items()
        ],
        widths="equal",
    )
    return (both,)


if __name__ == "__main__":
    app.run()
