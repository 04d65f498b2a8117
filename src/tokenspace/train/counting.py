"""Co-occurrences counted by many: ranges of the text are mapped to rows of sums, and ranges of rows reduced to counts.

The sums are whole numbers, so the counts have the bits that one machine gives, however the text was cut and whoever counted. What passes
between the two steps lies in files of a folder that all workers see; each is written beside and renamed, so a worker that is lost and
begun anew leaves what it would have left.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.engines import local
from tokenspace.native.cooccurrences import Gathering, merge_rows
from tokenspace.train.cooccurrence import Cooccurrences, Counter, Run, blocks_of, chunk_size, weights_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tokenspace.engines import Engine

    Watch = Callable[[str, int, int], object]

ENTRIES = 1 << 22
"""Entries of a range of rows that is reduced at a time, before they are added up: 50 MB."""


@dataclass(frozen=True)
class Mapping:
    """What every range of the text is counted with."""

    n: int
    weights: NDArray[np.int64]
    fixed: int
    symmetric: bool
    folder: str


@dataclass(frozen=True)
class Reducing:
    """What every range of rows is added up from: how many entries each run of the text has before it, and in it."""

    n: int
    runs: int
    folder: str


def count_range(part: tuple[int, NDArray[np.int32], int, int], asked: Mapping) -> dict[str, NDArray[Any]]:
    """Count one range of the text, and lay the sums into the folder: what a worker does, wherever it runs.

    Parameters
    ----------
    part : (number, ids, begin, end)
        The range's number, the ids of its words with those in reach on both sides, and which of them are its own.
    asked : Mapping

    Returns
    -------
    dict of str to array
        sizes : entries of each row.
    """
    number, ids, begin, end = part
    counter = Counter(ids, asked.n, asked.weights, asked.fixed, symmetric=asked.symmetric)
    sizes = []
    with ThreadPoolExecutor(1) as pool, _written(asked.folder, f"{number}.columns", f"{number}.sums") as (columns, sums):
        for task in counter.tasks(pool, begin, end, 1):
            entries = task()
            columns.write(entries[0].data)
            sums.write(entries[1].data)
            sizes.append(entries[2])
    return {"sizes": np.concatenate(sizes)}


def reduce_rows(part: tuple[int, NDArray[np.int64], NDArray[np.int64]], asked: Reducing) -> dict[str, NDArray[Any]]:
    """Add up some rows of all runs, and lay them into the folder.

    Parameters
    ----------
    part : (number, array of shape (runs,), array of shape (runs, rows))
        The number of the range, where it begins in each run, and how many entries each row has there.
    asked : Reducing

    Returns
    -------
    dict of str to array
        sizes : entries of each row.
    """
    number, before, sizes = part
    found = []
    for kind, dtype in (("columns", np.int32), ("sums", np.int64)):
        pieces = []
        for run in range(asked.runs):
            size, item = int(sizes[run].sum()), np.dtype(dtype).itemsize
            pieces.append(np.fromfile(Path(asked.folder, f"{run}.{kind}"), dtype, size, offset=int(before[run]) * item))
        found.append(np.concatenate(pieces))
    lengths = sizes.sum(axis=1)
    starts = np.cumsum(sizes, axis=1) - sizes + (np.cumsum(lengths) - lengths)[:, None]
    columns, sums, merged = merge_rows(found[0], found[1], np.ascontiguousarray(starts), np.ascontiguousarray(sizes), Gathering(asked.n))
    with _written(asked.folder, f"rows-{number}.columns", f"rows-{number}.sums") as files:
        for file, array in zip(files, (columns, sums), strict=True):
            file.write(np.ascontiguousarray(array).data)
    return {"sizes": merged}


def count_by(  # noqa: PLR0913 - each says how
    engine: Engine,
    ids: NDArray[np.int32],
    n: int,
    *,
    window: int,
    symmetric: bool,
    distance_weighting: bool,
    fixed: int,
    memory: float,
    folder: str | os.PathLike[str] | None = None,
    watch: Watch | None = None,
) -> Cooccurrences:
    """Count how often words stand near each other, range by range of the text.

    Parameters
    ----------
    engine : Engine
    ids, n, window, symmetric, distance_weighting, fixed, watch
        As `tokenspace.train.cooccurrence.count_cooccurrences` takes them.
    memory : float
        GB of a worker, about.
    folder : path, optional
        Where sums lie between the two steps, 12 bytes an entry; every machine must see it. Left out, a folder of this machine's, which
        does for an engine that runs here.

    Returns
    -------
    Cooccurrences
        The same, bit for bit.

    Raises
    ------
    EngineError
        If a range is lost again and again.
    """
    weights, unit = weights_of(window, distance_weighting=distance_weighting)
    count = max(engine.workers(), -(-len(ids) // chunk_size(memory)))
    ranges = local.ranges(len(ids), count)
    place = Path(tempfile.mkdtemp(prefix="tokenspace-counts-", dir=folder))
    try:
        sizes = np.zeros((len(ranges), n - (fixed if symmetric else 0)), dtype=np.int64)
        asked = Mapping(n, weights, fixed, symmetric, str(place))
        for done, (number, result) in enumerate(engine.map(count_range, _with_reach(ids, ranges, window), asked), start=1):
            sizes[number] = result["sizes"]
            if watch is not None:
                watch("counting pairs", ranges[done - 1][1], len(ids))
        before = np.cumsum(sizes, axis=1) - sizes
        spans = blocks_of(sizes.sum(axis=0), ENTRIES)
        parts = ((number, before[:, a], sizes[:, a:b]) for number, (a, b) in enumerate(spans))
        merged: dict[int, NDArray[np.int64]] = {}
        for number, result in engine.map(reduce_rows, parts, Reducing(n, len(ranges), str(place))):
            merged[number] = result["sizes"]
            if watch is not None:
                watch("merging counts", len(merged), len(spans))
        whole = Run(unit)
        for number in range(len(spans)):
            columns = np.fromfile(place / f"rows-{number}.columns", np.int32)
            whole.add(columns, np.fromfile(place / f"rows-{number}.sums", np.int64), merged[number])
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Cooccurrences(np.cumsum(np.concatenate([np.zeros(fixed if symmetric else 0, dtype=np.int64), *whole.sizes])), symmetric, whole)


def _with_reach(ids: NDArray[np.int32], ranges: list[tuple[int, int]], window: int) -> Iterator[tuple[int, NDArray[np.int32], int, int]]:
    """Yield ranges of a text with the words in reach on both sides."""
    for number, (begin, end) in enumerate(ranges):
        low = max(0, begin - window)
        yield number, np.ascontiguousarray(ids[low : end + window]), begin - low, end - low


@contextlib.contextmanager
def _written(folder: str, *names: str) -> Iterator[list[Any]]:
    """Open files that take their names when the block ends without an exception."""
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"
    beside = [Path(folder, f".{name}-{mark}.new") for name in names]
    try:
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(path.open("xb")) for path in beside]
        for path, name in zip(beside, names, strict=True):
            path.replace(Path(folder, name))
    finally:
        for path in beside:
            path.unlink(missing_ok=True)
