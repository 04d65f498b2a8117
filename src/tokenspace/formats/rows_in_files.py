"""What every reader and writer asks of the rows and tokens of a file: UTF-8, no token twice, finite numbers, the type wanted."""

from __future__ import annotations

import math
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.errors import (
    DuplicateRowError,
    DuplicateTokenError,
    EncodingError,
    NotFiniteError,
    NotFiniteRowError,
    UnwritableError,
)
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.table import EmbeddingTable

    Place = Callable[[int], dict[str, int]]

BLOCK = 1 << 22
"""Bytes worked on at a time; large enough that a call costs nothing, small enough to stay in the cache."""


def mapped(path: Path) -> NDArray[np.uint8]:
    """Return a file's bytes as a read-only memory map, shape (size,), uint8; the caller knows that it is not empty."""
    with path.open("rb") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)


def mapped_matrix(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> NDArray[Any]:
    """Return the rows that stand at a byte of a file, of shape (n, d), little-endian: mapped, or copied where they are not aligned.

    The caller has held `shape` against the size of the file.
    """
    size = math.prod(shape) * dtype.itemsize
    data = mapped(path)[offset : offset + size]
    if data.ctypes.data % dtype.itemsize:
        data = data.copy()
    return data.view(dtype).reshape(shape)


def blocks(matrix: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Yield adjacent ranges of rows of a matrix of shape (n, d), about `BLOCK` bytes each."""
    step = max(1, BLOCK // max(1, matrix.shape[1] * matrix.itemsize))
    for start in range(0, len(matrix), step):
        yield start, min(start + step, len(matrix))


def vocabulary_of(
    path: Path, data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64], *, place: Place, errors: str
) -> Vocabulary:
    """Make the vocabulary of tokens that stand in a file.

    Parameters
    ----------
    path : Path
        For the message.
    data : array of shape (b,), uint8
        The file.
    starts, lengths : arrays of shape (n,), int64
        Where each token begins, and its bytes.
    place : callable
        Gives for a row the `line` and `offset` (either may be left out) that an error shall name.
    errors : str
        ``strict`` or ``surrogateescape``.

    Raises
    ------
    EncodingError
        If a token is not UTF-8, unless `errors` lets it pass.
    DuplicateRowError
        If two rows have one token.
    """
    offsets = np.zeros(len(starts) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    tokens = native.gather(data, starts, offsets)
    if errors == "strict" and (wrong := undecodable(tokens, offsets)) is not None:
        row, at = wrong
        raise not_utf_8(path, tokens[offsets[row] : offsets[row + 1]].tobytes(), at, place(row))
    return unique(path, tokens, offsets, place=place)


def not_utf_8(path: Path, token: bytes, at: int, where: dict[str, int]) -> EncodingError:
    """Make the error for a token whose byte `at` is not UTF-8, in a row that begins at `where`."""
    if "offset" in where:
        where = {**where, "offset": where["offset"] + at}
    return EncodingError(
        path,
        f"expected tokens in UTF-8, seen byte 0x{token[at]:02X} in the token {token!r:.80}",
        **where,
        hint='errors="surrogateescape" keeps such bytes as they are; if the file is in another encoding, convert it first',
    )


def unique(path: Path, tokens: NDArray[np.uint8], offsets: NDArray[np.int64], *, place: Place) -> Vocabulary:
    """Make the vocabulary of tokens end to end.

    Raises
    ------
    DuplicateRowError
        If two rows have one token.
    """
    try:
        return Vocabulary.from_arrays(tokens, offsets)
    except DuplicateTokenError as error:
        second = error.rows[1]
        raise twice(path, tokens[offsets[second] : offsets[second + 1]].tobytes(), error.rows, place) from None


def twice(path: Path, token: bytes, pair: tuple[int, int], place: Place) -> DuplicateRowError:
    """Make the error for a token that two rows have."""
    spots = [f"line {place(row)['line']:,}" if "line" in place(row) else f"row {row + 1:,}" for row in pair]
    error = DuplicateRowError(
        path,
        f"the token {token.decode(errors='backslashreplace')!r:.80} has two rows, {spots[0]} and {spots[1]}; expected one",
        **place(pair[1]),
        hint="remove one of the two rows, or mend the table: repair=True keeps the first",
    )
    error.rows = pair
    return error


def vocabulary_of_list(path: Path, tokens: Iterable[str | bytes], *, errors: str) -> Vocabulary:
    """Make the vocabulary of tokens that a library or a JSON file has given.

    Raises
    ------
    EncodingError, DuplicateRowError
        As `vocabulary_of`; rows are named by number.
    """
    data, starts, lengths = joined(tokens)
    return vocabulary_of(path, data, starts, lengths, place=lambda _row: {}, errors=errors)


def joined(tokens: Iterable[str | bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Return tokens end to end, and where each begins and how long it is: what `vocabulary_of` takes."""
    text = [token if isinstance(token, bytes) else _as_bytes(token) for token in tokens]
    lengths = np.array([len(token) for token in text], dtype=np.int64)
    return np.frombuffer(b"".join(text), dtype=np.uint8), np.cumsum(lengths) - lengths, lengths


def _as_bytes(token: str) -> bytes:
    """Return a token's bytes: escaped ones as they were; a lone surrogate, which UTF-8 has no bytes for, as some that are refused."""
    try:
        return token.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return token.encode("utf-8", "surrogatepass")


def undecodable(tokens: NDArray[np.uint8], offsets: NDArray[np.int64], begin: int = 0) -> tuple[int, int] | None:
    """Return the first row from `begin` on whose token is not UTF-8, and the byte in it; None if all are."""
    if not len(tokens) or int(tokens.max()) < 0x80:  # noqa: PLR2004 - ASCII
        return None
    row = native.undecodable_token(tokens, offsets, begin)
    if row == len(offsets) - 1:
        return None
    try:
        tokens[offsets[row] : offsets[row + 1]].tobytes().decode()
    except UnicodeDecodeError as error:
        return row, error.start
    return row, 0  # its offsets point outside


def finite_numbers(matrix: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which numbers are finite; bfloat16 signals some NaN to the processor, which NumPy would turn into a warning."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(matrix)


def check_rows(path: Path, matrix: NDArray[Any], place: Place) -> None:
    """Hold every number of a matrix against NaN and infinity.

    Raises
    ------
    NotFiniteRowError
        Naming the first such row.
    """
    for start, stop in blocks(matrix):
        finite = finite_numbers(matrix[start:stop])
        if not finite.all():
            row, column = divmod(int(np.argmin(finite)), matrix.shape[1])
            raise not_finite(path, start + row, column, matrix[start + row, column], **place(start + row))


def not_finite(path: Path, row: int, column: int, value: object, **place: int) -> NotFiniteRowError:
    """Make the error for a number that is NaN or infinite."""
    return NotFiniteRowError(
        path, f"expected finite numbers, seen {value} as number {column + 1:,} of row {row + 1:,}", **place, hint="drop or mend the row"
    )


def as_type(path: Path, matrix: NDArray[Any], dtype: np.dtype[Any] | None, place: Place) -> NDArray[Any]:
    """Return the matrix in the element type asked for, uncopied where it is of that type.

    Raises
    ------
    NotFiniteRowError
        If a number is too large for the type.
    """
    if dtype is None or dtype == matrix.dtype:
        return matrix
    out = np.empty(matrix.shape, dtype=dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for start, stop in blocks(matrix):
            out[start:stop] = matrix[start:stop]
    check_rows(path, out, place)
    return out


def check_writable(table: EmbeddingTable, path: str | Path, format_name: str) -> None:
    """Refuse to write a number that is not finite, whatever the format.

    Raises
    ------
    NotFiniteError
        Naming row and token.
    """
    for start, stop in blocks(table.matrix):
        finite = finite_numbers(table.matrix[start:stop])
        if not finite.all():
            row = start + int(np.argmin(finite.all(axis=1)))
            message = f"row {row:,} ({table.vocabulary.token(row)!r:.80}) holds NaN or infinity; {path} was not written"
            raise NotFiniteError(message, hint="drop or mend the row")
    if not len(table):
        raise UnwritableError(path, f"the format {format_name} cannot hold a table without rows")


def rows_with(table: EmbeddingTable, byte: bytes) -> NDArray[np.int64]:
    """Return the rows, ascending, whose tokens hold a byte."""
    return tokens_with(table.vocabulary.data, table.vocabulary.offsets, byte)


def tokens_with(data: NDArray[np.uint8], offsets: NDArray[np.int64], byte: bytes) -> NDArray[np.int64]:
    """Return which tokens, ascending, hold a byte."""
    found = [start + np.flatnonzero(data[start : start + BLOCK] == byte[0]) for start in range(0, len(data), BLOCK)]
    places = np.concatenate(found) if found else np.empty(0, dtype=np.int64)
    if not len(places):
        return places
    return np.unique(np.searchsorted(offsets, places, side="right") - 1)


def refuse(table: EmbeddingTable, path: str | Path, row: int, why: str, hint: str = "save it in the native format") -> UnwritableError:
    """Make the error for a token that a format cannot hold."""
    return UnwritableError(path, f"not written: the token {table.vocabulary.token(row)!r:.80} of row {row:,} {why}", hint=hint)
