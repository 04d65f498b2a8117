"""Files of embedding tables: opened by what is in them, saved by name, converted.

A format is one module, and one entry in `registry`, which `FORMATS` lists; that is all there is to know about adding one. Reading
looks at content, never at names; writing looks at the name, or is told.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace.errors import ArgumentError
from tokenspace.formats import recognition
from tokenspace.formats.format import Format, Head, Reading
from tokenspace.formats.mending import Mended
from tokenspace.formats.named import NAMED, open_named
from tokenspace.formats.recognition import head_of, recognised
from tokenspace.formats.registry import FORMATS, NATIVE, SHARDS
from tokenspace.formats.replacement import replacing
from tokenspace.formats.selection import checked_limit, selected, wanted_tokens
from tokenspace.progress import watching
from tokenspace.rows import float_type
from tokenspace.shards import remote
from tokenspace.subwords import SubwordTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import DTypeLike

    from tokenspace.table import EmbeddingTable

__all__ = ["FORMATS", "NAMED", "Format", "Mended", "convert", "format_of", "open", "save", "shard", "verify"]

ERRORS = ("strict", "surrogateescape")

SMALLEST = 1 << 18
"""Bytes below which a source is not worth a second file: it is read in a millisecond or two."""

SHOWN = 5
"""Places that the warning about a mended table shows."""


def open(  # noqa: A001, PLR0913 - tokenspace.open opens a table as open opens a file
    x: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word for it
    dtype: DTypeLike | None = None,
    tokens: str | os.PathLike[str] | None = None,
    errors: str = "strict",
    repair: bool | Mended = False,
    limit: int | None = None,
    only_tokens: str | os.PathLike[str] | Iterable[str] | None = None,
    cache: bool | str | os.PathLike[str] = True,
    progress: Callable[[str, int, int], None] | None = None,
    threads: int | None = None,
    tensor: str | None = None,
) -> EmbeddingTable:
    r"""Open a table: a name, a file, a folder that is or holds one, or a pipe.

    Parameters
    ----------
    x : str or path
        A name of `NAMED` such as ``"glove-6b-50d"`` (write ``./name`` for a file of that name), a file, a folder, ``"-"`` for standard
        input, or a file in a zip archive, ``"archive.zip/vectors.txt"``. Text and word2vec binary may be packed with gzip, bzip2, xz,
        zstd or zip, or come through a pipe. An address that fsspec knows, ``"s3://bucket/folder"``, is that of a folder of shards, whose
        files are fetched into the cache folder.
    format : str, optional
        A name of `FORMATS`. Left out, the format is told by the content; a file's name plays no part.
    dtype : numpy dtype or str, optional
        The element type wanted: float32, float64, float16 or bfloat16. Left out, it is the file's; float32 for text.
    tokens : str or path, optional
        For a file that holds a matrix alone: the file of its tokens, one a line. Left out, it is looked for beside the matrix.
    errors : "strict" or "surrogateescape", default "strict"
        What to do about a token that is not UTF-8: refuse it, or keep its bytes as Python's file names do.
    repair : bool or Mended, default False
        For text and word2vec binary: leave out each row that breaks a rule (too short, too long, a word among the numbers, NaN, not
        UTF-8, a token that an earlier row has) instead of refusing the file. A warning counts what was mended and shows the first
        places; hand in ``formats.Mended()`` to get all that, without the warning. No number is ever made up.
    limit : int, optional
        Rows at the most: the first ones, of `only_tokens` where that is given. What comes after them is not looked at.
    only_tokens : path, or iterable of str, optional
        The tokens whose rows are wanted: a file with one a line, or tokens. The rows keep the table's order; a token that has no row is
        no error.
    cache : bool or path, default True
        Text and word2vec binary from 256 kB on are read once into a native file, beside the source or, where that cannot be written,
        in the user's cache folder, and mapped from then on. False reads anew; a path keeps the file in that folder. What was mended is
        never cached.
    progress : callable, optional
        Called as ``progress(what, done, total)`` while a file is read, in bytes; total is 0 where it is not known. What it raises stops
        the reading, which leaves nothing behind.
    threads : int, optional
        Threads that read; by default one for every CPU. The table is the same for any number.
    tensor : str, optional
        Which tensor (safetensors, GGUF, a model folder) or column (Parquet, Arrow, Lance) holds the rows, where it cannot be told.

    Returns
    -------
    EmbeddingTable
        A memory map where the bytes on disk are the rows: native files and cached ones, ``.npy`` in C order, safetensors, model
        folders, Arrow IPC of one record batch, GGUF that is not quantised. Others are read into memory. It is a
        `tokenspace.subwords.SubwordTable` where the file can make vectors for words that have no row.

    Raises
    ------
    TableNotFoundError
        If there is no such name, file or folder; names like it are in the hint.
    MissingExtraError
        If a named table's package, or one that a format needs, is not installed; the command is in the hint.
    UnknownFormatError
        If the content is of no known format; what it looks like is in the message.
    FileContentError
        In one of its kinds, if the file is damaged or lies: with line or byte (of the unpacked text, where it was packed), what was
        expected and what was seen.

    Notes
    -----
    A native file opens in the same time whatever its size, as nothing but its header is read; `verify` reads the rest. The vice: a
    damaged native file is then found at a lookup, or not at all. Of a model folder headers and tokens are read, and no more. Every
    other format is checked whole as it is read. A mapped file that another program cuts short takes the process down; one that is
    replaced (as `save` does) does no harm.

    A cached file holds as long as its source does: `formats.kept` says how that is known. The vice: a cache takes room on disk, about
    half that of the text.

    Examples
    --------
    >>> import pathlib, tempfile, tokenspace as ts
    >>> path = pathlib.Path(tempfile.mkdtemp(), "royal.txt")
    >>> size = path.write_text("king 2.0 1.0\nnew york -1.5 0.25\n")
    >>> ts.open(path)["new york"]
    array([-1.5 ,  0.25], dtype=float32)
    >>> list(ts.open(path, only_tokens=["new york", "paris"]))
    ['new york']
    """
    asked = _asked(
        dtype=dtype, tokens=tokens, errors=errors, repair=repair, limit=limit, only_tokens=only_tokens, threads=threads, tensor=tensor
    )
    with _watched(progress), _told(x, asked, repair):
        if remote.is_address(x):
            from tokenspace.formats import sharded  # noqa: PLC0415 - few tables are

            return selected(sharded.open_address(os.fspath(x), asked), asked.limit, asked.only)
        if isinstance(x, str) and format is None and (table := open_named(x)) is not None:
            retyped = table if asked.dtype in {None, table.dtype} else _retyped(table, x, asked)
            return selected(retyped, asked.limit, asked.only)
        known, head = _found(x, format)
        return _opened(known, head, asked, cache if isinstance(cache, bool) else Path(cache))


def _asked(
    *,
    dtype: DTypeLike | None = None,
    tokens: str | os.PathLike[str] | None = None,
    errors: str = "strict",
    repair: bool | Mended = False,
    limit: int | None = None,
    only_tokens: str | os.PathLike[str] | Iterable[str] | None = None,
    threads: int | None = None,
    tensor: str | None = None,
) -> Reading:
    """Check the arguments that say how to read."""
    if errors not in ERRORS:
        message = f"errors must be one of {', '.join(ERRORS)}; seen {errors!r}"
        raise ArgumentError(message)
    return Reading(
        dtype=None if dtype is None else float_type(dtype),
        tokens=None if tokens is None else Path(tokens),
        errors=errors,
        threads=threads,
        part=tensor,
        limit=checked_limit(limit),
        only=wanted_tokens(only_tokens),
        mended=repair if isinstance(repair, Mended) else Mended() if repair else None,
    )


def _watched(progress: Callable[[str, int, int], None] | None) -> AbstractContextManager[None]:
    return nullcontext() if progress is None else watching(progress)


@contextmanager
def _told(x: str | os.PathLike[str], asked: Reading, repair: bool | Mended) -> Iterator[None]:  # noqa: FBT001 - or what takes them
    """Warn of what was mended, unless the caller takes it."""
    yield
    if asked.mended and asked.mended is not repair:
        first = "".join(f"\n  {error.message}" for error in asked.mended.listed[:SHOWN])
        message = f"mended {os.fspath(x)}: left out {asked.mended}; the first places:{first}"
        warnings.warn(message, RuntimeWarning, stacklevel=4)


def _found(x: str | os.PathLike[str], name: str | None) -> tuple[Format, Head]:
    """Return the format of a file, folder or pipe, and the place of the table in it."""
    if x == "-":
        head, member = Head.of_pipe(Path("<stdin>"), sys.stdin.buffer, close=False), ""
    else:
        head, member = head_of(Path(x), [known.name for known in NAMED])
    try:
        return recognised(FORMATS, head, name, member)
    except BaseException:
        if head.stream is not None:
            head.stream.close()
        raise


def _opened(known: Format, head: Head, reading: Reading, cache: bool | Path) -> EmbeddingTable:  # noqa: FBT001 - or a path
    """Read a table, or map what was kept of it."""
    if reading.mended is not None and not known.pours:
        names = ", ".join(known.name for known in FORMATS if known.pours)
        message = f"repair is for tables that are read row by row ({names}); {head.path} is {known.name}"
        raise ArgumentError(message)
    if reading.part is not None and not known.parts:
        message = f"tensor={reading.part!r:.60} chooses between tensors or columns, and the format {known.name} holds one matrix"
        raise ArgumentError(message, hint="leave it out")
    some = reading.limit is not None or reading.only is not None
    large = head.stream is None and head.path.is_file() and head.path.stat().st_size >= SMALLEST
    if known.cached and large and cache is not False and reading.mended is None:
        from tokenspace.formats import kept  # noqa: PLC0415 - only text and word2vec binary are kept

        table = kept.opened(known, head, reading, folder=None if cache is True else cache, make=not some)
        if table is not None:
            return selected(table, reading.limit, reading.only)
    table = known.read(head, reading)
    return table if known.pours else selected(table, reading.limit, reading.only)


def save(table: EmbeddingTable, path: str | os.PathLike[str], *, format: str | None = None) -> None:  # noqa: A002
    """Write a table to a file.

    Parameters
    ----------
    table : EmbeddingTable
    path : str or path
        The file; replaced whole once the new one is written, so that an interrupted run leaves the old one.
    format : str, optional
        A name of `FORMATS`. Left out, the ending of `path` chooses: ``.tokenspace`` and ``.safetensors`` are the native format,
        ``.txt`` GloVe text, ``.vec`` word2vec text, ``.bin`` word2vec binary, ``.tsv`` TensorBoard's projector, ``.npy`` and
        ``.npz`` NumPy's, ``.parquet`` Parquet, ``.arrow`` and ``.feather`` Arrow IPC, ``.lance`` Lance. Foreign safetensors and
        model2vec have to be named.

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
    _save(table, path, *recognition.writer(FORMATS, path, format))


