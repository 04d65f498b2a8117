"""``tokenspace sts [T]``: how well sentence vectors agree with people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenspace.cli import arguments, output
from tokenspace.cli.encode import encoder_options, opened
from tokenspace.cli.train_siamese import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenspace.analysis.sentences import SentenceScore

EXAMPLES = """\b
tokenspace sts glove-6b-50d --tokenizer words --sif
tokenspace sts all-MiniLM-L6-v2/ --pairs SICK_test_annotated.txt --pairs sts-test.tsv
tokenspace sts static/ --pairs pairs.tsv --retrieval
"""


@click.command("sts", epilog=EXAMPLES)
@click.argument("name", metavar="[T]", required=False)
@click.option(
    "--pairs", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="Pairs with a grade: SICK, STS-B and files like them.  [repeatable; default: gensim's 50 news texts]",
)  # fmt: skip
@click.option("--column", "columns", multiple=True, metavar="PART=NAME", help="first, second or label = a column's name or number.")
@click.option("--retrieval", "retrieving", is_flag=True, help="How often a sentence's other is the closest, instead; needs no grades.")
@click.option("--in-batch", type=click.IntRange(min=1), metavar="N", help="For --retrieval: among those of its batch of N.")
@encoder_options
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use.  [default: the CPUs at hand]")
@arguments.table_option
@output.json_option
def command(
    name: str | None,
    table: str,
    *,
    pairs: tuple[Path, ...],
    columns: tuple[str, ...],
    retrieving: bool,
    in_batch: int | None,
    threads: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Hold sentence vectors against people's judgements of pairs.

    T is a table or a Transformer's folder, as for encode. All three measures are taken; every correlation has its 95 % interval; that of
    the distance has its sign turned, so that 100 is best throughout.
    """
    from tokenspace.analysis.sentences import evaluate_sentences, retrieval, standard_pairs  # noqa: PLC0415 - brings NumPy
    from tokenspace.texts.pairs import read_sentence_pairs  # noqa: PLC0415

    named = columns_of(columns)
    read = [read_sentence_pairs(file, columns=named) for file in pairs] or [standard_pairs()]
    encoder = opened(name or table, options)

    def encode(texts: list[str]) -> Any:
        return encoder.encode(texts, threads=threads)

    if retrieving:
        lines: list[tuple[object, ...]] = []
        for some in read:
            found = retrieval(encode(list(some.first)), encode(list(some.second)), batch=in_batch, threads=threads)
            if output.on_terminal() and not as_json:
                click.echo(f"{output.printable(some.name)}: {found}")
            lines += [(some.name, f"recall@{k}", value.value, value.low, value.high, found.queries) for k, value in found.recall.items()]
        _written(name or table, ("set", "score", "value", "low", "high", "used"), lines, as_json=as_json)
        return
    scores = [evaluate_sentences(encode, some) for some in read]
    if output.on_terminal() and not as_json:
        for score in scores:
            click.echo(output.printable(str(score)))
    names = ("set", "measure", "spearman", "low", "high", "used", "total")
    _written(name or table, names, [line for score in scores for line in _lines(score)], as_json=as_json)
    for score in scores:
        if score.zero:
            output.note(f"{score.name}: {score.zero:,} sentences have no known token, and no cosine")


def _lines(score: SentenceScore) -> Iterator[tuple[object, ...]]:
    for measure, estimate in score.spearman.items():
        yield score.name, measure, estimate.value, estimate.low, estimate.high, score.used, score.total


def _written(table: str, names: tuple[str, ...], lines: list[tuple[object, ...]], *, as_json: bool) -> None:
    if as_json:
        output.write_json({"table": table, "scores": [dict(zip(names, line, strict=True)) for line in lines]})
    elif not output.on_terminal():
        output.write_lines(names, lines)
