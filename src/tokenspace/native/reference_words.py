"""The kernels that turn text into ids once more, in Python: the oracle of their tests, and what serves without a compiler."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORD, BLANK, BREAK = 0, 1, 2
"""Kinds of bytes; the same figures stand in word_ids.c."""


def word_ids(
    text: bytes, kinds: NDArray[np.uint8], longest: int, numbers: dict[bytes, int], counts: list[int], *, every: bool = False
) -> tuple[list[int], int]:
    """Return the ids of a text's words, -1 for the end of a sentence (`every` one, or one that has words), and how many were too long."""
    ids: list[int] = []
    dropped = 0
    of_kind = [re.escape(bytes(np.flatnonzero(kinds == kind).astype(np.uint8))) for kind in (WORD, BREAK)]
    for found in re.finditer(b"([" + of_kind[0] + b"]+)|[" + of_kind[1] + b"]", text):
        word = found[1]
        if word is None:
            ids += [-1] if every or not ids or ids[-1] >= 0 else []
        elif len(word) > longest:
            dropped += 1
        else:
            number = numbers.setdefault(word, len(numbers))
            if number == len(counts):
                counts.append(0)
            counts[number] += 1
            ids.append(number)
    return ids, dropped


def word_renumber(ids: NDArray[np.int32], numbers: NDArray[np.int32], inside: int) -> tuple[NDArray[np.int32], int]:
    """Return the final numbers of ids, without negative ones and breaks after nothing, and whether the last is a word's."""
    final = np.where(ids < 0, -1, numbers[ids] if len(numbers) else -1)
    final = final[(ids < 0) | (final >= 0)]
    before = np.concatenate([[inside - 1], final[:-1]])
    final = final[(final >= 0) | (before >= 0)].astype(np.int32)
    return final, int(final[-1] >= 0) if len(final) else inside


def word_pieces(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], minn: int, maxn: int, buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return where the pieces of each word begin, and their buckets, by first character and then by length.

    All words at once, a character at a time: about 20 bytes of memory for each character and piece length.
    """
    m = len(offsets) - 1
    lengths = np.diff(offsets)
    begins = offsets[:-1] + 2 * np.arange(m)  # of the words in their brackets
    text = np.empty(int(offsets[-1]) + 2 * m, np.uint8)
    inner = np.ones(len(text), bool)
    inner[begins] = inner[begins + lengths + 1] = False
    text[begins], text[begins + lengths + 1], text[inner] = ord("<"), ord(">"), data
    heads = np.flatnonzero((text & 0xC0) != 0x80)  # noqa: PLR2004 - 10xxxxxx goes on with a character
    widths = np.diff(np.append(heads, len(text)))
    firsts = np.searchsorted(heads, begins)  # each word's first character
    lasts = np.append(firsts[1:], len(heads)) - 1
    word = np.repeat(np.arange(m), lasts - firsts + 1)
    signed = text.view(np.int8).astype(np.uint32)
    state = np.full(len(heads), np.uint32(2166136261))
    table = np.zeros((len(heads), maxn - minn + 1), np.uint32)
    there = np.zeros(table.shape, bool)
    alive = np.arange(len(heads))
    for n in range(1, maxn + 1):
        alive = alive[alive + n - 1 <= lasts[word[alive]]]
        if not len(alive):
            break
        char, going, byte = alive + n - 1, alive, 0
        while len(going):
            state[going] = (state[going] ^ signed[heads[char] + byte]) * np.uint32(16777619)
            byte += 1
            more = widths[char] > byte
            going, char = going[more], char[more]
        if n >= minn:
            taken = alive if n > 1 else alive[(alive != firsts[word[alive]]) & (alive != lasts[word[alive]])]
            table[taken, n - minn], there[taken, n - minn] = state[taken], True
    counts = np.add.reduceat(there.sum(axis=1), firsts) if m else np.zeros(0, np.int64)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), (table[there] % np.uint32(buckets)).astype(np.int32)
