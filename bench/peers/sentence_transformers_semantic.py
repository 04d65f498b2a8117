"""sentence-transformers, util.semantic_search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from sentence_transformers import util

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]

PACKAGE = "sentence-transformers"
MEASURES = ("euclidean", "inner_product", "cosine")
SCORES = {"euclidean": util.euclidean_sim, "inner_product": util.dot_score, "cosine": util.cos_sim}


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Search:
    """Wrap the rows."""
    torch.set_num_threads(threads)
    table = torch.from_numpy(rows)

    def search(queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        found = util.semantic_search(torch.from_numpy(queries), table, top_k=k, score_function=SCORES[measure])
        return np.array([[hit["corpus_id"] for hit in hits] for hits in found])

    return search
