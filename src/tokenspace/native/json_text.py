"""JSON text of a known form, read without being parsed: where a value ends, and the items of a long list of tokens."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tokenspace.native import reference_json
from tokenspace.native.door import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOM, SPACE = 4096, 1 << 17
"""Items read at a time, and bytes of their strings: 0.3 MB with what is known of each."""


class JsonItems(NamedTuple):
    """Some items of a list: m of them, with s strings.

    Attributes
    ----------
    data : array of shape (b,), uint8
        What stands between the strings' quotes, one after the other.
    offsets : array of shape (s + 1,), int64
        Where each begins in `data`.
    escaped : array of shape (s,), bool
        Whether there is a backslash in it, so that what stands there is not what it means.
    values : array of shape (m,), float64
        The numbers; zeros where the form has none.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    escaped: NDArray[np.bool_]
    values: NDArray[np.float64]

    def string(self, place: int) -> str:
        """Return one string as it is meant.

        Raises
        ------
        ValueError
            If it is no UTF-8, or an escape is none.
        """
        text = self.data[self.offsets[place] : self.offsets[place + 1]].tobytes()
        return meant(text) if self.escaped[place] else text.decode()

    def strings(self) -> list[str]:
        """Return all strings as they are meant; raises as `string`."""
        text = self.data.tobytes()
        pairs = zip(pairwise(self.offsets.tolist()), self.escaped.tolist(), strict=True)
        return [meant(text[begin:end]) if escaped else text[begin:end].decode() for (begin, end), escaped in pairs]


def meant(text: bytes) -> str:
    """Return what a string with escapes means."""
    string: str = json.loads(b'"' + text + b'"', strict=False)
    return string


def json_skip(text: NDArray[np.uint8], at: int, stop: int, depth: int) -> tuple[int, int]:
    """Go on with a JSON value.

    Parameters
    ----------
    text : array of shape (b,), uint8
        Usually mapped.
    at, stop : int
        Where to go on, outside a string, and where to stop at the latest, or behind the string that is open there: 0 <= at, stop <= b.
    depth : int
        Brackets open at `at`.

    Returns
    -------
    at : int
        Behind the bracket that closes the value, or `stop` or the first byte behind it that is outside a string; -1 where a string does
        not end.
    depth : int
        Brackets open there.

    Notes
    -----
    About 1 ns a byte. Which bracket closes which is not looked at.
    """
    compiled = kernel("json_skip")
    if compiled is None:
        return reference_json.json_skip(text, at, stop, depth)
    state = np.array([depth], dtype=np.int64)
    return compiled(text, at, stop, len(text), state), int(state[0])


def json_items(text: NDArray[np.uint8], at: int, end: int, form: int) -> tuple[JsonItems, int]:
    """Read some items of a list, or members of an object.

    Parameters
    ----------
    text : array of shape (b,), uint8
        Usually mapped.
    at, end : int
        Where the next item begins, and where the list ends, its closing bracket included: 0 <= at <= end <= b.
    form : int
        One of `reference_json`: NUMBERED, ``"token": 12`` with at most 12 digits; SCORED, ``["token", -3.25]``; MERGED,
        ``["left", "right"]`` or ``"left right"``, of which each has two strings.

    Returns
    -------
    items : JsonItems
        Some thousand; none where what stands there is not of the form, as at the end of the list.
    at : int
        Where the next begins.

    Notes
    -----
    About 2 ns a byte.
    """
    compiled = kernel("json_items")
    if compiled is None:
        return reference_json.json_items(text, at, end, form, ROOM, JsonItems)
    strings = 2 * ROOM if form == reference_json.MERGED else ROOM
    offsets, escaped = np.empty(strings + 1, dtype=np.int64), np.empty(strings, dtype=np.uint8)
    values, ends, state = np.empty(ROOM), np.empty(ROOM, dtype=np.int64), np.empty(2, dtype=np.int64)
    data = np.empty(SPACE, dtype=np.uint8)
    count = compiled(text, at, end, form, ROOM, len(data), data, offsets, escaped, values, ends, state)
    if not count and state[1]:  # an item that is longer than all of it
        data = np.empty(int(state[1]), dtype=np.uint8)
        count = compiled(text, at, end, form, 1, len(data), data, offsets, escaped, values, ends, state)
    for place in np.flatnonzero(np.isnan(values[:count])).tolist():
        begin = int(ends[place - 1]) if place else at
        values[place] = float(text[begin : int(ends[place])].tobytes().rpartition(b"]")[0].rpartition(b",")[2])
    used = count * strings // ROOM
    return JsonItems(data[: offsets[used]], offsets[: used + 1], escaped[:used].view(np.bool_), values[:count]), int(state[0])
