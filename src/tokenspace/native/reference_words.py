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


def word_pieces(word: bytes, minn: int, maxn: int, buckets: int) -> list[int]:
    """Return the buckets of a word's pieces, in the order of their beginnings and lengths."""
    letters = [(b"<" + word[:1024] + b">")[at : at + 1] for at in range(min(len(word), 1024) + 2)]
    starts = [at for at, letter in enumerate(letters) if letter[0] & 0xC0 != 0x80]  # noqa: PLR2004 - UTF-8's continuations
    bounds = [*starts, len(letters)]
    marked = b"".join(letters)
    found = []
    for i in range(len(starts)):
        for n in range(minn, min(maxn, len(starts) - i) + 1):
            if n == 1 and (i == 0 or i == len(starts) - 1):
                continue
            value = 2166136261
            for byte in marked[bounds[i] : bounds[i + n]]:
                value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF  # noqa: PLR2004 - signed
            found.append(value % buckets)
    return found
