"""Rows that cannot be told apart: the embedding i -> w_i need not be injective (Remark 4.1), and here one sees where it is not.

Equal rows are found by a hash, and then compared. Nearly equal rows are found without looking at all n^2 pairs, and none is missed:
rows are brought to length 1, where pairs within the tolerance are at most a `reach` apart; projected on a few orthonormal directions,
which never moves points apart; and joined there, in halves and halves of halves. Each pair that comes close there is measured
from its rows' difference in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tokenspace.analysis.joining import joined
from tokenspace.engines import Local, engine_of, local
from tokenspace.errors import ArgumentError
from tokenspace.measures import EXTREME, listed_pairs, norms
from tokenspace.rows import as_matrix, check_finite
from tokenspace.search.spread import digest_of, parts_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.engines import Engine
    from tokenspace.search.spread import Part

Closeness = Literal["euclidean", "cosine"]

BLOCK = 1 << 21
"""Numbers hashed or lifted to float64 at a time."""

PAIRS = 1 << 16
"""Pairs measured at a time."""

DIRECTIONS, SAMPLE = 32, 2048
"""Directions projected on, and rows they are taken from. With 32, isotropic rows of 2,048 numbers are told apart up to a tolerance
of about 0.1; each direction more costs 1 s on 256,000 x 2048."""


@dataclass(frozen=True, slots=True, eq=False)
class Duplicates:
    """Rows of a table that are equal or nearly so; made by `duplicates`.

    Attributes
    ----------
    equal : list of arrays of shape (2 or more,), int64
        Each the ids of rows that are equal number for number, rising; zero rows among them. By their first id.
    near : array of shape (p, 2), int64
        Pairs of rows that are not equal, and closer than the tolerance; the closest first, ties by id. Of equal rows only the first
        stands for all.
    distances : array of shape (p,), float64
        Of each pair: |u-v| / max(|u|, |v|), or 1 - cosine.
    found : int
        Pairs there are; more than p where a limit cut the list.
    measure : str
    tolerance : float
    """

    equal: list[NDArray[np.int64]]
    near: NDArray[np.int64]
    distances: NDArray[np.float64]
    found: int
    measure: Closeness
    tolerance: float

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.equal or self.found)

    def __str__(self) -> str:
        """Say it in one line."""
        rows = sum(map(len, self.equal))
        near = f"{self.found:,} pairs nearly equal ({self.measure}, {self.tolerance:g})"
        return f"{rows:,} rows in {len(self.equal):,} groups of equal ones, {near}"


def duplicates(
    matrix: ArrayLike,
    tolerance: float = 0.01,
    *,
    measure: Closeness = "euclidean",
    limit: int = 100_000,
    threads: int | None = None,
    engine: str | Engine | None = None,
) -> Duplicates:
    """List equal rows, and every pair of rows closer than a tolerance.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
        Read in blocks, twice.
    tolerance : float, default 0.01
        In 0..1: the largest |u-v| / max(|u|, |v|), or 1 - cosine, of a listed pair. 0 lists equal rows only. For comparison: rounding
        to bfloat16 moves a row by about 0.0016 of its length, to float16 by 0.0002.
    measure : "euclidean" or "cosine", default "euclidean"
        Whether length counts. Zero rows have no cosine and are near none.
    limit : int, default 100,000
        Pairs kept, the closest; all are counted.
    threads : int, optional
        For hashing and projecting. Default: as many as CPUs this process may use. The answer is the same for any number.
    engine : "local", "ray" or tokenspace.engines.Engine, optional
        Where rows are hashed and projected, a shard at a time, as `tokenspace.search.Exact` takes it. They are joined here, with the
        same answer.

    Returns
    -------
    Duplicates

    Raises
    ------
    ArgumentError
        If the tolerance, the limit or the measure is outside.
    NotFiniteError
        If a row holds NaN or infinity.

    Notes
    -----
    Exact: a pair is listed if and only if its distance, from the rows' difference summed in float64, is within the tolerance. Time
    O(n·d) for equal rows; for near ones O(n·d·32) for the projection, and O(n log n) to O(n^2) for the join: fast where the tolerance is
    small next to the rows' spread; where it is not, 1.5 ns for each of the n^2/2 pairs, 50 s for 256,000 rows; and each pair that is near
    costs its 2·d numbers. Memory about 1 kB a row beyond the result.

    References
    ----------
    Lecture "Embedding Layer and Distances/Similarities", Remark 4.1.

    Examples
    --------
    >>> d = duplicates(np.float32([[1, 0], [3, 4], [1, 0], [3, 4.001]]))
    >>> d.equal, d.near
    ([array([0, 2])], array([[1, 3]]))
    """
    rows = as_matrix(matrix, "matrix")
    if measure not in {"euclidean", "cosine"}:
        message = f"measure must be euclidean or cosine; seen {measure!r}"
        raise ArgumentError(message)
    if not 0 <= tolerance < 1:
        message = f"tolerance must be a share of the rows' length, 0 or more and below 1; seen {tolerance!r}"
        raise ArgumentError(message, hint="0.01 finds rows that are equal but for rounding")
    if limit < 1:
        message = f"limit must be at least 1; seen {limit}"
        raise ArgumentError(message)
    workers = Local(threads) if engine is None else engine_of(engine, threads=threads)
    hashes, lengths = _hashed(rows, workers)
    _check_lengths(rows, lengths)
    groups, single = _equal(rows, hashes)
    single = single[lengths[single] > 0]  # zero is near nothing: the distance to it is all of the other's length
    if tolerance == 0 or len(single) < 2:  # noqa: PLR2004 - a pair is two
        return Duplicates(groups, np.empty((0, 2), np.int64), np.empty(0), 0, measure, tolerance)
    points = _projected(rows, single, lengths, workers)
    reach = math.sqrt(2 * tolerance)  # |a-b|^2 = 2 - 2<a,b> for rows of length 1
    if measure == "euclidean":
        # With r the shorter length by the longer, |u-v|^2 by the longer's square is (1-r)^2 + r|a-b|^2, at least r^2 (log(r)^2 + |a-b|^2);
        # so the logarithm of the length is one coordinate more.
        logs = np.log(lengths[single])
        points = np.column_stack([points, logs - logs.mean()])
        reach = tolerance / (1 - tolerance)
    slack = 16 * (rows.shape[1] + 16) * math.sqrt(points.shape[1]) * 2.0**-53  # of the projections' sums, more than four times over
    return _measured(rows, joined(points, reach + slack), single, Duplicates(groups, *_NOTHING, 0, measure, tolerance), limit)


_NOTHING = np.empty((0, 2), np.int64), np.empty(0)


def _check_lengths(rows: NDArray[Any], lengths: NDArray[np.float64]) -> None:
    """Hold every row against NaN, infinity and lengths whose squares leave float64's range, which only float64 rows can have."""
    if not np.isfinite(lengths).all():
        check_finite(rows, "matrix")
    if rows.dtype == np.float64:
        short = np.flatnonzero(lengths < 1 / EXTREME)
        if lengths.max(initial=0) > EXTREME or np.any(rows[short]):
            message = f"a row's length must be 0 or in {1 / EXTREME:.3g}..{EXTREME:.3g} to be compared; seen others"
            raise ArgumentError(message, hint="scale the table by a power of two")


