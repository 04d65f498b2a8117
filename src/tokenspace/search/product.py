"""The path without compiled kernels: keys of a block of rows by a float64 matrix product, up to a proven error.

The sum of d products that a matrix multiply makes in float64 is off by at most d·2^-53 of the lengths' product, in whatever order it
adds (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); the constants below allow more than four times that, for
the preparation and for the finishing sum too. It also serves where float32 screens would leave their range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.measures import norms
from tokenspace.search.best import FINISH, NO_COSINE, Best, Keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK, TOGETHER = 4096, 256
"""Rows a block, and queries multiplied with it at a time: 8 MB of keys."""


def search_rows(matrix: NDArray[Any], keys: Keys, k: int, start: int, stop: int) -> tuple[Best, NDArray[np.int64]]:
    """Return each query's best among rows start..stop, and how many rows of each were finished.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    keys : Keys
        Of q queries with the matrix.
    k, start, stop : int

    Returns
    -------
    Best
    array of shape (q,), int64
    """
    best, finished = Best(len(keys.queries), k), np.zeros(len(keys.queries), dtype=np.int64)
    middle = matrix[:BLOCK].mean(axis=0, dtype=np.float64) if keys.measure == "euclidean" else np.zeros(matrix.shape[1])
    for first in range(start, stop, BLOCK):
        rows = np.arange(first, min(first + BLOCK, stop))
        screen = Screen(matrix[first : first + len(rows)], keys, middle)
        for at in range(0, len(finished), TOGETHER):
            part = slice(at, at + TOGETHER)
            query, row = _hopeful(*screen.keys(part), best.keys[part])
            finished[part] += np.bincount(query, minlength=len(finished[part]))
            for piece in range(0, len(query), FINISH):
                some = slice(piece, piece + FINISH)
                a, b = query[some] + at, rows[row[some]]
                best.offer(a, b, keys.of(a, b))
    return best, finished


class Screen:
    """One block of rows lifted to float64, and its keys with any of the queries.

    Parameters
    ----------
    block : array of shape (b, d), any float type
    keys : Keys
        Of the queries with the whole matrix.
    middle : array of shape (d,), float64
        Taken from both sides before distances are computed.
    """

    def __init__(self, block: NDArray[Any], keys: Keys, middle: NDArray[np.float64]) -> None:
        self._keys = keys
        self._unit = 4 * (block.shape[1] + 16) * 2.0**-53
        self._lengths = norms(block)
        self._rows = block.astype(np.float64)
        if keys.measure == "euclidean":
            # distances do not change when all points move together, and near the origin the identity (12) hardly cancels
            self._rows -= middle
            self._moved = keys.queries - middle
            self._squares = np.einsum("ij,ij->i", self._rows, self._rows)
            self._far = float(self._lengths.max() + np.linalg.norm(middle))
        elif keys.measure == "cosine":
            self._rows /= np.where(self._lengths > 0, self._lengths, 1)[:, None]

    def keys(self, part: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the keys of the queries in `part` with the block, of shape (p, b), and a bound on each query's error, (p,)."""
        lengths = self._keys.query_lengths[part]
        if self._keys.measure == "euclidean":
            moved = self._moved[part]
            squares = np.einsum("ij,ij->i", moved, moved)
            reach = np.sqrt(squares) + np.sqrt(self._squares.max())
            keys = moved @ self._rows.T
            keys *= 2
            keys -= self._squares
            keys -= squares[:, None]
            # moving rounds each number by 2^-53 of where it stood, an error that counts times the distance
            return keys, self._unit * (reach**2 + reach * (self._far + lengths))
        keys = self._keys.queries[part] @ self._rows.T
        if self._keys.measure == "inner_product":
            return keys, self._unit * lengths * self._lengths.max()
        keys /= np.where(lengths > 0, lengths, 1)[:, None]
        keys[:, self._lengths == 0] = NO_COSINE
        keys[lengths == 0] = NO_COSINE
        return keys, np.full(len(keys), self._unit)


def _hopeful(
    keys: NDArray[np.float64], error: NDArray[np.float64], best: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (query, column) of the keys, of shape (p, b), that may belong among the k best; `best` holds those so far, (p, k)."""
    k = best.shape[1]
    threshold = best[:, -1]
    if keys.shape[1] >= k and np.isneginf(threshold).any():
        threshold = np.maximum(threshold, np.partition(keys, -k, axis=1)[:, -k] - error)
    query, column = np.nonzero(keys >= (threshold - error)[:, None])
    return query, column
