"""Ranks: the place that given rows have among all rows under each measure, so that lists can be held against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.engines import local
from tokenspace.measures import EXTREME, MEASURES, Measure, is_extreme, listed_pairs, norms
from tokenspace.native import NO_COSINE, pair_sums, rank_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PARTS = 4
"""Parts of the table for each thread: one that is held up then holds up an eighth of the work and not a half."""

BLOCK = 1 << 14
"""Rows measured pair by pair at a time: they are lifted to float64."""


def ranks(
    matrix: NDArray[Any],
    lengths: NDArray[np.float64],
    query: NDArray[np.float64],
    rows: NDArray[np.int64],
    *,
    without: Sequence[int] | NDArray[np.int64] = (),
    threads: int | None = None,
) -> dict[Measure, NDArray[np.int64]]:
    """Return the exact rank of rows under each measure: 1 for the closest, ties to the lower id.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
    lengths : array of shape (n,), float64
        The rows' norms, as `tokenspace.measures.norms` gives them.
    query : array of shape (d,), float64
    rows : array of shape (m,), int64
        None of them among `without`.
    without : sequence of int
        Rows that take no place: the query's own.
    threads : int, optional
        Default: as many as CPUs this process may use.

    Returns
    -------
    dict of arrays of shape (m,), int64
        One a measure. A row without a cosine ranks after all that have one.

    Notes
    -----
    One pass over the table, O(n (d + log m)), and no memory that grows with it. Where squares would leave float64's range, pairs are
    measured one by one, as the search does, and sorted: far slower, and 40 bytes a row.

    Examples
    --------
    >>> rows = np.float32([[3, 0], [1, 0.1], [9, 9]])
    >>> ranks(rows, np.linalg.norm(rows.astype(np.float64), axis=1), np.array([1.0, 0.0]), np.array([0, 2]))["inner_product"]
    array([2, 1])
    """
    wanted = np.unique(rows)
    places = np.searchsorted(wanted, rows)
    if not wanted.size:
        return {measure: np.empty(0, dtype=np.int64) for measure in MEASURES}
    left_out = np.asarray(without, dtype=np.int64)
    if _is_scaled(matrix, lengths, query):
        return {measure: _every_place(matrix, query, measure, left_out)[rows] for measure in MEASURES}
    own = float(norms(query[None, :])[0])
    keys = np.stack([_keys(matrix, lengths, query, own, wanted, measure) for measure in MEASURES])
    order = np.stack([np.lexsort((-wanted, each)) for each in keys])  # from last to first
    limits, ids = np.take_along_axis(keys, order, axis=1), wanted[order]

    def counted(part: tuple[int, int]) -> NDArray[np.int64]:
        some = slice(*part)
        return rank_counts(query, matrix[some], lengths[some], own, zero=part[0], limits=limits, ids=ids)

    count = local.thread_count(threads)
    before = np.sum(local.run(counted, local.ranges(len(matrix), PARTS * count), threads=count), axis=0)
    for row in left_out:
        before -= counted((row, row + 1))
    result: dict[Measure, NDArray[np.int64]] = {}
    for index, measure in enumerate(MEASURES):
        ranked = np.empty_like(wanted)
        ranked[order[index]] = 1 + np.cumsum(before[index][::-1])[::-1]
        result[measure] = ranked[places]
    return result


def _is_scaled(matrix: NDArray[Any], lengths: NDArray[np.float64], query: NDArray[np.float64]) -> bool:
    """Return whether a square may leave float64's range."""
    if is_extreme(query) or matrix.dtype != np.float64:
        return is_extreme(query)
    return bool(matrix[(lengths > EXTREME) | (lengths < 1 / EXTREME)].any())  # a length of 0 may be one that underflowed


def _keys(
    matrix: NDArray[Any], lengths: NDArray[np.float64], query: NDArray[np.float64], own: float, rows: NDArray[np.int64], measure: Measure
) -> NDArray[np.float64]:
    """Return what rises with closeness, for some rows, from the definition and to the bit as the search computes it."""
    vector = query[None, :]
    if measure == "euclidean":
        return -pair_sums("difference", vector, matrix, row_ids=rows)
    product, both = pair_sums("product", vector, matrix, row_ids=rows), lengths[rows] * own
    if measure == "inner_product":
        return product
    known = both > 0
    return np.where(known, np.clip(product / np.where(known, both, 1), -1, 1), NO_COSINE)


def _every_place(matrix: NDArray[Any], query: NDArray[np.float64], measure: Measure, left_out: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of every row, by sorting them all; those left out come last."""
    n = len(matrix)
    score = np.concatenate(
        [
            listed_pairs(measure, query[None, :], matrix, np.zeros(end - start, dtype=np.int64), np.arange(start, end))
            for start, end in local.ranges(n, -(-n // BLOCK))
        ]
    )
    keys = -score if measure == "euclidean" else np.where(np.isnan(score), NO_COSINE, score)
    keys[left_out] = -np.inf
    places = np.empty(n, dtype=np.int64)
    places[np.argsort(-keys, kind="stable")] = np.arange(1, n + 1)
    return places
