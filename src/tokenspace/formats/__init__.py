"""Files of embedding tables: opened by what is in them, saved by name, converted.

A format is one module with one `Format` in it; `FORMATS` lists them, and that is all there is to know about adding one. Reading looks
at content, never at names; writing looks at the name, or is told.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tokenspace.errors import ArgumentError, FileContentError, TableNotFoundError, UnknownFormatError
from tokenspace.formats import glove, lookalikes, native_file, npy, npz, word2vec_binary, word2vec_text
from tokenspace.formats.format import Format, Head, Reading
from tokenspace.formats.named import NAMED, open_named
from tokenspace.rows import float_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

    from tokenspace.table import EmbeddingTable

__all__ = ["FORMATS", "NAMED", "Format", "convert", "open", "save", "verify"]

FORMATS: tuple[Format, ...] = (
    native_file.FORMAT,
    npy.FORMAT,
    npz.FORMAT,
    word2vec_binary.FORMAT,
    word2vec_text.FORMAT,
    glove.FORMAT,
)
"""Every format, in the order in which they are asked whether a file is theirs: those with a magic number first."""

ERRORS = ("strict", "surrogateescape")


def open(  # noqa: A001 - tokenspace.open opens a table as open opens a file
    x: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word for it
    dtype: DTypeLike | None = None,
    tokens: str | os.PathLike[str] | None = None,
    errors: str = "strict",
    threads: int | None = None,
) -> EmbeddingTable:
    r"""Open a table: a name, a file, or a folder that holds one.

    Parameters
    ----------
    x : str or path
        A name of `NAMED` such as ``"glove-6b-50d"`` (write ``./name`` for a file of that name), a file, or a folder.
    format : str, optional
        A name of `FORMATS`. Left out, the format is told by the file's content; its name plays no part.
    dtype : numpy dtype or str, optional
        The element type wanted: float32, float64, float16 or bfloat16. Left out, it is the file's; float32 for text.
    tokens : str or path, optional
        For ``.npy``: the file that holds the tokens, one a line. Left out, it is looked for beside the matrix.
    errors : "strict" or "surrogateescape", default "strict"
        What to do about a token that is not UTF-8: refuse it, or keep its bytes as Python's file names do.
    threads : int, optional
        Threads that read; by default one for every CPU. The table is the same for any number.

    Returns
    -------
    EmbeddingTable
        Native files and ``.npy`` in C order are memory maps, the others are read into memory.

    Raises
    ------
    TableNotFoundError
        If there is no such name, file or folder; names like it are in the hint.
    MissingExtraError
        If a named table's package is not installed; the command is in the hint.
    UnknownFormatError
        If the content is of no known format; what it looks like is in the message.
    FileContentError
        In one of its kinds, if the file is damaged or lies: with line or byte, what was expected and what was seen.

    Notes
    -----
    A native file opens in the same time whatever its size, as nothing but its header is read; `verify` reads the rest. The vice: a
    damaged native file is then found at a lookup, or not at all. Every other format is checked whole as it is read. A mapped file
    that another program cuts short takes the process down; one that is replaced (as `save` does) does no harm.

    Examples
    --------
    >>> import pathlib, tempfile, tokenspace as ts
    >>> path = pathlib.Path(tempfile.mkdtemp(), "royal.txt")
    >>> size = path.write_text("king 2.0 1.0\nnew york -1.5 0.25\n")
    >>> ts.open(path)["new york"]
    array([-1.5 ,  0.25], dtype=float32)
    """
    if errors not in ERRORS:
        message = f"errors must be one of {', '.join(ERRORS)}; seen {errors!r}"
        raise ArgumentError(message)
    wanted = None if dtype is None else float_type(dtype)
    reading = Reading(dtype=wanted, errors=errors, tokens=None if tokens is None else Path(tokens), threads=threads)
    if isinstance(x, str) and format is None and (table := open_named(x)) is not None:
        return table if wanted in {None, table.dtype} else _retyped(table, x, reading)
    path = Path(x)
    if not path.exists():
        message = f"no table of the name {os.fspath(x)!r}, and no such file or folder"
        raise TableNotFoundError(message, hint=_near(path))
    known, head = _recognised(Head.of(path, folders=True), format)
    return known.read(head, reading)


def save(table: EmbeddingTable, path: str | os.PathLike[str], *, format: str | None = None) -> None:  # noqa: A002
    """Write a table to a file.

    Parameters
    ----------
    table : EmbeddingTable
    path : str or path
        The file; replaced whole once the new one is written, so that an interrupted run leaves the old one.
    format : str, optional
        A name of `FORMATS`. Left out, the ending of `path` chooses: ``.tokenspace`` and ``.safetensors`` are the native format,
        ``.txt`` GloVe text, ``.vec`` word2vec text, ``.bin`` word2vec binary, ``.npy`` and ``.npz`` NumPy's.

    Raises
    ------
    ArgumentError
        If no format is named and the ending is of none.
    UnwritableError
        If the format cannot hold the table, a token with a space in word2vec binary, say; nothing is written then.
    NotFiniteError
        If a row holds NaN or infinity.

    Notes
    -----
    Never holds a second copy of the matrix. Text has as many digits as read back to the same numbers; float16 and bfloat16 are
    written as the float32 numbers they are.

    Examples
    --------
    >>> import tempfile, tokenspace as ts
    >>> path = tempfile.mkdtemp() + "/royal.tokenspace"
    >>> ts.save(ts.EmbeddingTable(["king", "queen"], [[2, 1], [2, 3]]), path)
    >>> ts.open(path)["queen"]
    array([2., 3.], dtype=float32)
    """
    path = Path(path)
    _writer(path, format)(table, path)


def convert(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    source_format: str | None = None,
    format: str | None = None,  # noqa: A002
    dtype: DTypeLike | None = None,
    tokens: str | os.PathLike[str] | None = None,
    errors: str = "strict",
) -> EmbeddingTable:
    """Write a table in another format.

    Parameters
    ----------
    source, source_format, dtype, tokens, errors
        What to open, as `open` takes it.
    destination, format
        What to write, as `save` takes it. An unknown ending is found before the source is read.

    Returns
    -------
    EmbeddingTable
        The table that was written, as it was read.

    Raises
    ------
    TokenspaceError
        As `open` and `save`.
    """
    write = _writer(Path(destination), format)
    table = open(source, format=source_format, dtype=dtype, tokens=tokens, errors=errors)
    write(table, Path(destination))
    return table


def verify(path: str | os.PathLike[str]) -> None:
    """Read a file whole and check all that can be checked: checksums, offsets, the index, that every number is finite.

    Parameters
    ----------
    path : str or path
        A file of any format.

    Raises
    ------
    FileContentError
        In one of its kinds, at the first thing that is wrong.
    """
    known, head = _recognised(Head.of(Path(path), folders=True), None)
    if known is native_file.FORMAT:
        native_file.verify(head.path)
    else:
        open(path).verify()


def _recognised(head: Head, name: str | None) -> tuple[Format, Head]:
    """Return the format of a file or folder, the one named or by its content, and where the table is: perhaps in the folder."""
    if name is not None:
        known = _named(name)
        return known, Head.of(_only_table(head.path)) if head.folder and not known.folder else head
    for known in FORMATS:
        if head.folder and known.folder and known.sniff(head):
            return known, head
    if head.folder:
        head = Head.of(_only_table(head.path))
    return _sniffed(head), head


def _sniffed(head: Head) -> Format:
    """Return the format of a file, by its content."""
    for known in FORMATS:
        if not known.folder and known.sniff(head):
            return known
    seen, hint = lookalikes.description(head.start)
    problem = f"expected one of {', '.join(known.name for known in FORMATS)}; {seen}"
    raise UnknownFormatError(head.path, problem, hint=hint or "name the format if you know it: format=...")


def _named(name: str) -> Format:
    """Return the format of that name."""
    for known in FORMATS:
        if known.name == name:
            return known
    message = f"format must be one of {', '.join(known.name for known in FORMATS)}; seen {name!r}"
    raise ArgumentError(message)


def _writer(path: Path, name: str | None) -> Callable[[EmbeddingTable, Path], None]:
    """Return what writes the format named, else the one whose ending `path` has."""
    writable = [known for known in FORMATS if known.write is not None]
    for known in writable if name is None else [_named(name)]:
        if known.write is not None and (name is not None or path.suffix.lower() in known.suffixes):
            return known.write
    names = ", ".join(known.name for known in writable)
    if name is not None:
        message = f"the format {name} is read, not written; written are {names}"
        raise ArgumentError(message)
    endings = ", ".join(suffix for known in writable for suffix in known.suffixes)
    message = f"the ending of {path.name!r} names no format to write; known are {endings}"
    raise ArgumentError(message, hint=f"or name the format: {names}")


def _only_table(folder: Path) -> Path:
    """Return the one table in a folder."""
    found = []
    for path in sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")):  # no pipe, no cache
        try:
            _sniffed(Head.of(path))
        except FileContentError:
            continue
        found.append(path)
    if len(found) == 1:
        return found[0]
    seen = ", ".join(path.name for path in found[:8]) or "none"
    raise UnknownFormatError(folder, f"expected a folder with one table in it, seen {seen}", hint="name the file to open")


def _retyped(table: EmbeddingTable, name: str, reading: Reading) -> EmbeddingTable:
    from tokenspace.formats.rows_in_files import as_type  # noqa: PLC0415
    from tokenspace.table import EmbeddingTable as Table  # noqa: PLC0415

    return Table.mapped(table.vocabulary, as_type(Path(name), table.matrix, reading.dtype, lambda _row: {}), source=table.source)


def _near(path: Path) -> str:
    """Return names like the one asked for, of tables and of files beside it, as a hint."""
    import difflib  # noqa: PLC0415 - only an error message needs it

    try:
        beside = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        beside = []
    names = [known.name for known in NAMED]
    near = difflib.get_close_matches(path.name, [*names, *beside[:10_000]], n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(str(path.parent / name) if name in beside else name for name in near)}?"
    return f"tables known by name: {', '.join(names)}"
