"""finalfusion's .fifu: chunks with words, rows (plain or quantised) and their lengths; n-grams where they are fastText's.

https://finalfusion.github.io/spec. Rows are stored brought to length 1, their lengths in a chunk of their own; a table has the rows
multiplied by their lengths again, where these are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import EmptyFileError, HeaderError, TrailingBytesError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.product_codes import decoded
from tokenspace.formats.walk import Walk
from tokenspace.subwords import LONGEST, Subwords, SubwordTable
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MAGIC = b"FiFu"
U8, F32 = 1, 10
"""Element types by the format's numbers."""

MOST_CHUNKS = 64
PADDING = 4
"""Bytes that may stand before an array, so that it is aligned."""


@dataclass
class Parts:
    """What the chunks of a file hold."""

    words: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    grams: tuple[int, int, int] | None = None
    more_rows: bool = False
    listed: int = 0
    matrix: NDArray[Any] | None = None
    norms: NDArray[np.float32] | None = None
    seen: list[int] = field(default_factory=list)


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    data = rows.mapped(head.path)
    parts = _chunks(Walk(head.path, data))
    if parts.words is None or parts.matrix is None:
        missing = "words" if parts.words is None else "rows"
        raise HeaderError(head.path, f"expected a chunk of words and one of rows, seen none of {missing}", offset=0)
    starts, lengths = parts.words
    n, matrix = len(starts), parts.matrix
    if not n:
        raise EmptyFileError(head.path, "expected a word, seen none", offset=0)
    if len(matrix) < n or (len(matrix) > n and not parts.more_rows):
        raise HeaderError(head.path, f"expected a row a word, seen {n:,} words and {len(matrix):,} rows", offset=0)
    rows.check_rows(head.path, matrix, lambda _row: {})
    own = matrix[:n]
    if parts.norms is not None:
        if len(parts.norms) != n:
            raise HeaderError(head.path, f"expected {n:,} lengths of rows, seen {len(parts.norms):,}", offset=0)
        own = _lengthened(head, own, parts.norms)
    vocabulary = rows.vocabulary_of(head.path, data, starts, lengths, place=lambda row: {"offset": int(starts[row])}, errors=reading.errors)
    table = rows.as_type(head.path, own, reading.dtype, lambda _row: {})
    if parts.grams is None:
        return EmbeddingTable.mapped(vocabulary, table, source=str(head.path))
    least, most, buckets = parts.grams
    if len(matrix) != n + buckets:
        raise HeaderError(head.path, f"expected {n:,} rows of words and {buckets:,} of n-grams, seen {len(matrix):,}", offset=0)
    return SubwordTable.of(vocabulary, table, Subwords(matrix[n:], min_n=least, max_n=most), source=str(head.path))


