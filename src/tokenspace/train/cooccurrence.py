"""Co-occurrences: how often words stand near each other in a text, counted with bounded memory, exactly, whatever the number of threads.

The text goes by in chunks. Of a chunk one knows where each word stands; each row of counts is then gathered from its word's places. Where
there are several chunks, their rows are spilled to a temporary file, and merged row by row at the end. Weights are whole numbers, so
no order of adding them makes a difference.
"""

from __future__ import annotations

import math
import tempfile
import threading
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from tokenspace.engines import local
from tokenspace.errors import ArgumentError, OutputError
from tokenspace.native.cooccurrences import Gathering, cooccurrence_rows, merge_rows, word_counts, word_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from tokenspace.native.cooccurrences import Entries

    Watch = Callable[[str, int, int], object]

UNIT = 1 << 31
"""What a weight of 1 is at least counted as, where no smaller number has every distance as a divisor (from a window of 23 on)."""

BLOCK = 1 << 18
"""Entries a thread has in its hands at a time: 5 MB."""

A_TOKEN = 16
"""Bytes that a chunk takes for each of its tokens: its id, its place, and as much again for what is gathered."""

SMALLEST = 1 << 16
"""Tokens of a chunk at the least."""


@dataclass(frozen=True, eq=False)
class Cooccurrences:
    """Counts of pairs of words, in a file that is gone when nobody uses it any more.

    Attributes
    ----------
    ends : array of shape (n,), int64
        Where each word's row ends among the entries; it begins where the one before ends.
    symmetric : bool
        Whether an entry (i, j) stands for (j, i) too; then j <= i.
    """

    ends: NDArray[np.int64]
    symmetric: bool
    _run: Run

    def __len__(self) -> int:
        """Return the number of entries."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def read(self, parts: Iterable[tuple[int, int]]) -> NDArray[np.int32]:
        """Return entries: column, and the bits of the count, a float32.

        Parameters
        ----------
        parts : iterable of (first, size)

        Returns
        -------
        array of shape (m, 2), int32
            One part after the other.
        """
        parts = list(parts)
        out = np.empty((sum(size for _, size in parts), 2), dtype=np.int32)
        view, at = memoryview(out.data).cast("B") if len(out) else memoryview(b""), 0
        for first, size in parts:
            self._run.file.seek(8 * first)
            end = at + 8 * size
            while at < end:
                got = self._run.file.readinto(view[at:end])  # type: ignore[attr-defined]
                if not got:
                    message = "the temporary file of the counts has become shorter"
                    raise OutputError(message)
                at += got
        return out

    def pairs(self, first: int = 0, last: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        """Return rows as pairs with their counts.

        Parameters
        ----------
        first, last : int
            Words; left out, all.

        Returns
        -------
        rows, columns, counts : arrays of shape (m,), int64, int32 and float32
        """
        last = len(self.ends) if last is None else last
        starts = np.concatenate([[0], self.ends])
        begin, end = int(starts[first]), int(starts[last])
        entries = self.read([(begin, end - begin)])
        rows = np.repeat(np.arange(first, last), np.diff(starts[first : last + 1]))
        return rows, entries[:, 0].copy(), entries[:, 1].copy().view(np.float32)


def count_cooccurrences(  # noqa: PLR0913 - each says how
    ids: NDArray[np.int32],
    n: int,
    *,
    window: int = 15,
    symmetric: bool = True,
    distance_weighting: bool = True,
    fixed: int = 0,
    memory: float = 0.5,
    threads: int | None = None,
    watch: Watch | None = None,
    release: Callable[[int, int], object] | None = None,
) -> Cooccurrences:
    """Count how often words stand near each other.

    Parameters
    ----------
    ids : array of shape (m,), int32
        A text: ids in 0..n-1, and -1 where a sentence ends; no pair reaches across.
    n : int
        Words.
    window : int, default 15
        The farthest a pair may stand apart.
    symmetric : bool, default True
        Count (i, j) and (j, i) alike, wherever one stands near the other; else (i, j) where j stands to the right of i.
    distance_weighting : bool, default True
        A pair d apart counts 1/d; else 1.
    fixed : int, default 0
        Pairs of two words below it are left out.
    memory : float, default 0.5
        GB, about; what goes beyond is spilled. The counts do not depend on it.
    threads : int, optional
        Default: as many as CPUs this process may use. The counts do not depend on it.
    watch : callable, optional
        Called as ``watch(what, done, total)``.
    release : callable, optional
        Called as ``release(start, end)`` when these ids are not needed any more.

    Returns
    -------
    Cooccurrences

    Raises
    ------
    ArgumentError
        If an argument is outside.
    RowIdError
        If an id is.
    OutputError
        If the counts cannot be written to the folder of temporary files.

    Notes
    -----
    Sums are exact: whole multiples of 1/lcm(1..window), up to a window of 22, and of 2^-31 beyond; each is then rounded to float32.
    Where the counts are symmetric, half of them is kept, with 8 bytes each. Time O(m·window); memory `memory` and some 20 bytes a word and
    thread.

    References
    ----------
    J. Pennington, R. Socher, C. Manning, "GloVe: Global vectors for word representation", EMNLP 2014.

    Examples
    --------
    >>> counts = count_cooccurrences(np.int32([0, 1, 0, 2, -1, 2, 2, -1]), 3)
    >>> for i, j, x in zip(*counts.pairs()):
    ...     print(i, j, x)
    0 0 1.0
    1 0 2.0
    2 0 1.3333334
    2 1 0.5
    2 2 2.0
    """
    if window < 1 or memory <= 0 or not 0 <= fixed <= n:
        message = f"window must be at least 1, memory above 0 and fixed in 0..{n}; seen {window}, {memory} and {fixed}"
        raise ArgumentError(message)
    weights, unit = weights_of(window, distance_weighting=distance_weighting)
    chunks = local.ranges(len(ids), -(-len(ids) // chunk_size(memory)))
    count = local.thread_count(threads)
    counter = Counter(ids, n, weights, fixed, symmetric=symmetric)
    with ThreadPoolExecutor(count) as pool:
        runs: list[Run] = []
        for begin, end in chunks:
            if watch is not None:
                watch("counting pairs", begin, len(ids))
            run = Run(unit if len(chunks) == 1 else None)
            try:
                for entries in _in_order(pool, count, counter.tasks(pool, begin, end, count)):
                    run.add(*entries)
            finally:
                if release is not None:
                    release(begin, end)
            runs.append(run)
        whole = runs[0] if len(runs) == 1 else _merged(pool, count, runs, n, unit, watch)
    sizes = np.concatenate([np.zeros(fixed if symmetric else 0, dtype=np.int64), *whole.sizes])
    return Cooccurrences(np.cumsum(sizes), symmetric, whole)


def chunk_size(memory: float) -> int:
    """Return how many ids are counted at a time within so many GB."""
    return max(SMALLEST, min(int(memory * 1e9) // A_TOKEN, 2**31 - 1))


def weights_of(window: int, *, distance_weighting: bool) -> tuple[NDArray[np.int64], int]:
    """Return the weight of each distance from 1, as a multiple of a unit, and what a weight of 1 is in it."""
    if not distance_weighting:
        return np.ones(window, dtype=np.int64), 1
    unit = math.lcm(*range(1, window + 1)) if window <= 22 else UNIT  # noqa: PLR2004 - lcm(1..23) is above 2^32
    return np.array([round(unit / distance) for distance in range(1, window + 1)], dtype=np.int64), unit


class Run:
    """Rows written to a temporary file: whole counts as (column, count), or sums of a chunk as (columns, sums) in two.

    The files are gone with it.
    """

    def __init__(self, unit: int | None) -> None:
        self.unit = unit
        self.file = self._opened()
        self.beside = self._opened() if unit is None else None
        self.sizes: list[NDArray[np.int64]] = []

    def _opened(self) -> IO[bytes]:
        file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as its owner
        weakref.finalize(self, file.close)
        return file

    def add(self, columns: NDArray[np.int32], sums: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        """Write some rows behind those that are there."""
        self.sizes.append(sizes)
        if self.unit is None:
            _write(self.file, columns)
            _write(self.beside, sums)
            return
        entries = np.empty((len(columns), 2), dtype=np.int32)
        entries[:, 0] = columns
        entries.view(np.float32)[:, 1] = sums / self.unit
        _write(self.file, entries)


def _write(file: IO[bytes] | None, array: NDArray[np.generic]) -> None:
    view = memoryview(array.data).cast("B") if array.size else memoryview(b"")
    try:
        while len(view):
            view = view[file.write(view) :]  # type: ignore[union-attr]
    except OSError as error:
        message = f"counts of co-occurrences cannot be written to {tempfile.gettempdir()}: {error.strerror or error}"
        raise OutputError(message, hint="set TMPDIR to a folder with more room") from None


class Counter:
    """Counts the rows of chunks of a text, in blocks of rows."""

    def __init__(self, ids: NDArray[np.int32], n: int, weights: NDArray[np.int64], fixed: int, *, symmetric: bool) -> None:
        self.ids, self.n, self.weights, self.fixed, self.symmetric = ids, n, weights, fixed, symmetric
        self.own = threading.local()

    def room(self) -> Gathering:
        """Return this thread's place to gather a row."""
        if not hasattr(self.own, "room"):
            self.own.room = Gathering(self.n)
        room: Gathering = self.own.room
        return room

    def tasks(self, pool: ThreadPoolExecutor, begin: int, end: int, threads: int) -> Iterator[Callable[[], Entries]]:
        """Yield what computes the rows of a chunk, block by block."""
        part = self.ids[begin:end]
        spans = local.ranges(len(part), threads)
        counts = sum(pool.map(lambda span: word_counts(part[slice(*span)], self.n), spans), np.zeros(self.n, dtype=np.int64))
        first = self.fixed if self.symmetric else 0
        reach = len(self.weights) * (2 if self.symmetric else 1)
        most = np.minimum(counts * reach, np.arange(1, self.n + 1) if self.symmetric else self.n)
        # Places are found a thread for each range of words, with about as many places each.
        cuts = np.unique(np.searchsorted(np.cumsum(counts[first:]), [len(part) * k // threads for k in range(1, threads)]) + first)
        ranges = list(zip([first, *cuts.tolist()], [*cuts.tolist(), self.n], strict=True))
        found = list(pool.map(lambda words: word_places(part, words[0], counts[slice(*words)]), ranges))
        for (low, high), (places, starts) in zip(ranges, found, strict=True):
            for a, b in blocks_of(most[low:high]):
                yield self._rows(begin, places, starts[a : b + 1], low + a)

    def _rows(self, begin: int, places: NDArray[np.int32], starts: NDArray[np.int64], first: int) -> Callable[[], Entries]:
        return lambda: cooccurrence_rows(
            self.ids,
            begin,
            places,
            starts,
            first=first,
            weights=self.weights,
            symmetric=self.symmetric,
            fixed=self.fixed,
            room=self.room(),
        )


def blocks_of(most: NDArray[np.int64], entries: int = BLOCK) -> list[tuple[int, int]]:
    """Return ranges of rows that hold at most so many entries each, or one row."""
    blocks, start, total = [], 0, np.cumsum(most)
    while start < len(most):
        before = int(total[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(total, before + entries, side="right")))
        blocks.append((start, end))
        start = end
    return blocks


def _in_order(pool: ThreadPoolExecutor, threads: int, tasks: Iterable[Callable[[], Entries]]) -> Iterator[Entries]:
    """Yield the results of tasks in their order, few of them ahead."""
    waiting: deque[object] = deque()
    for task in tasks:
        if len(waiting) > threads:
            yield waiting.popleft().result()  # type: ignore[attr-defined]
        waiting.append(pool.submit(task))
    while waiting:
        yield waiting.popleft().result()  # type: ignore[attr-defined]


def _merged(pool: ThreadPoolExecutor, threads: int, runs: list[Run], n: int, unit: int, watch: Watch | None) -> Run:
    """Add the runs up, row by row."""
    sizes = np.stack([np.concatenate(run.sizes) for run in runs])
    before = np.cumsum(sizes, axis=1) - sizes
    own = threading.local()

    def task(span: tuple[int, int]) -> Callable[[], Entries]:
        part = sizes[:, slice(*span)]
        columns, sums = (np.concatenate([_part(run, k, before[r], sizes[r], span) for r, run in enumerate(runs)]) for k in (0, 1))
        lengths = part.sum(axis=1)
        starts = np.cumsum(part, axis=1) - part + (np.cumsum(lengths) - lengths)[:, None]

        def merge() -> Entries:
            if not hasattr(own, "room"):
                own.room = Gathering(n)
            return merge_rows(columns, sums, np.ascontiguousarray(starts), np.ascontiguousarray(part), own.room)

        return merge

    whole = Run(unit)
    spans = blocks_of(sizes.sum(axis=0))
    for number, entries in enumerate(_in_order(pool, threads, map(task, spans))):
        if watch is not None:
            watch("merging counts", spans[number][0], sizes.shape[1])
        whole.add(*entries)
    return whole


def _part(run: Run, kind: int, before: NDArray[np.int64], sizes: NDArray[np.int64], span: tuple[int, int]) -> NDArray[np.generic]:
    """Read the columns, or the sums, of some rows of a run."""
    file, dtype = ((run.file, np.dtype(np.int32)), (run.beside, np.dtype(np.int64)))[kind]
    count = int(sizes[slice(*span)].sum())
    file.seek(int(before[span[0]]) * dtype.itemsize)  # type: ignore[union-attr]
    return np.fromfile(file, dtype=dtype, count=count)  # type: ignore[arg-type]
