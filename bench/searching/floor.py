"""The machine's own limits, measured as if they were a peer: how fast it multiplies float32 matrices, and how fast it reads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PACKAGE = "numpy"
MEASURES = ("euclidean", "inner_product", "cosine")
SIDE = 1536


def prepare(rows: NDArray[np.float32], measure: str, threads: int) -> Any:
    """Return a search that finds nothing and whose `limits` says what was measured."""
    del measure
    rng = np.random.default_rng(0)
    a, b, out = (rng.standard_normal((SIDE, SIDE), dtype=np.float32) for _ in range(3))
    flat = rows.reshape(-1)[: rows.size // (2 * threads) * 2 * threads].view(np.int64)
    parts = np.split(flat, threads)
    pool = ThreadPoolExecutor(threads)
    vector, products = np.ones(rows.shape[1], dtype=np.float32), np.empty(len(rows), dtype=np.float32)

    def multiply() -> None:
        np.matmul(a, b, out=out)

    def add() -> None:
        list(pool.map(np.add.reduce, parts))

    def dot() -> None:
        np.matmul(rows, vector, out=products)

    def limits() -> dict[str, float]:
        products = [seconds(multiply) for _ in range(5)]
        readings = [seconds(work) for work in (add, dot) for _ in range(3)]
        return {
            f"{clock}_{name}": amount / min(times[at] for times in seen) / 1e9
            for at, clock in enumerate(("wall", "cpu"))
            for name, amount, seen in (("gflops", 2 * SIDE**3, products), ("gbytes", rows.nbytes, readings))
        }

    def search(queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return np.zeros((len(queries), k), dtype=np.int64)

    search.limits = limits  # type: ignore[attr-defined]
    return search


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Return wall and CPU time of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
