"""``tokenspace train siamese``: an encoder of sentences, from pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tokenspace.cli import output
from tokenspace.cli.train import STOPPED, check_out
from tokenspace.cli.train_new import Steps
from tokenspace.errors import ArgumentError

OBJECTIVES = ("contrastive", "cosine", "triplet", "softmax")
"""The names of `tokenspace.train.siamese.OBJECTIVES`, written out because that module brings PyTorch, which --help does not need."""

EXAMPLES = """\b
tokenspace train siamese --pairs pairs.tsv --out bag.tokenspace
tokenspace train siamese glove-6b-50d --pairs sts.tsv --objective cosine --scale 0 5 --out bag.tokenspace
tokenspace train siamese all-MiniLM-L6-v2/ --pairs pairs.jsonl --out mine/
tokenspace train siamese glove-6b-50d --tokenizer words --only covid --pairs pairs.tsv --out bigger.tokenspace
tokenspace encode bag.tokenspace --tokenizer words < text > out
"""


@click.command("siamese", epilog=EXAMPLES)
@click.argument("model", metavar="[MODEL]", required=False)
@click.option(
    "--pairs", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE", help="TSV, JSONL or Parquet."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="OUT", help="A table's file, or a Transformer's folder.")
@click.option("--objective", type=click.Choice(OBJECTIVES), default="contrastive", show_default=True, help="What the pairs say.")
@click.option(
    "--held-out",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Pairs that measure.  [default: a tenth]",
)
@click.option("--scale", type=float, nargs=2, metavar="LOW HIGH", help="What the labels of --objective cosine range over.")
@click.option("--column", "columns", multiple=True, metavar="PART=NAME", help="first, second, third or label = a column's name or number.")
@click.option("--only", multiple=True, metavar="TOKEN", help="Whose row trains, and nothing else.  [repeatable]")
@click.option("--tokenizer", default="auto", metavar="NAME", help="Of a table: whitespace, words, or a tokenizer.json.")
@click.option("--dim", type=click.IntRange(min=1), default=100, show_default=True, metavar="D", help="Numbers a row, without MODEL.")
@click.option("--epochs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Times through all pairs.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Optimiser steps, instead of --epochs.")
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True, metavar="N", help="Pairs a step.")
@click.option(
    "--lr",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="Learning rate.  [default: 0.01 for rows, 2e-5 for a Transformer]",
)
@click.option("--length", type=click.IntRange(min=1), metavar="N", help="Tokens a Transformer reads of a text.")
@click.option("--every", type=click.IntRange(min=1), metavar="N", help="Steps between two measurements.  [default: a tenth of all]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of everything drawn.")
@click.option("--resume", is_flag=True, help="Go on where a training into the same --out was stopped.")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
@output.json_option
def command(model: str | None, *, pairs: Path, out: Path, as_json: bool, columns: tuple[str, ...], **options: Any) -> int:
    """Train an encoder on pairs of sentences: two inputs, one encoder.

    MODEL is a Transformer's folder or a table, whose rows are taken as a bag; without it, the words of the pairs get rows at random.
    contrastive finds each sentence's other in its batch; cosine brings the cosine to the label; triplet brings the second sentence closer
    than the third; softmax tells the label. Ctrl-C ends the training early: what is trained so far is written, and --resume goes on.
    """
    check_out(out, force=options["force"] or options["resume"])
    from tokenspace.train.siamese import train_siamese  # noqa: PLC0415 - brings PyTorch, which --help does not need

    options["scale"] = options["scale"] or None
    options["only"] = options["only"] or None
    options["columns"] = columns_of(columns)

    def told(point: object) -> None:
        output.note(str(point))

    with Steps() as watch:
        done = train_siamese(pairs, model, out=out, watch=watch, evaluated=told, **options)
    if as_json:
        output.write_json(done.document())
    else:
        click.echo(output.printable(str(done)))
    if done.steps < done.wanted:
        output.note(f"{done.out} can be used as it is; --resume goes on from step {done.steps}")
        return STOPPED
    return 0


def columns_of(given: tuple[str, ...]) -> dict[str, str | int] | None:
    """Return what --column says, for `tokenspace.texts.pairs.read_sentence_pairs`."""
    return dict(map(_column, given)) or None


def _column(text: str) -> tuple[str, str | int]:
    part, sign, name = text.partition("=")
    if not sign or not name:
        message = f"--column takes PART=NAME; seen {text!r}"
        raise ArgumentError(message)
    return part, int(name) if name.isdecimal() else name


COMMANDS = {"siamese": command}
