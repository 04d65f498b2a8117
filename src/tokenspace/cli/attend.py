"""``tokenspace attend MODEL "a sentence"``: what the heads of a Transformer make of a sentence's tokens, as inner products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tokenspace.cli import output
from tokenspace.cli.arguments import MEASURES
from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHOWN = 16
"""Tokens of a sentence that a terminal's table has columns for."""

SHOW = ("weights", "measures", "next")
EXAMPLES = """\b
tokenspace attend all-MiniLM-L6-v2/ "the cat sat on the mat"
tokenspace attend all-MiniLM-L6-v2/ "the cat sat on the mat" --layer 2 --head 7
tokenspace attend all-MiniLM-L6-v2/ "river bank, savings bank" --show measures
tokenspace attend gpt2/ "the capital of France is" --show next -k 5
"""


@click.command("attend", epilog=EXAMPLES)
@click.argument("model", metavar="MODEL")
@click.argument("sentence")
@click.option("--layer", type=click.IntRange(min=0), metavar="N", help="From 0.  [default: all; on a terminal the last]")
@click.option("--head", type=click.IntRange(min=0), metavar="N", help="From 0.  [default: all; on a terminal their mean]")
@click.option("--show", type=click.Choice(SHOW), default="weights", show_default=True, help="What is printed.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, metavar="K", help="Tokens of --show next.")
@output.json_option
def command(model: str, sentence: str, *, layer: int | None, head: int | None, show: str, k: int, as_json: bool) -> None:
    """Show the attention of a Transformer, token by token.

    Scaled inner products of queries and keys, and their softmax.

    weights: for each layer and head, <q, k> / sqrt(d) of every two tokens and the share that each takes of the other. measures: the three
    measures between the tokens' rows, the same in every sentence, beside those between what the layer made of them. next: the likeliest
    next tokens, or those for the mask, by inner product with the rows of the output head.
    """
    try:
        import tokenspace.torch  # noqa: F401, PLC0415 - a second
    except ModuleNotFoundError as error:
        from tokenspace.errors import MissingExtraError  # noqa: PLC0415

        message = "reading a Transformer needs PyTorch, which is not installed"
        raise MissingExtraError(message, hint="pip install 'tokenspace[transformers]'") from error
    shown: dict[str, Callable[..., None]] = {"weights": _weights, "measures": _measures, "next": _next}
    shown[show](model, sentence, layer=layer, head=head, k=k, as_json=as_json)


def _weights(model: str, sentence: str, *, layer: int | None, head: int | None, as_json: bool, **_: Any) -> None:
    from tokenspace.torch.attention import Reader  # noqa: PLC0415

    found = Reader(model).attention(sentence)
    layers, heads = _chosen(layer, found.scores.shape[0], "layer"), _chosen(head, found.scores.shape[1], "head")
    if as_json:
        parts = [
            {"layer": at, "head": which, "scores": found.scores[at, which].tolist(), "weights": found.weights[at, which].tolist()}
            for at in layers
            for which in heads
        ]
        output.write_json({"model": model, "text": sentence, "tokens": found.tokens, "heads": parts})
    elif output.on_terminal():
        at = layers[-1]
        weights = found.weights[at].mean(axis=0) if head is None else found.weights[at, head]
        whose = "mean of all heads" if head is None else f"head {head}"
        _grid(f"layer {at}, {whose}: what each token (line) takes from each (column)", found.tokens, weights)
    else:
        output.write_lines(("layer", "head", "query", "token", "key", "other", "score", "weight"), _long(found, layers, heads))


def _chosen(given: int | None, count: int, what: str) -> list[int]:
    if given is not None and given >= count:
        message = f"expected a {what} in 0..{count - 1}; seen {given}"
        raise ArgumentError(message)
    return list(range(count)) if given is None else [given]


def _long(found: Any, layers: list[int], heads: list[int]) -> Iterator[tuple[object, ...]]:
    """Yield a line for each layer, head and two tokens; a place that may not be looked at has no score."""
    for layer in layers:
        for head in heads:
            for i, token in enumerate(found.tokens):
                for j, other in enumerate(found.tokens):
                    score = float(found.scores[layer, head, i, j])
                    seen = score if score > float("-inf") else None
                    yield layer, head, i, token, j, other, seen, float(found.weights[layer, head, i, j])


def _grid(title: str, tokens: list[str], weights: Any) -> None:
    from rich.table import Table  # noqa: PLC0415 - of terminals alone

    table = Table(title=title, title_justify="left", title_style="")
    table.add_column("")
    for token in tokens[:SHOWN]:
        table.add_column(output.printable(token), justify="right")
    for token, line in zip(tokens, weights, strict=True):
        table.add_row(output.printable(token), *(f"{float(weight):.2f}" for weight in line[:SHOWN]))
    output.console().print(table)
    if len(tokens) > SHOWN:
        output.note(f"the first {SHOWN} of {len(tokens)} tokens have a column; piped, or with --json, all have")


def _measures(model: str, sentence: str, *, layer: int | None, head: int | None, as_json: bool, **_: Any) -> None:
    import numpy as np  # noqa: PLC0415

    from tokenspace.measures import listed_pairs  # noqa: PLC0415
    from tokenspace.torch.attention import Reader  # noqa: PLC0415

    if head is not None:
        message = "--head is for --show weights: all heads of a layer make one representation"
        raise ArgumentError(message)
    found = Reader(model).representations(sentence)
    at = _chosen(layer, len(found.hidden) - 1, "layer")[-1]
    first, second = np.triu_indices(len(found.tokens), 1)
    columns = {
        f"{measure} {name}": listed_pairs(measure, rows, rows, first, second)  # type: ignore[arg-type] # names of MEASURES
        for measure in MEASURES
        for name, rows in (("static", found.static), ("contextual", found.hidden[at + 1]))
    }
    lines = [
        (int(i), found.tokens[i], int(j), found.tokens[j], *(float(column[place]) for column in columns.values()))
        for place, (i, j) in enumerate(zip(first, second, strict=True))
    ]
    names = ("place", "token", "other_place", "other", *(name.replace(" ", "_") for name in columns))
    if as_json:
        pairs = [dict(zip(names, line, strict=True)) for line in lines]
        output.write_json({"model": model, "text": sentence, "tokens": found.tokens, "layer": at, "pairs": pairs})
    elif output.on_terminal():
        title = f"static: the tokens' rows, the same in every sentence; contextual: what layer {at} made of them"
        _lines(title, ("token", "other", *columns), [(line[1], line[3], *line[4:]) for line in lines])
    else:
        output.write_lines(names, lines)


def _next(model: str, sentence: str, *, layer: int | None, head: int | None, k: int, as_json: bool) -> None:
    from tokenspace.torch.next_tokens import next_tokens  # noqa: PLC0415

    if layer is not None or head is not None:
        message = "--layer and --head are for --show weights: the output head reads the last layer"
        raise ArgumentError(message)
    found = next_tokens(model, sentence, k)
    names = ("rank", "token", "id", "inner_product", "logit")
    lines = [
        (rank, token, int(number), float(score), float(logit))
        for rank, (token, number, score, logit) in enumerate(zip(found.tokens, found.ids, found.scores, found.logits, strict=True), 1)
    ]
    if as_json:
        document = {"model": model, "text": sentence, "place": found.place, "same_as_logits": found.ids.tolist() == found.own.tolist()}
        output.write_json(document | {"next": [dict(zip(names, line, strict=True)) for line in lines]})
    elif output.on_terminal():
        _lines(f"the likeliest tokens at place {found.place}", names, lines)
    else:
        output.write_lines(names, lines)


def _lines(title: str, names: tuple[str, ...], lines: list[tuple[Any, ...]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - of terminals alone

    table = Table(title=title, title_justify="left", title_style="")
    for name in names:
        table.add_column(name)
    for line in lines:
        table.add_row(*(output.short(value) if isinstance(value, float) else output.printable(str(value)) for value in line))
    output.console().print(table)
