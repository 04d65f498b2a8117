"""The path for few queries: every row is finished at once, as it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.measures import listed_pairs
from tokenspace.search.best import FINISH, Best, Keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.measures import Measure


def search_rows(keys: Keys, k: int, start: int, stop: int) -> tuple[Best, NDArray[np.int64]]:
    """Return each query's best among rows start..stop, and how many rows of each were finished: all.

    Parameters
    ----------
    keys : Keys
        Of q queries with a matrix.
    k, start, stop : int

    Returns
    -------
    Best
    array of shape (q,), int64
    """
    best = Best(len(keys.queries), k)
    for query in range(len(keys.queries)):
        for first in range(start, stop, FINISH):
            row = np.arange(first, min(first + FINISH, stop))
            own = np.full(len(row), query)
            key = keys.of(own, row)
            if k < len(row):
                hopeful = np.flatnonzero(key >= max(best.keys[query, -1], np.partition(key, -k)[-k]))
                own, row, key = own[hopeful], row[hopeful], key[hopeful]
            best.offer(own, row, key)
    return best, np.full(len(keys.queries), stop - start)


def measured(matrix: NDArray[Any], query: NDArray[Any], measure: Measure, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the ids and scores of a query's k nearest rows, each pair by its definition; rows without a cosine come last.

    Parameters
    ----------
    matrix : array of shape (n, d)
    query : array of shape (d,)
    measure : {"euclidean", "inner_product", "cosine"}
    k : int

    Returns
    -------
    ids : array of shape (k,), int64
    scores : array of shape (k,), float64
    """
    n = len(matrix)
    score = np.empty(n)
    for start in range(0, n, FINISH):
        rows = np.arange(start, min(start + FINISH, n))
        score[rows] = listed_pairs(measure, query[None, :], matrix, np.zeros(len(rows), dtype=np.int64), rows)
    order = np.argsort(score if measure == "euclidean" else -score, kind="stable")[:k]
    return order, score[order]