def shard(
    table: EmbeddingTable,
    folder: str | os.PathLike[str],
    *,
    rows: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> EmbeddingTable:
    """Write a table as a folder of shards: native tables with some of its rows each, which `open` opens as one.

    Parameters
    ----------
    table : EmbeddingTable
    folder : str or path
        Not there, empty, or a table of shards, which is replaced whole when the new one is complete.
    rows : int, optional
        Rows of a shard; the last may have fewer. Left out, as many as 256 MiB hold.
    progress : callable, optional
        Called as ``progress(what, done, total)``, in bytes.

    Returns
    -------
    EmbeddingTable
        The table that was written, mapped from its shards.

    Raises
    ------
    ArgumentError
        If `rows` is not positive, or the folder holds something else.
    UnwritableError, NotFiniteError
        As `save`.

    Examples
    --------
    >>> import tempfile, tokenspace as ts
    >>> table = ts.EmbeddingTable(["king", "queen", "apple"], [[2, 1], [2, 3], [-1, 0]])
    >>> ts.formats.shard(table, tempfile.mkdtemp() + "/royal", rows=2)["apple"]
    array([-1.,  0.], dtype=float32)
    """
    from tokenspace.formats import sharded  # noqa: PLC0415 - as in `convert`

    with _watched(progress):
        sharded.shard(table, Path(folder), rows)
    if isinstance(table, SubwordTable):
        warnings.warn(f"{folder} holds the {table.n:,} words; the n-grams, for unseen words, only the native format keeps", stacklevel=2)
    return open(folder, format=SHARDS.name)


def convert(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    source_format: str | None = None,
    format: str | None = None,  # noqa: A002
    cache: bool | str | os.PathLike[str] = True,
    progress: Callable[[str, int, int], None] | None = None,
    **reading: Any,
) -> EmbeddingTable:
    """Write a table in another format.

    Parameters
    ----------
    source, source_format, cache, **reading
        What to open, as `open` takes it: `dtype`, `errors`, `repair`, `limit` and so on.
    destination, format
        What to write, as `save` takes it. An unknown ending is found before the source is read.
    progress : callable, optional
        As `open` takes it.

    Returns
    -------
    EmbeddingTable
        The table that was written.

    Raises
    ------
    TokenspaceError
        As `open` and `save`.

    Notes
    -----
    From text or word2vec binary to the native format rows go from file to file, and no more than a few blocks of them are in memory.
    """
    target, write = recognition.writer(FORMATS, Path(destination), format)
    if target is not NATIVE:
        with _watched(progress):
            table = open(source, format=source_format, cache=cache, **reading)
            _save(table, Path(destination), target, write)
            return table
    from tokenspace.formats import native_file, subword_file  # noqa: PLC0415 - `open` of most formats needs neither

    asked = _asked(**reading)
    with _watched(progress), _told(source, asked, reading.get("repair", False)):
        if isinstance(source, str) and source_format is None and open_named(source) is not None:
            table = open(source, **reading)
            write(table, Path(destination))
            return table
        known, head = _found(source, source_format)
        if known.pour is None:
            table = _opened(known, head, asked, cache=False)
            write(table, Path(destination))
            return table
        with replacing(Path(destination)) as file:
            writer = native_file.Writer(file)
            writer.finish(known.pour(head, asked, writer))
        subword_file.remove(Path(destination))
    return open(destination, format=target.name)


def check_ending(path: str | os.PathLike[str]) -> None:
    """Check that `save` knows what to write under a name: what takes long asks before.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    ArgumentError
        If its ending is of no format that can be written.
    """
    recognition.writer(FORMATS, Path(path), None)


def _save(table: EmbeddingTable, path: Path, known: Format, write: Callable[[EmbeddingTable, Path], None]) -> None:
    """Write a table; say so where the format leaves out what makes vectors for unseen words."""
    write(table, path)
    if known is not NATIVE and isinstance(table, SubwordTable):
        warnings.warn(f"{path} holds the {table.n:,} words; the n-grams, for unseen words, only the native format keeps", stacklevel=3)


def format_of(path: str | os.PathLike[str]) -> Format:
    """Return the format of a file or folder, told by its content.

    Raises
    ------
    TableNotFoundError, UnknownFormatError
        As `open`.
    """
    return _found(Path(path), None)[0]


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
    known, head = _found(Path(path), None)
    if known in (NATIVE, SHARDS):  # they record digests of their own
        importlib.import_module(known.module).verify(head.path)
    else:
        known.read(head, Reading()).verify()


def _retyped(table: EmbeddingTable, name: str, reading: Reading) -> EmbeddingTable:
    from tokenspace.formats.rows_in_files import as_type  # noqa: PLC0415
    from tokenspace.table import EmbeddingTable as Table  # noqa: PLC0415

    return Table.mapped(table.vocabulary, as_type(Path(name), table.matrix, reading.dtype, lambda _row: {}), source=table.source)
