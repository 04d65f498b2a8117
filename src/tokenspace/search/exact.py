"""Exact search: the k closest rows, with the ids that a float64 exhaustive search gives, ties to the lower id.

Rows pass in blocks. `screen` gives each block's keys up to a proven error; a row whose key could still reach the k-th best so far is
*finished*: its key is computed from the definition, in float64 and in one fixed order of summation. So the answer depends neither
on the block size, nor on how many queries come together, nor on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.engines import local
from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.measures import EXTREME, Measure, check_measure, is_extreme, listed_pairs, norms
from tokenspace.native import pair_sums
from tokenspace.rows import as_matrix, check_finite, checked_rows
from tokenspace.search.screen import NO_COSINE, Queries, Screen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

BLOCK, TOGETHER = 4096, 256
"""Rows a block, and queries multiplied with it at a time: 8 MB of keys."""

FEW, FEW_BLOCK = 4, 1 << 16
"""Up to so many queries every row is finished at once, in blocks of this size: lifting the rows to float64 for a matrix product
would cost more than it saves."""

FINISH = 1 << 16
"""Pairs finished at a time."""

NO_ROW = np.iinfo(np.int64).max
"""Stands where fewer than k rows are known yet; its key is minus infinity."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found; unpacks as ``ids, scores``.

    Attributes
    ----------
    ids : array of shape (q, k) or, for a single query, (k,), int64
        Row ids, the closest first; -1 where leaving rows out left fewer than k.
    scores : array of the same shape, float64
        The measure itself: distances rise along a row, similarities fall. NaN for a cosine with a zero vector, which ranks last,
        and where the id is -1.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float64]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield ids, then scores."""
        yield self.ids
        yield self.scores


class Exact:
    """Exact nearest rows of one matrix under one measure.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
        Used in place, also when memory-mapped; must not change while the search is in use.
    measure : "euclidean", "inner_product" or "cosine", default "cosine"
    threads : int, optional
        Default: as many as CPUs this process may use. The answer is the same for any number.

    Raises
    ------
    ShapeError
        If the matrix does not have two axes.
    NotFiniteError
        If a row holds NaN or infinity; the first is named.
    ArgumentError
        If the measure is unknown or threads is not positive.

    Notes
    -----
    Building reads the matrix once and keeps 8 bytes a row (the norms). Zero rows have no cosine: their score is NaN and they rank
    after all others. The vice of exactness: each search reads every row.

    References
    ----------
    Lecture "Embedding Layer and Distances/Similarities", equations (9) to (12).

    Examples
    --------
    >>> rows = np.float32([[1, 0], [0, 2], [3, 3]])
    >>> ids, scores = Exact(rows, measure="inner_product").search([1, 0], k=2)
    >>> ids, scores
    (array([2, 0]), array([3., 1.]))
    """

    __slots__ = ("_extreme", "_lengths", "matrix", "measure", "threads")

    def __init__(self, matrix: ArrayLike, measure: Measure = "cosine", *, threads: int | None = None) -> None:
        check_measure(measure)
        self.matrix = as_matrix(matrix, "matrix")
        self.measure = measure
        self.threads = local.thread_count(threads)
        parts = local.ranges(len(self.matrix), self.threads)
        self._lengths = np.concatenate(local.run(lambda part: norms(self.matrix[slice(*part)]), parts, threads=self.threads))
        if not np.isfinite(self._lengths).all():
            check_finite(self.matrix, "matrix")
        # Only float64 rows can leave the range in which squares keep their digits; such a table is measured pair by pair, scaled.
        self._extreme = self.matrix.dtype == np.float64 and bool((self._lengths > EXTREME).any() or (self._lengths < 1 / EXTREME).any())

    def search(self, queries: ArrayLike, k: int = 10, *, exclude: Sequence[Any] | None = None) -> Found:
        """Return the k closest rows of each query.

        Parameters
        ----------
        queries : array of shape (q, d) or (d,), any float type or integers
        k : int, default 10
            At least 1; where it is larger than n, n rows come back.
        exclude : sequence, optional
            Row ids to leave out: for one query a sequence of ids, for q queries a sequence of q such sequences.

        Returns
        -------
        Found
            `ids` and `scores` of shape (q, min(k, n)), or (min(k, n),) for a single query.

        Raises
        ------
        ShapeError
            If the queries have another d, or `exclude` another length.
        NotFiniteError
            If a query holds NaN or infinity.
        RowIdError
            If an id to leave out is not in 0..n-1.
        ArgumentError
            If k is not positive.

        Notes
        -----
        Time O(q·n·d); extra memory about 25 MB a thread plus the result, never q·n. Rows whose float64 keys are equal to the last bit
        are ties, and the lower id comes first.
        """
        single = np.ndim(queries) == 1
        q = as_matrix(np.asarray(queries)[None, :] if single else queries, "queries")
        n, d = self.matrix.shape
        if q.shape[1] != d:
            message = f"search(queries of shape {np.shape(queries)}) in a matrix of shape {(n, d)}: a query must have {d} numbers"
            raise ShapeError(message, hint="did you mix two tables?")
        if k < 1:
            message = f"k must be at least 1; seen {k}"
            raise ArgumentError(message)
        check_finite(q, "queries")
        without = _checked_exclusions([exclude] if single and exclude is not None else exclude, len(q), n)
        wanted = min(n, k + max(map(len, without), default=0))
        by = self._by_definition if self._extreme or is_extreme(q.astype(np.float64)) else self._by_blocks
        found = _left_out(*by(q, wanted), without, min(k, n))
        return Found(found.ids[0], found.scores[0]) if single else found

    def _by_blocks(self, queries: NDArray[Any], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        prepared = Queries.prepare(queries.astype(np.float64), self.matrix[:BLOCK], self.measure)
        parts = local.ranges(len(self.matrix), self.threads)
        tops = local.run(lambda part: self._scan(prepared, k, *part), parts, threads=self.threads)
        ids, keys = _first(np.concatenate([ids for ids, _ in tops], axis=1), np.concatenate([keys for _, keys in tops], axis=1), k)
        if self.measure == "euclidean":
            return ids, np.sqrt(np.abs(keys))
        return ids, np.where(keys == NO_COSINE, np.nan, keys) if self.measure == "cosine" else keys

    def _scan(self, queries: Queries, k: int, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return ids and keys, of shape (q, k), of the best rows in start..stop."""
        q = len(queries.vectors)
        ids, keys = np.full((q, k), NO_ROW), np.full((q, k), -np.inf)
        for first in range(start, stop, FEW_BLOCK if q <= FEW else BLOCK):
            rows = np.arange(first, min(first + (FEW_BLOCK if q <= FEW else BLOCK), stop))
            if q <= FEW:
                query, row = (grid.ravel() for grid in np.meshgrid(np.arange(q), rows, indexing="ij"))
                exact = self._finished(queries, query, row).reshape(q, len(rows))
                query, row = _hopeful(exact, np.zeros(q), keys)
                _merge(ids, keys, query, rows[row], exact[query, row])
                continue
            block = slice(first, first + len(rows))
            screen = Screen(self.matrix[block], self._lengths[block], queries, self.measure)
            for at in range(0, q, TOGETHER):
                part = slice(at, min(at + TOGETHER, q))
                query, row = _hopeful(*screen.keys(part), keys[part])
                for piece in range(0, len(query), FINISH):
                    some = slice(piece, piece + FINISH)
                    a, b = query[some] + at, rows[row[some]]
                    _merge(ids, keys, a, b, self._finished(queries, a, b))
        return ids, keys

    def _finished(self, queries: Queries, query: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the keys of listed pairs from the definition."""
        if self.measure == "euclidean":
            return -pair_sums("difference", queries.vectors, self.matrix, query_ids=query, row_ids=row)
        products = pair_sums("product", queries.vectors, self.matrix, query_ids=query, row_ids=row)
        if self.measure == "inner_product":
            return products
        lengths = queries.lengths[query] * self._lengths[row]
        return np.where(lengths > 0, np.clip(products / np.where(lengths > 0, lengths, 1), -1, 1), NO_COSINE)

    def _by_definition(self, queries: NDArray[Any], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Measure every pair in scaled float64: slow, and right where squares leave float64's range."""
        n = len(self.matrix)
        ids, scores = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k))

        def fill(query: int) -> None:
            score = np.empty(n)
            for start in range(0, n, FINISH):
                rows = np.arange(start, min(start + FINISH, n))
                score[rows] = listed_pairs(self.measure, queries, self.matrix, np.full(len(rows), query), rows)
            order = np.argsort(score if self.measure == "euclidean" else -score, kind="stable")[:k]  # NaN comes last
            ids[query], scores[query] = order, score[order]

        local.run(fill, range(len(queries)), threads=self.threads)
        return ids, scores


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


