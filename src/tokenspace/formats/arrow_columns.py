"""A table as two columns, tokens and rows of numbers, in the record batches of Arrow: what Parquet, Arrow IPC and Lance share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import EmptyFileError, HeaderError, RowWidthError, TokenspaceError, TruncatedFileError, UnwritableError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.choice import chosen_part
from tokenspace.formats.extras import needed
from tokenspace.formats.npy import read_tokens, tokens_beside
from tokenspace.formats.promises import ABSURD
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.formats.format import Reading
    from tokenspace.vocabulary import Vocabulary

PANIC = "PanicException"
"""What a library in Rust raises where it stumbles over a damaged file: no `Exception`, and of no module to import it from."""

TOKEN_COLUMNS = ("token", "word", "tokens", "words", "text", "key")
"""Names of the column of tokens that are tried first, where several columns hold text. Written is the first."""

ROW_COLUMNS = ("vector", "embedding", "vectors", "embeddings")
"""Names of the column of rows, likewise."""

FLOATS = {"float": np.float32, "double": np.float64, "halffloat": np.float16}
"""Arrow's names of the element types; it has none for bfloat16."""

MOST_AXES = 1 << 24
"""Numbers a row may have: no model comes near, and a schema may promise 2^31."""


def arrow(title: str) -> Any:
    """Import pyarrow: 0.3 s and 170 MB, so only where a file needs it."""
    return needed("pyarrow", extra="arrow", why=title)


def read(path: Path, schema: Any, *, n: int, size: int, reading: Reading) -> Columns:
    """Choose the columns of a file; see `Columns`."""
    pa = arrow(path.name)
    able, texts, every = {}, [], {}
    for field in schema:
        kind = field.type
        every[field.name] = str(kind)
        if _is_text(pa, kind.value_type if pa.types.is_dictionary(kind) else kind):
            texts.append(field.name)
        if _is_list(pa, kind) and str(kind.value_type) in FLOATS:
            able[field.name] = str(kind)
    if len(set(schema.names)) < len(schema.names):
        raise HeaderError(path, f"expected every column once, seen {', '.join(schema.names[:20])}")
    column = chosen_part(path, able, reading.part, kind="column", others=every, preferred=ROW_COLUMNS)
    if n < 1:
        raise EmptyFileError(path, "expected a row, seen none")
    return Columns(path, column, _token_column(path, texts, reading), n, size, reading)


def _token_column(path: Path, texts: list[str], reading: Reading) -> str | None:
    if reading.tokens is not None or not texts:
        return None
    named = [name for name in TOKEN_COLUMNS if name in texts]
    if not named and len(texts) > 1:
        problem = f"more than one column may hold the tokens: {', '.join(texts[:8])}; expected one of them to be called {TOKEN_COLUMNS[0]}"
        raise HeaderError(path, problem, hint='rename it, or name a file of tokens: tokens="words.txt"')
    return named[0] if named else texts[0]


class Columns:
    """Two columns of a file, filled from its record batches.

    Attributes
    ----------
    names : list of str
        The columns to be read.
    """

    def __init__(self, path: Path, rows_name: str, tokens_name: str | None, n: int, size: int, reading: Reading) -> None:
        self.names = [rows_name] if tokens_name is None else [rows_name, tokens_name]
        self._path, self._n, self._size, self._reading = path, n, size, reading

    def table(self, batches: Iterable[Any]) -> EmbeddingTable:
        """Read the batches into a table; a single batch is not copied.

        Raises
        ------
        FileContentError
            In one of its kinds: an empty entry, rows of two lengths, fewer rows than promised, and what every format refuses.
        """
        path, matrix, filled = self._path, None, 0
        texts: list[tuple[NDArray[np.uint8], NDArray[np.int64]]] = []
        for batch in batches:
            if not batch.num_rows:
                continue
            batch.validate(full=True)  # offsets into the bytes of strings and lists are not checked on reading
            block = _numbers(path, batch.column(self.names[0]), filled)
            if filled + len(block) > self._n:
                raise HeaderError(path, f"expected {self._n:,} rows, seen more")
            if matrix is None:
                matrix = block if len(block) == self._n else self._room(block)
            if block.shape[1] != matrix.shape[1]:
                problem = f"expected {matrix.shape[1]:,} numbers in every row, seen {block.shape[1]:,} in row {filled + 1:,}"
                raise RowWidthError(path, problem)
            if matrix is not block:
                matrix[filled : filled + len(block)] = block
            if len(self.names) > 1:
                texts.append(_text(path, batch.column(self.names[1]), filled))
            filled += len(block)
        if matrix is None or filled < self._n:
            raise TruncatedFileError(path, f"expected {self._n:,} rows, seen {filled:,}")
        rows.check_rows(path, matrix, lambda _row: {})
        vocabulary = self._vocabulary(texts)
        return EmbeddingTable.mapped(vocabulary, rows.as_type(path, matrix, self._reading.dtype, lambda _row: {}), source=str(path))

    def _room(self, block: NDArray[Any]) -> NDArray[Any]:
        """Make room for all rows; only what is filled takes memory, so that a lie costs nothing."""
        promised = self._n * block.shape[1] * block.itemsize
        if promised > ABSURD * (self._size + ABSURD):
            raise HeaderError(self._path, f"{self._n:,} rows of {block.shape[1]:,} numbers cannot be in a file of {self._size:,} bytes")
        return np.empty((self._n, block.shape[1]), dtype=block.dtype)

    def _vocabulary(self, texts: list[tuple[NDArray[np.uint8], NDArray[np.int64]]]) -> Vocabulary:
        if len(self.names) == 1:
            tokens = self._reading.tokens or tokens_beside(self._path)
            return read_tokens(tokens, self._n, matrix_path=self._path, errors=self._reading.errors)
        lengths = np.concatenate([each for _, each in texts])
        data = np.concatenate([text for text, _ in texts])
        starts = np.cumsum(lengths) - lengths
        return rows.vocabulary_of(self._path, data, starts, lengths, place=lambda _row: {}, errors=self._reading.errors)