@dataclass(frozen=True)
class Hashing:
    """What every part of the rows is hashed with.

    Attributes
    ----------
    factors : array of shape (w,), uint64
        One a 32-bit word of a row.
    """

    factors: NDArray[np.uint64]


def hashed_rows(part: Part, asked: Hashing) -> dict[str, NDArray[Any]]:
    """Return hash and length of each row of a part: what a worker does, wherever it runs."""
    rows = rows_of(part[0])
    step = max(1, BLOCK // rows.shape[1])
    hashes = [_words(rows[at : at + step]) @ asked.factors for at in range(0, max(len(rows), 1), step)]
    return {"hashes": np.concatenate(hashes), "lengths": norms(rows)}


def _hashed(rows: NDArray[Any], engine: Engine) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """Return hash and length of every row."""
    n, d = rows.shape
    asked = Hashing(np.random.default_rng(0).integers(0, 2**64, -(-d * rows.itemsize // 4), dtype=np.uint64))
    hashes, lengths = np.empty(n, dtype=np.uint64), np.empty(n)
    parts = parts_of(rows, engine.workers())
    for place, found in engine.map(hashed_rows, parts, asked, job=lambda: digest_of("hashed_rows", parts, asked)):
        own = slice(parts[place][1], parts[place][1] + len(found["hashes"]))
        hashes[own], lengths[own] = found["hashes"], found["lengths"]
    return hashes, lengths


def _equal(rows: NDArray[Any], hashes: NDArray[np.uint64]) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Return the groups of equal rows, and the first row of each group with all rows that stand alone."""
    n = len(rows)
    order = np.argsort(hashes, kind="stable")
    borders = np.flatnonzero(np.diff(hashes[order])) + 1
    groups = []
    alone = np.ones(n, dtype=bool)
    for alike in (part for part in np.split(order, borders) if len(part) > 1):
        found: dict[bytes, list[int]] = {}
        for row in alike.tolist():
            found.setdefault(_words(rows[row : row + 1]).tobytes(), []).append(row)
        groups += [np.array(ids) for ids in found.values() if len(ids) > 1]
    for ids in groups:
        alone[ids[1:]] = False
    return sorted(groups, key=lambda ids: int(ids[0])), np.flatnonzero(alone)


def _words(block: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a block's rows as 32-bit words, each lifted to 64 bits, -0 being 0.

    Their sum with random 64-bit factors is a multilinear hash, in which two rows collide with a chance of 2^-32 at the most
    (M. Dietzfelbinger, "Universal hashing and k-wise independent random variables via integer arithmetic", STACS 1996).
    """
    integers = np.ascontiguousarray(block).view(f"u{block.itemsize}").copy()
    integers[integers == 1 << (8 * block.itemsize - 1)] = 0
    odd = -integers.shape[1] * block.itemsize % 4 // block.itemsize
    if odd:
        integers = np.pad(integers, ((0, 0), (0, odd)))
    return integers.view(np.uint32).astype(np.uint64)


@dataclass(frozen=True)
class Projecting:
    """What every part of the rows is projected with.

    Attributes
    ----------
    directions : array of shape (d, k), float64
        Orthonormal columns.
    away : array of shape (k,), float64
        The middle of the points, which is taken from each.
    wanted : array of shape (n,), bool
        The rows that count.
    """

    directions: NDArray[np.float64]
    away: NDArray[np.float64]
    wanted: NDArray[np.bool_]


def projected_rows(part: Part, asked: Projecting) -> dict[str, NDArray[Any]]:
    """Return the rows of a part that count, brought to length 1 and projected: what a worker does, wherever it runs."""
    source, first = part
    rows = rows_of(source)
    ids = np.flatnonzero(asked.wanted[first : first + len(rows)])
    points = np.empty((len(ids), len(asked.away)))
    step = max(1, BLOCK // rows.shape[1])
    for start in range(0, len(ids), step):
        some = ids[start : start + step]
        points[start : start + step] = rows[some].astype(np.float64) / norms(rows, some)[:, None] @ asked.directions - asked.away
    return {"points": points}


def _projected(rows: NDArray[Any], ids: NDArray[np.int64], lengths: NDArray[np.float64], engine: Engine) -> NDArray[np.float64]:
    """Return rows brought to length 1 and projected on orthonormal directions in which a sample of them varies most, (m, k)."""
    random = np.random.default_rng(0)
    k = min(DIRECTIONS, rows.shape[1])
    with local.one_blas_thread():
        some = np.sort(random.choice(ids, min(SAMPLE, len(ids)), replace=False))
        sample = rows[some].astype(np.float64) / lengths[some, None]
        middle = sample.mean(axis=0)
        sample -= middle
        start = sample.T @ random.standard_normal((len(sample), k))
        directions = np.linalg.qr(sample.T @ (sample @ start))[0]
        wanted = np.zeros(len(rows), dtype=np.bool_)
        wanted[ids] = True
        asked = Projecting(directions, middle @ directions, wanted)
    before = np.concatenate([[0], np.cumsum(wanted)])
    points = np.empty((len(ids), k))
    parts = parts_of(rows, engine.workers())
    for place, found in engine.map(projected_rows, parts, asked, job=lambda: digest_of("projected_rows", parts, asked)):
        begin = before[parts[place][1]]
        points[begin : begin + len(found["points"])] = found["points"]
    return points


def _measured(
    rows: NDArray[Any],
    candidates: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]],
    ids: NDArray[np.int64],
    empty: Duplicates,
    limit: int,
) -> Duplicates:
    """Measure candidate pairs from their rows; count those within the tolerance, and keep the closest."""
    near, distances, found = empty.near, empty.distances, 0
    step = max(1, min(PAIRS, BLOCK // rows.shape[1]))
    lengths = norms(rows)
    for first, second in candidates:
        for start in range(0, len(first), step):
            pair = np.sort(ids[np.column_stack([first[start : start + step], second[start : start + step]])], axis=1)
            distance = listed_pairs(empty.measure, rows, rows, pair[:, 0], pair[:, 1])
            distance = 1 - distance if empty.measure == "cosine" else distance / lengths[pair].max(axis=1)
            close = distance <= empty.tolerance
            found += int(close.sum())
            near, distances = np.concatenate([near, pair[close]]), np.concatenate([distances, distance[close]])
            if len(near) > 2 * limit:
                near, distances = _closest(near, distances, limit)
    near, distances = _closest(near, distances, limit)
    return Duplicates(empty.equal, near, distances, found, empty.measure, empty.tolerance)


def _closest(near: NDArray[np.int64], distances: NDArray[np.float64], limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    order = np.lexsort((near[:, 1], near[:, 0], distances))[:limit]
    return near[order], distances[order]
