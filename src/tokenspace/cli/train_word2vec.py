"""``tokenspace train skipgram`` and ``tokenspace train cbow``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tokenspace.cli.train import EXAMPLES, dim_option, run, run_options, text_options

if TYPE_CHECKING:
    from pathlib import Path

ALPHA = {"skipgram": 0.025, "cbow": 0.05}
"""The names and rates of `tokenspace.train.plan.MODELS`, written out because that module brings NumPy, which --help does not need."""

HELP = {
    "skipgram": "Train by skip-gram: each word is to tell its neighbours.",
    "cbow": "Train by CBOW: the mean of a word's neighbours is to tell the word.",
}
LONG = """

    Beside the table, --model keeps both matrices: what --extend grows from. With --extend, words that the table has not are added, and by
    default nothing else moves. Ctrl-C ends the training early: the table is written, and --resume goes on from the --checkpoint.
"""


def _command(model: str) -> click.Command:
    """Return the command of a model."""

    @click.command(model, help=HELP[model] + LONG, epilog=EXAMPLES)
    @text_options
    @dim_option(100)
    @click.option("--window", type=click.IntRange(1, 50), default=5, show_default=True, metavar="N", help="Neighbours on each side.")
    @click.option("--negative", type=click.IntRange(0, 63), default=5, show_default=True, metavar="N", help="Words drawn against each.")
    @click.option(
        "--loss", type=click.Choice(["ns", "hs"]), default="ns", show_default=True, help="Negative sampling, hierarchical softmax."
    )
    @click.option("--epochs", type=click.IntRange(min=1), default=5, show_default=True, metavar="N", help="Passes over the text.")
    @click.option("--alpha", type=float, default=ALPHA[model], show_default=True, metavar="X", help="Learning rate at the beginning.")
    @click.option("--sample", type=click.FloatRange(min=0), default=1e-3, show_default=True, metavar="X", help="Leaves frequent words out.")
    @click.option(
        "--ns-exponent", type=float, default=0.75, show_default=True, metavar="X", help="Words are drawn like counts to this power."
    )
    @click.option("--minn", type=click.IntRange(min=0), default=0, metavar="N", help="Least letters of a word's pieces.  [fastText: 3]")
    @click.option(
        "--maxn", type=click.IntRange(min=0), default=0, metavar="N", help="Most letters of a word's pieces; 0: none.  [fastText: 6]"
    )
    @click.option("--bucket", type=click.IntRange(min=1), default=2_000_000, show_default=True, metavar="N", help="Rows that pieces share.")
    @click.option("--deterministic", is_flag=True, help="The same bits for any number of threads, at the speed of one.")
    @click.option("--replicas", type=click.IntRange(min=1), metavar="N", help="For --engine: copies that train.  [default: its workers]")
    @click.option("--exchanges", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Their meetings an epoch.")
    @run_options
    def command(texts: tuple[str, ...], out: Path, **options: Any) -> int:
        return run(model, texts, out, **options)

    return command


COMMANDS = {model: _command(model) for model in ALPHA}
