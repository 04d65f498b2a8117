"""scikit-learn-intelex (oneDAL), NearestNeighbors by brute force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import daal4py
from sklearnex.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]

PACKAGE = "scikit-learn-intelex"
MEASURES = ("euclidean", "cosine")


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Search:
    """Fit."""
    daal4py.daalinit(nthreads=threads)
    model = NearestNeighbors(algorithm="brute", metric=measure).fit(rows)
    return lambda queries, k: model.kneighbors(queries, k, return_distance=False)
