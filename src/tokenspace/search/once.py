"""One search of rows that may never be searched again: they are read once, as they stand or coded on the way, and nothing is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.engines import local
from tokenspace.measures import is_extreme
from tokenspace.rows import as_matrix
from tokenspace.search.best import scores
from tokenspace.search.found import Found
from tokenspace.search.plan import Once, at_once
from tokenspace.search.screen import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.measures import Measure

SEEN = 128
"""Rows whose mean codes are made around: it is off by 9 % of the rows' spread, which makes codes 0.4 % coarser."""

SHARED = 3e-3
"""Seconds from which on threads share the work: starting a second one takes 0.2 ms, and each has to find k rows of its own."""

TOGETHER = 2048
"""Queries that go through the rows together, which are coded anew for the next; that is 5 % of the work by then."""

ROOM = 1 << 22
"""Rows that are kept for queries that go together, at 16 bytes each."""

TILE = 12
"""Queries, a multiple of which each thread gets: so many the kernel takes at once, on the widest level."""


def search_once(
    matrix: NDArray[Any],
    queries: ArrayLike,
    k: int,
    measure: Measure,
    threads: int,
    progress: Callable[[int, int], object] | None = None,
) -> Found | None:
    """Return the k closest rows of each query; None where `Exact` is quicker, or has to say what is wrong with an argument.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
    queries : array of shape (q, d) or (d,)
    k : int
    measure : "euclidean", "inner_product" or "cosine"
    threads : int
    progress : callable, optional
        Called with (queries done, q) after every `TOGETHER` queries.

    Returns
    -------
    Found or None
    """
    single = np.ndim(queries) == 1
    asked = as_matrix(np.asarray(queries)[None, :] if single else queries, "queries")
    (n, d), q = matrix.shape, len(asked)
    if min(n, q, k) < 1 or asked.shape[1] != d or (way := at_once(q, n, d, k)) is None:
        return None
    if asked.dtype == np.float64 and is_extreme(asked):
        return None
    search, width, step = _Once(matrix, measure, min(k, n), way, threads), min(k, n), min(TOGETHER, ROOM // (k + 32) + 1)
    keys, ids = np.empty((q, width)), np.empty((q, width), dtype=np.int64)
    for at in range(0, q, step):
        part = slice(at, at + step)
        found = search(np.ascontiguousarray(asked[part], dtype=np.float64))
        if found is None:
            return None
        keys[part], ids[part] = found
        if progress is not None:
            progress(min(at + step, q), q)
    score = scores(keys, measure)
    return Found(ids[0], score[0]) if single else Found(ids, score)


class _Once:
    """What searches a matrix for some queries at a time, by one way and with threads."""

    __slots__ = ("_k", "_matrix", "_measure", "_middle", "_threads", "_way")

    def __init__(self, matrix: NDArray[Any], measure: Measure, k: int, way: Once, threads: int) -> None:
        self._matrix, self._measure, self._k, self._way = matrix, measure, k, way
        self._threads = 1 if way.seconds < SHARED else threads
        self._middle: NDArray[np.float64] | None = None
        if way.name == "codes":
            # a mean of few rows is near enough, as the codes serve one search; rows too long for them, or not finite, are refused below
            some = matrix[:: max(1, len(matrix) // SEEN)]
            mean = native.row_sums(some) / len(some)
            self._middle = np.where(np.abs(mean) < LARGEST, mean, 0).astype(np.float32).astype(np.float64)

    def __call__(self, queries: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
        """Return keys and ids, of shape (q, k); None where a number is not finite, or a length not ordinary."""
        n, q = len(self._matrix), len(queries)
        if self._middle is not None and q * self._way.query > self._way.coding:
            parts = [(queries[a * TILE : b * TILE], 0, n) for a, b in local.ranges(-(-q // TILE), self._threads)]
        else:
            parts = [(queries, a, b) for a, b in local.ranges(n, max(self._threads, n >> 30))]
        known = [self._part(parts[0])] if len(parts) == 1 else local.run(self._part, parts, threads=self._threads)
        found = [part[:2] for part in known if part is not None]
        if len(found) < len(known):
            return None
        if len(found) == 1:
            return found[0]
        by_queries = len(parts[0][0]) < q
        keys, ids = (np.concatenate(column, axis=0 if by_queries else 1) for column in zip(*found, strict=True))
        if by_queries:
            return keys, ids
        order = np.lexsort((ids, -keys), axis=-1)[:, : self._k]
        return np.take_along_axis(keys, order, axis=1), np.take_along_axis(ids, order, axis=1)

    def _part(self, part: tuple[NDArray[np.float64], int, int]) -> Any:
        queries, first, last = part
        if self._middle is None:
            return native.every_row(self._matrix, queries, self._measure, self._k, first, last)
        return native.every_code(self._matrix, queries, self._measure, self._k, first, last, self._middle)
