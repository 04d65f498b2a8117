"""FAISS, flat index, as shipped: it takes its BLAS path only for large batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]

PACKAGE = "faiss-cpu"
MEASURES = ("euclidean", "inner_product", "cosine")


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Search:
    """Copy the rows into an index, of length 1 for the cosine, which FAISS does not know."""
    faiss.omp_set_num_threads(threads)
    index = (faiss.IndexFlatL2 if measure == "euclidean" else faiss.IndexFlatIP)(rows.shape[1])
    for start in range(0, len(rows), 100_000):
        index.add(unit(rows[start : start + 100_000]) if measure == "cosine" else rows[start : start + 100_000])
    return lambda queries, k: index.search(unit(queries) if measure == "cosine" else queries, k)[1]


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors of length 1."""
    copy = np.array(vectors)
    faiss.normalize_L2(copy)
    return copy
