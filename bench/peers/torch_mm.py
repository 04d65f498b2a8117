"""PyTorch: a matrix product and topk, as people write it, with results of at most 400 MB at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]

PACKAGE = "torch"
MEASURES = ("euclidean", "inner_product", "cosine")
RESULTS = 100_000_000


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Search:
    """Bring rows to length 1 for the cosine; keep their squared lengths for the Euclidean distance."""
    torch.set_num_threads(threads)
    table = torch.from_numpy(rows)
    squares = (table * table).sum(1) if measure == "euclidean" else None
    if measure == "cosine":
        table = torch.nn.functional.normalize(table)
    step = max(1, RESULTS // len(rows))

    def search(queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        found = []
        for part in torch.from_numpy(queries).split(step):
            keys = part @ table.T
            if squares is not None:
                keys = keys.mul_(2).sub_(squares)
            found.append(keys.topk(k).indices)
        return torch.cat(found).numpy()

    return torch.inference_mode()(search)
