"""Communities: groups of rows within a threshold of a row in their middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenspace.errors import ArgumentError
from tokenspace.search.exact import Exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.measures import Measure

STEP = 256
"""Rows whose neighbourhoods are found at a time."""


def community(
    matrix: ArrayLike,
    threshold: float = 0.75,
    measure: Measure = "cosine",
    *,
    smallest: int = 10,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> list[NDArray[np.int64]]:
    """Return groups of rows that are within a threshold of a middle row each, the largest first.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    threshold : float, default 0.75
        The least cosine or inner product with the middle row, or the largest distance from it.
    measure : "euclidean", "inner_product" or "cosine", default "cosine"
    smallest : int, default 10
        Rows that make a group.
    threads : int, optional
        Default: as many as CPUs this process may use. The answer is the same for any number.
    progress : callable, optional
        Called with (rows done, n) after every 256 rows.

    Returns
    -------
    list of arrays, int64
        Row ids; the middle first, then the others, the closest first. A row is in one group at the most.

    Raises
    ------
    ArgumentError
        If the threshold is NaN or a negative distance, or `smallest` is not positive.
    ShapeError, NotFiniteError
        As `Exact`.

    Notes
    -----
    As sentence-transformers' community_detection: the rows with most neighbours become middles first, of equally many the one with the
    lower id; rows that a group has are not given to a later one. Time O(n²·d) by float64 products. The vice: memory is that of all
    neighbourhoods of `smallest` rows and more, n² for a threshold that everything is within.

    Examples
    --------
    >>> [rows.tolist() for rows in community([[0, 1], [1, 0], [0, 2], [9, 1]], 0.9, smallest=2)]
    [[0, 2], [1, 3]]
    """
    if smallest < 1:
        message = f"smallest must be at least 1; seen {smallest}"
        raise ArgumentError(message)
    search = Exact(matrix, measure, threads=threads)
    n = len(search.matrix)
    middles: list[int] = []
    around: list[NDArray[np.int32]] = []
    for start in range(0, n, STEP):
        for row, (ids, _) in enumerate(search.within(search.matrix[start : start + STEP], threshold), start):
            if len(ids) >= smallest:
                middles.append(row)
                around.append(ids.astype(np.int32))
        if progress is not None:
            progress(min(start + STEP, n), n)
    taken = np.zeros(n, dtype=bool)
    groups: list[NDArray[np.int64]] = []
    for place in sorted(range(len(middles)), key=lambda place: -len(around[place])):
        middle, free = middles[place], around[place][~taken[around[place]]]
        if taken[middle] or len(free) < smallest:
            continue
        group = np.concatenate([[middle], free[free != middle]]).astype(np.int64)
        taken[group] = True
        groups.append(group)
    return sorted(groups, key=len, reverse=True)