def _lengthened(head: Head, matrix: NDArray[Any], norms: NDArray[np.float32]) -> NDArray[Any]:
    out = np.empty(matrix.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for start, stop in rows.blocks(out):
            np.multiply(matrix[start:stop], norms[start:stop, None], out=out[start:stop])
    rows.check_rows(head.path, out, lambda _row: {})
    return out


def _listed_chunks(walk: Walk) -> list[int]:
    """Read the header: the kinds of the chunks that follow."""
    magic, version = walk.numbers("<4sI", "the header")
    if magic != MAGIC:
        raise walk.wrong(8, f"expected a file that begins with {MAGIC!r}, seen {magic!r}")
    if version != 0:
        raise walk.wrong(4, f"expected version 0, seen {version:,}")
    count = walk.count("chunks", 4, "<I")
    if count > MOST_CHUNKS:
        raise walk.wrong(4, f"expected at most {MOST_CHUNKS} chunks, seen {count:,}")
    return list(walk.numbers(f"<{count}I", "the list of chunks"))


def _chunks(walk: Walk) -> Parts:
    """Walk from chunk to chunk."""
    parts = Parts()
    for kind in _listed_chunks(walk):
        at = walk.at
        seen, length = walk.numbers("<IQ", "a chunk's header")
        if seen != kind or (kind in READERS and kind in parts.seen):
            raise HeaderError(walk.path, f"expected the chunk {kind} once, as the header lists it, seen {seen}", offset=at)
        if length > walk.left:
            walk.take(length, f"the chunk {kind}")
        inner = Walk(walk.path, walk.data, walk.at, walk.end if kind == LISTED else walk.at + length)
        if kind not in READERS and kind != METADATA:
            raise HeaderError(walk.path, f"expected chunks {', '.join(map(str, (*READERS, METADATA)))}, seen {kind}", offset=at)
        if kind in READERS:
            READERS[kind](inner, parts)
        read = inner.at - walk.at if kind in READERS else length
        if read != length and (kind != LISTED or read - length != 8 * parts.listed):
            raise TrailingBytesError(walk.path, f"the chunk {kind} has {length:,} bytes; expected {read:,}", offset=inner.at)
        parts.seen.append(kind)
        walk.at += read
    if walk.left:
        problem = f"expected {walk.at:,} bytes, seen {walk.end:,}"
        raise TrailingBytesError(walk.path, problem, offset=walk.at, hint="what follows is not part of the table")
    return parts


def _words(walk: Walk, parts: Parts) -> None:
    _one_vocabulary(walk, parts)
    parts.words = walk.strings(walk.count("words", 4), "<I")


def _words_and_buckets(walk: Walk, parts: Parts) -> None:
    """Read words before n-grams; where these are hashed in finalfusion's own way, words are all that is kept."""
    _one_vocabulary(walk, parts)
    count = walk.count("words", 4)
    least, most, buckets = walk.numbers("<III", "the n-grams' lengths")
    parts.words, parts.more_rows = walk.strings(count, "<I"), True
    parts.grams = least, most, buckets


def _words_and_fasttext(walk: Walk, parts: Parts) -> None:
    _words_and_buckets(walk, parts)
    least, most, buckets = parts.grams or (0, 0, 0)
    if not 1 <= least <= most <= LONGEST or not buckets:
        problem = f"expected n-grams of 1 <= min <= max <= {LONGEST} characters in a bucket or more, seen {least}, {most} and {buckets:,}"
        raise HeaderError(walk.path, problem, offset=walk.at)


def _words_and_own(walk: Walk, parts: Parts) -> None:
    _words_and_buckets(walk, parts)
    parts.grams = None


def _words_and_listed(walk: Walk, parts: Parts) -> None:
    _one_vocabulary(walk, parts)
    count, grams = walk.numbers("<QQ", "the numbers of words and n-grams")
    walk.numbers("<II", "the n-grams' lengths")
    if count * 4 + grams * 12 > walk.left:
        raise walk.wrong(24, f"expected words and n-grams within {walk.left:,} bytes, seen {count:,} and {grams:,}")
    parts.words, parts.more_rows, parts.listed = walk.strings(count, "<I"), True, grams
    walk.strings(grams, "<I", after=8)


def _one_vocabulary(walk: Walk, parts: Parts) -> None:
    if parts.words is not None:
        raise walk.wrong(0, "a second chunk of words; expected one")


def _one_matrix(walk: Walk, parts: Parts, d: int) -> None:
    if parts.matrix is not None:
        raise walk.wrong(0, "a second chunk of rows; expected one")
    if not 1 <= d <= walk.end // 4:
        raise walk.wrong(0, f"expected at least one number a row, within the file; seen {d:,}")


def _array(walk: Walk, shape: tuple[int, ...], what: str) -> NDArray[np.float32]:
    """Return the array of float32 that fills the rest of the chunk, but for its padding."""
    size = 4
    for axis in shape:
        size *= axis
    if not size <= walk.left <= size + PADDING:
        problem = f"{what} of shape {shape} takes {size:,} bytes, the rest of its chunk {walk.left:,}"
        raise walk.wrong(0, problem, hint="the header cannot be right")
    walk.take(walk.left - size, "padding")
    return _aligned(walk.take(size, what)).view(np.float32).reshape(shape)


def _aligned(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return data.copy() if data.ctypes.data % 4 else data


def _rows(walk: Walk, parts: Parts) -> None:
    n, d, kind = walk.numbers("<QII", "the header of the rows")
    _one_matrix(walk, parts, d)
    if kind != F32:
        raise walk.wrong(4, f"expected rows of float32 (type {F32}), seen type {kind}")
    parts.matrix = _array(walk, (n, d), "a matrix")


def _norms(walk: Walk, parts: Parts) -> None:
    n, kind = walk.numbers("<QI", "the header of the lengths")
    if kind != F32:
        raise walk.wrong(4, f"expected lengths in float32 (type {F32}), seen type {kind}")
    parts.norms = _array(walk, (n,), "a list of lengths")
    rows.check_rows(walk.path, parts.norms[:, None], lambda _row: {})


def _codes(walk: Walk, parts: Parts) -> None:
    """Read quantised rows: stretches of one width, each the number of a centroid; then perhaps rotated, perhaps lengthened."""
    projected, normed, stretches, d, count, n, codes_kind, rows_kind = walk.numbers("<IIIIIQII", "the header of the quantised rows")
    _one_matrix(walk, parts, d)
    if (codes_kind, rows_kind) != (U8, F32) or not stretches or d % stretches or not 1 <= count <= 256:  # noqa: PLR2004 - a byte's values
        seen = f"types {codes_kind} and {rows_kind}, {stretches:,} stretches of {d:,} numbers, {count:,} centroids"
        raise walk.wrong(36, f"expected float32 in stretches of one width, coded in bytes for at most 256 centroids; seen {seen}")
    size = 4 * (d * d * bool(projected) + d * count + n * bool(normed)) + n * stretches
    if not size <= walk.left <= size + PADDING:
        raise walk.wrong(0, f"{n:,} rows take {size:,} bytes, the rest of their chunk {walk.left:,}", hint="the header cannot be right")
    walk.take(walk.left - size, "padding")
    projection = np.frombuffer(walk.take(4 * d * d, "the projection").tobytes(), "<f4").reshape(d, d) if projected else None
    centroids = np.frombuffer(walk.take(4 * d * count, "the centroids").tobytes(), "<f4").reshape(stretches, count, d // stretches)
    norms = np.frombuffer(walk.take(4 * n, "the lengths").tobytes(), "<f4") if normed else None
    codes = walk.take(n * stretches, "the codes").reshape(n, stretches)
    matrix = decoded(walk.path, codes, list(centroids), norms if projection is None else None, size=walk.end)
    if projection is not None:
        with np.errstate(over="ignore", invalid="ignore"):  # found when the rows are checked
            for start, stop in rows.blocks(matrix):
                block = matrix[start:stop] @ projection.T
                matrix[start:stop] = block if norms is None else block * norms[start:stop, None]
    parts.matrix = matrix


METADATA = 5
"""The chunk of metadata, TOML, which is passed over."""

LISTED = 8
"""The chunk of listed n-grams; the length that finalfusion for Python writes for it leaves out 8 bytes an n-gram."""

READERS: dict[int, Callable[[Walk, Parts], None]] = {
    1: _words,
    2: _rows,
    3: _words_and_own,
    4: _codes,
    6: _norms,
    7: _words_and_fasttext,
    8: _words_and_listed,
}
"""What reads the chunks, by the format's numbers."""


WAYS = Ways(lambda head: head.start.startswith(MAGIC), _read)
