"""usearch, its exhaustive search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from usearch.index import MetricKind, search

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]

PACKAGE = "usearch"
MEASURES = ("euclidean", "inner_product", "cosine")
KINDS = {"euclidean": MetricKind.L2sq, "inner_product": MetricKind.IP, "cosine": MetricKind.Cos}


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Search:
    """Do nothing: it searches plain arrays."""

    def answer(queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        found = search(rows, queries, k, KINDS[measure], exact=True, threads=threads)
        return np.asarray(found.keys).astype(np.int64).reshape(len(queries), k)

    return answer
