"""The kernels that read JSON text once more, with regular expressions: the oracle of their tests, and what serves without a compiler."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NUMBERED = 0
"""Items of an object: a string and a whole number. The figures of the three forms stand in json_text.c too."""
SCORED = 1
"""Items of a list: each a list of a string and a number."""
MERGED = 2
"""Items of a list: each a list of two strings, or one string with a blank between two parts."""

INNER = rb"((?:[^\"\\]++|\\.)*)"  # groups are not possessive: with groups in them, Python took wrong turns until 3.11.5 (gh-106052)
STRING, BLANK = rb'"' + INNER + rb'"', rb"[ \t\r\n]*+"
NUMBER = rb"([-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?)"
ITEMS = {
    NUMBERED: rb"%s%s:%s(\d{1,12}+)%s(?:,|(?=}))" % (STRING, BLANK, BLANK, BLANK),
    SCORED: rb"\[%s%s%s,%s%s%s\]%s(?:,|(?=\]))" % (BLANK, STRING, BLANK, BLANK, NUMBER, BLANK, BLANK),
    MERGED: rb"(?:\[%s%s%s,%s%s%s\]|%s)%s(?:,|(?=\]))" % (BLANK, STRING, BLANK, BLANK, STRING, BLANK, STRING, BLANK),
}
PATTERNS = {form: re.compile(BLANK + item, re.DOTALL) for form, item in ITEMS.items()}
PLAIN = re.compile(rb"(?:[^\"\[\]{}]++|" + STRING + rb")*", re.DOTALL)
"""Everything up to the next bracket."""
QUOTED = re.compile(STRING, re.DOTALL)


def json_skip(text: NDArray[np.uint8], at: int, stop: int, depth: int) -> tuple[int, int]:
    """Go on with a value until no bracket is open, or `stop` is passed outside a string."""
    view = memoryview(text.data)
    while at < stop:
        at = _end(PLAIN.match(view, at, stop))
        if at == stop:
            break
        if view[at] == ord('"'):  # a string beyond the stop, or without an end
            at = _end(QUOTED.match(view, at))
            if at < 0:
                break
            continue
        depth += 1 if view[at] in b"{[" else -1
        at += 1
        if not depth:
            break
    return at, depth


def _end(found: re.Match[bytes] | None) -> int:
    return found.end() if found else -1


def json_items(text: NDArray[np.uint8], at: int, end: int, form: int, room: int, of: Callable[..., Any]) -> tuple[Any, int]:
    """Read up to `room` items from `at`; return what they are made into by `of`, and where the next begins."""
    view = memoryview(text.data)[:end]
    strings: list[bytes] = []
    escaped: list[bool] = []
    values: list[float] = []
    while len(values) < room and (found := PATTERNS[form].match(view, at)):
        parts = [b"" if part is None else bytes(part) for part in found.groups()]
        some = parts[: 2 if form == MERGED else 1]
        marks = [b"\\" in part for part in some]
        if form == MERGED and found[3] is not None:
            left, gap, right = parts[2].partition(b" ")
            if not gap:
                break
            some, marks = [left, right], [b"\\" in parts[2]] * 2
        strings += some
        escaped += marks
        values.append(0.0 if form == MERGED else float(parts[1]))
        at = found.end()
    offsets = np.cumsum([0, *map(len, strings)], dtype=np.int64)
    data = np.frombuffer(b"".join(strings), dtype=np.uint8)
    return of(data, offsets, np.array(escaped, dtype=np.bool_), np.array(values, dtype=np.float64)), at
