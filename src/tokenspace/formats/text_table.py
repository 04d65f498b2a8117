"""Tables in text, a row a line: what GloVe text and word2vec text have in common.

The rules, which the public files demand (a token that is U+0085, tokens with spaces, a header that lies): bytes, not characters; fields
split at 0x20 and rows at 0x0A only; the last d fields are the vector and the rest is the token; a later word of the token that is a
number means that the row is too wide; d is the header's, or that of most of the first 1000 rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.engines import local
from tokenspace.errors import EmptyFileError, FileContentError, HeaderError, RowWidthError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.replacement import replacing
from tokenspace.formats.text_faults import fault, wrong_delimiter, wrong_header
from tokenspace.formats.text_layout import BOM, header_of, layout_of, trailing_numbers
from tokenspace.native.reference_text import MAX_TOKEN, is_number
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.formats.format import Head, Reading

PART = 1 << 23
"""Bytes of text that one thread reads at a time: 20 ms of work, so that threads end together and Ctrl-C is heard."""

SAMPLES = (1 << 20, 1 << 24)
"""Bytes looked at to settle the width; the second only where the first holds no whole line."""

LARGEST = {"float32": float.fromhex("0x1.fffffefffffffp+127"), "float64": float.fromhex("0x1.fffffffffffffp+1023")}
"""The largest float64 that each type takes without becoming infinite; for float32 the last one below the midpoint to 2^128."""


@dataclass(frozen=True)
class Text:
    """A text table whose width is settled and whose rows are still to be read: bytes begin..end-1 of `data`."""

    path: Path
    data: NDArray[np.uint8]
    begin: int
    end: int
    d: int
    header: bool

    def line(self, offset: int) -> bytes:
        """Return the line that begins at a byte."""
        stop = offset
        while stop < self.end:
            block = self.data[stop : min(stop + PART, self.end)].tobytes()
            found = block.find(b"\n")
            if found >= 0:
                return self.data[offset : stop + found].tobytes()
            stop += len(block)
        return self.data[offset : self.end].tobytes()


def read(head: Head, reading: Reading, *, header: bool) -> EmbeddingTable:
    """Read a table whose first line is a word2vec header, or one without.

    Raises
    ------
    FileContentError
        One of its kinds, with line and byte.
    """
    text, promised = _settled(head, header=header)
    parts = _parts(text)
    counts = local.run(lambda part: native.count_lines(text.data, *part), parts, threads=local.thread_count(reading.threads))
    counts[-1] += 1  # the last line's break was left out
    ends = np.cumsum(counts).tolist()
    if promised is not None and promised != ends[-1]:
        raise _wrong_count(text, promised, parts, ends)
    n, dtype = ends[-1], reading.dtype or np.dtype(np.float32)
    if n * (2 * text.d + 1) - 1 > text.end - text.begin:  # an empty token, and a space and a digit a number: more than there is
        raise _first_short(text, parts)
    out = np.empty((n, text.d), dtype=np.float32 if dtype == np.float32 else np.float64)
    starts, lengths = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)

    def fill(index: int) -> None:
        span = ends[index] - counts[index], ends[index]
        row, stop = native.parse_text(text.data, *parts[index], out, span, starts, lengths)
        if row < span[1]:
            line, largest = text.line(stop), LARGEST[out.dtype.name]
            raise fault(head.path, line, text.d, row=row, number=row + 1 + header, offset=stop, largest=largest)

    local.run(fill, range(len(parts)), threads=local.thread_count(reading.threads))

    def place(row: int) -> dict[str, int]:
        return {"line": row + 1 + header, "offset": int(starts[row])}

    vocabulary = rows.vocabulary_of(head.path, text.data, starts, lengths, place=place, errors=reading.errors)
    table = EmbeddingTable.mapped(vocabulary, rows.as_type(head.path, out, dtype, place), source=str(head.path))
    for row in rows.rows_with(table, b"\t").tolist():
        if _ends_in_tabbed_number(vocabulary.data[vocabulary.offsets[row] : vocabulary.offsets[row + 1]].tobytes()):
            raise wrong_delimiter(head.path, text.line(int(starts[row])), "tabs", number=row + 1 + header, offset=int(starts[row]))
    return table


def _settled(head: Head, *, header: bool) -> tuple[Text, int | None]:
    """Settle where the rows are and how wide; return that, and how many rows a header promises."""
    data = rows.mapped(head.path)
    begin = len(BOM) if head.start.startswith(BOM) else 0
    end = _content_end(data, begin)
    if end == begin:
        raise EmptyFileError(head.path, "expected a table, seen empty lines only", offset=begin)
    layout = None
    for size in SAMPLES:
        sample = data[begin : min(begin + size, end)].tobytes()
        layout = layout_of(sample, whole=begin + size >= end)
        if b"\n" in sample or begin + size >= end:
            break
    else:
        raise RowWidthError(head.path, f"expected rows, seen no line break in the first {size:,} bytes", line=1, offset=begin)
    first = sample.partition(b"\n")[0]
    if not header:
        d = 0 if layout.delimiter else layout.d or trailing_numbers(first)
        text = Text(head.path, data, begin, end, d, header=False)
        if not d:
            raise _no_rows(text, layout.delimiter, first, 1)
        return text, None
    problem = wrong_header(first, layout.d)
    if problem:
        raise HeaderError(head.path, problem, line=1, offset=begin, hint='a table without a header is opened with format="glove"')
    promised, d = header_of(first) or (0, 0)
    begin = min(begin + len(first) + 1, end)
    if begin == end or promised == 0:
        kind = EmptyFileError if begin == end and not promised else HeaderError
        raise kind(head.path, f"the header promises {promised:,} rows, seen {'none' if begin == end else 'some'}", line=1, offset=0)
    text = Text(head.path, data, begin, end, d, header=True)
    if not layout.d:
        raise _no_rows(text, layout.delimiter, text.line(begin), 2)
    return text, promised


def _no_rows(text: Text, delimiter: str, line: bytes, number: int) -> FileContentError:
    """Explain a file most of whose lines do not end in a number."""
    if delimiter:
        return wrong_delimiter(text.path, line, delimiter, number=number, offset=text.begin)
    return fault(text.path, line, max(1, text.d), row=0, number=number, offset=text.begin, largest=np.inf)


def _content_end(data: NDArray[np.uint8], begin: int) -> int:
    """Return where the last row ends: line breaks after it are not rows."""
    end = len(data)
    while end > begin:
        tail = data[max(begin, end - 4096) : end].tobytes()
        kept = len(tail.rstrip(b"\r\n"))
        end -= len(tail) - kept
        if kept:
            break
    return end


def _parts(text: Text) -> list[tuple[int, int]]:
    """Cut the rows into ranges of bytes of about `PART` that end after a line break."""
    cuts = [text.begin]
    while cuts[-1] < text.end:
        at = cuts[-1] + PART
        while at < text.end:
            found = text.data[at : min(at + 65_536, text.end)].tobytes().find(b"\n")
            if found >= 0:
                at += found + 1
                break
            at += 65_536
        cuts.append(min(at, text.end))
    return list(pairwise(cuts))


def _wrong_count(text: Text, promised: int, parts: list[tuple[int, int]], ends: list[int]) -> HeaderError:
    """Explain a header that promises fewer or more rows than there are."""
    problem = f"the header promises {promised:,} rows, seen {ends[-1]:,}"
    if ends[-1] < promised:
        return HeaderError(text.path, problem, line=ends[-1] + 1, offset=text.end, hint="was a download or a copy cut off?")
    part = int(np.searchsorted(ends, promised, side="right"))
    begin, end = parts[part]
    skipped = promised - (ends[part - 1] if part else 0)
    breaks = np.flatnonzero(text.data[begin:end] == ord("\n"))
    offset = begin + (int(breaks[skipped - 1]) + 1 if skipped else 0)
    return HeaderError(text.path, problem, line=promised + 2, offset=offset, hint="correct the first line, if the further rows are meant")


def _first_short(text: Text, parts: list[tuple[int, int]]) -> FileContentError:
    """Explain the first line that is too short to hold d numbers, before room is made for what cannot be there."""
    before = 0
    for begin, end in parts:
        breaks = begin + np.flatnonzero(text.data[begin:end] == ord("\n"))
        starts = np.concatenate([[begin], breaks + 1])
        lengths = np.concatenate([breaks, [end]]) - starts
        short = np.flatnonzero(lengths < 2 * text.d)
        if short.size and starts[short[0]] < text.end:
            row, offset = before + int(short[0]), int(starts[short[0]])
            number = row + 1 + text.header
            return fault(text.path, text.line(offset), text.d, row=row, number=number, offset=offset, largest=np.inf)
        before += len(breaks)
    return RowWidthError(text.path, f"expected rows of {text.d:,} numbers, seen too few bytes for so many lines")


def _ends_in_tabbed_number(token: bytes) -> bool:
    return b"\t" in token and is_number(token.rpartition(b"\t")[2].strip(b" "))


def write(table: EmbeddingTable, path: Path, *, header: bool, name: str) -> None:
    """Write a table as text, each number with as few digits as read back to it.

    Raises
    ------
    UnwritableError
        If a token would not be read back as it is.
    """
    rows.check_writable(table, path, name)
    _check_tokens(table, path, header=header)
    data, offsets = table.vocabulary.data, table.vocabulary.offsets
    wide: type[Any] = np.float64 if table.dtype == np.float64 else np.float32
    width = int(offsets[-1] - offsets[0]) // len(table) + 12 * table.d + 1
    step = max(1, (1 << 20) // width)
    spans = [(start, min(start + step, len(table))) for start in range(0, len(table), step)]

    def spell(span: tuple[int, int]) -> bytes:
        begin, end = span
        part = np.ascontiguousarray(table.matrix[begin:end], dtype=wide)
        return native.spell_rows(part, data, offsets[begin : end + 1], (0, end - begin))

    threads = local.thread_count(None)
    with replacing(path) as file:
        if header:
            file.write(f"{table.n} {table.d}\n".encode())
        for start in range(0, len(spans), 4 * threads):
            file.writelines(local.run(spell, spans[start : start + 4 * threads], threads=threads))


def _check_tokens(table: EmbeddingTable, path: Path, *, header: bool) -> None:
    """Hold every token against what a line can hold."""
    data, offsets = table.vocabulary.data, table.vocabulary.offsets
    long = np.flatnonzero(np.diff(offsets) > MAX_TOKEN)
    if long.size:
        raise rows.refuse(table, path, int(long[0]), f"has more than {MAX_TOKEN:,} bytes")
    for row in rows.rows_with(table, b"\n").tolist():
        raise rows.refuse(table, path, row, "holds a line break, and a row is a line")
    for mark, why in ((b" ", "has a later word that is a number"), (b"\t", "ends in a tab and a number")):
        for row in rows.rows_with(table, mark).tolist():
            token = data[offsets[row] : offsets[row + 1]].tobytes()
            later = token.split(b" ")[1:] if mark == b" " else []
            if any(map(is_number, later)) or (mark == b"\t" and _ends_in_tabbed_number(token)):
                raise rows.refuse(table, path, row, f"{why}, which would be read as part of the vector")
    if not header and data[: int(offsets[1])].tobytes().startswith(BOM):
        raise rows.refuse(table, path, 0, "begins with a byte order mark, which a reader drops at the beginning of a file")
