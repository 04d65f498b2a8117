"""``tokenspace train glove``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tokenspace.cli import output
from tokenspace.cli.train import Watch, check_out, finish, text_options

EXAMPLES = """\b
tokenspace train glove --text corpus.txt --out vectors.tokenspace
tokenspace train glove --text corpus.txt --dim 100 --x-max 10 --epochs 15 --out vectors.txt --model both.model
tokenspace train glove --text more.txt --extend both.model --out bigger.tokenspace
"""


@click.command("glove", epilog=EXAMPLES)
@text_options
@click.option("--dim", type=click.IntRange(min=1), default=50, show_default=True, metavar="D", help="Numbers a row.")
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
@click.option("--held-out", type=click.FloatRange(0, 0.5), default=0.0, metavar="X", help="Share of the pairs that measures the loss.")
@click.option("--patience", type=click.IntRange(min=1), metavar="N", help="End after N epochs without a lower held-out loss.")
@click.option("--extend", metavar="T", help="A --model file or a table whose rows go on, with new words behind them.")
@click.option("--rows", type=click.Choice(["new", "all"]), default="new", show_default=True, help="Which rows --extend trains.")
@click.option("--init", type=click.Choice(["a-la-carte", "random"]), default="a-la-carte", show_default=True, help="Where new rows start.")
@click.option("--model", "keep", type=click.Path(path_type=Path), metavar="FILE", help="Write both matrices, too, for --extend.")
@click.option("--checkpoint", type=click.Path(path_type=Path), metavar="FILE", help="Keep the state there, for --resume.")
@click.option("--every", type=click.FloatRange(min=0), default=60.0, show_default=True, metavar="S", help="Seconds between checkpoints.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint.")
def command(texts: tuple[str, ...], out: Path, *, keep: Path | None, keep_bytes: bool, force: bool, as_json: bool, **options: Any) -> int:
    """Train by GloVe: inner products are to tell how often words stand near each other.

    The table has the same bits for any number of threads. Beside it, --model keeps both matrices: what --extend grows from. With --extend,
    words that the table has not are added, and by default nothing else moves. Ctrl-C ends the training early: the table is written, and
    --resume goes on from the --checkpoint.
    """
    check_out(out, force=force)
    if keep is not None:
        check_out(keep, force=force)
    from tokenspace import train  # noqa: PLC0415 - brings NumPy, which --help does not need

    with Watch() as watch:
        table = train.glove(
            list(texts), errors="surrogateescape" if keep_bytes else "strict", watch=watch, reading=watch.reading, **options
        )
    if keep is not None:
        table.model.save(keep)
    code = finish(table, out, as_json=as_json)
    if table.report.ended == "stopped" and options["checkpoint"]:
        output.note(f"{out} can be used as it is; --resume goes on from {options['checkpoint']}")
    return code


COMMANDS = {"glove": command}
