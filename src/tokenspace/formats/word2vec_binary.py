"""word2vec binary: a line with rows and dimension, then a row: token, 0x20, d float32 little-endian.

word2vec's own tool puts a line break in front of every row but the first, GoogleNews has none: both are read, and the former written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native, progress
from tokenspace.engines import local
from tokenspace.errors import EmptyFileError, FileContentError, HeaderError, TrailingBytesError, TruncatedFileError, UnwritableError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways, poured
from tokenspace.formats.pouring import Base, Part, Pouring, sift
from tokenspace.formats.promises import ABSURD
from tokenspace.formats.replacement import replacing
from tokenspace.formats.streams import part_size
from tokenspace.formats.text_faults import wrong_header
from tokenspace.formats.text_layout import header_of, trailing_numbers
from tokenspace.native.reference_text import MAX_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.formats.places import Place
    from tokenspace.formats.pouring import Flaw
    from tokenspace.formats.streams import Stream
    from tokenspace.table import EmbeddingTable
    from tokenspace.vocabulary import Vocabulary

PART = 1 << 21
"""Bytes read at a time: still in the cache when their numbers are copied, and many enough that a block's 80 µs of Python do not count
(1,000,000 x 300, one thread: 1 MiB 553 ms, 2 MiB 504, 4 MiB 570).
"""

MIXED_UP = 'if this is text, open it with format="word2vec-text"'


def _sniff(head: Head) -> bool:
    return head.layout.header is not None and head.layout.binary


@dataclass(frozen=True)
class Block:
    """Whole rows: their bytes, the room that holds these, where they begin in the file, where the tokens stand, where the numbers go."""

    data: NDArray[np.uint8]
    room: NDArray[np.uint8]
    base: int
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    out: NDArray[np.float32] | None


def _pour(head: Head, reading: Reading, place: Place) -> Vocabulary:
    stream = head.open()
    try:
        return _poured(head, reading, place, stream)
    finally:
        stream.close()


def _poured(head: Head, reading: Reading, place: Place, stream: Stream) -> Vocabulary:
    path, dtype = head.path, reading.dtype or np.dtype(np.float32)
    begin, n, d = _header(head, stream)
    threads = local.thread_count(reading.threads)
    pouring = Pouring(path, reading, place, stream)
    expected = n if stream.size is not None else min(n, len(head.start) // (4 * d + 1))  # of a stream no more is sure than has been seen
    place.begin(d, dtype, expected if reading.limit is None else min(expected, reading.limit))
    rooms: list[NDArray[np.uint8]] = []  # to read into; the one used last comes first, as it is still in the cache
    left: list[FileContentError] = []
    blocks = _blocks(pouring, begin, n, d, rooms, left)
    share = local.stream if stream.size is None else local.drawn
    for part in share(lambda block: _copied(path, block, d, reading, dtype, rooms), blocks, threads=threads):
        if not pouring.take(part):
            break
    else:
        for error in left:
            pouring.mend(error)
    if not pouring.sound:
        raise EmptyFileError(path, "expected a table, seen no row", offset=begin)
    return pouring.vocabulary()


def _header(head: Head, stream: Stream) -> tuple[int, int, int]:
    """Return where the rows begin, how many the header promises, and their dimension."""
    first, newline, _ = head.start.partition(b"\n")
    problem = wrong_header(first[:200], 0) if newline else "expected a header line, seen no line break in the first 64 KiB"
    if problem:
        raise HeaderError(head.path, problem, line=1, offset=0)
    n, d = header_of(first) or (0, 0)
    begin = len(first) + 1
    if n == 0:
        raise EmptyFileError(head.path, f"the header promises 0 rows of {d:,} numbers", line=1, offset=0)
    line, newline, _ = head.start[begin:].partition(b"\n")
    if newline and trailing_numbers(line) == d:  # three characters and a space a number: each row would be taken for one of binary
        raise HeaderError(head.path, f"expected binary rows, seen a line of text with {d:,} numbers", line=2, offset=begin, hint=MIXED_UP)
    least = n * (4 * d + 1)
    if stream.size is not None and least > ABSURD * (stream.size - begin + ABSURD):
        problem = f"the header promises {n:,} rows of {d:,} numbers, at least {least:,} bytes; {stream.size - begin:,} follow it"
        raise HeaderError(head.path, problem, line=1, offset=0, hint="the header cannot be right")
    return begin, n, d


def _blocks(pouring: Pouring, begin: int, n: int, d: int, rooms: list[NDArray[np.uint8]], left: list[FileContentError]) -> Iterator[Block]:
    """Yield blocks of whole rows until there are n, read into `rooms` that are given back; into `left` goes what is wrong behind them."""
    stream, narrow = pouring.stream, pouring.reading.dtype in {None, np.dtype(np.float32)}
    stream.fill(memoryview(bytearray(begin)))
    carry, at, row = b"", begin, 0
    while True:
        size = max(len(carry) + part_size(stream, PART), 2 * len(carry))
        room = rooms.pop() if rooms else np.empty(0, dtype=np.uint8)
        if len(room) < size:
            room = np.empty(size, dtype=np.uint8)
        room[: len(carry)] = np.frombuffer(carry, dtype=np.uint8)
        end = len(carry) + stream.fill(room.data[len(carry) :])
        data, last = room[:end], end < len(room)
        starts, lengths, stop = native.scan_word2vec(data, 0, d, min(n - row, end // (4 * d + 1)))
        block = Block(data, room, at, starts, lengths, pouring.place.reserve(len(starts)) if narrow else None)
        carry, at, row = data[stop:].tobytes(), at + stop, row + len(starts)
        yield block
        if row == n:
            left.extend(_behind(pouring, carry, at, n))
            return
        if last or _no_token(carry):
            left.append(_stopped(pouring.path, carry, row, n, d, at))
            return


def _no_token(left: bytes) -> bool:
    """Whether no row can begin so: a token would be too long."""
    return len(left) > MAX_TOKEN + 1 and b" " not in left[: MAX_TOKEN + 2]


def _behind(pouring: Pouring, left: bytes, at: int, n: int) -> Iterator[FileContentError]:
    """Hold what follows the last row against nothing, or the line break that may stand there."""
    room = bytearray(part_size(pouring.stream, PART))
    seen = left[:2]
    more = len(left)
    while got := pouring.stream.fill(memoryview(room)):
        seen, more = (seen + bytes(room[:2]))[:2], more + got
    if seen not in {b"", b"\n"} or more > 1:
        problem = f"expected the end after row {n:,} of {n:,}, seen {more:,} more bytes"
        yield TrailingBytesError(pouring.path, problem, offset=at, hint=MIXED_UP)


def _copied(path: Path, block: Block, d: int, reading: Reading, dtype: np.dtype[Any], rooms: list[NDArray[np.uint8]]) -> Part:
    """Copy the numbers of a block's rows, and give back the room that it was read into."""
    n = len(block.starts)
    out = np.empty((n, d), dtype=np.float32) if block.out is None else block.out
    flaws: list[tuple[int, Flaw]] = []
    good = np.ones(n, dtype=bool)
    row = 0
    while (row := native.copy_word2vec(block.data, block.starts, block.lengths, (row, n), out)) < n:
        flaws.append((row, _not_finite(path, block, row, out[row])))
        good[row] = False
        row += 1
        if reading.mended is None:
            break
    offsets = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(block.lengths, out=offsets[1:])
    tokens = native.gather(block.data, block.starts, offsets)
    part = Part(out, tokens, offsets, block.starts + block.base, np.arange(n), n, flaws)
    rooms.append(block.room)
    if flaws:
        part.keep(good)
    return sift(part, path, reading, dtype, by_line=False)


