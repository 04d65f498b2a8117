"""MurmurHash64A of many strings at once: what spaCy calls its words by.

A. Appleby, https://github.com/aappleby/smhasher, public domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FACTOR, SHIFT = np.uint64(0xC6A4A7935BD1E995), np.uint64(47)
WORD = 8
"""Bytes taken at a time."""


def murmur64(data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64], *, seed: int) -> NDArray[np.uint64]:
    """Return the hash of every string.

    Parameters
    ----------
    data : array of shape (b,), uint8
    starts, lengths : arrays of shape (n,), int64
        Where in `data` each string begins, and its bytes.
    seed : int

    Returns
    -------
    array of shape (n,), uint64

    Notes
    -----
    O(bytes) altogether: in each step only the strings that are long enough take part.
    """
    state = np.uint64(seed) ^ (lengths.astype(np.uint64) * FACTOR)
    padded = np.concatenate([data, np.zeros(WORD, np.uint8)])
    places = np.arange(WORD)
    alive = np.flatnonzero(lengths >= WORD)
    at = 0
    while len(alive):
        block = padded[(starts[alive] + at)[:, None] + places].view("<u8")[:, 0] * FACTOR
        state[alive] = (state[alive] ^ ((block ^ (block >> SHIFT)) * FACTOR)) * FACTOR
        at += WORD
        alive = alive[lengths[alive] >= at + WORD]
    rest = lengths % WORD
    some = np.flatnonzero(rest)
    if len(some):
        tail = padded[(starts[some] + lengths[some] - rest[some])[:, None] + places]
        tail[places >= rest[some][:, None]] = 0
        state[some] = (state[some] ^ np.ascontiguousarray(tail).view("<u8")[:, 0]) * FACTOR
    state = (state ^ (state >> SHIFT)) * FACTOR
    return state ^ (state >> SHIFT)
