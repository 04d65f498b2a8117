"""``tokenspace encode T < text > out``: sentence vectors, one a line of text, as a table."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tokenspace.cli import arguments, output
from tokenspace.cli.progress import Progress
from tokenspace.errors import ArgumentError
from tokenspace.progress import watching

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

EXAMPLES = """\b
tokenspace encode glove-6b-50d < sentences.txt > sentences.tokenspace
tokenspace encode --tokenizer words --sif --remove 1 --text sentences.txt --out sentences.tokenspace
tokenspace encode all-MiniLM-L6-v2/ --text sentences.txt --out s.tokenspace --names text
tokenspace near -t s.tokenspace "a sentence of these"
tokenspace encode glove.tokenspace --text sentences.txt --out s.npy --engine ray --address auto
"""


def encoder_options(function: Function) -> Function:
    """Add what a command is told of the encoder; `opened` opens it."""
    for option in (
        click.option("--rows", is_flag=True, help="Of a model folder take the input rows, not the Transformer."),
        click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Tokens a Transformer reads at a time.  [default: 2048]"),
        click.option(
            "--length", type=click.IntRange(min=1), metavar="N", help="Read the first N tokens of a line.  [default: as the model says]"
        ),
        click.option("--normalize/--no-normalize", default=None, help="Bring vectors to length 1.  [default: as the model says]"),
        click.option(
            "--counts", type=click.Path(path_type=Path, exists=True), metavar="FILE", help="For --sif: a token and its count a line."
        ),
        click.option("--sif", is_flag=True, help="Weigh words by their rarity (Zipf's law, or --counts)."),
        click.option(
            "--tokenizer", metavar="NAME", help="whitespace, words, or a tokenizer.json.  [default: the table's own, else whitespace]"
        ),
    ):
        function = option(function)
    return function


@click.command("encode", epilog=EXAMPLES)
@click.argument("name", metavar="[T]", required=False)
@click.option("--text", "text", multiple=True, default=("-",), metavar="FILE", help="One sentence a line.  [default: standard input]")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="The table; its ending is its format.  [default: standard output]"
)
@encoder_options
@click.option("--remove", type=click.IntRange(min=0), default=0, metavar="N", help="Take away the N directions that all share most.")
@click.option("--names", type=click.Choice(("number", "text")), default="number", show_default=True, help="What the rows are called.")
@click.option("--resume", is_flag=True, help="Go on where an encoding into --out was stopped.")
@click.option("--force", is_flag=True, help="Replace --out if it exists.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use.  [default: the CPUs at hand]")
@arguments.worker_options
@arguments.table_option
@output.json_option
def command(
    name: str | None, table: str, *, text: tuple[str, ...], out: Path | None, as_json: bool, threads: int | None, **options: Any
) -> None:
    """Make a vector of each line of text.

    From a table: the mean of the rows of a line's tokens. From the folder of a Transformer that makes sentence vectors: what it makes.
    The vectors are written as a table in the format of --out's ending, to standard output as a native one; every command opens them. A
    line without a known token has the zero vector, which is said.
    """
    name = name or table
    if out is None and (options["resume"] or sys.stdout.isatty()):
        message = "--resume needs --out" if options["resume"] else "the table would go to the terminal"
        raise ArgumentError(message, hint="add --out FILE, or redirect standard output: > FILE")
    from tokenspace.encode import encode_lines  # noqa: PLC0415 - brings NumPy, which --help does not need
    from tokenspace.formats import check_ending  # noqa: PLC0415

    if out is not None and out.suffix:
        check_ending(out)  # before a table is opened
    encoder = opened(name, options)
    work: dict[str, Any] = {key: options[key] for key in ("names", "remove", "resume", "force")} | {"threads": threads}
    work["engine"] = arguments.engine(options["engine"], options["address"], None, threads)
    with Progress() as progress, watching(progress):
        if out is not None:
            try:
                done = encode_lines(encoder, list(text), out, **work)
            except KeyboardInterrupt:
                output.note(f"what was done is kept beside {out}; the same command with --resume goes on from there")
                raise
        else:
            with tempfile.TemporaryDirectory() as folder:
                done = encode_lines(encoder, list(text), Path(folder) / "out", **work)
                with (Path(folder) / "out").open("rb") as file:
                    shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
    document = done.document() | {"table": name, "out": str(out or "-")}
    if out is None:
        output.note(str(done).replace(done.out, "standard output"))
    elif as_json:
        output.write_json(document)
    elif output.on_terminal():
        click.echo(output.printable(str(done)))
    else:
        output.write_lines(("quantity", "value"), document.items())
    if out is not None and done.unknown:
        output.note(f"{done.unknown:,} of {done.lines:,} lines have no known token and the zero vector")


def opened(name: str, options: dict[str, Any]) -> Any:
    """Open the encoder that the command line names."""
    from tokenspace.encode import open_encoder, sif_weights  # noqa: PLC0415
    from tokenspace.encode.opening import is_transformer  # noqa: PLC0415

    given = {key: options[key] for key in ("tokenizer", "normalize", "length", "batch")}
    if not options["rows"] and is_transformer(name):
        if options["sif"] or options["counts"]:
            message = f"--sif is for the rows of a table; {name} is a Transformer"
            raise ArgumentError(message, hint="add --rows to take its input rows")
        return open_encoder(name, kind="transformer", **given)
    if options["counts"] and not options["sif"]:
        message = "--counts is for --sif"
        raise ArgumentError(message, hint="add --sif")
    table = arguments.open_table(name)
    if options["sif"]:
        counts = _counts(options["counts"], table) if options["counts"] else None
        given["weights"] = sif_weights(table.n, counts)
    return open_encoder(table, kind="static", **given)


def _counts(path: Path, table: Any) -> Any:
    """Read a token and a count a line; tokens that the table lacks are passed over, rows without a count have 0."""
    import numpy as np  # noqa: PLC0415

    from tokenspace.errors import NumberError  # noqa: PLC0415

    counts = np.zeros(table.n)
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            token, _, count = line.rstrip("\n").rpartition("\t" if "\t" in line else " ")
            try:
                value = float(count)
            except ValueError:
                raise NumberError(path, f"expected a token and its count, seen {line[:60]!r}", line=number) from None
            row = int(table.vocabulary.find([token])[0])
            counts[row if row >= 0 else []] = value
    return counts
