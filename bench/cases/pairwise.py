"""All pairs of two tables: every method in turn in one process, time and error side by side, ratios to a bare float32 product.

python bench/run.py pairwise [--rows 5000] [--d 384] [--threads 1 2] [--repeats 7] [--method NAME ...] [--out FILE]

Errors of distances are relative, on four kinds of rows; those of products and cosines are in units of the lengths' product.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

import tokenspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rows = NDArray[np.float32]
    Method = Callable[[Rows, Rows, int], NDArray[np.float64] | NDArray[np.float32]]

FLOOR = "sgemm"
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "numkong")
SLOW = {"scipy euclidean": 500}
"""Methods that get so many rows of x only; their times are scaled up."""
PAUSE = 0.1
"""Seconds before each call: BLAS's threads wait in a loop for some time after a product, at the next method's expense."""
SMALL = 500
"""Rows in the tables that errors are taken from, at most."""


def ours(measure: str, dtype: str = "float32", sums: str = "float64") -> Method:
    """Ourselves."""
    return lambda x, y, threads: tokenspace.pairwise(x, y, measure=measure, dtype=dtype, sums=sums, threads=threads)


def halved(measure: str, sums: str = "float64") -> Method:
    """Measure x with itself: half of a symmetric result. Where it is y that matters, for the errors, both are one table."""

    def method(x: Rows, y: Rows, threads: int) -> Rows:
        if len(x) == len(y) > SMALL:
            return tokenspace.pairwise(x, measure=measure, sums=sums, threads=threads)
        both = np.concatenate([x, y])
        return tokenspace.pairwise(both, measure=measure, sums=sums, threads=threads)[: len(x), len(x) :]

    return method


def sklearn(name: str) -> Method:
    """scikit-learn, on BLAS's threads."""
    return lambda x, y, _: getattr(import_module("sklearn.metrics.pairwise"), name)(x, y)


def torch(name: str) -> Method:
    """PyTorch: a product, or cdist as it comes."""

    def method(x: Rows, y: Rows, threads: int) -> Rows:
        library = import_module("torch")
        library.set_num_threads(threads)
        a, b = library.from_numpy(x), library.from_numpy(y)
        return (a @ b.T if name == "mm" else library.cdist(a, b)).numpy()

    return method


def numkong(name: str) -> Method:
    """NumKong: y packed, one call a thread."""

    def method(x: Rows, y: Rows, threads: int) -> NDArray[np.float64]:
        library = import_module("numkong")
        packed, parts = library.dots_pack(y), np.array_split(x, threads)
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate([np.asarray(part) for part in pool.map(lambda part: getattr(library, name)(part, packed), parts)])

    return method


METHODS: dict[str, tuple[str, Method]] = {
    FLOOR: ("inner_product", lambda x, y, _: x @ y.T),
    "tokenspace inner product": ("inner_product", ours("inner_product")),
    "tokenspace cosine": ("cosine", ours("cosine")),
    "tokenspace inner product, sums float32": ("inner_product", ours("inner_product", sums="float32")),
    "tokenspace cosine, sums float32": ("cosine", ours("cosine", sums="float32")),
    "tokenspace euclidean": ("euclidean", ours("euclidean")),
    "tokenspace inner product, x with x": ("inner_product", halved("inner_product")),
    "tokenspace cosine, x with x, sums float32": ("cosine", halved("cosine", "float32")),
    "tokenspace euclidean, x with x": ("euclidean", halved("euclidean")),
    "tokenspace inner product, float64": ("inner_product", ours("inner_product", "float64")),
    "tokenspace euclidean, float64": ("euclidean", ours("euclidean", "float64")),
    "torch mm": ("inner_product", torch("mm")),
    "torch cdist": ("euclidean", torch("cdist")),
    "scikit-learn linear_kernel": ("inner_product", sklearn("linear_kernel")),
    "scikit-learn cosine": ("cosine", sklearn("cosine_similarity")),
    "scikit-learn euclidean": ("euclidean", sklearn("euclidean_distances")),
    "scipy euclidean": ("euclidean", lambda x, y, _: import_module("scipy.spatial.distance").cdist(x, y)),
    "numkong dots": ("inner_product", numkong("dots_packed")),
    "numkong euclidean": ("euclidean", numkong("euclideans_packed")),
}


