"""What is true: nearest rows by exhaustive search in float64, decided in extended precision; independent of every library judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 20_000
"""Rows multiplied at a time."""

SPARE = 22
"""Rows kept beyond k until the last decision, which is made in extended precision."""

ROUNDING = 1e-12
"""A row this much worse than the k-th, relative to the lengths, is as good: float64 could not tell them apart."""


def nearest(rows: NDArray[np.float32], queries: NDArray[np.float32], k: int, measure: str) -> NDArray[np.int64]:
    """Return the ids of the k nearest rows, of shape (q, k), ties to the lower id."""
    keep = min(k + SPARE, len(rows))
    ids, keys = np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0))
    q = queries.astype(np.float64)
    for start in range(0, len(rows), ROWS):
        block = rows[start : start + ROWS].astype(np.float64)
        products = q @ block.T
        squares = np.einsum("ij,ij->i", block, block)
        if measure == "euclidean":
            products = 2 * products - squares
        elif measure == "cosine":
            products /= np.sqrt(squares)
        ids = np.concatenate([ids, np.broadcast_to(np.arange(start, start + len(block)), products.shape)], axis=1)
        keys = np.concatenate([keys, products], axis=1)
        best = np.argpartition(-keys, keep - 1, axis=1)[:, :keep] if keys.shape[1] > keep else np.arange(keys.shape[1])[None, :]
        ids, keys = (np.take_along_axis(array, np.broadcast_to(best, (len(q), best.shape[1])), axis=1) for array in (ids, keys))
    decided = closeness(rows, queries, ids, measure)
    return np.take_along_axis(ids, np.lexsort((ids, -decided), axis=-1)[:, :k], axis=1)


def closeness(rows: NDArray[np.float32], queries: NDArray[np.float32], ids: NDArray[np.int64], measure: str) -> NDArray[np.float64]:
    """Return keys that rise with closeness, of the shape (q, m) of ids, in extended precision: minus distance, product, cosine."""
    keys = np.empty(ids.shape, np.longdouble)
    for i, line in enumerate(ids):
        near, query = rows[line].astype(np.longdouble), queries[i].astype(np.longdouble)
        if measure == "euclidean":
            keys[i] = -np.sqrt(((near - query) ** 2).sum(axis=1))
            continue
        keys[i] = (near * query).sum(axis=1)
        if measure == "cosine":
            keys[i] /= np.sqrt((near * near).sum(axis=1) * (query * query).sum())
    return keys


def judge(
    rows: NDArray[np.float32], queries: NDArray[np.float32], truth: NDArray[np.int64], given: NDArray[np.int64], measure: str
) -> tuple[int, int]:
    """Return how many rows given are none of the k nearest, and how many places hold another id than the truth.

    The second counts ties in another order too; the first does not. Empty places (-1) and ids given twice are wrong.
    """
    border = closeness(rows, queries, truth, measure)[:, -1:]
    there = np.where(given >= 0, given, 0)
    keys = closeness(rows, queries, there, measure)
    size = np.abs(border) if measure != "cosine" else np.ones_like(border)
    ordered = np.sort(given, axis=1)
    twice = int((ordered[:, 1:] == ordered[:, :-1]).sum())
    wrong = int(((keys < border - ROUNDING * size) | (given < 0)).sum()) + twice
    return wrong, int((given != truth).sum())
