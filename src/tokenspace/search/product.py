"""The path that prepares nothing: keys of a block of rows by a matrix product, up to a proven error.

The sum of d products that a matrix multiply makes in floats of unit u is off by at most d·u of the lengths' product, in whatever order
it adds (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); the constants below allow for that at least twice, for the
preparation and for the finishing sum too. Float32 rows of ordinary size are multiplied as they are: what serves few queries best, and
an index that is used once. All others are lifted to float64; so this path also serves where float32 would leave its range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.measures import norms
from tokenspace.search.best import FINISH, NO_COSINE, Best, Keys
from tokenspace.search.screen import FARTHEST, LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BLOCK, TOGETHER = 4096, 256
"""Rows a block, and queries multiplied with it at a time: 8 MB of keys."""

FEW = 64
"""Queries up to which it pays to multiply the rows by them: 10 take 0.7 ms instead of 1.1 in a block of 384 numbers a row."""

SHORT = 1 << 20
"""Numbers a row from which on the rounding of float32 sums is no longer proportional to them."""

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)

UNITS = {SINGLE: 2 * 2.0**-24, DOUBLE: 4 * 2.0**-53}
"""What each term of a sum may be off by, as a share of it."""

VANISHED = 2.0**-126
"""Smaller products than that may be lost whole."""


def is_single(matrix: NDArray[Any]) -> bool:
    """Return whether float32 holds all numbers, and its sums of so many terms are off by a share of them only."""
    return matrix.dtype != DOUBLE and matrix.shape[1] < SHORT


def search_rows(matrix: NDArray[Any], keys: Keys, k: int, start: int, stop: int, *, single: bool = False) -> tuple[Best, NDArray[np.int64]]:
    """Return each query's best among rows start..stop, and how many rows of each were finished.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    keys : Keys
        Of q queries with the matrix.
    k, start, stop : int
    single : bool, default False
        Whether float32 rows, or narrower ones, are multiplied as they are: `is_single`, and all lengths are ordinary.

    Returns
    -------
    Best
    array of shape (q,), int64
    """
    best, finished = Best(len(keys.queries), k), np.zeros(len(keys.queries), dtype=np.int64)
    for first, screen in screens(matrix, keys, start, stop, single=single):
        rows = np.arange(first, first + screen.n)
        for at in range(0, len(finished), TOGETHER):
            part = slice(at, at + TOGETHER)
            query, row = _hopeful(*screen.keys(part), best.keys[part])
            finished[part] += np.bincount(query, minlength=len(finished[part]))
            for piece in range(0, len(query), FINISH):
                some = slice(piece, piece + FINISH)
                a, b = query[some] + at, rows[row[some]]
                best.offer(a, b, keys.of(a, b))
    return best, finished


def screens(matrix: NDArray[Any], keys: Keys, start: int, stop: int, *, single: bool) -> Iterator[tuple[int, Screen]]:
    """Yield rows start..stop block by block: the first row of each, and its screen."""
    if single and keys.measure != "cosine":  # queries' squares and products, too, are to stay within float32's range
        lengths = keys.query_lengths
        single = bool(lengths.max(initial=0) < LARGEST and lengths.min(initial=1, where=lengths > 0) > 1 / FARTHEST)
    element = SINGLE if single else DOUBLE
    middle = matrix[:BLOCK:4].mean(axis=0, dtype=np.float64).astype(element) if keys.measure == "euclidean" else None
    for first in range(start, stop, BLOCK):
        yield first, Screen(matrix, slice(first, min(first + BLOCK, stop)), keys, middle, element)


class Screen:
    """One block of rows, and its keys with any of the queries.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    part : slice
        Which rows.
    keys : Keys
        Of the queries with the whole matrix.
    middle : array of shape (d,), of `element`, or None
        Taken from both sides before distances are computed: from float32 rows exactly, but for a last rounding of the difference.
    element : dtype
        What is multiplied: float32 or float64.
    """

    def __init__(self, matrix: NDArray[Any], part: slice, keys: Keys, middle: NDArray[Any] | None, element: np.dtype[Any]) -> None:
        block = matrix[part]
        self.n = len(block)
        self._keys, self._element = keys, element
        terms = block.shape[1] + 16
        self._unit, self._finished = terms * UNITS[element], terms * UNITS[DOUBLE]
        self._vanished = terms * VANISHED if element == SINGLE else 0.0
        self._lengths = norms(block) if keys.lengths is None else keys.lengths[part]
        self._rows = block.astype(element, copy=False)
        self._queries = keys.queries
        self._inverse = np.where(self._lengths > 0, 1 / np.where(self._lengths > 0, self._lengths, 1), 0).astype(element)
        if middle is not None:
            # distances do not change when all points move together, and near the origin the identity (12) hardly cancels
            self._rows = self._rows - middle
            self._queries = keys.queries - middle
            self._squares = np.einsum("ij,ij->i", self._rows, self._rows)
            self._far = float(self._lengths.max() + np.linalg.norm(middle))

    def keys(self, part: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the keys of the queries in `part` with the block, of shape (p, b), and a bound on each query's error, (p,)."""
        lengths, queries = self._keys.query_lengths[part], self._queries[part]
        if self._keys.measure == "euclidean":
            squares = np.einsum("ij,ij->i", queries, queries)
            reach = np.sqrt(squares) + np.sqrt(float(self._squares.max()))
            keys = self._products(queries)
            keys *= 2
            keys -= self._squares
            keys -= squares.astype(self._element)[:, None]
            # moving rounds each number by 2^-53 of where it stood, an error that counts times the distance; so does the finishing sum
            return keys, self._unit * reach**2 + self._finished * reach * (self._far + lengths) + self._vanished
        if self._keys.measure == "inner_product":
            keys = self._products(queries)
            return keys, self._unit * lengths * self._lengths.max() + self._vanished
        keys = self._products(queries / np.where(lengths > 0, lengths, 1)[:, None])
        keys *= self._inverse
        keys[:, self._lengths == 0] = NO_COSINE
        keys[lengths == 0] = NO_COSINE
        return keys, np.full(len(keys), self._unit)

    def _products(self, queries: NDArray[np.float64]) -> NDArray[Any]:
        """Return the products of queries with all rows; BLAS lays its second factor out anew, so that is to be the smaller one."""
        queries = queries.astype(self._element)
        return queries @ self._rows.T if len(queries) > FEW else np.ascontiguousarray((self._rows @ queries.T).T)


def _hopeful(
    keys: NDArray[np.float64], error: NDArray[np.float64], best: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (query, column) of the keys, of shape (p, b), that may belong among the k best; `best` holds those so far, (p, k)."""
    k = best.shape[1]
    threshold = best[:, -1]
    if keys.shape[1] >= k and np.isneginf(threshold).any():
        threshold = np.maximum(threshold, np.partition(keys, -k, axis=1)[:, -k] - error)
    query, column = np.nonzero(keys >= below(threshold - error, keys.dtype)[:, None])
    return query, column


def below(least: NDArray[np.float64], element: np.dtype[Any]) -> NDArray[Any]:
    """Return bounds in the type of the keys that are held against them, rounded down."""
    if element == DOUBLE:
        return least
    with np.errstate(over="ignore"):  # no key of float32 is beyond its range
        return np.nextafter(least.astype(element), element.type(-np.inf))
