"""``tokenspace train skipgram`` and ``tokenspace train cbow``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tokenspace.cli import output
from tokenspace.cli.train import EXAMPLES, Watch, check_out, finish, text_options

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
    @click.option("--dim", type=click.IntRange(min=1), default=100, show_default=True, metavar="D", help="Numbers a row.")
    @click.option("--window", type=click.IntRange(1, 50), default=5, show_default=True, metavar="N", help="Neighbours on each side.")
    @click.option("--negative", type=click.IntRange(1, 63), default=5, show_default=True, metavar="N", help="Words drawn against each.")
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
    @click.option("--held-out", type=click.FloatRange(0, 0.5), default=0.0, metavar="X", help="Share of the text that measures the loss.")
    @click.option("--patience", type=click.IntRange(min=1), metavar="N", help="End after N epochs without a lower held-out loss.")
    @click.option("--extend", metavar="T", help="A --model file or a table whose rows go on, with new words behind them.")
    @click.option("--rows", type=click.Choice(["new", "all"]), default="new", show_default=True, help="Which rows --extend trains.")
    @click.option(
        "--init", type=click.Choice(["a-la-carte", "random"]), default="a-la-carte", show_default=True, help="Where new rows start."
    )
    @click.option("--model", "keep", type=click.Path(path_type=Path), metavar="FILE", help="Write both matrices, too, for --extend.")
    @click.option("--checkpoint", type=click.Path(path_type=Path), metavar="FILE", help="Keep the state there, for --resume.")
    @click.option(
        "--every", type=click.FloatRange(min=0), default=60.0, show_default=True, metavar="S", help="Seconds between checkpoints."
    )
    @click.option("--resume", is_flag=True, help="Go on from the checkpoint.")
    def command(
        texts: tuple[str, ...], out: Path, *, keep: Path | None, keep_bytes: bool, force: bool, as_json: bool, **options: Any
    ) -> int:
        check_out(out, force=force)
        if keep is not None:
            check_out(keep, force=force)
        from tokenspace import train  # noqa: PLC0415 - brings NumPy, which --help does not need

        trainer = {"skipgram": train.skipgram, "cbow": train.cbow}[model]
        with Watch() as watch:
            table = trainer(
                list(texts), errors="surrogateescape" if keep_bytes else "strict", watch=watch, reading=watch.reading, **options
            )
        if keep is not None:
            table.model.save(keep)
        code = finish(table, out, as_json=as_json)
        if table.report.ended == "stopped" and options["checkpoint"]:
            output.note(f"{out} can be used as it is; --resume goes on from {options['checkpoint']}")
        return code

    return command


COMMANDS = {model: _command(model) for model in ALPHA}
