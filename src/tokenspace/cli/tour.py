"""``tokenspace tour``: the lecture's system at work on a real table, in nine short steps and one picture."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokenspace.cli import arguments, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tokenspace.cli.neighbours import Answer
    from tokenspace.table import EmbeddingTable

WORDS = ("king", "queen", "man", "woman")
ADDED, MADE_OF = "covid", ("coronavirus", "pandemic")
"""A word younger than GloVe's texts of 2014, and two older ones that say what it means."""

SHOWN = 7
"""Numbers of a vector that fit on a line."""

SYMBOLS = {"euclidean": "‖u − v‖", "inner_product": "⟨u, v⟩", "cosine": "cos(u, v)"}


@click.command("tour")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default="tokenspace-tour.svg", show_default=True, help="The picture's file."
)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use.  [default: the CPUs at hand]")
@arguments.table_option
@output.json_option
def command(table: str, out: Path, threads: int | None, *, as_json: bool) -> None:
    """Show the lecture's system at work on a real table.

    Opens it, looks a word up, multiplies by a one-hot vector, searches under three measures, solves an analogy, checks the identity,
    works the lecture's exercises exactly, adds a word, and draws the geometry of a pair. Numbers in parentheses are the equations of
    the lecture "Embedding Layer and Distances/Similarities".
    """
    started = time.perf_counter()
    import tokenspace.formats  # noqa: F401, PLC0415 - loads NumPy and the kernels, which is not the table's opening

    begun = time.perf_counter()
    opened = arguments.open_table(table)
    seconds = time.perf_counter() - begun
    words = choose(opened)
    shown = [output.printable(word) for word in words]
    steps = (
        ("A table is a vocabulary and a matrix", _open(table, opened, seconds)),
        ("A token is a row of numbers: the embedding i -> w_i (8)", _look_up(opened, words[0])),
        ("A one-hot vector times the matrix is that row (5) (6) (7)", _multiply(opened, words[0])),
        (
            "Three measures, three neighbourhoods (9) (10) (11)",
            _search(opened, words[0], threads, plain=as_json or not output.on_terminal()),
        ),
        ("Directions mean something: an analogy", _analogy(opened, words, threads)),
        (f"The measures are tied together: the identity (12) on {shown[0]} and {shown[1]}", _identity(opened, words)),
        ("The lecture's six worked answers, exactly", _exercises()),
        ("A new token is a new row, and only that (4.5)", _add(opened, words, threads)),
        ("The geometry of a pair (Fig. 3), true to scale", _draw(opened, words, out)),
    )
    if as_json:
        document = [{"step": number, "title": title, "lines": list(lines)} for number, (title, lines) in enumerate(steps, start=1)]
        output.write_json({"table": table, "steps": document, "picture": str(out), "seconds": time.perf_counter() - started})
        return
    for number, (title, lines) in enumerate(steps, start=1):
        click.echo(output.bold(f"{number}  {title}"))
        for line in lines:
            click.echo(f"   {line}".rstrip())
        click.echo()
    click.echo(f"That took {time.perf_counter() - started:.1f} s.  Now you:  tokenspace near physics   tokenspace measure tea coffee")


def choose(table: EmbeddingTable) -> tuple[str, str, str, str]:
    """Return the tour's four words: king, queen, man and woman, or the first four tokens where one is missing."""
    if all(word in table for word in WORDS):
        return WORDS
    if table.n < len(WORDS):
        message = f"the tour needs a table of at least {len(WORDS)} tokens, this one has {table.n}"
        raise click.ClickException(message)
    first, second, third, fourth = table.vocabulary.tokens_of(range(len(WORDS)))
    return first, second, third, fourth


def _open(name: str, table: EmbeddingTable, seconds: float) -> Iterator[str]:
    size = f"{table.dtype}, {table.matrix.nbytes / 1e6:,.0f} MB"
    yield f"{output.printable(name)}: {table.n:,} tokens, each a row of {table.d} numbers ({size}), opened in {seconds * 1e3:,.0f} ms."
    yield "The lecture's W holds tokens as columns; files and tokenspace hold them as rows."


def _look_up(table: EmbeddingTable, word: str) -> Iterator[str]:
    row = table[word]
    yield f'table["{output.printable(word)}"] is row {table.vocabulary.id(word):,}:'
    yield _numbers(row)


def _multiply(table: EmbeddingTable, word: str) -> Iterator[str]:
    from tokenspace.onehot import one_hot  # noqa: PLC0415 - NumPy is loaded when the tour begins

    row = table.vocabulary.id(word)
    e = one_hot(row, n=table.n).toarray()
    product, looked_up = table.linear(e), table[row]
    same = product.tobytes() == looked_up.astype(product.dtype).tobytes()
    yield f"e_{row}: {e.size:,} numbers, one of them 1 and the others 0. Any two such vectors are sqrt(2) apart (Remark 3.1)."
    yield f"W e_{row} = {_numbers(product)}"
    yield f"w_{row}   = {_numbers(looked_up)}"
    edges = table.n * table.d
    yield f"The same bits: {'yes' if same else 'NO'}. The product reads all {edges:,} edges, the lookup the {table.d} active ones (Fig. 2)."


