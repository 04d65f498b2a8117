"""Keys of a block of rows up to a proven error, by matrix product: what tells which rows need not be finished.

A key rises with closeness: minus the squared distance, the product, the cosine. The sum of d products that a matrix multiply makes
in float64 is off by at most d·2^-53 of the lengths' product, in whatever order it adds (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1); the constants below allow more than four times that, for the preparation and for the finishing sum too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.measures import norms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.measures import Measure

NO_COSINE = -3.0
"""Key of a pair whose cosine does not exist: below every cosine, above no row at all."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Queries prepared once for all blocks of one matrix.

    Attributes
    ----------
    vectors : array of shape (q, d), float64
    lengths : array of shape (q,), float64
    middle : array of shape (d,), float64
        A point near the rows. Distances do not change when all points move together, and near the origin the identity (12) hardly
        cancels. Zero for the other two measures, which do change.
    moved : array of shape (q, d), float64
        The queries seen from there.
    """

    vectors: NDArray[np.float64]
    lengths: NDArray[np.float64]
    middle: NDArray[np.float64]
    moved: NDArray[np.float64]

    @classmethod
    def prepare(cls, queries: NDArray[np.float64], sample: NDArray[Any], measure: Measure) -> Queries:
        """Prepare queries of shape (q, d) for rows like those of `sample`, of shape (m, d)."""
        middle = sample.mean(axis=0, dtype=np.float64) if measure == "euclidean" and len(sample) else np.zeros(queries.shape[1])
        return cls(queries, norms(queries), middle, queries - middle)


class Screen:
    """One block of rows, lifted to float64, and its keys with any of the queries.

    Parameters
    ----------
    block : array of shape (b, d), any float type
    lengths : array of shape (b,), float64
        The rows' norms.
    queries : Queries
    measure : "euclidean", "inner_product" or "cosine"
    """

    __slots__ = ("_far", "_lengths", "_measure", "_queries", "_rows", "_squares", "_unit")

    def __init__(self, block: NDArray[Any], lengths: NDArray[np.float64], queries: Queries, measure: Measure) -> None:
        self._measure, self._queries, self._lengths = measure, queries, lengths
        self._unit = 4 * (block.shape[1] + 16) * 2.0**-53
        self._rows = block.astype(np.float64)
        self._squares, self._far = np.empty(0), 0.0
        if measure == "euclidean":
            self._rows -= queries.middle
            self._squares = np.einsum("ij,ij->i", self._rows, self._rows)
            self._far = float(lengths.max() + np.linalg.norm(queries.middle))
        elif measure == "cosine":
            self._rows /= np.where(lengths > 0, lengths, 1)[:, None]

    def keys(self, part: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the keys of the queries in `part` with the block, of shape (p, b), and a bound on each query's error, (p,)."""
        lengths = self._queries.lengths[part]
        if self._measure == "euclidean":
            moved = self._queries.moved[part]
            reach = np.sqrt(np.einsum("ij,ij->i", moved, moved)) + np.sqrt(self._squares.max())
            keys = moved @ self._rows.T
            keys *= 2
            keys -= self._squares
            keys -= np.einsum("ij,ij->i", moved, moved)[:, None]
            # moving rounds each number by 2^-53 of where it stood, an error that counts times the distance
            return keys, self._unit * (reach**2 + reach * (self._far + lengths))
        keys = self._queries.vectors[part] @ self._rows.T
        if self._measure == "inner_product":
            return keys, self._unit * lengths * self._lengths.max()
        keys /= np.where(lengths > 0, lengths, 1)[:, None]
        keys[:, self._lengths == 0] = NO_COSINE
        keys[lengths == 0] = NO_COSINE
        return keys, np.full(len(keys), self._unit)