def _not_finite(path: Path, block: Block, row: int, numbers: NDArray[np.float32]) -> Flaw:
    column = int(np.argmin(np.isfinite(numbers)))
    at = block.base + int(block.starts[row] + block.lengths[row]) + 1 + 4 * column
    value = float(numbers[column])

    def flaw(base: Base) -> FileContentError:
        return rows.not_finite(path, base.row + row, column, value, offset=at)

    return flaw


def _stopped(path: Path, left: bytes, row: int, n: int, d: int, end: int) -> FileContentError:
    """Explain why row `row` of n, which begins at byte `end` with `left`, could not be read."""
    if _no_token(left):
        problem = f"row {row + 1:,} of {n:,}: expected a token of at most {MAX_TOKEN:,} bytes and a space, seen no space"
        return FileContentError(path, problem, offset=end, hint=f"is the dimension {d:,} right? {MIXED_UP}")
    needed = f"a token, a space and {4 * d:,} bytes of numbers"
    problem = f"row {row + 1:,} of {n:,} is cut short: expected {needed}, seen {len(left):,} bytes to the end"
    return TruncatedFileError(path, problem, offset=end, hint=f"was a download or a copy cut off? {MIXED_UP}")


def _write(table: EmbeddingTable, path: Path) -> None:
    rows.check_writable(table, path, "word2vec-binary")
    _check_tokens(table, path)
    data, offsets = table.vocabulary.data, table.vocabulary.offsets
    for start, stop in rows.blocks(table.matrix):
        part = table.matrix[start:stop]
        if table.dtype == np.float64 and not np.array_equal(_narrow(part), part):
            problem = "not written: the table's float64 numbers do not fit into the format's float32"
            raise UnwritableError(path, problem, hint='open the table with dtype="float32" first, which rounds them')
    with replacing(path) as file:
        file.write(f"{table.n} {table.d}\n".encode())
        for start, stop in rows.blocks(table.matrix):
            numbers = np.ascontiguousarray(table.matrix[start:stop], dtype="<f4").view(np.uint8)
            bounds = offsets[start : stop + 1].tolist()
            file.writelines(data[bounds[i] : bounds[i + 1]].tobytes() + b" " + numbers[i].tobytes() + b"\n" for i in range(stop - start))
            progress.report(f"writing {path.name}", stop * table.d * table.dtype.itemsize, table.matrix.nbytes)


def _narrow(part: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return part.astype(np.float32)


def _check_tokens(table: EmbeddingTable, path: Path) -> None:
    data, offsets = table.vocabulary.data, table.vocabulary.offsets
    for row in rows.rows_with(table, b" ").tolist():
        raise rows.refuse(table, path, row, "holds a space, which ends a token in this format")
    for row in rows.rows_with(table, b"\n").tolist():
        if data[offsets[row]] == ord("\n"):
            raise rows.refuse(table, path, row, "begins with a line break, which separates rows in this format")
    long = np.flatnonzero(np.diff(offsets) > MAX_TOKEN)
    if long.size:
        raise rows.refuse(table, path, int(long[0]), f"has more than {MAX_TOKEN:,} bytes")


WAYS = Ways(_sniff, poured(_pour), _write, _pour)
