"""``tokenspace explore T``: the explorer, a page in the browser, served from this machine to itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenspace.cli import arguments, completion, output
from tokenspace.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    from tokenspace.explorer.opened import Opened

EXAMPLES = """\b
tokenspace explore
tokenspace explore before.npz after.npz
tokenspace explore vectors.txt --column counts.txt --no-open --port 0
"""


@click.command("explore", epilog=EXAMPLES)
@click.argument("tables", metavar="[T...]", nargs=-1, shell_complete=completion.tables)
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Where to listen; others need the token in the address."
)
@click.option("--port", type=click.IntRange(0, 65535), metavar="P", help="Port; 0 takes any.  [default: 8642, or the next that is free]")
@click.option("--open/--no-open", "open_browser", default=None, help="Open the browser.  [default: on a terminal]")
@click.option(
    "--model", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR", help="A Transformer, to see its attention."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="[NAME=]FILE",
    help="Numbers to colour the map by: .npy, or text with one number a line.",
)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads of a search.  [default: the CPUs at hand]")
@arguments.table_option
def command(
    tables: tuple[str, ...],
    table: str,
    *,
    columns: tuple[str, ...],
    open_browser: bool | None,
    threads: int | None,
    **options: Any,
) -> None:
    """Explore tables in the browser.

    Neighbours under the three measures, the geometry of a pair, the layer, a map of all rows; two tables are compared. The page is
    served to this machine alone, and asks nothing of any other. Ctrl-C ends it.
    """
    try:
        from tokenspace.explorer import serve  # noqa: PLC0415 - the web server is optional
    except ImportError as error:
        message = f"the explorer needs {error.name}, which is not installed"
        raise MissingExtraError(message, hint='pip install "tokenspace[explore]"') from error
    names = tables or (table,)
    extra = dict(_column(text) for text in columns)
    opened = [_opened(name, extra if place == 0 else {}, threads) for place, name in enumerate(names)]
    serve(opened, open_browser=sys.stdout.isatty() if open_browser is None else open_browser, told=_tell, **options)


def _tell(address: str) -> None:
    """Say where the page is: the address alone is data."""
    click.echo(address)
    output.note("Ctrl-C ends the explorer")
    sys.stdout.flush()


def _opened(name: str, columns: dict[str, Any], threads: int | None) -> Opened:
    from tokenspace.explorer.opened import Opened  # noqa: PLC0415 - brings NumPy, which --help does not need

    return Opened(arguments.open_table(name), Path(name).name or name, argument=name, columns=columns, threads=threads)


def _column(text: str) -> tuple[str, Any]:
    """Read a column from a file: its name and its numbers."""
    import numpy as np  # noqa: PLC0415 - as above

    title, equals, path = text.partition("=")
    file = Path(path if equals else text)
    try:
        values = np.load(file, allow_pickle=False) if file.suffix == ".npy" else np.loadtxt(file, ndmin=1, comments=None)
    except ValueError as error:
        message = f"{file}: expected one number a line, or an array in .npy: {error}"
        raise ArgumentError(message) from None
    return (title if equals else file.stem), values
