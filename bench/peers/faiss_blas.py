"""FAISS, flat index, its BLAS path forced for every batch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import faiss

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]

spec = importlib.util.spec_from_file_location("peer_faiss_flat", Path(__file__).with_name("faiss_flat.py"))
shipped = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shipped)

PACKAGE, MEASURES = shipped.PACKAGE, shipped.MEASURES


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Search:
    """Prepare as shipped, with the threshold down."""
    faiss.cvar.distance_compute_blas_threshold = 1
    return shipped.prepare(rows, measure, threads)