def _merge(
    ids: NDArray[np.int64], keys: NDArray[np.float64], query: NDArray[np.int64], row: NDArray[np.int64], key: NDArray[np.float64]
) -> None:
    """Put finished rows, none of which is there yet, into their places among each query's best, in place."""
    enters = key > keys[query, -1]  # a tie does not: rows come in rising order, and the lower id stays
    if not enters.any():
        return
    query, row, key = query[enters], row[enters], key[enters]
    touched = np.unique(query)
    k = ids.shape[1]
    query = np.concatenate([np.repeat(touched, k), query])
    row = np.concatenate([ids[touched].ravel(), row])
    key = np.concatenate([keys[touched].ravel(), key])
    order = np.lexsort((row, -key, query))
    first = order[np.searchsorted(query[order], touched)[:, None] + np.arange(k)]
    ids[touched], keys[touched] = row[first], key[first]


def _first(ids: NDArray[np.int64], keys: NDArray[np.float64], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the k best of each line: by key, then by the lower id."""
    order = np.lexsort((ids, -keys), axis=-1)[:, :k]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(keys, order, axis=1)


def _checked_exclusions(exclude: Sequence[Any] | None, q: int, n: int) -> list[NDArray[np.int64]]:
    if exclude is None:
        return []
    if len(exclude) != q:
        message = f"exclude must hold one sequence of row ids for each of the {q} queries; seen {len(exclude)}"
        raise ShapeError(message)
    return [np.unique(checked_rows(rows, n)) for rows in exclude]


def _left_out(ids: NDArray[np.int64], scores: NDArray[np.float64], without: list[NDArray[np.int64]], k: int) -> Found:
    """Drop excluded rows and close the gaps; -1 and NaN where too few are left."""
    if not without:
        return Found(ids, scores)
    drop = np.stack([np.isin(line, rows) for line, rows in zip(ids, without, strict=True)])
    order = np.argsort(drop, axis=1, kind="stable")[:, :k]
    gone = np.take_along_axis(drop, order, axis=1)
    kept = np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return Found(np.where(gone, -1, kept[0]), np.where(gone, np.nan, kept[1]))
