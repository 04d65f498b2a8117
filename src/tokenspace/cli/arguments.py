"""What the commands read: which table, and tokens, expressions or vectors of numbers."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import tokenspace as ts
from tokenspace.errors import ArgumentError, ShapeError

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


def numbers_in(text: str) -> list[str] | None:
    """Read a vector written as ``[2,-1,3]``.

    Returns
    -------
    list of str, or None
        The numbers as written; None where the text is no vector but a token, such as ``[UNK]``.

    Raises
    ------
    ArgumentError
        If it looks like a vector and one of its parts is no number.

    Examples
    --------
    >>> numbers_in("[2, -1.5 3]"), numbers_in("[UNK]"), numbers_in("king")
    (['2', '-1.5', '3'], None, None)
    """
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    parts = re.split(r"\s*,\s*|\s+", text[1:-1].strip())
    if "," not in text and _number(parts[0]) is None:
        return None
    for place, part in enumerate(parts):
        if _number(part) is None:
            message = f"expected a vector of numbers such as [2,-1,3], got {part!r} as number {place + 1} of {text!r:.60}"
            raise ArgumentError(message)
    return parts


def _number(text: str) -> float | None:
    """Read a decimal or a fraction a/b; None where it is neither, or not finite."""
    top, bar, bottom = text.partition("/")
    try:
        value = float(top) / float(bottom) if bar else float(text)
    except (ValueError, ZeroDivisionError):
        return None
    return value if math.isfinite(value) and "_" not in text else None


def vector_of(parts: list[str]) -> Any:
    """Return numbers as written as an array of shape (d,), float64."""
    import numpy as np  # noqa: PLC0415 - `--help` and completion load this module, and need no arrays

    return np.array([_number(part) for part in parts], dtype=np.float64)


def check_length(vector: Any, table: Any, text: str) -> None:
    """Raise ShapeError where a vector typed in does not fit a table."""
    if len(vector) != table.d:
        message = f"expected a vector of {table.d} numbers, as the table's rows have; got {len(vector)} in {text!r:.60}"
        raise ShapeError(message)


def query_of(text: str) -> Any:
    """Return what a table is asked for: an array for a vector in brackets, else the token or expression itself."""
    parts = numbers_in(text)
    return text if parts is None else vector_of(parts)


def words(arguments: tuple[str, ...]) -> Iterator[str]:
    """Yield the arguments; ``-`` stands for the lines of standard input."""
    for argument in arguments:
        if argument == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        else:
            yield argument


def open_table(name: str) -> Any:
    """Open a table by name, file or folder, a model's folder too; an empty name (``TOKENSPACE_TABLE=``) is the default."""
    if Path(name or DEFAULT_TABLE).is_dir():
        from tokenspace import checkpoint  # noqa: PLC0415 - brings NumPy, which --help does not need
        from tokenspace.checkpoint.folders.contents import is_model_folder  # noqa: PLC0415

        if is_model_folder(name):
            return checkpoint.open(name).table()
    opener: Callable[[str], Any] = ts.open
    return opener(name or DEFAULT_TABLE)
