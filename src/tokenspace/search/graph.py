"""The k-nearest graph of a whole table: each row's nearest other rows, written as it is found, and taken up again where it stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError
from tokenspace.search.exact import Exact
from tokenspace.search.found import Found

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from tokenspace.engines import Engine
    from tokenspace.measures import Measure

STEP = 1024
"""Rows searched between two notes of what is done."""

TOGETHER = 1 << 21
"""Numbers of the rows that an engine's workers search for at a time, 16 MB as float64: each worker then prepares its shard once for 32,768
rows of d = 64."""


def neighbour_graph(
    matrix: ArrayLike,
    k: int = 10,
    measure: Measure = "cosine",
    *,
    out: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    engine: str | Engine | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Found:
    """Return the k nearest other rows of every row of a matrix.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    k : int, default 10
    measure : "euclidean", "inner_product" or "cosine", default "cosine"
    out : path, optional
        A folder for the result: ``ids.npy``, ``scores.npy`` and ``graph.json``, which says how many rows are done. Where it holds an
        unfinished graph of this matrix, k and measure, the search goes on from there. Left out, the result is in memory.
    threads : int, optional
        Default: as many as CPUs this process may use.
    engine : "local", "ray" or tokenspace.engines.Engine, optional
        Where the rows are searched, a shard at a time, as `Exact` takes it.
    progress : callable, optional
        Called with (rows done, n) after every 1,024 rows, with an engine after every shard. An exception of its own, or
        Ctrl-C, stops the search; what was done stays.

    Returns
    -------
    Found
        `ids` and `scores` of shape (n, min(k, n - 1)), memory-mapped where `out` is given. A row is not its own neighbour.

    Raises
    ------
    ArgumentError
        If `out` holds a graph of another matrix, k or measure, or k is not positive.
    ShapeError, NotFiniteError
        As `Exact`.

    Notes
    -----
    Time O(n²·d); memory that of the search, and of the result where it is not written to a folder.

    Examples
    --------
    >>> neighbour_graph(np.float32([[0, 1], [0, 3], [2, 0]]), k=1, measure="euclidean").ids.ravel()
    array([1, 0, 0])
    """
    search = Exact(matrix, measure, threads=threads, engine=engine)
    n = len(search.matrix)
    if k < 1:
        message = f"k must be at least 1; seen {k}"
        raise ArgumentError(message)
    width = min(k, max(n - 1, 0))
    job = {"rows": n, "d": search.matrix.shape[1], "k": width, "measure": measure, "first": _print_of(search.matrix)}
    ids, scores, done = _opened(None if out is None else Path(out), job, (n, width))
    step = STEP if engine is None else max(STEP, TOGETHER // search.matrix.shape[1])
    for start in range(done, n, step):
        stop = min(start + step, n)
        if width:
            own = [[row] for row in range(start, stop)]
            found = search.search(search.matrix[start:stop], width, exclude=own, progress=_share(progress, start, stop, n, engine))
            ids[start:stop], scores[start:stop] = found.ids, found.scores
        if out is not None:
            for array in (ids, scores):
                array.flush()
            _note(Path(out), {**job, "done": stop})
        if progress is not None:
            progress(stop, n)
    return Found(ids, scores)


def _share(
    progress: Callable[[int, int], object] | None, start: int, stop: int, n: int, engine: object
) -> Callable[[int, int], object] | None:
    """Return what turns shards done for rows start..stop into rows done; nothing without an engine, where the steps are small."""
    if progress is None or engine is None:
        return None
    return lambda done, parts: progress(start + (stop - start) * done // (parts + 1), n)


def _print_of(matrix: np.ndarray[Any, Any]) -> str:
    """Return what tells one matrix from another without reading it whole: its first and last row's bytes."""
    return (matrix[:1].tobytes() + matrix[-1:].tobytes()).hex()[:256]


def _opened(folder: Path | None, job: dict[str, Any], shape: tuple[int, int]) -> tuple[Any, Any, int]:
    """Return the arrays to fill, and how many rows of them are done."""
    if folder is None:
        return np.empty(shape, dtype=np.int64), np.empty(shape), 0
    note = folder / "graph.json"
    if note.exists():
        seen = json.loads(note.read_text())
        done = int(seen.pop("done", 0))
        if seen != job:
            other = ", ".join(f"{name} {seen.get(name)!r:.40}" for name in job if seen.get(name) != job[name])
            message = f"{folder} holds the graph of another search: {other}"
            raise ArgumentError(message, hint="name another folder, or delete this one")
        return np.load(folder / "ids.npy", mmap_mode="r+"), np.load(folder / "scores.npy", mmap_mode="r+"), done
    folder.mkdir(parents=True, exist_ok=True)
    ids = np.lib.format.open_memmap(folder / "ids.npy", mode="w+", dtype=np.int64, shape=shape)
    scores = np.lib.format.open_memmap(folder / "scores.npy", mode="w+", dtype=np.float64, shape=shape)
    _note(folder, {**job, "done": 0})
    return ids, scores, 0


def _note(folder: Path, job: dict[str, Any]) -> None:
    beside = folder / f"graph.json.{os.getpid()}.new"
    beside.write_text(json.dumps(job))
    beside.replace(folder / "graph.json")
