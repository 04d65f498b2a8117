"""Text to ids: words numbered in the order of their first appearance, and counted."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.native import reference_words
from tokenspace.native.door import kernel
from tokenspace.native.reference_words import BLANK, BREAK, WORD

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BLANK", "BREAK", "LONGEST", "WORD", "WordCounts", "renumber", "word_pieces"]

LONGEST = 65_536
"""Bytes of a word; longer ones, as binary junk has them, are dropped and counted. The same bound as that of a text table's tokens."""

KNOWN, WRITTEN, DROPPED = range(3)


class WordCounts:
    """The different words of a text and how often each stands there; it grows as text goes by.

    Parameters
    ----------
    kinds : array of shape (256,), uint8
        What each byte is: `WORD` (part of one), `BLANK` (between two) or `BREAK` (between two sentences).
    every : bool
        Whether a sentence without a word counts as one: each break then gives a -1.
    longest : int
        Bytes of a word.

    Attributes
    ----------
    dropped : int
        Words of more than `longest` bytes, which have no number.
    """

    def __init__(self, kinds: NDArray[np.uint8], *, every: bool = False, longest: int = LONGEST) -> None:
        self.kinds, self.every, self.longest = kinds, every, longest
        self.state = np.zeros(3, dtype=np.int64)
        self.data = np.empty(1 << 16, dtype=np.uint8)
        self.offsets = np.zeros((1 << 13) + 1, dtype=np.int64)
        self.counted = np.zeros(1 << 13, dtype=np.int64)
        self.slots = np.zeros(1 << 14, dtype=np.uint64)
        self._twin: dict[bytes, int] | None = None if kernel("word_ids") else {}
        self._twin_counts: list[int] = []

    def __len__(self) -> int:
        """Return the number of different words."""
        return int(self.state[KNOWN]) if self._twin is None else len(self._twin)

    @property
    def dropped(self) -> int:
        """Words that were too long."""
        return int(self.state[DROPPED])

    def words(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        """Return the words' bytes end to end (b,), uint8; where each begins (n + 1,), int64; how often it was seen (n,), int64."""
        if self._twin is not None:
            offsets = np.zeros(len(self._twin) + 1, dtype=np.int64)
            np.cumsum([len(word) for word in self._twin], out=offsets[1:])
            return np.frombuffer(b"".join(self._twin), dtype=np.uint8), offsets, np.array(self._twin_counts, dtype=np.int64)
        n = len(self)
        return self.data[: self.offsets[n]], self.offsets[: n + 1], self.counted[:n]

    def ids(self, text: bytes) -> NDArray[np.int32]:
        """Return the numbers of a text's words, and count them.

        Parameters
        ----------
        text : bytes
            Whole words.

        Returns
        -------
        array of shape (m,), int32
            The words' numbers, and -1 where a sentence ends: once for any number of breaks in a row (unless `every`), and in front
            too, since the sentence may have begun in an earlier text.

        Notes
        -----
        About 40 ns a word and thread; the interpreter lock is free meanwhile.
        """
        if self._twin is not None:
            found, dropped = reference_words.word_ids(text, self.kinds, self.longest, self._twin, self._twin_counts, every=self.every)
            self.state[DROPPED] += dropped
            return np.array(found, dtype=np.int32)
        compiled = kernel("word_ids")
        source = np.frombuffer(text, dtype=np.uint8)
        out = np.empty(len(text) + 1, dtype=np.int32)
        self.state[WRITTEN] = 0
        at = 0
        while compiled is not None and at < len(text):
            at = compiled(source, at, len(text), self.kinds, self.every, self.longest, *self._room(), out, self.state)
            if at < len(text):
                self._grow(min(self.longest, len(text)))
        return out[: self.state[WRITTEN]]

    def join(self, other: WordCounts) -> NDArray[np.int32]:
        """Take in the words and counts of another.

        Parameters
        ----------
        other : WordCounts

        Returns
        -------
        array of shape (m,), int32
            The number here of each of its words.
        """
        data, offsets, counts = other.words()
        if self._twin is not None:
            text, bounds = data.tobytes(), offsets.tolist()
            words = [text[a:b] for a, b in pairwise(bounds)]
            numbers = np.array([self._twin.setdefault(word, len(self._twin)) for word in words], dtype=np.int32)
            self._twin_counts += [0] * (len(self._twin) - len(self._twin_counts))
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
                self._twin_counts[number] += count
            self.state[DROPPED] += other.dropped
            return numbers
        compiled = kernel("word_join")
        numbers = np.empty(len(counts), dtype=np.int32)
        at = 0
        while compiled is not None and at < len(counts):
            at = compiled(data, offsets, counts, at, len(counts), *self._room(), numbers, self.state)
            if at < len(counts):
                self._grow(self.longest)
        self.state[DROPPED] += other.dropped
        return numbers

    def _room(self) -> tuple[NDArray[np.uint64], int, NDArray[np.uint8], int, NDArray[np.int64], int, NDArray[np.int64]]:
        """Return what the kernels are told of the memory they may use."""
        return self.slots, len(self.slots) - 1, self.data, len(self.data), self.offsets, len(self.counted), self.counted

    def _grow(self, length: int) -> None:
        """Make room for another word of `length` bytes, and for half as many more as there are."""
        compiled, n = kernel("word_slots"), len(self)
        if int(self.offsets[n]) + length > len(self.data):
            larger = np.empty(len(self.data) + len(self.data) // 2 + length, dtype=np.uint8)
            larger[: self.offsets[n]] = self.data[: self.offsets[n]]
            self.data = larger
        if compiled is not None and n >= len(self.counted):
            more = len(self.counted) // 2
            self.offsets = np.concatenate([self.offsets, np.zeros(more, dtype=np.int64)])
            self.counted = np.concatenate([self.counted, np.zeros(more, dtype=np.int64)])
            if 2 * len(self.counted) > len(self.slots):
                self.slots = np.zeros(2 * len(self.slots), dtype=np.uint64)
                compiled(self.data, self.offsets, n, self.slots, len(self.slots) - 1)


def renumber(ids: NDArray[np.int32], numbers: NDArray[np.int32], inside: int) -> tuple[NDArray[np.int32], int]:
    """Give ids their final numbers.

    Parameters
    ----------
    ids : array of shape (m,), int32
        Below k, or -1 for the end of a sentence. Written over.
    numbers : array of shape (k,), int32
        The final number of each, negative for those that are left out.
    inside : int
        Whether a sentence has begun before: 1 or 0.

    Returns
    -------
    ids : array of shape (m',), int32
        Without those left out; sentences that are left empty have lost their end.
    inside : int
        Whether the last of all ids so far is a word's.
    """
    compiled = kernel("word_renumber")
    if compiled is None:
        return reference_words.word_renumber(ids, numbers, inside)
    open_ = np.array([inside], dtype=np.int64)
    left = compiled(ids, len(ids), numbers, open_)
    return ids[:left], int(open_[0])


def word_pieces(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], *, minn: int, maxn: int, buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the buckets of the pieces that words are spelt with.

    Parameters
    ----------
    data : array of shape (b,), uint8
        The words' bytes.
    offsets : array of shape (n + 1,), int64
        Where each begins; must rise from 0 to b (the caller has checked).
    minn, maxn : int
        Letters of a piece, at least and at most.
    buckets : int
        Numbers that pieces are hashed to.

    Returns
    -------
    begins : array of shape (n + 1,), int64
        Where each word's begin in the next.
    pieces : array of shape (m,), int32
        Bucket numbers.
    """
    compiled = kernel("word_pieces")
    if compiled is None:
        return reference_words.word_pieces(data, offsets, minn, maxn, buckets)
    begins = np.zeros(len(offsets), dtype=np.int64)
    out = np.empty(1024 * maxn + 8 * len(data), dtype=np.int32)
    at = 0
    while (at := compiled(data, offsets, at, len(offsets) - 1, minn, maxn, buckets, begins, out, len(out))) < len(offsets) - 1:
        out = np.concatenate([out, np.empty(len(out), dtype=np.int32)])
    return begins, out[: begins[-1]].copy()
