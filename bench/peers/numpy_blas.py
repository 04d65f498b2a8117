"""NumPy: a matrix product and argpartition, as people write it, with results of at most 400 MB at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]

PACKAGE = "numpy"
MEASURES = ("euclidean", "inner_product", "cosine")
RESULTS = 100_000_000


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Search:
    """Bring rows to length 1 for the cosine; keep their squared lengths for the Euclidean distance."""
    del threads  # BLAS's number is set for the process
    squares = np.einsum("ij,ij->i", rows, rows) if measure == "euclidean" else None
    table = rows / np.linalg.norm(rows, axis=1, keepdims=True) if measure == "cosine" else rows
    step = max(1, RESULTS // len(rows))

    def search(queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        found = []
        for start in range(0, len(queries), step):
            keys = queries[start : start + step] @ table.T
            if squares is not None:
                keys *= 2
                keys -= squares
            best = np.argpartition(keys, -k, axis=1)[:, -k:]
            order = np.argsort(-np.take_along_axis(keys, best, axis=1), axis=1)
            found.append(np.take_along_axis(best, order, axis=1))
        return np.concatenate(found)

    return search
