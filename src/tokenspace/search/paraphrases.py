"""Paraphrase mining: the closest pairs among the rows of one matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.errors import ArgumentError
from tokenspace.search.exact import Exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.measures import Measure

STEP = 1024
"""Rows searched at a time."""

SLACK = 4
"""Times as many pairs are gathered as are wanted, before the farthest are dropped."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of rows, the closest first; iterates as (score, first, second), as sentence-transformers lists them.

    Attributes
    ----------
    first, second : arrays of shape (m,), int64
        Row ids, the lower one first.
    scores : array of shape (m,), float64
        The measure itself.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.scores)

    def __iter__(self) -> Iterator[tuple[float, int, int]]:
        """Yield each pair."""
        return zip(self.scores.tolist(), self.first.tolist(), self.second.tolist(), strict=True)


def paraphrase_mining(
    matrix: ArrayLike,
    k: int = 100,
    measure: Measure = "cosine",
    *,
    most: int = 500_000,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Pairs:
    """Return the closest pairs among the rows of a matrix: those in which one is among the other's k nearest.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    k : int, default 100
        Nearest rows of each row that make a pair with it.
    measure : "euclidean", "inner_product" or "cosine", default "cosine"
    most : int, default 500,000
        Pairs wanted.
    threads : int, optional
        Default: as many as CPUs this process may use. The answer is the same for any number.
    progress : callable, optional
        Called with (rows done, n) after every 1,024 rows.

    Returns
    -------
    Pairs
        The closest first; of equal ones that with the lower first, then second, id. Rows without a cosine are in none.

    Raises
    ------
    ArgumentError
        If k or `most` is not positive.
    ShapeError, NotFiniteError
        As `Exact`.

    Notes
    -----
    Time O(n²·d), memory some times `most`, never n·k. The vice: where more than k rows are close to each other, pairs among them are
    missing; all pairs within a threshold are what `Exact.within` gives.

    Examples
    --------
    >>> list(paraphrase_mining([[0.0, 1], [1, 1], [0, 2]], k=1))
    [(1.0, 0, 2), (0.7071067811865475, 0, 1)]
    """
    if k < 1 or most < 1:
        message = f"k and most must be at least 1; seen k={k} and most={most}"
        raise ArgumentError(message)
    search = Exact(matrix, measure, threads=threads)
    n = len(search.matrix)
    width = min(k, n - 1)
    gathered: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = [(np.empty(0, np.int64), np.empty(0))]
    waiting = 0
    for start in range(0, n if width > 0 else 0, STEP):
        rows = np.arange(start, min(start + STEP, n))
        found = search.search(search.matrix[start : start + STEP], width + 1)
        other, scores = _others(found.ids, found.scores, rows, width)
        paired = np.minimum(rows[:, None], other) * n + np.maximum(rows[:, None], other)
        there = ~np.isnan(scores)
        gathered.append((paired[there], scores[there]))
        waiting += int(there.sum())
        if waiting > SLACK * most:
            gathered = [_best(gathered, most, measure)]
            waiting = len(gathered[0][0])
        if progress is not None:
            progress(int(rows[-1]) + 1, n)
    paired, scores = _best(gathered, most, measure)
    return Pairs(paired // max(n, 1), paired % max(n, 1), scores)


def _others(
    ids: NDArray[np.int64], scores: NDArray[np.float64], rows: NDArray[np.int64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Leave each row out of its own neighbours, or the last of them where it is not among them."""
    own = ids == rows[:, None]
    own[~own.any(axis=1), -1] = True
    return ids[~own].reshape(len(rows), width), scores[~own].reshape(len(rows), width)


def _best(
    gathered: list[tuple[NDArray[np.int64], NDArray[np.float64]]], most: int, measure: Measure
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the closest pairs of all, each once, in order."""
    paired, scores = (np.concatenate(column) for column in zip(*gathered, strict=True))
    paired, places = np.unique(paired, return_index=True)
    scores = scores[places]
    order = np.argsort(scores if measure == "euclidean" else -scores, kind="stable")[:most]
    return paired[order], scores[order]
