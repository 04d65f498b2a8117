"""``tokenspace mine [T]``: the closest pairs of a table's rows, or the groups within a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tokenspace.cli import arguments, output
from tokenspace.cli.progress import Progress
from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

EXAMPLES = """\b
tokenspace encode static/ --names text --out s.tokenspace < sentences.txt
tokenspace mine s.tokenspace --most 100
tokenspace mine s.tokenspace --groups 0.8 --smallest 3
"""
SHOWN = 20
"""Lines on a terminal; piped, all come."""


@click.command("mine", epilog=EXAMPLES)
@click.argument("name", metavar="[T]", required=False)
@click.option(
    "-m", "--measure", type=click.Choice(arguments.MEASURES), default="cosine", show_default=True, help="By which rows are close."
)
@click.option("-k", type=click.IntRange(min=1), default=100, show_default=True, metavar="K", help="Nearest rows of each that make a pair.")
@click.option("--most", type=click.IntRange(min=1), default=500_000, show_default=True, metavar="N", help="Pairs wanted.")
@click.option("--groups", type=float, metavar="THRESHOLD", help="Groups of rows within this of a middle row, instead of pairs.")
@click.option("--smallest", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="Rows that make a group.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use.  [default: the CPUs at hand]")
@arguments.table_option
@output.json_option
def command(  # noqa: PLR0913 - the options of the command line
    name: str | None,
    table: str,
    *,
    measure: Any,
    k: int,
    most: int,
    groups: float | None,
    smallest: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """List the closest pairs of a table's rows, or groups of them."""
    from tokenspace.search import community, paraphrase_mining  # noqa: PLC0415 - bring NumPy, which --help does not need

    opened = arguments.open_table(name or table)
    size = opened.d * opened.dtype.itemsize
    with Progress() as progress:

        def watch(done: int, total: int) -> None:
            progress("searching", done * size, total * size)

        if groups is None:
            found = paraphrase_mining(opened.matrix, k, measure, most=most, threads=threads, progress=watch)
            tokens = [opened.vocabulary.tokens_of(side) for side in (found.first, found.second)]
            names: tuple[str, ...] = ("rank", "token", "id", "other", "other_id", measure)
            lines: Iterable[tuple[object, ...]] = [
                (rank, a, i, b, j, score) for rank, (a, b, (score, i, j)) in enumerate(zip(*tokens, found, strict=True), 1)
            ]
        else:
            if k != 100:  # noqa: PLR2004 - the default
                message = "-k is for pairs; groups are of all rows within the threshold"
                raise ArgumentError(message)
            parts = community(opened.matrix, groups, measure, smallest=smallest, threads=threads, progress=watch)
            names = ("group", "rank", "token", "id")
            lines = [
                (number, rank, token, int(row))
                for number, rows in enumerate(parts, 1)
                for rank, (row, token) in enumerate(zip(rows, opened.vocabulary.tokens_of(rows), strict=True))
            ]
    if as_json:
        output.write_json({"table": name or table, "measure": measure, "found": [dict(zip(names, line, strict=True)) for line in lines]})
    elif output.on_terminal():
        _shown(names, list(lines))
    else:
        output.write_lines(names, lines)


def _shown(names: tuple[str, ...], lines: list[tuple[Any, ...]]) -> None:
    from rich.table import Table  # noqa: PLC0415 - of terminals alone

    table = Table()
    for name in names:
        table.add_column(name)
    for line in lines[:SHOWN]:
        table.add_row(*(output.short(value) if isinstance(value, float) else output.printable(str(value)) for value in line))
    output.console().print(table)
    if len(lines) > SHOWN:
        output.note(f"{SHOWN} of {len(lines):,} lines are shown; piped, or with --json, all are")
