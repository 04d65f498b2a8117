"""What a file looks like when its beginning is taken for lines of text: header, numbers a row, delimiter.

Used to tell text tables from anything else, and to settle how many numbers a row has before the rows are read.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from tokenspace import native
from tokenspace.native.reference_text import NUMBER, is_number

BOM = b"\xef\xbb\xbf"

ROWS = 1000
"""Lines by whose majority the width is settled: never the first alone, whose token may hold spaces."""

WHOLE_NUMBER = re.compile(rb"[0-9]{1,18}")
"""A number that a header may hold; 18 digits stay within 64 bits."""

LIKE_A_WHOLE_NUMBER = re.compile(rb"[+-]?[0-9][0-9_]*")

ROW = re.compile(rb"[^ ]*(?: %b)+" % NUMBER.pattern)
"""A row whose token holds no space: the usual one, told in one step."""

SHORT = 1 << 14
"""Bytes up to which it is told so: matching takes 300 times a row's bytes of memory, 5 MB here."""

DELIMITERS = {b"\t": "tabs", b",": "commas", b";": "semicolons"}

DECIMAL_COMMA = re.compile(rb"[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?")

CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f]")


@dataclass(frozen=True)
class Layout:
    """The look of a text.

    Attributes
    ----------
    header : bytes or None
        The first line, where it looks like a word2vec header (sound or not) and not like a row.
    d : int
        Numbers that most rows end with; 0 where most end with none.
    delimiter : str
        What separates the numbers where it is not the space: ``tabs``, ``commas``, ``semicolons``, ``decimal commas``, or empty.
    binary : bool
        Whether a header is followed by bytes that are no line of text; no width or delimiter is looked for then.
    """

    header: bytes | None
    d: int
    delimiter: str = ""
    binary: bool = False

    @property
    def rows(self) -> bool:
        """Whether these are rows of numbers, be it with the wrong delimiter."""
        return self.d > 0 or bool(self.delimiter)


def stripped(line: bytes) -> bytes:
    """Return a line without the carriage return and the spaces at its end."""
    return line.removesuffix(b"\r").rstrip(b" ")


def trailing_numbers(line: bytes) -> int:
    """Return how many fields at the line's end are numbers, its first field, the token's, left out."""
    line = stripped(line)
    if len(line) < SHORT and ROW.fullmatch(line):
        return line.count(b" ")
    end, count = len(line), 0
    while (space := line.rfind(b" ", 0, end)) >= 0 and is_number(line[space + 1 : end]):
        end, count = space, count + 1
    return count


def header_of(line: bytes) -> tuple[int, int] | None:
    """Return the rows and the dimension that a word2vec header gives: exactly two whole numbers, a space between them."""
    fields = stripped(line).split(b" ")
    if len(fields) != 2 or not all(map(WHOLE_NUMBER.fullmatch, fields)):  # noqa: PLR2004 - rows and dimension
        return None
    return int(fields[0]), int(fields[1])


def layout_of(start: bytes, *, whole: bool) -> Layout:
    """Say what a file that begins with `start` looks like as text.

    Parameters
    ----------
    start : bytes
        The file's beginning.
    whole : bool
        Whether it is the whole file; else the last line may be cut and is looked at only if it is the first as well.
    """
    lines = start.removeprefix(BOM).split(b"\n", ROWS + 1)
    if len(lines) > 1 and (not whole or not stripped(lines[-1]) or len(lines) > ROWS + 1):
        lines.pop()
    elif not whole:  # one line that goes on: its last field may be cut
        lines = [lines[0].rpartition(b" ")[0]]
    first, rest = lines[0], [line for line in lines[1:] if stripped(line)]
    after_first = _widths(rest)
    header = first if _like_a_header(first, after_first) else None
    rows = rest if header is not None else [first, *rest]
    if header is not None and _binary(start.removeprefix(BOM)[len(first) + 1 :], header_of(first)):
        return Layout(header, 0, "", binary=True)
    widths = Counter(filter(None, after_first if header is not None else [trailing_numbers(first), *after_first]))
    d = widths.most_common(1)[0][0] if 2 * widths.total() >= len(rows) > 0 else 0
    delimiter = _delimiter(rows, fields=1 if d == 0 else 2)
    return Layout(header, 0 if delimiter else d, delimiter, binary=False)


def _widths(lines: list[bytes]) -> list[int]:
    """Return what `trailing_numbers` says of each line; the kernel, which passes those as wide as the first, makes it six times as fast."""
    d = trailing_numbers(lines[0]) if lines else 0
    if d == 0:
        return [trailing_numbers(line) for line in lines]
    data = np.frombuffer(b"".join(line + b"\n" for line in lines), dtype=np.uint8)
    room = min(len(lines), len(data) // (2 * d))  # no more rows of d numbers fit
    out, starts, lengths = np.empty((room, d), dtype=np.float32), *np.empty((2, room), dtype=np.int64)
    found: list[int] = []
    at = 0
    while True:
        passed, at = native.parse_text(data, at, len(data), out, (0, room), starts, lengths)
        found += [d] * passed
        if len(found) == len(lines):
            return found
        line = lines[len(found)]
        found.append(trailing_numbers(line))
        at += len(line) + 1


def _like_a_header(first: bytes, rest: list[int]) -> bool:
    """Whether the first line is a header and not a row: whole numbers only, two or three, and not as wide as the rows of those widths."""
    fields = stripped(first).split(b" ")
    if len(fields) not in {2, 3} or not all(map(LIKE_A_WHOLE_NUMBER.fullmatch, fields)):
        return False
    if not rest:
        return len(fields) == 2  # noqa: PLR2004 - rows and dimension
    width = Counter(rest).most_common(1)[0][0]
    claimed = header_of(first)
    return width != len(fields) - 1 or (claimed is not None and claimed[1] == width)


def _binary(rest: bytes, claimed: tuple[int, int] | None) -> bool:
    """Whether what follows a header is a token and float32 numbers rather than a line of text."""
    line, newline, _ = rest.partition(b"\n")
    if not rest or (newline and claimed is not None and trailing_numbers(line) == claimed[1] > 0):
        return False
    try:
        line.decode()
    except UnicodeDecodeError as error:
        if newline or error.reason != "unexpected end of data":
            return True
    return bool(CONTROL.search(line.removesuffix(b"\r")))


def _delimiter(rows: list[bytes], *, fields: int) -> str:
    """Name what separates the numbers, `fields` or more of them, in at least half of the rows, if that is not the space."""
    for mark, name in DELIMITERS.items():
        if rows and 2 * sum(_delimited(row, mark) >= fields for row in rows) >= len(rows):
            return name
    commas = sum(bool(DECIMAL_COMMA.fullmatch(stripped(row).rpartition(b" ")[2])) for row in rows)
    return "decimal commas" if rows and 2 * commas >= len(rows) else ""


def _delimited(row: bytes, mark: bytes) -> int:
    """Return how many numbers follow the first field, fields split at `mark`; 0 if one of these is not a number."""
    if mark not in row:  # most rows of most files; asking costs a thousandth of splitting
        return 0
    fields = [field.strip(b" ") for field in stripped(row).split(mark)][1:]
    return len(fields) if all(NUMBER.fullmatch(field) or DECIMAL_COMMA.fullmatch(field) for field in fields) else 0
