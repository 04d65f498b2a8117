"""Keys from the definitions, and each query's best rows so far.

A key rises with closeness: minus the squared distance, the product, the cosine. Computed in float64 and in one fixed order of
summation, it is the same whichever path brought the row here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.measures import norms
from tokenspace.native import pair_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.measures import Measure

NO_COSINE = -3.0
"""Key of a pair whose cosine does not exist: below every cosine, above no row at all."""

NO_ROW = np.iinfo(np.int64).max
"""Stands where fewer than k rows are known yet; its key is minus infinity."""

FINISH = 1 << 16
"""Pairs finished at a time."""


class Keys:
    """The keys of queries with rows of one matrix.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    lengths : array of shape (n,), float64, or None
        The rows' norms, which the cosine needs.
    queries : array of shape (q, d), float64
    measure : "euclidean", "inner_product" or "cosine"
    """

    __slots__ = ("_matrix", "lengths", "measure", "queries", "query_lengths")

    def __init__(self, matrix: NDArray[Any], lengths: NDArray[np.float64] | None, queries: NDArray[np.float64], measure: Measure) -> None:
        self._matrix, self.lengths, self.queries, self.measure = matrix, lengths, queries, measure
        self.query_lengths = norms(queries)

    def of(self, query: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the keys of listed pairs."""
        if self.measure == "euclidean":
            return -pair_sums("difference", self.queries, self._matrix, query_ids=query, row_ids=row)
        products = pair_sums("product", self.queries, self._matrix, query_ids=query, row_ids=row)
        if self.lengths is None:
            return products
        lengths = self.query_lengths[query] * self.lengths[row]
        return np.where(lengths > 0, np.clip(products / np.where(lengths > 0, lengths, 1), -1, 1), NO_COSINE)


def scores(keys: NDArray[np.float64], measure: Measure) -> NDArray[np.float64]:
    """Return the measure itself from its keys; NaN for a cosine that does not exist."""
    if measure == "euclidean":
        return np.sqrt(np.abs(keys))
    return np.where(keys == NO_COSINE, np.nan, keys) if measure == "cosine" else keys


class Best:
    """The k best rows of each of q queries, best first, ties to the lower id; grows better in place.

    Attributes
    ----------
    ids : array of shape (q, k), int64
    keys : array of shape (q, k), float64
    """

    __slots__ = ("ids", "keys")

    def __init__(self, q: int, k: int) -> None:
        self.ids, self.keys = np.full((q, k), NO_ROW), np.full((q, k), -np.inf)

    @classmethod
    def of(cls, ids: NDArray[np.int64], keys: NDArray[np.float64]) -> Best:
        """Return rows in any order, none of which is there twice, as the best of their queries."""
        order = np.lexsort((ids, -keys), axis=-1)
        best = cls(len(ids), 0)
        best.ids, best.keys = np.take_along_axis(ids, order, axis=1), np.take_along_axis(keys, order, axis=1)
        return best

    def offer(
        self, query: NDArray[np.int64], row: NDArray[np.int64], key: NDArray[np.float64], floor: NDArray[np.float64] | None = None
    ) -> None:
        """Put rows, none of which was offered before, into their places; those with keys below their query's `floor` have none."""
        worst = self.keys[query, -1]
        enters = (key > worst) | ((key == worst) & (row < self.ids[query, -1]))
        if floor is not None:
            enters &= key >= floor[query]
        if not enters.any():
            return
        query, row, key = query[enters], row[enters], key[enters]
        touched = np.unique(query)
        k = self.ids.shape[1]
        query = np.concatenate([np.repeat(touched, k), query])
        row = np.concatenate([self.ids[touched].ravel(), row])
        key = np.concatenate([self.keys[touched].ravel(), key])
        order = np.lexsort((row, -key, query))
        first = order[np.searchsorted(query[order], touched)[:, None] + np.arange(k)]
        self.ids[touched], self.keys[touched] = row[first], key[first]


def merged(parts: list[Best], k: int) -> Best:
    """Return the k best of several parts' best, each of which saw other rows."""
    ids, keys = (np.concatenate([getattr(part, name) for part in parts], axis=1) for name in ("ids", "keys"))
    order = np.lexsort((ids, -keys), axis=-1)[:, :k]
    result = Best(len(ids), 0)
    result.ids, result.keys = np.take_along_axis(ids, order, axis=1), np.take_along_axis(keys, order, axis=1)
    return result
