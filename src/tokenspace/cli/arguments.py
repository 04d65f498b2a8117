"""What the commands read: which table, and tokens, expressions or vectors of numbers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

import tokenspace as ts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEFAULT_TABLE = "glove-6b-50d"
WANTED = ("euclidean", "inner_product", "cosine", "all")
"""The names of `tokenspace.measures.MEASURES`, written out because that module brings NumPy, which --help does not need."""

Function = TypeVar("Function", bound="Callable[..., Any]")

table_option = click.option(
    "-t",
    "--table",
    default=DEFAULT_TABLE,
    envvar="TOKENSPACE_TABLE",
    show_default=True,
    show_envvar=True,
    metavar="T",
    help="The table: a name, a file or a folder.",
)


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


def words(arguments: tuple[str, ...]) -> Iterator[str]:
    """Yield the arguments; ``-`` stands for the lines of standard input."""
    for argument in arguments:
        if argument == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        else:
            yield argument


def open_table(name: str) -> Any:
    """Open a table by name, file or folder; an empty name (``TOKENSPACE_TABLE=``) is the default."""
    opener: Callable[[str], Any] = ts.open
    return opener(name or DEFAULT_TABLE)
