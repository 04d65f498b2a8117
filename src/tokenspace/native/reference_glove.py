"""The kernels of co-occurrence and GloVe once more, in NumPy: the oracle of their tests, and what runs where nothing was compiled.

Same names, same arguments, same bits: without fused operations, sums by 16 chains, logarithm and exponential by the same series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int64]
    Ints = NDArray[np.int32]
    Reals = NDArray[np.float32]
    Bits = NDArray[np.uint64]

HEAD = 16
LN2 = 0.6931471805599453
MIDDLE = 0x3FE6A09E667F3BCD
"""The bits of sqrt(1/2)."""


def word_counts(ids: Ints, m: int, n: int, counts: Ids) -> int:
    """Count the ids in 0..n-1; return how many are neither that nor -1."""
    known = ids[(ids >= 0) & (ids < n)]
    counts += np.bincount(known, minlength=n)
    return m - len(known) - int(np.count_nonzero(ids == -1))


def word_places(ids: Ints, m: int, first: int, last: int, starts: Ids, places: Ints) -> None:
    """Write the places of words word by word."""
    del m, starts
    at = np.flatnonzero((ids >= first) & (ids < last))
    places[:] = at[np.argsort(ids[at], kind="stable")]


def cooccurrence_rows(  # noqa: PLR0913, PLR0917 - the kernel's arguments
    ids: Ints,
    n_ids: int,
    begin: int,
    places: Ints,
    starts: Ids,
    first: int,
    last: int,
    symmetric: bool,  # noqa: FBT001 - mirrors the kernel's argument list
    fixed: int,
    weights: Ids,
    window: int,
    sums: Ids,
    bits: Bits,
    tops: Bits,
    n: int,
    columns: Ints,
    out: Ids,
    sizes: Ids,
) -> int:
    """Rows of co-occurrences, one after the other; return the number of entries."""
    del bits, tops
    total = 0
    for i in range(first, last):
        most, least = (i if symmetric else n - 1), (fixed if not symmetric and i < fixed else 0)
        at = begin + places[starts[i - first] : starts[i - first + 1]].astype(np.int64)
        for side in (1, -1) if symmetric else (1,):
            alive = at
            for distance in range(1, window + 1):
                beside = alive + side * distance
                inside = (beside >= 0) & (beside < n_ids)
                alive, beside = alive[inside], beside[inside]
                word = ids[beside]
                alive, word = alive[word >= 0], word[word >= 0]
                np.add.at(sums, word[(word <= most) & (word >= least)], weights[distance - 1])
        total += _emit(sums, columns[total:], out[total:], sizes, i - first)
    return total


def merge_rows(  # noqa: PLR0913, PLR0917 - the kernel's arguments
    run_columns: Ints,
    run_sums: Ids,
    starts: Ids,
    run_sizes: Ids,
    runs: int,
    rows: int,
    sums: Ids,
    bits: Bits,
    tops: Bits,
    n: int,
    columns: Ints,
    out: Ids,
    sizes: Ids,
) -> int:
    """Rows that lie in several runs, added up; return the number of entries."""
    del bits, tops, n
    total = 0
    for i in range(rows):
        for r in range(runs):
            part = slice(starts[r, i], starts[r, i] + run_sizes[r, i])
            np.add.at(sums, run_columns[part], run_sums[part])
        total += _emit(sums, columns[total:], out[total:], sizes, i)
    return total


def _emit(sums: Ids, columns: Ints, out: Ids, sizes: Ids, row: int) -> int:
    touched = np.flatnonzero(sums)
    columns[: len(touched)], out[: len(touched)], sizes[row] = touched, sums[touched], len(touched)
    sums[touched] = 0
    return len(touched)


def mixed(x: Bits) -> Bits:
    """splitmix64, of each number."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return x ^ x >> np.uint64(31)


