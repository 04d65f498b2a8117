"""One search of rows that may never be searched again: for few queries they are read once, and nothing is prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.engines import local
from tokenspace.measures import is_extreme
from tokenspace.rows import as_matrix
from tokenspace.search.best import scores
from tokenspace.search.found import Found
from tokenspace.search.plan import at_once

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from tokenspace.measures import Measure

SEEN = 128
"""Rows whose mean codes are made around: it is off by 9 % of the rows' spread, which makes codes 0.4 % coarser."""

SHARED = 3e-3
"""Seconds from which on threads share the rows: starting a second one takes 0.2 ms, and each has to find k rows of its own."""


def search_once(matrix: NDArray[Any], queries: ArrayLike, k: int, measure: Measure, threads: int) -> Found | None:
    """Return the k closest rows of each query; None where `Exact` is quicker, or has to say what is wrong with an argument.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
    queries : array of shape (q, d) or (d,)
    k : int
    measure : "euclidean", "inner_product" or "cosine"
    threads : int

    Returns
    -------
    Found or None
    """
    single = np.ndim(queries) == 1
    asked = as_matrix(np.asarray(queries)[None, :] if single else queries, "queries")
    (n, d), q = matrix.shape, len(asked)
    if min(n, q, k) < 1 or asked.shape[1] != d or (way := at_once(q, n, d, k)) is None:
        return None
    name, seconds = way
    if asked.dtype == np.float64 and is_extreme(asked):
        return None
    wide, width = np.ascontiguousarray(asked, dtype=np.float64), min(k, n)
    parts = local.ranges(n, 1 if seconds < SHARED else threads)
    middle = _middle_of(matrix) if name == "codes" else None

    def search(part: tuple[int, int]) -> Any:
        if middle is None:
            return native.every_row(matrix, wide, measure, width, *part)
        return native.every_code(matrix, wide, measure, width, *part, middle)

    found = [search(parts[0])] if len(parts) == 1 else local.run(search, parts, threads=threads)
    known = [part for part in found if part is not None]
    if len(known) < len(found):  # a number is not finite, or a length not ordinary
        return None
    keys, ids = known[0][:2]
    if len(known) > 1:
        keys, ids = (np.concatenate(column, axis=1) for column in list(zip(*known, strict=True))[:2])
        order = np.lexsort((ids, -keys), axis=-1)[:, :width]
        keys, ids = np.take_along_axis(keys, order, axis=1), np.take_along_axis(ids, order, axis=1)
    score = scores(keys, measure)
    return Found(ids[0], score[0]) if single else Found(ids, score)


def _middle_of(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Return a point near the rows, each number a float32: a mean of few is near enough, as it is taken away again at each search."""
    some = matrix[:: max(1, len(matrix) // SEEN)]
    return (native.row_sums(some) / len(some)).astype(np.float32).astype(np.float64)