def _is_text(pa: Any, kind: Any) -> bool:
    types = pa.types
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_list(pa: Any, kind: Any) -> bool:
    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _numbers(path: Path, column: Any, first: int) -> NDArray[Any]:
    """Return a column of lists as rows, of shape (m, d), without a copy."""
    pa = arrow(path.name)
    if column.null_count:
        raise HeaderError(path, f"expected numbers in every row, seen an empty entry in row {first + 1 + _first_null(column):,}")
    if pa.types.is_fixed_size_list(column.type):
        d = column.type.list_size
    else:
        lengths = _buffer(column.value_lengths(), np.int64 if pa.types.is_large_list(column.type) else np.int32)
        d = int(lengths[0])
        other = np.flatnonzero(lengths != d)
        if other.size:
            row = int(other[0])
            raise RowWidthError(path, f"expected {d:,} numbers in every row, seen {int(lengths[row]):,} in row {first + row + 1:,}")
    if not 1 <= d <= MOST_AXES:
        raise HeaderError(path, f"expected between 1 and {MOST_AXES:,} numbers a row, seen {d:,} in row {first + 1:,}")
    values = column.flatten()
    if values.null_count:
        at = _first_null(values)
        raise HeaderError(path, f"expected {d:,} numbers, seen an empty entry as number {at % d + 1:,} of row {first + 1 + at // d:,}")
    if len(values) != len(column) * d:
        raise TruncatedFileError(path, f"expected {len(column) * d:,} numbers, seen {len(values):,}")
    return _buffer(values, FLOATS[str(values.type)]).reshape(-1, d)


def _first_null(array: Any) -> int:
    return int(array.is_null().index(True).as_py())


def _buffer(array: Any, dtype: Any) -> NDArray[Any]:
    """Return an array's numbers; pyarrow's own to_numpy would import pandas, half a second."""
    flat: NDArray[Any] = np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * np.dtype(dtype).itemsize)
    return flat


def _text(path: Path, column: Any, first: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a column of text as bytes and lengths."""
    pa = arrow(path.name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        raise HeaderError(path, f"expected a token in every row, seen an empty entry in row {first + 1 + _first_null(column):,}")
    column = column.cast(pa.large_string()) if not pa.types.is_large_string(column.type) else column
    bounds = np.frombuffer(column.buffers()[1], np.int64, len(column) + 1, 8 * column.offset)
    data = column.buffers()[2]
    text = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]
    return text, np.diff(bounds)


@contextlib.contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Give what pyarrow, or a library above it, refuses a name and a place.

    Raises
    ------
    HeaderError
        Instead of whatever it raised.
    """
    pa = arrow(path.name)
    try:
        yield
    except TokenspaceError:
        raise
    except BaseException as error:
        refused = isinstance(error, (pa.ArrowException, OSError, RuntimeError, ValueError))  # of a name that is not UTF-8 too
        if not refused and type(error).__name__ != PANIC:
            raise
        text = " ".join(str(error).split())
        raise HeaderError(path, f"it cannot be read: {text:.200}", hint="was a download or a copy cut off?") from None


def schema_of(table: EmbeddingTable, path: Path, title: str) -> Any:
    """Return the schema that a table is written with.

    Raises
    ------
    UnwritableError
        If its numbers are bfloat16, or a token is not UTF-8.
    """
    pa = arrow(title)
    codes = {np.dtype(kind).name: name for name, kind in FLOATS.items()}
    if table.dtype.name not in codes:
        problem = f"not written: Arrow has no name for {table.dtype.name}"
        raise UnwritableError(path, problem, hint='save it in the native format, or open it with dtype="float32" first')
    if wrong := rows.undecodable(table.vocabulary.data, table.vocabulary.offsets):
        raise rows.refuse(table, path, wrong[0], "is not UTF-8, which a column of strings must be")
    numbers = {"float": pa.float32(), "double": pa.float64(), "halffloat": pa.float16()}[codes[table.dtype.name]]
    return pa.schema([(TOKEN_COLUMNS[0], pa.large_string()), (ROW_COLUMNS[0], pa.list_(numbers, table.d))])


def batches_of(table: EmbeddingTable, schema: Any, step: int) -> Iterator[Any]:
    """Yield a table as record batches of `step` rows, without a second copy of the matrix."""
    pa = arrow("writing it")
    offsets, data = table.vocabulary.offsets, table.vocabulary.data
    for start in range(0, len(table), step):
        stop = min(start + step, len(table))
        bounds = np.ascontiguousarray(offsets[start : stop + 1] - offsets[start])
        text = np.ascontiguousarray(data[offsets[start] : offsets[stop]])
        tokens = pa.LargeStringArray.from_buffers(stop - start, pa.py_buffer(bounds), pa.py_buffer(text))
        block = np.ascontiguousarray(table.matrix[start:stop]).reshape(-1)
        numbers = pa.Array.from_buffers(schema.field(1).type.value_type, len(block), [None, pa.py_buffer(block)])
        yield pa.record_batch([tokens, pa.FixedSizeListArray.from_arrays(numbers, table.d)], schema=schema)
