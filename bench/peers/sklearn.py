"""scikit-learn, NearestNeighbors by brute force; it has no inner product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]

PACKAGE = "scikit-learn"
MEASURES = ("euclidean", "cosine")


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Search:
    """Fit, which keeps the rows as they are."""
    del threads  # OpenMP's and BLAS's numbers are set for the process
    model = NearestNeighbors(algorithm="brute", metric=measure).fit(rows)
    return lambda queries, k: model.kneighbors(queries, k, return_distance=False)
