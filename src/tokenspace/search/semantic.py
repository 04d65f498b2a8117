"""Semantic search: the closest vectors of a corpus for each query, under the name sentence-transformers gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.engines import local
from tokenspace.measures import check_measure
from tokenspace.rows import as_matrix
from tokenspace.search.exact import Exact
from tokenspace.search.once import search_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from tokenspace.measures import Measure
    from tokenspace.search.found import Found


def semantic_search(
    queries: ArrayLike,
    corpus: ArrayLike,
    k: int = 10,
    measure: Measure = "cosine",
    *,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Found:
    """Return the k closest rows of a corpus for each query, exactly.

    Parameters
    ----------
    queries : array of shape (q, d) or (d,)
    corpus : array of shape (n, d)
    k : int, default 10
    measure : "euclidean", "inner_product" or "cosine", default "cosine"
    threads : int, optional
        Default: as many as CPUs this process may use. The answer is the same for any number.
    progress : callable, optional
        Called with (queries done, q) after every 2,048 queries or fewer.

    Returns
    -------
    Found
        `ids` and `scores`, of shape (q, min(k, n)) or (min(k, n),): the measure itself, the closest first, ties by the lower id. A zero
        vector has no cosine: NaN, last.

    Raises
    ------
    ShapeError, NotFiniteError, ArgumentError
        As `Exact`.

    Notes
    -----
    The rows are read once and nothing of them is kept: for few queries as they stand, for many coded on the way. For many searches in one
    corpus make one `Exact` and keep it.

    Examples
    --------
    >>> semantic_search([[1, 0]], [[0.0, 1], [2, 1], [3, 0]], k=2).ids
    array([[2, 1]])
    """
    check_measure(measure)
    matrix, threads = as_matrix(corpus, "matrix"), local.thread_count(threads)
    found = search_once(matrix, queries, k, measure, threads, progress)
    return Exact(matrix, measure, threads=threads).search(queries, k, progress=progress) if found is None else found
