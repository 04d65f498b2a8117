"""``tokenspace recall [T]``: what approximate search would miss on this very table, before anyone relies on it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tokenspace.cli import arguments, completion, output

if TYPE_CHECKING:
    from tokenspace.search import Recall

NAMES = (
    "measure",
    "engine",
    "k",
    "queries",
    "breadth",
    "recall",
    "low",
    "high",
    "loss",
    "missing",
    "seconds",
    "exact_seconds",
    "build_seconds",
)
"""What is printed of each measure; seconds are wall time, of one query where not of the build."""

EXAMPLES = """\b
tokenspace recall
tokenspace recall words.vec -m euclidean --breadth 512 --queries 1000
"""


@click.command("recall", epilog=EXAMPLES)
@click.argument("name", metavar="[T]", required=False, shell_complete=completion.tables)
@click.option("--engine", type=click.Choice(["faiss", "usearch"]), default="faiss", show_default=True, help="The library; extra [ann].")
@click.option("--breadth", type=click.IntRange(min=1), default=128, show_default=True, metavar="B", help="Rows kept in sight by a search.")
@click.option("--queries", type=click.IntRange(min=1), default=200, show_default=True, metavar="Q", help="Rows drawn as queries.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of the drawing.")
@click.option("-m", "--measure", type=click.Choice(arguments.WANTED), default="cosine", show_default=True, help="One, or all three.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, metavar="K", help="Neighbours to find.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use.  [default: the CPUs at hand]")
@arguments.table_option
@output.json_option
def command(name: str | None, table: str, *, measure: str, as_json: bool, **options: Any) -> None:
    """Tell which share of the nearest tokens approximate search finds.

    Builds a graph over the table, which takes a minute for every 100,000 tokens or so, and holds it against exact search on tokens
    drawn at random. Nothing is kept, and no other command searches approximately.
    """
    from tokenspace.measures import MEASURES  # noqa: PLC0415 - brings NumPy, which --help does not need

    opened = arguments.open_table(name or table)
    wanted = MEASURES if measure == "all" else (measure,)
    rows = []
    for each in wanted:
        judged, built = _judge(opened, each, **options)
        rows.append(_row(judged, built, options))
        if not as_json and output.on_terminal():
            click.echo(f"{output.bold(f'built in {built:.1f} s')}\n{judged}")
    if as_json:
        output.write_json({"table": name or table, "searches": [dict(zip(NAMES, row, strict=True)) for row in rows]})
    elif not output.on_terminal():
        output.write_lines(NAMES, rows)


def _judge(
    table: Any, measure: Any, *, engine: Any, breadth: int, queries: int, seed: int, k: int, threads: int | None
) -> tuple[Recall, float]:
    """Build a graph and judge it; return the seconds of the building too."""
    from tokenspace import search  # noqa: PLC0415 - brings NumPy

    if output.on_terminal():
        output.note(f"building a {engine} graph over {table.n:,} rows, {measure}")
    start = time.perf_counter()
    close = search.Approximate(table.matrix, measure, engine=engine, breadth=breadth, threads=threads)
    built = time.perf_counter() - start
    return search.recall(close, queries, k, seed=seed, threads=threads), built


def _row(judged: Recall, built: float, options: dict[str, Any]) -> tuple[object, ...]:
    fields = asdict(judged)
    known = {**fields, **options, "recall": judged.value, "k": judged.k, "queries": len(judged.each), "build_seconds": built}
    return tuple(known[name] for name in NAMES)
