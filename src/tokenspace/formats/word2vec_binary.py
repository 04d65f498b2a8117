"""word2vec binary: a line with rows and dimension, then a row: token, 0x20, d float32 little-endian.

word2vec's own tool puts a line break in front of every row but the first, GoogleNews has none: both are read, and the former written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenspace import native
from tokenspace.engines import local
from tokenspace.errors import EmptyFileError, FileContentError, HeaderError, TrailingBytesError, TruncatedFileError, UnwritableError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Format, Head, Reading
from tokenspace.formats.promises import ABSURD
from tokenspace.formats.replacement import replacing
from tokenspace.formats.text_faults import wrong_header
from tokenspace.formats.text_layout import header_of, trailing_numbers
from tokenspace.native.reference_text import MAX_TOKEN
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MIXED_UP = 'if this is text, open it with format="word2vec-text"'


def _sniff(head: Head) -> bool:
    return head.layout.header is not None and head.layout.binary


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    data = rows.mapped(head.path)
    begin, n, d = _header(head)
    fitting = min(n, (len(data) - begin) // (4 * d + 1))  # held against the file before anything is allocated
    starts, lengths, end = native.scan_word2vec(data, begin, d, fitting)
    if len(starts) < n:
        raise _stopped(head.path, data, len(starts), n, d, end)
    if end < len(data) and data[end:].tobytes() != b"\n":
        raise TrailingBytesError(
            head.path, f"expected the end after row {n:,} of {n:,}, seen {len(data) - end:,} more bytes", offset=end, hint=MIXED_UP
        )
    out = np.empty((n, d), dtype=np.float32)

    def place(row: int) -> dict[str, int]:
        return {"offset": int(starts[row])}

    def copy(span: tuple[int, int]) -> None:
        row = native.copy_word2vec(data, starts, lengths, span, out)
        if row < span[1]:
            column = int(np.argmin(np.isfinite(out[row])))
            at = int(starts[row] + lengths[row]) + 1 + 4 * column
            raise rows.not_finite(head.path, row, column, out[row, column], offset=at)

    local.run(copy, list(rows.blocks(out)), threads=local.thread_count(reading.threads))
    vocabulary = rows.vocabulary_of(head.path, data, starts, lengths, place=place, errors=reading.errors)
    return EmbeddingTable.mapped(vocabulary, rows.as_type(head.path, out, reading.dtype, place), source=str(head.path))


def _header(head: Head) -> tuple[int, int, int]:
    """Return where the rows begin, how many the header promises, and their dimension."""
    first, newline, _ = head.start.partition(b"\n")
    problem = wrong_header(first[:200], 0) if newline else "expected a header line, seen no line break in the first 64 KiB"
    if problem:
        raise HeaderError(head.path, problem, line=1, offset=0)
    n, d = header_of(first) or (0, 0)
    begin = len(first) + 1
    if n == 0:
        raise EmptyFileError(head.path, f"the header promises 0 rows of {d:,} numbers", line=1, offset=0)
    left = head.size - begin
    line, newline, _ = head.start[begin:].partition(b"\n")
    if newline and trailing_numbers(line) == d:  # three characters and a space a number: each row would be taken for one of binary
        raise HeaderError(head.path, f"expected binary rows, seen a line of text with {d:,} numbers", line=2, offset=begin, hint=MIXED_UP)
    least = n * (4 * d + 1)
    if least > ABSURD * (left + ABSURD):
        problem = f"the header promises {n:,} rows of {d:,} numbers, at least {least:,} bytes; {left:,} follow it"
        raise HeaderError(head.path, problem, line=1, offset=0, hint="the header cannot be right")
    return begin, n, d


def _stopped(path: Path, data: NDArray[np.uint8], row: int, n: int, d: int, end: int) -> FileContentError:
    """Explain why row `row` of n, which begins at byte `end`, could not be read."""
    left = data[end : end + MAX_TOKEN + 2].tobytes()
    space = left.removeprefix(b"\n").find(b" ")
    if space < 0 and len(left) > MAX_TOKEN + 1:
        problem = f"row {row + 1:,} of {n:,}: expected a token of at most {MAX_TOKEN:,} bytes and a space, seen no space"
        return FileContentError(path, problem, offset=end, hint=f"is the dimension {d:,} right? {MIXED_UP}")
    needed = f"a token, a space and {4 * d:,} bytes of numbers"
    problem = f"row {row + 1:,} of {n:,} is cut short: expected {needed}, seen {len(data) - end:,} bytes to the end"
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


FORMAT = Format("word2vec-binary", "word2vec binary: a header, then tokens and float32 numbers", (".bin",), _sniff, _read, _write)
