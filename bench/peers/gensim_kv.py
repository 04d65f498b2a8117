"""gensim, KeyedVectors: the cosine, one query a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from gensim.models import KeyedVectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]

PACKAGE = "gensim"
MEASURES = ("cosine",)


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Search:
    """Copy the rows under names, and measure their lengths."""
    del measure, threads  # BLAS's number is set for the process
    model = KeyedVectors(rows.shape[1], count=len(rows))
    model.add_vectors([str(i) for i in range(len(rows))], rows)
    model.fill_norms()
    return lambda queries, k: np.array([[int(name) for name, _ in model.similar_by_vector(query, topn=k)] for query in queries])
