"""Texts as bags of rows: each different word is cut into rows once, so that a text costs little more than finding its words."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import EncodingError
from tokenspace.native import WordCounts
from tokenspace.native.words import BLANK, BREAK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.texts.cutting import Cutter

LINE_END, TEXT_END = b"\n", b"\xff"
"""What ends each text: a line's end in files, and for strings in memory a byte that UTF-8 never has."""

MOST_WORDS, MOST_BYTES = 1 << 20, 1 << 26
"""Different words, and their bytes, that are kept before all are forgotten: 120 MB with their rows."""

LONGEST = 1 << 26
"""Bytes of a word, those of the longest line: nothing is dropped."""


class Bags:
    """Turns texts into words, and words into rows.

    Parameters
    ----------
    cutter : Cutter

    Notes
    -----
    About 40 ns a word that was seen before, and what the cutter takes for a new one. May be used by several threads, one after the other.
    """

    def __init__(self, cutter: Cutter) -> None:
        self.cutter = cutter
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._index = WordCounts(np.zeros(256, dtype=np.uint8), every=True, longest=LONGEST)
        self._known = self._placed = 0
        self._begins = np.zeros(1 << 12, dtype=np.int64)
        self._pieces = np.empty(1 << 13, dtype=np.int32)

    def of(
        self, data: bytes, end: bytes = LINE_END, *, name: str = "the text", first: int = 1
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[Any] | None]:
        """Return the words of texts and the rows of all words seen so far.

        Parameters
        ----------
        data : bytes
            The texts, each with its end behind it.
        end : bytes
            One byte that ends a text.
        name : str
            What errors name.
        first : int
            The number of the first text.

        Returns
        -------
        words : array of shape (m,), int32
            Word numbers, and -1 behind each text's last.
        begins : array of shape (w + 1,), int64
        pieces : array of shape (p,), int32
            The rows of word i are ``pieces[begins[i]:begins[i + 1]]``.
        more : array of shape (e, d) or None
            The rows behind those of the table.

        Raises
        ------
        EncodingError
            If a text is not UTF-8; its number is named.
        """
        with self._lock:
            if self._known > MOST_WORDS or int(self._index.offsets[self._known]) > MOST_BYTES:
                self._forget()
            kinds = np.zeros(256, dtype=np.uint8)
            kinds[list(self.cutter.blanks)] = BLANK
            kinds[end[0]] = BREAK
            self._index.kinds = kinds
            words = self._index.ids(data)
            try:
                self._cut()
            except UnicodeDecodeError:
                self._forget()  # what was numbered and not cut would be taken for words without rows
                raise not_utf8(data, end, name, first) from None
            return words, self._begins[: self._known + 1], self._pieces[: self._placed], self.cutter.more

    def _cut(self) -> None:
        """Cut the words that were not seen before."""
        data, offsets, _ = self._index.words()
        if len(offsets) - 1 == self._known:
            return
        bounds = offsets[self._known :].tolist()
        text = data[bounds[0] : bounds[-1]].tobytes()
        parts = [text[a - bounds[0] : b - bounds[0]].decode() for a, b in pairwise(bounds)]
        found = self.cutter.cut(parts)
        rows = np.array([row for some in found for row in some], dtype=np.int32)
        ends = self._placed + np.cumsum(np.array([len(some) for some in found], dtype=np.int64))
        known, placed = self._known + len(found), self._placed + len(rows)
        self._begins = _room(self._begins, self._known + 1, known + 1)
        self._pieces = _room(self._pieces, self._placed, placed)
        self._begins[self._known + 1 : known + 1] = ends
        self._pieces[self._placed : placed] = rows
        self._known, self._placed = known, placed


def _room(array: NDArray[Any], used: int, wanted: int) -> NDArray[Any]:
    """Return an array with room for as many, and for half as many again; what was handed out before stays as it was."""
    if wanted <= len(array):
        return array
    larger = np.empty(wanted + wanted // 2, array.dtype)
    larger[:used] = array[:used]
    return larger


def not_utf8(data: bytes, end: bytes, name: str, first: int) -> EncodingError:
    """Return the error for the first of some texts that is not UTF-8."""
    for number, text in enumerate(data.split(end)):
        try:
            text.decode()
        except UnicodeDecodeError as error:
            problem = f"expected UTF-8, seen {text[error.start : error.start + 8]!r}"
            return EncodingError(name, problem, line=first + number, hint="iconv -f LATIN1 -t UTF-8 FILE | tokenspace encode ...")
    return EncodingError(name, "expected UTF-8")
