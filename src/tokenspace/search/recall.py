"""Recall: which share of the truly nearest rows a search finds, judged by score, with an interval that says how sure that is."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tokenspace.errors import ArgumentError
from tokenspace.measures import listed_pairs
from tokenspace.rows import as_matrix
from tokenspace.search.exact import Exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.measures import Measure
    from tokenspace.search.found import Found

ROUNDING = 1e-12
"""Scores this close, relative to their size, are ties: parallel rows have cosines that differ by what their sums were rounded."""

PIECE = 1 << 16
"""Pairs measured at a time."""

NOTHING, NO_COSINE = -np.inf, -2.0
"""Keys of an empty place, and of a row that has no cosine: it ranks behind every row that has one, and is a row all the same."""


class Search(Protocol):
    """What can be judged: `Approximate`, or anything else with a matrix, a measure and this call."""

    @property
    def matrix(self) -> NDArray[Any]:
        """The rows, of shape (n, d)."""

    @property
    def measure(self) -> Measure:
        """The measure."""

    def search(self, queries: ArrayLike, k: int = 10, *, exclude: Sequence[Any] | None = None) -> Found:
        """Return ids and scores, of shape (q, k)."""


@dataclass(frozen=True, slots=True, eq=False)
class Recall:
    """How much of the truth a search found; made by `recall`, prints itself.

    Attributes
    ----------
    value : float
        Mean over the queries of the share of their k nearest rows that were found, 0..1.
    low, high : float
        Interval for the mean over all queries of that kind.
    confidence : float
        How often such an interval holds the mean, 0..1.
    each : array of shape (q,), float64
        The share for each query.
    loss : float
        How much worse the found scores are than the true ones, rank by rank: mean difference next to mean size, 0 or more. Small
        where what was missed was hardly nearer than what was found.
    missing : int
        Places of which the search gave none, though there was a row for them.
    k : int
    measure : str
    seconds, exact_seconds : float
        Wall time a query, in seconds, of the search judged and of exact search, each with all queries in one call.
    name : str
        What was judged.
    """

    value: float
    low: float
    high: float
    confidence: float
    each: NDArray[np.float64]
    loss: float
    missing: int
    k: int
    measure: Measure
    seconds: float
    exact_seconds: float
    name: str

    def __str__(self) -> str:
        """Say it in three lines."""
        percent = f"{100 * self.confidence:.4g} %"
        factor = self.exact_seconds / max(self.seconds, 1e-9)
        interval = f"{percent} interval {self.low:.4f} to {self.high:.4f}, {len(self.each):,} queries"
        lines = [
            f"recall@{self.k} of {self.name}, {self.measure}: {self.value:.4f} ({interval})",
            f"scores worse by {100 * self.loss:.2g} % on average; {int((self.each < 1).sum()):,} queries lack a row"
            + (f", {self.missing:,} places stayed empty" if self.missing else ""),
            f"{1e3 * self.seconds:.3g} ms a query, {factor:.2g} times as fast as exact search ({1e3 * self.exact_seconds:.3g} ms)",
        ]
        return "\n".join(lines)


def recall(
    search: Search,
    queries: int | ArrayLike = 200,
    k: int = 10,
    *,
    exclude: Sequence[Any] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    threads: int | None = None,
) -> Recall:
    """Return which share of the k nearest rows a search finds, against exact search over the same matrix.

    Parameters
    ----------
    search : Approximate, or anything with `matrix`, `measure` and the same `search`
    queries : int or array of shape (q, d), default 200
        A number stands for so many rows of the matrix, drawn without replacement; each is left out of its own neighbours.
    k : int, default 10
    exclude : sequence of q sequences, optional
        For queries given as vectors: row ids to leave out.
    confidence : float, default 0.95
        Of the interval, between 0 and 1.
    seed : int, default 0
        Of the drawing.
    threads : int, optional
        Of exact search. Default: as many as CPUs this process may use.

    Returns
    -------
    Recall

    Raises
    ------
    ArgumentError
        If there is no query or no row to find, or the confidence is not between 0 and 1.
    ShapeError, NotFiniteError
        As `Exact.search`.

    Notes
    -----
    A row counts as found if its score reaches that of the k-th row of exact search, whichever its id: of rows that tie there any is
    as good as another, and as many count as exact search took. Each row counts once; its score is computed here, not believed.
    Cost: one exact search. The time of a first search holds what that search prepares.

    The places of one query are found or missed together, so the interval is Wilson's with the number of independent trials that the
    spread between queries shows, q·k at the most, and q where the spread shows nothing because all or none were found. The vice:
    rows drawn as queries stand for queries like the rows; sentences, misspellings and sums of vectors may fare worse.

    References
    ----------
    Judged by distance: Aumueller, Bernhardsson, Faithfull, "ANN-Benchmarks", Information Systems 87 (2020), section 3.
    Interval: Wilson, JASA 22 (1927); effective sample size: Korn and Graubard, Survey Methodology 24 (1998).

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((100, 4))
    >>> judged = recall(Exact(rows), queries=50, k=5)
    >>> judged.value, judged.loss, judged.missing
    (1.0, 0.0, 0)
    >>> print(judged)  # doctest: +ELLIPSIS
    recall@5 of Exact, cosine: 1.0000 (95 % interval 0.9287 to 1.0000, 50 queries)
    scores worse by 0 % on average; 0 queries lack a row
    ...
    """
    if not 0 < confidence < 1:
        message = f"confidence must be between 0 and 1; seen {confidence}"
        raise ArgumentError(message)
    q, without = _asked(search.matrix, queries, exclude, seed)
    started = time.perf_counter()
    found = search.search(q, k, exclude=without).ids
    seconds = time.perf_counter() - started
    exact = Exact(search.matrix, search.measure, threads=threads)
    started = time.perf_counter()
    truth = exact.search(q, k, exclude=without).ids
    exact_seconds = time.perf_counter() - started
    if not (truth >= 0).any(axis=1).all():
        message = "recall needs at least one row to find for each query; a query has none"
        raise ArgumentError(message, hint="the matrix is empty, or all rows were left out")
    each, loss, missing = _judged(search.measure, q, search.matrix, found, truth)
    low, high = _interval(each, truth.shape[1], confidence)
    engine = getattr(search, "engine", None)
    name = type(search).__name__ + (f"({engine})" if isinstance(engine, str) else "")
    return Recall(
        value=float(each.mean()),
        low=low,
        high=high,
        confidence=confidence,
        each=each,
        loss=loss,
        missing=missing,
        k=truth.shape[1],
        measure=search.measure,
        seconds=seconds / len(q),
        exact_seconds=exact_seconds / len(q),
        name=name,
    )


def _asked(
    matrix: NDArray[Any], queries: int | ArrayLike, exclude: Sequence[Any] | None, seed: int
) -> tuple[NDArray[Any], Sequence[Any] | None]:
    """Return queries of shape (q, d) and what to leave out of their neighbours."""
    if isinstance(queries, int | np.integer):
        if queries < 1 or len(matrix) < 2 or exclude is not None:  # noqa: PLR2004 - one to ask and one to find
            message = f"expected at least 1 query drawn from at least 2 rows, and no exclude; seen {queries} from {len(matrix)}"
            raise ArgumentError(message, hint="exclude goes with queries given as vectors")
        rows = np.sort(np.random.default_rng(seed).choice(len(matrix), min(int(queries), len(matrix)), replace=False))
        return matrix[rows], rows[:, None].tolist()
    asked = as_matrix(queries, "queries")
    if not len(asked):
        message = "recall needs at least one query; seen none"
        raise ArgumentError(message)
    return asked, exclude


def _judged(
    measure: Measure, queries: NDArray[Any], matrix: NDArray[Any], found: NDArray[np.int64], truth: NDArray[np.int64]
) -> tuple[NDArray[np.float64], float, int]:
    """Return each query's share, the relative loss of score, and the number of empty places."""
    best, got = (_closeness(measure, queries, matrix, ids) for ids in (truth, found))
    wanted, given = ((keys > NOTHING).sum(axis=1) for keys in (best, got))
    last = best[np.arange(len(best)), wanted - 1]
    size = np.maximum(np.abs(last), 1) if measure == "cosine" else np.abs(last)
    above, below = (last + ROUNDING * size)[:, None], (last - ROUNDING * size)[:, None]
    nearer, ties = (got > above).sum(axis=1), ((got >= below) & (got <= above)).sum(axis=1)
    hits = nearer + np.minimum(ties, wanted - (best > above).sum(axis=1))  # a tie fills no nearer row's place
    width = min(best.shape[1], got.shape[1])
    both = (best[:, :width] > NOTHING) & (got[:, :width] > NOTHING)
    lost, total = (best[:, :width] - got[:, :width])[both].sum(), np.abs(best[:, :width][both]).sum()
    loss = max(0.0, float(lost / total)) if total else 0.0
    return hits / wanted, loss, int(np.maximum(wanted - given, 0).sum())


