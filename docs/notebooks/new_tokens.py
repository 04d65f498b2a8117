"""New words for a table, their rows trained, and the proof for the others. Open it with ``marimo edit docs/notebooks/new_tokens.py``."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="New words, and the proof for the old ones")


@app.cell
def _():
    import marimo as mo
    import torch

    import tokenspace as ts

    table = ts.open("glove-6b-50d", limit=20_000)
    return mo, table, torch, ts


@app.cell
def _(mo, table):
    mo.md(f"""
    # New words, and the proof for the old ones

    {len(table):,} words of GloVe. A new word is a new input node, that is a new row (lecture, 4.5).
    """)
    return


@app.cell
def _(mo):
    words = mo.ui.text(value="cyberpunk metaverse", label="new words", full_width=True)
    parts = mo.ui.text(
        value="science fiction computer, virtual world internet", label="what each starts from (their mean)", full_width=True
    )
    mo.vstack([words, parts])
    return parts, words


@app.cell
def _(mo, parts, table, words):
    tokens = words.value.split()
    sources = [part.split() for part in parts.value.split(",")]
    known = [token for token in tokens if token in table]
    missing = [word for part in sources for word in part if word not in table]
    mo.stop(bool(known), mo.md(f"The table has {', '.join(known)} already."))
    mo.stop(bool(missing), mo.md(f"No row for {', '.join(missing)}."))
    mo.stop(len(tokens) != len(sources) or not all(sources), mo.md("One group of words, between commas, for each new word."))
    return sources, tokens


@app.cell
def _(mo, sources, table, tokens):
    bigger = table.extend(tokens, init=[table[part].mean(axis=0) for part in sources])
    proof = bigger.proof(table)
    rows = [{"new word": token, "nearest": ", ".join(bigger.nearest(token, k=6).tokens)} for token in tokens]
    mo.vstack([mo.ui.table(rows, selection=None, wrapped_columns=["nearest"]), mo.md(f"**The old rows:** {proof}")])
    return bigger, proof


@app.cell
def _(mo):
    steps = mo.ui.slider(0, 200, step=10, value=50, label="steps", show_value=True)
    decay = mo.ui.slider(0.0, 1.0, step=0.1, value=0.5, label="weight decay", show_value=True)
    mo.vstack(
        [
            mo.md("""
    ## Train the new rows alone

    The same rows in a PyTorch layer. AdamW with weight decay would shrink every row of a table, looked up or not;
    here the new rows are the only parameter. Each is drawn to where the words it starts from are close by cosine.
    """),
            mo.hstack([steps, decay], justify="start"),
        ]
    )
    return decay, steps


@app.cell
def _(decay, sources, steps, table, tokens, torch, ts):
    torch.manual_seed(0)
    layer = ts.torch.EmbeddingLayer.from_table(table, freeze=True)
    layer.extend(tokens, init=[table[part].mean(axis=0) for part in sources])
    new = torch.arange(len(table), len(table) + len(tokens))
    wanted = [torch.tensor(table.vocabulary.ids(part)) for part in sources]
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.02, weight_decay=decay.value)
    losses = []
    for _ in range(steps.value):
        optimiser.zero_grad()
        near = [torch.cosine_similarity(layer(row)[None], layer(part)).mean() for row, part in zip(new, wanted, strict=True)]
        loss = 1 - torch.stack(near).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return layer, losses


@app.cell
def _(layer, losses, mo, tokens):
    trained = layer.to_table()
    after = layer.proof()
    shapes = [tuple(parameter.shape) for parameter in layer.parameters()]
    fall = f"{losses[0]:.4f} to {losses[-1]:.4f}" if losses else "not trained"
    rows_after = [{"new word": token, "nearest": ", ".join(trained.nearest(token, k=6).tokens)} for token in tokens]
    mo.vstack(
        [
            mo.md(f"Parameters: {shapes}. Loss: {fall}."),
            mo.ui.table(rows_after, selection=None, wrapped_columns=["nearest"]),
            mo.md(f"**The old rows:** {after}"),
        ]
    )
    return after, trained


if __name__ == "__main__":
    app.run()
