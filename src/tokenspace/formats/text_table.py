"""Tables in text, a row a line: what GloVe text and word2vec text have in common.

The rules, which the public files demand (a token that is U+0085, tokens with spaces, a header that lies): bytes, not characters; fields
split at 0x20 and rows at 0x0A only; the last d fields are the vector and the rest is the token; a later word of the token that is a
number means that the row is too wide; d is the header's, or that of most of the first 1000 rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native, progress
from tokenspace.engines import local
from tokenspace.errors import EmptyFileError, FileContentError, HeaderError, RowWidthError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.pouring import Base, Part, Pouring, sift
from tokenspace.formats.replacement import replacing
from tokenspace.formats.streams import part_size
from tokenspace.formats.text_faults import fault, wrong_delimiter, wrong_header
from tokenspace.formats.text_layout import BOM, header_of, layout_of, trailing_numbers
from tokenspace.native.reference_text import MAX_TOKEN, is_number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.formats.format import Head, Reading
    from tokenspace.formats.places import Place
    from tokenspace.formats.pouring import Flaw
    from tokenspace.formats.streams import Stream
    from tokenspace.table import EmbeddingTable
    from tokenspace.vocabulary import Vocabulary

    Block = tuple[NDArray[np.uint8], int, int, NDArray[Any] | None]
    """The bytes of some lines, where they begin in the file, how many rows they can be, and where the numbers go, if that is known."""

PART = 1 << 21
"""Bytes of text that one thread reads at a time: 4 ms of work, and small enough to stay in the cache between reading and parsing."""

MENDING_PART = 1 << 18
"""The same where flaws are mended: each bad row of a block takes half a kilobyte until the block is done."""

SAMPLE, LONGEST_LINE = 1 << 20, 1 << 24
"""Bytes looked at to settle the width, and the most where these hold no whole row; also the longest line."""

LARGEST = {"float32": float.fromhex("0x1.fffffefffffffp+127"), "float64": float.fromhex("0x1.fffffffffffffp+1023")}
"""The largest float64 that each type takes without becoming infinite; for float32 the last one below the midpoint to 2^128."""

ENDS = b"\r\n"


@dataclass(frozen=True)
class Text:
    """A text table whose width is settled and whose rows are still to be read.

    Attributes
    ----------
    begin : int
        The byte at which the rows begin.
    first : bytes
        What has been read from there on.
    d : int
        Numbers a row.
    promised : int or None
        Rows that a header promises.
    """

    path: Path
    begin: int
    first: bytes
    d: int
    promised: int | None


def pour(head: Head, reading: Reading, place: Place, *, header: bool) -> Vocabulary:
    """Read a table whose first line is a word2vec header, or one without, into a place for rows.

    Raises
    ------
    FileContentError
        One of its kinds, with line and byte.
    """
    stream = head.open()
    try:
        return _poured(head, reading, place, stream, header=header)
    finally:
        stream.close()


def _poured(head: Head, reading: Reading, place: Place, stream: Stream, *, header: bool) -> Vocabulary:
    path, dtype = head.path, reading.dtype or np.dtype(np.float32)
    threads = local.thread_count(reading.threads)
    text = _settled(path, stream, header=header)
    pouring = Pouring(path, reading, place, stream, first_line=1 + header)
    place.begin(text.d, dtype, _expected(text, stream, reading))
    blocks = _blocks(text, pouring, MENDING_PART if reading.mended is not None else PART, ring=threads + 2)
    blank, surplus, content_end = None, None, text.begin
    for parsed in local.stream(lambda block: _parsed(text, block, reading, dtype), blocks, threads=threads):
        part = parsed.part
        if blank is not None and part.count > 0:  # the empty lines were not at the end, then
            pouring.mend(blank)
        if text.promised is not None and surplus is None and pouring.base.row + part.count > text.promised:
            index = text.promised - pouring.base.row
            at = int(part.starts[np.searchsorted(part.index, index)]) if index in part.index else None
            surplus = (pouring.base.line + index, at)
        if part.count:
            blank, content_end = None, parsed.content_end
        if parsed.blank is not None and blank is None:
            blank = parsed.blank(pouring.base)
        if not pouring.take(part):
            break
        pouring.base = Base(pouring.base.row, pouring.base.line + parsed.blanks)
    else:
        if text.promised not in {None, pouring.base.row}:
            pouring.mend(_wrong_count(text, pouring.base.row, content_end, surplus))
    if not pouring.sound:
        raise EmptyFileError(path, "expected a table, seen no row", offset=text.begin)
    return pouring.vocabulary()


def _settled(path: Path, stream: Stream, *, header: bool) -> Text:
    """Settle where the rows are, how wide, and how many a header promises."""
    sample, whole = _sample(stream, lines=1 + header)
    begin = len(BOM) if sample.startswith(BOM) else 0
    if not sample[begin:].strip(ENDS):
        raise EmptyFileError(path, "expected a table, seen empty lines only", offset=begin)
    if b"\n" not in sample and not whole:
        raise RowWidthError(path, f"expected rows, seen no line break in the first {len(sample):,} bytes", line=1, offset=begin)
    content = sample[begin:]
    layout = layout_of(content[:SAMPLE] if content.count(b"\n", 0, SAMPLE) > header else content, whole=whole and len(content) <= SAMPLE)
    first, _, rest = content.partition(b"\n")
    if not header:
        d = 0 if layout.delimiter else layout.d or trailing_numbers(first)
        if not d:
            raise _no_rows(path, layout.delimiter, first, 1, begin)
        return Text(path, begin, content, d, None)
    problem = wrong_header(first, layout.d)
    if problem:
        raise HeaderError(path, problem, line=1, offset=begin, hint='a table without a header is opened with format="glove"')
    promised, d = header_of(first) or (0, 0)
    empty = not rest.strip(ENDS) and whole
    begin += len(first) + 1
    if empty or promised == 0:
        kind = EmptyFileError if empty and not promised else HeaderError
        raise kind(path, f"the header promises {promised:,} rows, seen {'none' if empty else 'some'}", line=1, offset=0)
    if not layout.d:
        raise _no_rows(path, layout.delimiter, rest.partition(b"\n")[0], 2, begin, d=d)
    return Text(path, begin, rest, d, promised)


def _sample(stream: Stream, *, lines: int) -> tuple[bytes, bool]:
    """Return the beginning, more of it where so many lines are not in it, and whether that is all there is."""
    sample, whole = bytearray(), False
    while not whole and len(sample) < LONGEST_LINE and sample.count(b"\n") < lines:
        more = bytearray(max(SAMPLE, len(sample)))
        got = stream.fill(memoryview(more))
        sample += more[:got]
        whole = got < len(more)
    return bytes(sample), whole


def _no_rows(path: Path, delimiter: str, line: bytes, number: int, offset: int, d: int = 1) -> FileContentError:
    """Explain a file most of whose lines do not end in a number."""
    if delimiter:
        return wrong_delimiter(path, line, delimiter, number=number, offset=offset)
    return fault(path, line, d, row=0, number=number, offset=offset, largest=np.inf)


def _blocks(text: Text, pouring: Pouring, size: int, *, ring: int) -> Iterator[Block]:
    """Yield pieces of about `size` bytes that end with a line, and where each begins; each is overwritten `ring` pieces later."""
    stream, reading = pouring.stream, pouring.reading
    as_read = reading.dtype in {None, np.dtype(np.float32), np.dtype(np.float64)}
    rooms = [np.empty(0, dtype=np.uint8)] * ring
    carry, at, turn = text.first, text.begin, 0
    while True:
        wanted = max(len(carry) + part_size(stream, size), 2 * len(carry))
        if len(rooms[turn]) < wanted:
            rooms[turn] = np.empty(wanted, dtype=np.uint8)
        room = rooms[turn]
        room[: len(carry)] = np.frombuffer(carry, dtype=np.uint8)
        end = len(carry) + stream.fill(room.data[len(carry) :])
        cut = _last_line_end(room, end) if end == len(room) else end
        if cut == 0 and end == 0:
            return
        if cut == 0 and end > LONGEST_LINE:
            raise RowWidthError(
                text.path, f"expected a row, seen no line break in {end:,} bytes", offset=at, hint="is a line break missing?"
            )
        carry = room[cut:end].tobytes()
        if cut:
            lines = native.count_lines(room, 0, cut) + (room[cut - 1] != ord("\n"))
            most = min(lines, (cut + 1) // (2 * text.d + 1))  # an empty token, a space and a digit a number: no row is less
            yield room[:cut], at, most, pouring.place.reserve(most) if as_read else None
            at += cut
            turn = (turn + 1) % ring
        if end < len(room):
            return


def _last_line_end(room: NDArray[np.uint8], end: int) -> int:
    """Return where the last whole line of ``room[:end]`` ends, 0 where there is none."""
    while end > 0:
        begin = max(0, end - 65_536)
        found = room[begin:end].tobytes().rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


@dataclass(frozen=True)
class Parsed:
    """The rows of a block, where the last of them ends, and the empty lines after it, which are wrong unless the file ends there."""

    part: Part
    content_end: int
    blank: Flaw | None
    blanks: int


def _parsed(text: Text, block: Block, reading: Reading, dtype: np.dtype[Any]) -> Parsed:
    """Read the rows of a block."""
    data, base, most, out = block
    end = len(data)
    if out is None:
        out = np.empty((most, text.d), dtype=np.float32 if dtype == np.float32 else np.float64)
    starts, lengths, index = (np.empty(most, dtype=np.int64) for _ in range(3))
    flaws: list[tuple[int, Flaw]] = []
    row = at = line = 0
    blank: Flaw | None = None
    while at < end:
        before = row
        row, at = native.parse_text(data, at, end, out, (row, most), starts, lengths)
        index[before:row] = np.arange(line, line + row - before)
        line += row - before
        if at >= end:
            break
        stop, bad = _line(data, at, end)
        if not bad.strip(ENDS) and not (bad := _after_blank(data, stop, end)):
            blank = _flaw(text, b"", out.dtype.name, line, base + at)
            break
        flaws.append((line, _flaw(text, data[at:stop].tobytes().removesuffix(b"\n"), out.dtype.name, line, base + at)))
        if reading.mended is None:
            line += 1
            break
        at, line = stop, line + 1
    offsets = np.zeros(row + 1, dtype=np.int64)
    np.cumsum(lengths[:row], out=offsets[1:])
    tokens = native.gather(data, starts[:row], offsets)
    part = Part(out[:row], tokens, offsets, starts[:row] + base, index[:row], line, flaws)
    tabbed = _tabbed(text, part, data, base)
    if tabbed and reading.mended is not None:
        part.keep(~np.isin(part.index, tabbed))
    part = sift(part, text.path, reading, dtype, by_line=True)
    content_end = base + (at if blank else end)
    content_end -= len(tail := data[max(0, content_end - base - 4096) : content_end - base].tobytes()) - len(tail.rstrip(ENDS))
    return Parsed(part, content_end, blank, native.count_lines(data, at, end) if blank else 0)


def _line(data: NDArray[np.uint8], at: int, end: int) -> tuple[int, bytes]:
    """Return where the line at a byte ends, its line break included, and its first bytes."""
    stop = at
    while stop < end:
        found = data[stop : min(stop + 4096, end)].tobytes().find(b"\n")
        if found >= 0:
            return stop + found + 1, data[at : min(stop + found + 1, at + 3)].tobytes()
        stop = min(stop + 4096, end)
    return end, data[at : min(end, at + 3)].tobytes()


def _after_blank(data: NDArray[np.uint8], at: int, end: int) -> bytes:
    """Return some of what follows an empty line, empty where nothing but empty lines does."""
    for begin in range(at, end, 4096):
        if left := data[begin : min(begin + 4096, end)].tobytes().strip(ENDS):
            return left
    return b""


def _flaw(text: Text, line: bytes, dtype: str, index: int, offset: int) -> Flaw:
    """Make what explains a line once it is known which row and line of the file it is."""

    def flaw(base: Base) -> FileContentError:
        return fault(text.path, line, text.d, row=base.row + index, number=base.line + index, offset=offset, largest=LARGEST[dtype])

    return flaw


def _tabbed(text: Text, part: Part, data: NDArray[np.uint8], base: int) -> list[int]:
    """Add a flaw for each row whose token ends in a tab and a number, which was meant for the vector; return which they are."""
    found = []
    for row in rows.tokens_with(part.tokens, part.offsets, b"\t").tolist():
        if ends_in_tabbed_number(part.tokens[part.offsets[row] : part.offsets[row + 1]].tobytes()):
            index, start = int(part.index[row]), int(part.starts[row])
            stop, _ = _line(data, start - base, len(data))
            line = data[start - base : stop].tobytes().removesuffix(b"\n")
            found.append(index)
            part.flaws.append((index, _tab_flaw(text, line, index, start)))
    return found


def _tab_flaw(text: Text, line: bytes, index: int, offset: int) -> Flaw:
    def flaw(base: Base) -> FileContentError:
        return wrong_delimiter(text.path, line, "tabs", number=base.line + index, offset=offset)

    return flaw


def ends_in_tabbed_number(token: bytes) -> bool:
    """Return whether a token ends in a tab and a number."""
    return b"\t" in token and is_number(token.rpartition(b"\t")[2].strip(b" "))


def _expected(text: Text, stream: Stream, reading: Reading) -> int:
    """Return about how many rows there will be: the header's, else as many as the sample lets expect, never more than fit."""
    lines = text.first.count(b"\n") + 1
    if stream.size is None:
        guess = min(text.promised or 2 * lines, 2 * lines)
    else:
        left = stream.size - text.begin
        guess = min((left + 1) // (2 * text.d + 1), text.promised or left * lines // max(1, len(text.first)) * 21 // 20 + 1000)
    return guess if reading.limit is None else min(guess, reading.limit)


def _wrong_count(text: Text, seen: int, end: int, surplus: tuple[int, int | None] | None) -> HeaderError:
    """Explain a header that promises fewer or more rows than there are."""
    problem = f"the header promises {text.promised or 0:,} rows, seen {seen:,}"
    if surplus is None:
        return HeaderError(text.path, problem, line=seen + 1, offset=end, hint="was a download or a copy cut off?")
    hint = "correct the first line, if the further rows are meant"
    return HeaderError(text.path, problem, line=surplus[0], offset=surplus[1], hint=hint)


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
            done = min(len(table), spans[min(start + 4 * threads, len(spans)) - 1][1])
            progress.report(f"writing {path.name}", done * table.d * table.dtype.itemsize, table.matrix.nbytes)


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
            if any(map(is_number, later)) or (mark == b"\t" and ends_in_tabbed_number(token)):
                raise rows.refuse(table, path, row, f"{why}, which would be read as part of the vector")
    if not header and data[: int(offsets[1])].tobytes().startswith(BOM):
        raise rows.refuse(table, path, 0, "begins with a byte order mark, which a reader drops at the beginning of a file")
