"""tokenspace, search.Exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.search import Exact

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]

PACKAGE = ""
MEASURES = ("euclidean", "inner_product", "cosine")


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Search:
    """Make the search."""
    search = Exact(rows, measure, threads=threads)
    if "bytes" in search.explain(1).seconds:  # what it would make in its first searches is counted as index
        search.code()
    return lambda queries, k: search.search(queries, k).ids