def main(arguments: list[str]) -> None:
    """Run, print a table, keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rows", 5000), ("d", 384), ("repeats", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--method", nargs="*", default=list(METHODS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    methods = {name: METHODS[name] for name in dict.fromkeys([FLOOR, *options.method]) if works(name)}
    errors = {name: {kind: error(*method, *rows) for kind, rows in kinds(options.d).items()} for name, method in methods.items()}
    runs = {threads: timed(methods, options, threads) for threads in options.threads}
    for threads, times in runs.items():
        floor = {clock: statistics.median(times[FLOOR][clock]) for clock in ("cpu", "wall")}
        size = f"{options.rows} x {options.rows}, d = {options.d}"
        print(f"\n{size}, {threads} thread(s): medians of {options.repeats}; load {os.getloadavg()[0]:.1f}")
        print(f"{'':42}{'CPU ms':>9}{'wall ms':>9}{'x sgemm':>9}{'(wall)':>8}{'(least)':>9}   largest error: A, B, C, D")
        for name in methods:
            cpu, wall = (statistics.median(times[name][clock]) for clock in ("cpu", "wall"))
            least = min(times[name]["cpu"]) / min(times[FLOOR]["cpu"])
            shown = "  ".join(f"{value:.1e}" for value in errors[name].values())
            print(f"{name:42}{cpu:9.0f}{wall:9.0f}{cpu / floor['cpu']:9.2f}{wall / floor['wall']:8.2f}{least:9.2f}   {shown}")
    document = {
        "case": "pairwise",
        "rows": options.rows,
        "d": options.d,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "kernels": tokenspace.native.LEVEL,
        "versions": {name: version(name) for name in PACKAGES},
        "errors": errors,
        "runs": runs,
    }
    out = options.out or Path(__file__).parents[1] / "results" / "pairwise.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(out)


def works(name: str) -> bool:
    """Whether the method's library is there."""
    try:
        METHODS[name][1](np.eye(8, 16, dtype=np.float32), np.eye(8, 16, dtype=np.float32), 1)
    except ImportError as absent:
        print(f"left out: {name} ({absent})")
        return False
    return True


def timed(methods: dict[str, tuple[str, Method]], options: argparse.Namespace, threads: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of each call, the methods in turn; the first round warms up."""
    random = np.random.default_rng(0)
    x, y = (random.standard_normal((options.rows, options.d)).astype(np.float32) for _ in range(2))
    times: dict[str, dict[str, list[float]]] = {name: {"cpu": [], "wall": []} for name in methods}
    with threadpool_limits(threads):
        for repeat in range(options.repeats + 1):
            for name, (_, method) in methods.items():
                some = x[: SLOW.get(name, len(x))]
                time.sleep(PAUSE)
                cpu, wall = time.process_time(), time.perf_counter()
                method(some, y, threads)
                spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
                for clock in spent if repeat else ():
                    times[name][clock].append(spent[clock] * 1e3 * len(x) / len(some))
    return times


def kinds(d: int) -> dict[str, tuple[Rows, Rows]]:
    """Make rows that are unkind to distances, each in its way."""
    random = np.random.default_rng(1)

    def normal(n: int = 400) -> NDArray[np.float64]:
        return random.standard_normal((n, d))

    u = normal()
    u = (10 * u / np.linalg.norm(u, axis=1, keepdims=True)).astype(np.float32)
    far = (1000 + normal()).astype(np.float32)
    return {
        "A: near duplicates, |u| = 10, 2e-3 apart": (u, (u + 2e-3 / d**0.5 * normal()).astype(np.float32)),
        "B: mean 1000, near duplicates": (far, (far + 2 / d**0.5 * normal()).astype(np.float32)),
        "C: mean 1000": (far, (1000 + normal(500)).astype(np.float32)),
        "D: standard normal": (normal().astype(np.float32), normal(500).astype(np.float32)),
    }


def error(measure: str, method: Method, x: Rows, y: Rows) -> float:
    """Return the largest error over all pairs: of itself for distances, of the lengths' product else."""
    a, b = x.astype(np.float64), y.astype(np.float64)
    found = np.asarray(method(x, y, 1), dtype=np.float64)
    if measure == "euclidean":
        wanted = np.stack([np.sqrt(((row - b) ** 2).sum(axis=1)) for row in a])
        return float(np.abs(found / wanted - 1).max())
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)[None]
    wanted = a @ b.T
    return float((np.abs(found - wanted) / lengths if measure == "inner_product" else np.abs(found - wanted / lengths)).max())


def version(name: str) -> str | None:
    """Return a package's version."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
