"""One query by itself, by the rows' codes: in microseconds where the table is small, so nothing is prepared that was prepared before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenspace.engines import local
from tokenspace.search.screen import FARTHEST, ROWS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from tokenspace.native import Nearest
    from tokenspace.native.settling import Found

ALONE = 3e-3
"""Seconds up to which one thread answers: starting a second one takes 0.2 ms, and both wait for the same memory."""


class Alone:
    """Searches for one query at a time; made once for a matrix and a measure.

    Parameters
    ----------
    nearest : Nearest
    n : int
        Rows.
    farthest : float
        How long a query may be.
    threads : int
    """

    __slots__ = ("_farthest", "_n", "_nearest", "_threads")

    def __init__(self, nearest: Nearest, n: int, farthest: float, threads: int) -> None:
        self._nearest, self._n, self._threads = nearest, n, threads
        self._farthest = min(farthest, FARTHEST)

    def asked(self, queries: ArrayLike, d: int) -> NDArray[np.float64] | None:
        """Return queries that are one ordinary query of d float32 numbers, finite and within reach, in float64; None for others."""
        if type(queries) is not np.ndarray or queries.dtype != np.float32 or queries.shape not in {(d,), (1, d)}:
            return None
        query = queries.reshape(d).astype(np.float64)
        length = float(query @ query) ** 0.5  # of float32 numbers it does not overflow, and is NaN or infinite where one of them is
        return query if 1 / FARTHEST <= length <= self._farthest else None

    def __call__(self, query: NDArray[np.float64], k: int, seconds: float) -> Found:
        """Return the nearest rows of a query, by what finds them in a range of blocks, on so many threads as `seconds` are worth.

        Parameters
        ----------
        query : array of shape (d,), float64
            Not zero.
        k : int
        seconds : float
            What is expected of one thread.

        Returns
        -------
        keys, ids, finished, bound
            As `tokenspace.native.Nearest`.
        """
        blocks, panels = -(-self._n // 16), -(-self._n // ROWS)
        shares = max(1 if seconds < ALONE else self._threads, self._n >> 30)
        if shares == 1:
            return self._nearest(query, k, 0, blocks)
        parts = [(16 * a, min(16 * b, blocks)) for a, b in local.ranges(panels, shares)]
        found = local.run(lambda part: self._nearest(query, k, *part), parts, threads=self._threads)
        keys, ids, finished, bound = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.lexsort((ids, -keys))[:k]
        return keys[order], ids[order], finished.sum(keepdims=True), bound.max(keepdims=True)
