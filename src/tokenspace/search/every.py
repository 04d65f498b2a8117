"""The path for few queries: every row is finished at once, as it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenspace.search.best import FINISH, Best, Keys

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
