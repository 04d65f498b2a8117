"""``tokenspace train MODEL``: an embedding table from text; one command a model, all in one frame."""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from tokenspace.cli import arguments, output
from tokenspace.cli.progress import LOG, TERMINAL, Progress
from tokenspace.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

MODELS = {
    "skipgram": ("train_word2vec", "Each word tells its neighbours (word2vec)."),
    "cbow": ("train_word2vec", "A word's neighbours tell the word (word2vec)."),
    "glove": ("train_glove", "Inner products tell how often words stand near each other."),
    "siamese": ("train_siamese", "Pairs of sentences tell how close their vectors are to be."),
}
"""Each model's command: the module that has it under its name in `COMMANDS`, and its summary."""

STOPPED = 130
EXAMPLES = """\b
tokenspace train skipgram --text corpus.txt --out vectors.tokenspace
zcat *.gz | tokenspace train cbow --text - --dim 300 --out vectors.bin
tokenspace train skipgram --text more.txt --extend vectors.model --out bigger.tokenspace
"""


class Models(click.Group):
    """The group: imports a model's command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the models in their order."""
        del ctx
        return list(MODELS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a model."""
        del ctx
        if cmd_name not in MODELS:
            return None
        command: click.Command = importlib.import_module(f"tokenspace.cli.{MODELS[cmd_name][0]}").COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of models without importing any."""
        del ctx
        with formatter.section("Models"):
            formatter.write_dl([(name, summary) for name, (_, summary) in MODELS.items()])


@click.command("train", cls=Models, epilog=EXAMPLES)
def command() -> None:
    """Train an embedding table on text."""


def text_options(function: Function) -> Function:
    """Add what every model is told of its text and its output."""
    for option in (
        output.json_option,
        click.option("--force", is_flag=True, help="Replace the output if it is there."),
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use.  [default: the CPUs at hand]"),
        arguments.worker_options,
        click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, metavar="N", help="Of everything drawn."),
        click.option("--keep-bytes", is_flag=True, help="Keep words that are not UTF-8 as the bytes they are; else they are refused."),
        click.option("--max-vocabulary", type=click.IntRange(min=1), metavar="N", help="At most so many words, the most frequent."),
        click.option("--min-count", type=click.IntRange(min=1), default=5, show_default=True, metavar="N", help="Leaves rarer words out."),
        click.option("--tokenizer", metavar="FILE", help="A Hugging Face tokenizer.json.  [default: words between blanks]"),
        click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The table; its ending is its format."),
        click.option(
            "--text", "texts", required=True, multiple=True, metavar="FILE",
            help='Text, a sentence a line, packed or plain; "-" reads standard input.  [repeatable]',
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def run_options(function: Function) -> Function:
    """Add what every model is told of how its training goes on, ends, and goes on again."""
    for option in (
        click.option("--resume", is_flag=True, help="Go on from the checkpoint."),
        click.option(
            "--every", type=click.FloatRange(min=0), default=60.0, show_default=True, metavar="S", help="Seconds between checkpoints."
        ),
        click.option("--checkpoint", type=click.Path(path_type=Path), metavar="FILE", help="Keep the state there, for --resume."),
        click.option("--model", "keep", type=click.Path(path_type=Path), metavar="FILE", help="Write both matrices, too, for --extend."),
        click.option(
            "--init", type=click.Choice(["a-la-carte", "random"]), default="a-la-carte", show_default=True, help="Where new rows start."
        ),
        click.option("--rows", type=click.Choice(["new", "all"]), default="new", show_default=True, help="Which rows --extend trains."),
        click.option("--extend", metavar="T", help="A --model file or a table whose rows go on, with new words behind them."),
        click.option("--patience", type=click.IntRange(min=1), metavar="N", help="End after N epochs without a lower held-out loss."),
        click.option(
            "--held-out", type=click.FloatRange(0, 0.5), default=0.0, metavar="X", help="Share that measures the loss and trains none."
        ),
    ):
        function = option(function)
    return function


def dim_option(default: int) -> Callable[[Function], Function]:
    """Return --dim, which a table that is extended has settled already."""
    shown = f"Numbers a row.  [default: {default}, or the extended table's]"
    return click.option("--dim", type=click.IntRange(min=1), metavar="D", help=shown)


def run(
    model: str, texts: tuple[str, ...], out: Path, *, keep: Path | None, keep_bytes: bool, force: bool, as_json: bool, **options: Any
) -> int:
    """Train a model, write the table and say how it went; return the exit code."""
    for path in (out, keep) if keep is not None else (out,):
        check_out(path, force=force)
    from tokenspace import formats, train  # noqa: PLC0415 - bring NumPy, which --help does not need

    formats.check_ending(out)  # before an hour's work
    if options["dim"] is None:
        del options["dim"]
    options["engine"] = arguments.engine(options["engine"], options.pop("address"), None, options["threads"])
    with Watch() as watch:
        errors = "surrogateescape" if keep_bytes else "strict"
        table = getattr(train, model)(list(texts), errors=errors, watch=watch, reading=watch.reading, **options)
    if keep is not None:
        table.model.save(keep)
    formats.save(table, out)
    report = table.report
    if as_json:
        output.write_json(report.document() | {"out": str(out)})
    else:
        click.echo(f"{out}: {report}")
    if report.ended != "stopped":
        return 0
    if options["checkpoint"]:
        output.note(f"{out} can be used as it is; --resume goes on from {options['checkpoint']}")
    return STOPPED


def check_out(out: Path, *, force: bool) -> None:
    """Refuse an output that is there, or whose folder is not, before an hour's work.

    Raises
    ------
    OutputError
    """
    if out.exists() and not force:
        message = f"{out} is there already"
        raise OutputError(message, hint="name another file, or replace it with --force")
    folder = out.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        message = f"{out} cannot be written: {'no such folder' if not folder.is_dir() else 'no right to write into the folder'}"
        raise OutputError(message, hint="create the folder first")


class Watch:
    """Says how far reading and training are: on a terminal in one line, in a log every ten seconds."""

    def __init__(self) -> None:
        self.reading = Progress()
        self.last = time.monotonic()
        self.terminal = sys.stderr.isatty()
        self.shown = False

    def __call__(self, progress: object) -> None:
        """Say it, if it is time to."""
        now = time.monotonic()
        if now - self.last < (TERMINAL if self.terminal else LOG):
            return
        self.last, self.shown = now, True
        click.echo(f"\r\x1b[K{progress}" if self.terminal else str(progress), err=True, nl=not self.terminal)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the line away."""
        if self.terminal and (self.shown or self.reading.shown):
            click.echo("\r\x1b[K", err=True, nl=False)