def _search(table: EmbeddingTable, word: str, threads: int | None, *, plain: bool) -> Iterator[str]:
    from tokenspace.cli import neighbours  # noqa: PLC0415 - NumPy is loaded when the tour begins
    from tokenspace.measures import norms  # noqa: PLC0415

    (answer,) = neighbours.find(table, [[word]], threads=threads, ranked=True)
    if plain:
        yield from neighbours.plain(answer)
        yield neighbours.LEGEND
    else:
        neighbours.show(answer)
    yield ""
    yield from _disagreement(answer, float(norms(table.matrix, table.vocabulary.ids([word]))[0]))


def _disagreement(answer: Answer, length: float) -> Iterator[str]:
    """Say what the lists share, what each has alone, and how long its vectors are."""
    shared = [row.token for row in answer.lists["euclidean"] if answer.lists_with(row.token) == len(answer.lists)]
    yield f"All three agree on {len(shared)}: {_names(shared)}."
    for measure, rows in answer.lists.items():
        alone = [row.token for row in rows if answer.lists_with(row.token) == 1]
        mean = sum(row.norm for row in rows) / max(1, len(rows))
        words = measure.replace("_", " ")
        yield f"Only by {words:<13}  (mean length {mean:.2f}):  {_names(alone)}"
    yield f"The query's length is {length:.2f}. The inner product rewards long vectors, the distance punishes every"
    yield "difference of length, the cosine ignores length: so they disagree."


def _analogy(table: EmbeddingTable, words: tuple[str, ...], threads: int | None) -> Iterator[str]:
    from tokenspace.cli import neighbours  # noqa: PLC0415 - NumPy is loaded when the tour begins

    b, _, a, c = words
    expression = f"{b} - {a} + {c}"
    (answer,) = neighbours.find(table, [[expression]], k=5, threads=threads)
    shown = [output.printable(text) for text in (a, b, c, expression)]
    yield "{} is to {} as {} is to ...?  Nearest to {}, its own words left out:".format(*shown)
    for measure, rows in answer.lists.items():
        found = "  ".join(f"{output.printable(row.token)} {output.short(row.score)}" for row in rows)
        yield f"{measure.replace('_', ' '):<14} {found}"


def _identity(table: EmbeddingTable, words: tuple[str, ...]) -> Iterator[str]:
    from tokenspace.measures import compare  # noqa: PLC0415 - NumPy is loaded when the tour begins

    pair = compare(table[words[0]], table[words[1]])
    left, right = pair.identity
    yield f"‖u‖ = {pair.norm_u:.4f}   ‖v‖ = {pair.norm_v:.4f}   ⟨u, v⟩ = {pair.inner_product:.4f}   cos(u, v) = {pair.cosine:.4f}"
    yield f"‖u − v‖²                = {left!r}"
    yield f"‖u‖² + ‖v‖² − 2⟨u, v⟩   = {right!r}"
    yield f"The two sides differ by {abs(left - right):.1g}: rounding in float64."


def _exercises() -> Iterator[str]:
    from tokenspace.practice import LECTURE  # noqa: PLC0415 - fractions are wanted here alone

    for worked in LECTURE:
        answer, symbol = worked.answer, SYMBOLS[worked.measure]
        vectors = f"{worked.u} {worked.v}"
        yield f"{worked.label:<12} ({worked.equation})  {symbol:<9} {vectors:<23} = {answer!s:<16} = {float(answer):.4f}"


def _add(table: EmbeddingTable, words: tuple[str, ...], threads: int | None) -> Iterator[str]:
    new, parts = (ADDED, MADE_OF) if ADDED not in table and all(part in table for part in MADE_OF) else ("", words[:2])
    new = new or f"{parts[0]}+{parts[1]}"
    while new in table:
        new += "'"
    rows = table.rows(list(parts))
    bigger = table.extend([new], init=table.matrix[rows].astype("float64").mean(axis=0, keepdims=True))
    near = bigger.nearest(new, k=6, threads=threads)
    new, first, second = (output.printable(word) for word in (new, *parts))
    yield f'table.extend(["{new}"]), started halfway between {first} and {second}, is row {table.n:,} of a new table.'
    yield f"Nearest to it by cosine: {_names(near.tokens)}."
    proof = bigger.proof(table)
    yield f"Byte for byte, as before: {proof}."


def _draw(table: EmbeddingTable, words: tuple[str, ...], out: Path) -> Iterator[str]:
    from tokenspace.formats.replacement import replacing  # noqa: PLC0415 - wanted here alone
    from tokenspace.geometry import picture  # noqa: PLC0415
    from tokenspace.measures import compare  # noqa: PLC0415

    u, v = table[words[0]], table[words[1]]
    with replacing(out) as file:
        file.write(picture(u, v, names=(words[0], words[1])).encode())
    pair = compare(u, v)
    first, second = (output.printable(word) for word in words[:2])
    if math.isfinite(pair.angle):
        yield f"{first} and {second} are {math.degrees(pair.angle):.1f}° apart; {second} reaches {pair.projection:.2f} along {first}."
    yield f"The picture: {out}"


def _numbers(row: NDArray[np.floating]) -> str:
    """Write the first numbers of a vector."""
    shown = "  ".join(f"{float(number):7.4f}" for number in row[:SHOWN])
    return f"({shown}  …{len(row) - SHOWN:,} more)" if len(row) > SHOWN else f"({shown})"


def _names(tokens: list[str]) -> str:
    return ", ".join(output.printable(token) for token in tokens) or "none"
