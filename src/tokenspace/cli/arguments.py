"""What the commands read: which table, and tokens, expressions or vectors of numbers."""

from __future__ import annotations

import codecs
import io
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

import tokenspace as ts
from tokenspace.cli import completion
from tokenspace.progress import watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_TABLE = "glove-6b-50d"
MEASURES = ("euclidean", "inner_product", "cosine")
"""The names of `tokenspace.measures.MEASURES`, written out because that module brings NumPy, which --help does not need."""

WANTED = (*MEASURES, "all")
"""What a search may be asked for."""

DTYPES = ("float32", "float64", "float16", "bfloat16")

BLOCK = 1 << 16
"""Bytes of standard input read at a time, at the most: what a pipe holds."""

Function = TypeVar("Function", bound="Callable[..., Any]")

ASKED = "tokenspace.reading"
"""Where click's context keeps how a table is to be read, so that no command has to hand it on."""


def _remember(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep an option of reading for `asked`."""
    if value not in {None, False}:
        ctx.meta.setdefault(ASKED, {})[option.name] = value


def _reading(*names: str, **how: Any) -> Callable[[Function], Function]:
    return click.option(*names, expose_value=False, callback=_remember, **how)


READING = (
    _reading("--limit", type=click.IntRange(min=1), metavar="N", help="Read the first N rows only."),
    _reading("--only-tokens", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="Only the tokens in FILE, one a line."),
    _reading(
        "--errors",
        type=click.Choice(("strict", "surrogateescape")),
        help="Refuse tokens that are not UTF-8 [default], or keep their bytes.",
    ),
    _reading("--tensor", metavar="NAME", help="The tensor or column that holds the rows, where it cannot be told."),
    _reading("--repair", is_flag=True, help="Leave broken rows out instead of refusing the file; what was mended is counted and listed."),
    _reading("--no-cache", is_flag=True, help="Neither use nor make the native file in which a text table is kept."),
)
"""Options of every command that reads a table: names of `tokenspace.open`'s arguments, but for --no-cache."""


def reading_options(command: Function) -> Function:
    """Add the options that say how a table is read; `asked` returns them."""
    for option in reversed(READING):
        command = option(command)
    return command


def asked() -> dict[str, Any]:
    """Return what the running command was told of reading, as arguments of `tokenspace.open`."""
    given = dict(click.get_current_context().meta.get(ASKED, {}))
    if given.pop("no_cache", False):
        given["cache"] = False
    return given


def table_option(command: Function) -> Function:
    """Add the options that say which table is meant, and how it is read."""
    command = reading_options(command)
    for option in (
        _reading("--dtype", type=click.Choice(DTYPES), help="The element type to compute with.  [default: that of the file]"),
        _reading("--format", metavar="NAME", help="The table's format.  [default: told by its content]"),
        click.option(
            "-t",
            "--table",
            default=DEFAULT_TABLE,
            envvar="TOKENSPACE_TABLE",
            show_default=True,
            show_envvar=True,
            metavar="T",
            shell_complete=completion.tables,
            help='The table: a name, a file, a folder, or "-" for standard input.',
        ),
    ):
        command = option(command)
    return command


def search_options(command: Function) -> Function:
    """Add the options of a search to a command."""
    for option in (
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use.  [default: the CPUs at hand]"),
        click.option("--include-query", is_flag=True, help="Let a query's own tokens be among its neighbours."),
        click.option("-m", "--measure", type=click.Choice(WANTED), default="all", show_default=True, help="One measure, or all three."),
        click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, metavar="K", help="Neighbours a list."),
    ):
        command = option(command)
    return command


def engine_options(command: Function) -> Function:
    """Add the options that say where the work runs; `engine` makes an engine of them."""
    for option in (
        click.option("--keep", type=click.Path(file_okay=False), metavar="DIR", help="Keep what shards came to: a run begun anew goes on."),
        click.option("--address", metavar="A", help="Of a Ray cluster, for --engine ray.  [default: one started here]"),
        click.option("--engine", type=click.Choice(("local", "ray")), help="Go shard by shard, here or on a Ray cluster (extra [ray])."),
    ):
        command = option(command)
    return command


def worker_options(command: Function) -> Function:
    """Add the options that say who works, to a command that keeps what is done by itself."""
    for option in (
        click.option("--address", metavar="A", help="Of a Ray cluster, for --engine ray.  [default: one started here]"),
        click.option("--engine", type=click.Choice(("local", "ray")), help="Let workers do it, here or on a Ray cluster (extra [ray])."),
    ):
        command = option(command)
    return command


def engine(engine: str | None, address: str | None, keep: str | None, threads: int | None = None) -> Any:
    """Return the engine that the options ask for; None where they ask for none."""
    if engine is None and address is None and keep is None:
        return None
    from tokenspace.engines import engine_of  # noqa: PLC0415 - --help does not need it

    return engine_of(engine or "local", address=address, threads=threads, keep=keep)


def words(arguments: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the arguments, a list at a time; ``-`` stands for the lines of standard input that are no blanks, as many as have come."""
    given: list[str] = []
    for argument in arguments:
        if argument != "-":
            given.append(argument)
            continue
        yield given
        given = []
        yield from ([line for line in lines if line.strip()] for lines in _lines_at_hand())
    yield given


def _lines_at_hand() -> Iterator[list[str]]:
    """Yield the lines of standard input as they come: one that somebody types, thousands of a file; what is said so far goes out first."""
    decoder = codecs.getincrementaldecoder(sys.stdin.encoding)(sys.stdin.errors or "strict")
    letters, rest = io.IncrementalNewlineDecoder(decoder, translate=True), ""
    stream: Any = sys.stdin.buffer
    while True:
        sys.stdout.flush()
        block = stream.read1(BLOCK)
        *lines, rest = (rest + letters.decode(block, final=not block)).split("\n")
        if not block:
            yield [*lines, rest]
            return
        yield lines


def open_table(name: str) -> Any:
    """Open a table by name, file or folder; an empty name (``TOKENSPACE_TABLE=``) is the default."""
    from tokenspace.cli.progress import Progress  # noqa: PLC0415

    opener: Callable[..., Any] = ts.open
    with Progress() as progress, watching(progress):
        return opener(name or DEFAULT_TABLE, **asked())
