"""``tokenspace evaluate [T]``: how well a table agrees with people, and with another table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenspace.cli import arguments, completion, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenspace.analysis.analogies import Method
    from tokenspace.analysis.correlation import Estimate
    from tokenspace.analysis.evaluation import Evaluation

METHODS: tuple[Method, ...] = ("3CosAdd", "3CosMul")
"""The names of `tokenspace.analysis.analogies.METHODS`, written out because that module brings NumPy, which --help does not need."""

FILES = click.Path(path_type=Path, exists=True)
EXAMPLES = """\b
tokenspace evaluate
tokenspace evaluate vectors.txt --method 3CosAdd --json
tokenspace evaluate vectors.txt --pairs men.txt --analogies questions-words.txt
tokenspace evaluate second.txt --against first.txt
"""


@click.command("evaluate", epilog=EXAMPLES)
@click.argument("name", metavar="[T]", required=False, shell_complete=completion.tables)
@click.option("--pairs", multiple=True, type=FILES, metavar="FILE", help="Judged pairs: two words and a score a line.  [repeatable]")
@click.option(
    "--analogies", multiple=True, type=FILES, metavar="FILE", help="Questions: four words a line; or a folder of such.  [repeatable]"
)
@click.option("--method", "methods", multiple=True, type=click.Choice(METHODS), help="How analogies are answered.  [default: both ways]")
@click.option(
    "--restrict", type=click.IntRange(min=0), default=300_000, show_default=True, metavar="N", help="First rows looked at; 0: all."
)
@click.option("--match-case", is_flag=True, help="Take words that differ in case for different ones.")
@click.option("--sections", is_flag=True, help="List each section of the analogies too.")
@click.option("--against", metavar="OTHER", help="Compare with another table instead: neighbours in common, and Procrustes.")
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, metavar="K", help="Neighbours compared by --against.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use.  [default: the CPUs at hand]")
@arguments.engine_options
@arguments.table_option
@output.json_option
def command(name: str | None, table: str, *, against: str | None, k: int, as_json: bool, **options: Any) -> None:
    """Hold a table against people's judgements: judged pairs and analogies.

    Without --pairs and --analogies: WordSim-353, SimLex-999 and word2vec's questions, which come with the package gensim. Every score
    has its 95 % interval.
    """
    name = name or table
    if against is not None:
        _compare(name, against, k, threads=options["threads"], as_json=as_json)
        return
    from tokenspace.analysis.evaluation import evaluate  # noqa: PLC0415 - brings NumPy, which --help does not need

    files = options["pairs"] or options["analogies"]
    done = evaluate(
        arguments.open_table(name),
        options["pairs"] if files else None,
        analogies=options["analogies"] if files else None,
        methods=options["methods"] or METHODS,
        restrict=options["restrict"] or None,
        fold_case=not options["match_case"],
        threads=options["threads"],
        engine=arguments.engine(options["engine"], options["address"], options["keep"], options["threads"]),
    )
    if as_json:
        output.write_json({"table": name, **_document(done)})
    elif output.on_terminal():
        click.echo(done)
        for answered in done.analogies if options["sections"] else ():
            click.echo(output.bold(f"\n{answered.name} by {answered.method}"))
            for part in answered.sections:
                click.echo(f"{output.printable(part.name)[:32]:32} {part.accuracy} %, {len(part.correct)} right")
    else:
        output.write_lines(("set", "score", "value", "low", "high", "used", "total"), _rows(done, sections=options["sections"]))
    for pairs in done.pairs:
        if pairs.missing:
            output.note(f"{pairs.name}: no row for {', '.join(pairs.missing[:8])}{' ...' if len(pairs.missing) > 8 else ''}")  # noqa: PLR2004


def _rows(done: Evaluation, *, sections: bool) -> Iterator[tuple[object, ...]]:
    """Yield a line for each score: correlations as they are, accuracies as shares."""
    for pairs in done.pairs:
        for score, estimate in (("spearman", pairs.spearman), ("pearson", pairs.pearson)):
            yield pairs.name, score, estimate.value, estimate.low, estimate.high, pairs.used, pairs.total
    for answered in done.analogies:
        accuracy = answered.accuracy
        yield answered.name, answered.method, accuracy.value, accuracy.low, accuracy.high, answered.used, answered.total
        for part in answered.sections if sections else ():
            used = len(part.correct) + len(part.incorrect)
            where = f"{answered.name}: {part.name}"
            yield where, answered.method, part.accuracy.value, part.accuracy.low, part.accuracy.high, used, part.total


def _document(done: Evaluation) -> dict[str, Any]:
    """Return all of it as plain values."""
    return {
        "pairs": [
            {
                "set": pairs.name,
                "spearman": _plain(pairs.spearman),
                "pearson": _plain(pairs.pearson),
                "used": pairs.used,
                "total": pairs.total,
                "coverage": pairs.coverage,
                "missing": pairs.missing,
                "zero": pairs.zero,
            }
            for pairs in done.pairs
        ],
        "analogies": [
            {
                "set": answered.name,
                "method": answered.method,
                "accuracy": _plain(answered.accuracy),
                "used": answered.used,
                "total": answered.total,
                "coverage": answered.coverage,
                "sections": [
                    {
                        "section": part.name,
                        "accuracy": _plain(part.accuracy),
                        "correct": len(part.correct),
                        "used": len(part.correct) + len(part.incorrect),
                        "total": part.total,
                    }
                    for part in answered.sections
                ],
            }
            for answered in done.analogies
        ],
    }


def _plain(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _compare(name: str, against: str, k: int, *, threads: int | None, as_json: bool) -> None:
    """Print what two tables have in common."""
    from tokenspace.analysis.alignment import align  # noqa: PLC0415 - brings NumPy, which --help does not need
    from tokenspace.analysis.overlap import neighbour_overlap  # noqa: PLC0415

    table, other = arguments.open_table(name), arguments.open_table(against)
    overlap = neighbour_overlap(table, other, k=k, threads=threads)
    document: dict[str, Any] = {
        "table": name,
        "against": against,
        "shared": overlap.shared,
        "k": k,
        "asked": len(overlap.tokens),
        "overlap": overlap.mean.value,
        "overlap_low": overlap.mean.low,
        "overlap_high": overlap.mean.high,
    }
    if table.d == other.d:
        found = align(table, other)
        document |= {
            "residual": found.before,
            "residual_aligned": found.after,
            "orthogonality_error": found.error,
            "orthogonal": bool(found),
        }
    else:
        output.note(f"rows of {table.d} and {other.d} numbers cannot be laid on one another")
    if as_json:
        output.write_json(document)
    elif output.on_terminal():
        click.echo(overlap)
        if table.d == other.d:
            click.echo(found)
    else:
        output.write_lines(("quantity", "value"), document.items())