def logarithm(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm, to about 1e-13."""
    bits = x.view(np.int64)
    e = (bits - MIDDLE) >> 52
    m = (bits - (e << 52)).view(np.float64)
    s = (m - 1) / (m + 1)
    z = s * s
    total = np.full(len(x), 1 / 15)
    for k in (13, 11, 9, 7, 5, 3):
        total = 1 / k + z * total
    return e.astype(np.float64) * LN2 + (2 * s + 2 * s * (z * total))


def exponential(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """e^y for y in -700..0, to about 1e-13."""
    e = np.trunc(y * 1.4426950408889634 - 0.5)
    r = y - e * LN2
    power = np.ones(len(y))
    for k in range(13, 0, -1):
        power = 1 + r / k * power
    return power * ((e.astype(np.int64) + 1023) << 52).view(np.float64)


def glove_gather(  # noqa: PLR0913, PLR0917 - the kernel's arguments
    first: Ids,
    size: Ids,
    row: Ids,
    segments: int,
    ends: Ids,
    entries: Ints,
    stripes: NDArray[np.uint8],
    tasks: Ints,
    n_stripes: int,
    seed: int,
    held: int,
    wanted: bool,  # noqa: FBT001 - mirrors the kernel's argument list
    x_max: float,
    alpha: float,
    bounds: Ids,
    pairs: Ints | None,
    terms: Reals | None,
) -> None:
    """Count the records of each task, or write them, each task's in the order of the segments."""
    del row, segments, n_stripes
    at = np.concatenate([np.arange(a, a + b) for a, b in zip(first, size, strict=True)] or [np.empty(0, dtype=np.int64)])
    i, j = np.searchsorted(ends, at, side="right"), entries[:, 0].astype(np.int64)
    with np.errstate(over="ignore"):
        draw = mixed(np.uint64(seed) ^ (i.astype(np.uint64) << np.uint64(32) | j.astype(np.uint64)))
    chosen = (draw < np.uint64(held)) == bool(wanted) if held else np.full(len(at), not wanted)
    i, j, x = i[chosen], j[chosen], entries[chosen, 1].copy().view(np.float32).astype(np.float64)
    task = tasks[stripes[i], stripes[j]]
    if pairs is None or terms is None:
        bounds += np.bincount(task, minlength=len(bounds))
        return
    order = np.argsort(task, kind="stable")
    log_x, log_most = logarithm(x), logarithm(np.array([x_max], dtype=np.float64))
    weight = np.ones(len(x))
    weight[x < x_max] = exponential(alpha * (log_x[x < x_max] - log_most))
    pairs[:, 0], pairs[:, 1], terms[:, 0], terms[:, 1] = i[order], j[order], log_x[order], weight[order]


def glove_mix(bounds: Ids, tasks: int, seed: int, pairs: Ids, terms: Ids) -> None:
    """Mix the records of each task among themselves."""
    for t in range(tasks):
        begin, end = int(bounds[t]), int(bounds[t + 1])
        last = np.arange(end - 1, begin, -1)
        with np.errstate(over="ignore"):
            draw = mixed(np.uint64(seed) + last.astype(np.uint64)) >> np.uint64(32)
        chosen = begin + ((draw * (last - begin + 1).astype(np.uint64)) >> np.uint64(32)).astype(np.int64)
        order = list(range(begin, end))
        for one, other in zip((last - begin).tolist(), (chosen - begin).tolist(), strict=True):
            order[one], order[other] = order[other], order[one]
        pairs[begin:end], terms[begin:end] = pairs[order], terms[order]


def _dot(u: Reals, v: Reals) -> np.float32:
    parts = np.zeros(16, dtype=np.float32)
    for line in (u * v).reshape(-1, 16):
        parts += line
    half = 8
    while half:
        parts = parts[:half] + parts[half:]
        half //= 2
    return parts[0]


def _moved(vector: Reals, squares: Reals, other: Reals, pull: np.float32, eta: np.float32, clip: np.float32) -> tuple[Reals, Reals]:
    step = np.minimum(np.maximum(pull * other, -clip), clip) * eta
    return vector - step / np.sqrt(squares), squares + step * step


def _step(i: Reals, j: Reals, s: int, term: Reals, eta: np.float32, clip: np.float32, moves: tuple[bool, bool]) -> float:
    w, ww, c, cc = i[HEAD : HEAD + s], i[HEAD + s : HEAD + 2 * s], j[HEAD + 2 * s : HEAD + 3 * s], j[HEAD + 3 * s :]
    difference = _dot(w, c) + i[0] + j[2] - term[0]
    pull = term[1] * difference
    left, right = _moved(w, ww, c, pull, eta, clip), _moved(c, cc, w, pull, eta, clip)
    if moves[0]:
        w[:], ww[:] = left
        i[0], i[1] = i[0] - pull / np.sqrt(i[1]), i[1] + pull * pull
    if moves[1]:
        c[:], cc[:] = right
        j[2], j[3] = j[2] - pull / np.sqrt(j[3]), j[3] + pull * pull
    return 0.5 * float(pull) * float(difference)


def glove_steps(  # noqa: PLR0913, PLR0917 - the kernel's arguments
    pairs: Ints,
    terms: Reals,
    bounds: Ids,
    first: int,
    last: int,
    blocks: Reals,
    s: int,
    symmetric: bool,  # noqa: FBT001 - mirrors the kernel's argument list
    fixed: int,
    eta: float,
    clip: float,
    costs: NDArray[np.float64],
) -> None:
    """Take the steps of tasks, one after the other."""
    rate, limit = np.float32(eta), np.float32(clip)
    with np.errstate(all="ignore"):
        for t in range(first, last):
            cost = 0.0
            for at in range(int(bounds[t]), int(bounds[t + 1])):
                i, j = (int(word) for word in pairs[at])
                cost += _step(blocks[i], blocks[j], s, terms[at], rate, limit, (i >= fixed, j >= fixed))
                if symmetric and i != j:
                    cost += _step(blocks[j], blocks[i], s, terms[at], rate, limit, (j >= fixed, i >= fixed))
            costs[t] = cost


def glove_cost(pairs: Ints, terms: Reals, count: int, blocks: Reals, s: int, symmetric: bool) -> float:  # noqa: FBT001 - as above
    """Sum the costs of records."""
    cost = 0.0
    with np.errstate(all="ignore"):
        for at in range(count):
            one, other = blocks[pairs[at, 0]], blocks[pairs[at, 1]]
            for i, j in ((one, other), (other, one))[: 1 + (symmetric and pairs[at, 0] != pairs[at, 1])]:
                difference = _dot(i[HEAD : HEAD + s], j[HEAD + 2 * s : HEAD + 3 * s]) + i[0] + j[2] - terms[at, 0]
                cost += 0.5 * float(terms[at, 1] * difference) * float(difference)
    return cost
