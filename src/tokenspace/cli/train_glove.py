"""``tokenspace train glove``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tokenspace.cli.train import dim_option, run, run_options, text_options

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = """\b
tokenspace train glove --text corpus.txt --out vectors.tokenspace
tokenspace train glove --text corpus.txt --dim 100 --x-max 10 --epochs 15 --out vectors.txt --model both.model
tokenspace train glove --text more.txt --extend both.model --out bigger.tokenspace
"""


@click.command("glove", epilog=EXAMPLES)
@text_options
@dim_option(50)
@click.option("--window", type=click.IntRange(min=1), default=15, show_default=True, metavar="N", help="Neighbours on each side.")
@click.option("--symmetric/--right-only", default=True, show_default=True, help="Count to both sides, or to the right.")
@click.option("--distance-weighting/--flat", default=True, show_default=True, help="A pair d apart counts 1/d, or 1.")
@click.option("--x-max", type=float, default=100.0, show_default=True, metavar="X", help="Counts from here on weigh 1.")
@click.option("--alpha", type=float, default=0.75, show_default=True, metavar="X", help="Lesser ones (x / x-max) to this power.")
@click.option("--eta", type=float, default=0.05, show_default=True, metavar="X", help="Learning rate at the beginning.")
@click.option("--grad-clip", type=float, default=100.0, show_default=True, metavar="X", help="Gradients are cut to this size.")
@click.option("--epochs", type=click.IntRange(min=1), default=25, show_default=True, metavar="N", help="Passes over the pairs.")
@click.option("--vectors", type=click.Choice(["sum", "word", "context"]), default="sum", show_default=True, help="What becomes the table.")
@click.option("--memory", type=click.FloatRange(min=0.001), default=0.5, show_default=True, metavar="GB", help="For counting, about.")
@click.option("--shared", type=click.Path(file_okay=False), metavar="DIR", help="For --engine: a folder that all its machines see.")
@run_options
def command(texts: tuple[str, ...], out: Path, **options: Any) -> int:
    """Train by GloVe: inner products are to tell how often words stand near each other.

    The table has the same bits for any number of threads. Beside it, --model keeps both matrices: what --extend grows from. With --extend,
    words that the table has not are added, and by default nothing else moves. Ctrl-C ends the training early: the table is written, and
    --resume goes on from the --checkpoint.
    """
    return run("glove", texts, out, **options)


COMMANDS = {"glove": command}