def _closeness(measure: Measure, queries: NDArray[Any], matrix: NDArray[Any], ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return keys that rise with closeness, of the shape (q, k) of ids, the closest first; each row once, `NOTHING` in empty places."""
    ids = np.sort(ids, axis=1)
    ids[:, 1:][ids[:, 1:] == ids[:, :-1]] = -1
    keys = np.full(ids.shape, NOTHING)
    query, place = np.nonzero(ids >= 0)
    for start in range(0, len(query), PIECE):
        a, b = query[start : start + PIECE], place[start : start + PIECE]
        scores = listed_pairs(measure, queries, matrix, a, ids[a, b])
        keys[a, b] = -scores if measure == "euclidean" else np.where(np.isnan(scores), NO_COSINE, scores)
    return -np.sort(-keys, axis=1)


def _interval(shares: NDArray[np.float64], k: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's interval for a mean of shares, whose places are found or missed together.

    Examples
    --------
    >>> low, high = _interval(np.ones(200), 10, 0.95)
    >>> round(low, 4), high
    (0.9812, 1.0)
    """
    q, mean = len(shares), float(shares.mean())
    spread = float(shares.var(ddof=1)) if q > 1 else 0.0
    trials = min(max(mean * (1 - mean) / spread * q, q), q * k) if spread else q
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (mean + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(mean * (1 - mean) / trials + z * z / (4 * trials * trials))
    return max(0.0, min(middle - half, mean)), min(1.0, max(middle + half, mean))
