"""The screens once more, in NumPy: the oracle of their tests, and what runs where no compiled library could be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.native.reference import pair_sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

BLOCK, PANEL, TILE = 16, 16, 4
LINE, SUMMED, ROUNDED = 16, 512, 0.01
LOST = np.float32(2.0**-20)
EUCLIDEAN, COSINE, NO_COSINE = 1, 2, -3.0


def code_rows(  # noqa: PLR0913, PLR0917 - the kernel's argument list
    rows: NDArray[Any],
    middle: NDArray[np.float64],
    base: int,
    unit: float,
    high: NDArray[np.uint8],
    low: NDArray[np.uint8],
    scales: NDArray[np.uint8],
    residuals: NDArray[np.uint8],
    coarse: NDArray[np.uint8],
) -> None:
    """Write each row's codes, scale and residuals, the steps and the order of summation being the kernel's."""
    n, d = rows.shape
    x = (rows.astype(np.float64) - middle).astype(np.float32)
    least = (np.abs(x).max(axis=1) / np.float64(59) * (1 + 2.0**-20)).astype(np.float32).view(np.int32).astype(np.int64)
    scale = np.clip((least - base + 0xFFFFF) >> 20, 0, 255)
    step = ((scale << 20) + base).astype(np.int32).view(np.float32)[:, None]
    inverse = (1 / step.astype(np.float64)).astype(np.float32)
    c = np.rint(x * inverse)
    upper = 8 * np.rint((c + np.float32(0.5)) / 8)
    share = np.float32(unit)
    scales[:n] = scale
    residuals[:n] = np.ceil(_length((x - step * c) * inverse) / np.float64(share) * (1 + 2.0**-17) + ROUNDED)
    most = np.ceil(_length((x - step * upper) * inverse) / np.float64(9 * share) * (1 + 2.0**-17) + ROUNDED)
    for panel in range(-(-n // (BLOCK * PANEL))):
        coarse[panel] = max(coarse[panel], most[panel * BLOCK * PANEL : (panel + 1) * BLOCK * PANEL].max())
    groups = high.shape[1] + low.shape[1]
    lines = np.zeros((len(high) * BLOCK, groups * 4), dtype=np.uint8)
    lines[:n] = 68
    lines[:n, :d] = c + 68
    blocks = lines.reshape(len(high), BLOCK, -1, 4).transpose(0, 2, 1, 3)
    pairs = low.shape[1]
    even, odd = blocks[:, : 2 * pairs : 2], blocks[:, 1 : 2 * pairs : 2]
    high[:, :pairs] = even >> 3 | odd >> 3 << 4
    low[:] = (even & 7 | (odd & 7) << 4).transpose(0, 2, 1, 3).reshape(low.shape)
    if groups % 2:
        high[:, pairs] = blocks[:, -1] >> 3 | (blocks[:, -1] & 7) << 4


def _length(lines: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the rows' lengths, squares summed in lines of float32, and now and then in float64."""
    n, d = lines.shape
    padded = np.zeros((n, -(-d // LINE) * LINE), dtype=np.float32)
    padded[:, :d] = lines**2
    total = np.zeros(n)
    for start in range(0, d, SUMMED):
        sums = np.zeros((n, LINE), dtype=np.float32)
        for k in range(start, min(start + SUMMED, d), LINE):
            sums += padded[:, k : k + LINE]
        halves = sums.astype(np.float64)
        while halves.shape[1] > 1:
            halves = halves[:, : halves.shape[1] // 2] + halves[:, halves.shape[1] // 2 :]
        total += halves[:, 0]
    return np.sqrt(total)


def pack_rows(rows: NDArray[Any], middle: NDArray[np.float64], packed: NDArray[np.float32]) -> None:
    """Write each row less the middle, sixteen side by side."""
    lines = packed.transpose(0, 2, 1).reshape(-1, packed.shape[1]).copy()
    lines[: len(rows)] = rows.astype(np.float64) - middle
    packed[:] = lines.reshape(len(packed), BLOCK, -1).transpose(0, 2, 1)


def screen_bytes(  # noqa: PLR0913, PLR0917 - the kernel's argument list
    high: NDArray[np.uint8],
    low: NDArray[np.uint8],
    scales: NDArray[np.uint8],
    residuals: NDArray[np.uint8],
    _coarse: NDArray[np.uint8],
    factor: NDArray[np.float32] | None,
    addend: NDArray[np.float32] | None,
    reach: NDArray[np.float32],
    n: int,
    groups: int,
    base: int,
    unit: float,
    zero: int,
    first: int,
    last: int,
    query_codes: NDArray[np.int32],
    offset: NDArray[np.int32],
    terms: NDArray[np.float32],
    q: int,
    *kept: Any,
) -> int:
    """Screen coded rows; float32 operations in the kernel's order, so that the bounds have its bits."""
    lines = np.ascontiguousarray(query_codes.transpose(0, 2, 1)).view(np.int8).reshape(-1, groups * 4)[:q].astype(np.int32)
    one = np.float32(1)

    def bounds(panel: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = slice(panel.start * BLOCK, panel.stop * BLOCK)
        block = unpacked(high[panel], low[rows]).astype(np.int32)
        most = reach[panel.start // PANEL]
        t = terms[:q]
        edge = t[:, 1] * most[0] + np.float32(2.0**-19) * (t[:, 4] * most[0] + np.abs(t[:, 2]) * most[1] + t[:, 3] * most[2])
        scale = ((scales[rows].astype(np.int32) << 20) + np.int32(base)).view(np.float32)
        scale = scale * (one if factor is None else factor[rows])
        lost = residuals[rows].astype(np.float32) * np.float32(unit) * scale
        slack = lost * t[:, :1]
        key = (lines @ block.T - offset[:q, None]).astype(np.float32) * scale + slack
        if factor is not None:
            key += factor[rows] * t[:, 2:3]
        if addend is not None:
            key += addend[rows] * t[:, 3:4]
        return key + edge[:, None], np.float32(2) * (slack + edge[:, None])

    return _screen(bounds, n, zero, first, last, *kept[:-1])  # the last is room for a panel's codes


def unpacked(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the codes, c + 68, of shape (16 blocks, 4 groups), from their planes."""
    pairs = low.shape[1]
    low = low.reshape(len(high), BLOCK, pairs, 4).transpose(0, 2, 1, 3)
    codes = np.empty((len(high), pairs + high.shape[1], BLOCK, 4), dtype=np.uint8)
    codes[:, : 2 * pairs : 2] = (high[:, :pairs] & 15) << 3 | low & 15
    codes[:, 1 : 2 * pairs : 2] = high[:, :pairs] >> 4 << 3 | low >> 4
    if codes.shape[1] % 2:
        codes[:, -1] = (high[:, -1] & 15) << 3 | high[:, -1] >> 4
    return codes.transpose(0, 2, 1, 3).reshape(len(high) * BLOCK, -1)


def settle(  # noqa: PLR0913, PLR0917 - the kernel's argument list
    measure: int,
    _type: int,
    matrix: NDArray[Any],
    _stride: int,
    _d: int,
    lengths: NDArray[np.float64] | None,
    _most: float,
    queries: NDArray[np.float64],
    query_lengths: NDArray[np.float64],
    slope: float,
    shift: NDArray[np.float64],
    doubt: NDArray[np.float64],
    scale: NDArray[np.float64],
    keys: NDArray[np.float64],
    ids: NDArray[np.int64],
    finished: NDArray[np.int64],
    unseen: NDArray[np.float64],
    _rounded: NDArray[np.float32],
    which: NDArray[np.int64],
    _m: int,
    zero: int,
    k: int,
    _room: int,
    lower: NDArray[np.float32],
    upper: NDArray[np.float32],
    row: NDArray[np.int32],
    count: NDArray[np.int32],
) -> None:
    """Finish every kept row that reaches the threshold; the kernel may know of some that they need not be finished."""
    for query in which.tolist():
        part = slice(0, count[query])
        rows = row[query, part][upper[query, part] >= lower[query, 0]].astype(np.int64) + zero
        sums = pair_sums(measure == EUCLIDEAN, queries[query : query + 1], matrix, None, rows)
        if measure == EUCLIDEAN:
            sums = -sums
        elif lengths is not None:
            both = query_lengths[query] * lengths[rows]
            sums = np.where(both > 0, np.clip(sums / np.where(both > 0, both, 1), -1, 1), NO_COSINE)
        known, all_rows = np.concatenate([keys[query], sums]), np.concatenate([ids[query], rows])
        order = np.lexsort((all_rows, -known))[:k][::-1]
        keys[query], ids[query] = known[order], all_rows[order]
        finished[query] += len(rows)
        unseen[query] = max(unseen[query], (float(lower[query, 0]) * scale[query] - shift[query]) / slope)
        count[query] = 0
        proven = slope * keys[query]
        with np.errstate(invalid="ignore"):
            raised = (proven + shift[query] - 1e-6 * (np.abs(proven) + np.abs(shift[query])) - doubt[query]) / scale[query]
        lower[query] = np.where(np.isneginf(proven), -np.inf, raised)


def nearest(*arguments: Any) -> None:
    """Finish every row of the range: the same keys and ids as the kernel's, which need not finish all."""
    first, last, measure, _, matrix, _, _, lengths, _, _, _, query = arguments[12:24]
    keys, ids, finished, bound = arguments[-4:]
    rows = np.arange(first * BLOCK, min(last * BLOCK, len(matrix)))
    sums = pair_sums(measure == EUCLIDEAN, query[None, :], matrix, None, rows)
    if measure == EUCLIDEAN:
        sums = -sums
    elif lengths is not None:
        both = np.sqrt(pair_sums(False, query[None, :], query[None, :], None, None)) * lengths[rows]  # noqa: FBT003
        sums = np.where(both > 0, np.clip(sums / np.where(both > 0, both, 1), -1, 1), NO_COSINE)
    order = np.lexsort((rows, -sums))[: len(keys)]
    keys[:], ids[:], finished[0], bound[0] = -np.inf, np.iinfo(np.int64).max, len(rows), -np.inf
    keys[: len(order)], ids[: len(order)] = sums[order], rows[order]


def every_row(*arguments: Any) -> int:
    """Finish every row of the range for each query: the same keys and ids as the kernel's, which need not finish all."""
    measure, _, matrix, _, _, queries, q, first, last = arguments[:9]
    keys, ids, finished, unseen = arguments[-4:]
    rows, origin = matrix[first:last], np.zeros((1, matrix.shape[1]))
    lengths = np.sqrt(pair_sums(True, origin, rows, None, None))  # noqa: FBT003
    query_lengths = np.sqrt(pair_sums(True, origin, queries, None, None))  # noqa: FBT003
    for lines, own, far in ((rows, lengths, 1e8), (queries, query_lengths, 1e15)):
        if (lines[~((own >= 1 / far) & (own <= far))] != 0).any():
            return 0
    keys[:], ids[:], finished[:], unseen[:] = -np.inf, np.iinfo(np.int64).max, len(rows), -np.inf
    for query in range(q):
        sums = pair_sums(measure == EUCLIDEAN, queries[query : query + 1], rows, None, None)
        if measure == EUCLIDEAN:
            sums = -sums
        elif measure == COSINE:
            both = query_lengths[query] * lengths
            sums = np.where(both > 0, np.clip(sums / np.where(both > 0, both, 1), -1, 1), NO_COSINE)
        order = np.argsort(-sums, kind="stable")[: keys.shape[1]]
        keys[query, : len(order)], ids[query, : len(order)] = sums[order], order + first
    return 1


def every_code(*arguments: Any) -> int:
    """Finish every row of the range for each query, as `every_row`; the kernel finds the same keys and ids by codes."""
    return every_row(*arguments)


def screen_floats(  # noqa: PLR0913, PLR0917 - the kernel's argument list
    packed: NDArray[np.float32],
    factor: NDArray[np.float32] | None,
    addend: NDArray[np.float32] | None,
    reach: NDArray[np.float32],
    n: int,
    d: int,
    error: float,
    first: int,
    last: int,
    query_packed: NDArray[np.float32],
    terms: NDArray[np.float32],
    q: int,
    *kept: Any,
) -> int:
    """Screen packed float32 rows; the order of summation is NumPy's, which `error` allows for as it does for the kernel's."""
    lines = np.ascontiguousarray(query_packed.transpose(0, 2, 1)).reshape(-1, d)[:q]

    def bounds(panel: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = slice(panel.start * BLOCK, panel.stop * BLOCK)
        most, t = reach[panel.start // PANEL], terms[:q]
        edge = (np.float32(error) + LOST) * t[:, 0] * most[0] + LOST * (np.abs(t[:, 1]) * most[1] + t[:, 2] * most[2])
        key = lines @ packed[panel].transpose(0, 2, 1).reshape(-1, d).T
        if factor is not None:
            key = (key + t[:, 1:2]) * factor[rows]
        if addend is not None:
            key += addend[rows] * t[:, 2:3]
        return key + edge[:, None], np.broadcast_to(np.float32(2) * edge[:, None], key.shape)

    return _screen(bounds, n, 0, first, last, *kept)


def _screen(  # noqa: PLR0913, PLR0917 - the kernels' argument list
    bounds: Callable[[slice], tuple[NDArray[np.float32], NDArray[np.float32]]],
    n: int,
    zero: int,
    first: int,
    last: int,
    k: int,
    room: int,
    lower: NDArray[np.float32],
    upper: NDArray[np.float32],
    row: NDArray[np.int32],
    count: NDArray[np.int32],
) -> int:
    """Keep, panel by panel, the rows whose upper bound reaches the threshold; lines of `lower` are sorted, which is a heap."""
    while first < last:
        end = min((first // PANEL + 1) * PANEL, last)
        for full in np.flatnonzero(count + BLOCK * PANEL > room).tolist():
            stays = np.flatnonzero(upper[full, : count[full]] >= lower[full, 0])
            upper[full, : len(stays)], row[full, : len(stays)] = upper[full, stays], row[full, stays]
            count[full] = len(stays)
        if (count + BLOCK * PANEL > room).any():
            return first
        above, slack = bounds(slice(first, end))
        real = np.arange(first * BLOCK, end * BLOCK) < n
        for query in range(len(count)):
            hits = np.flatnonzero((above[query] >= lower[query, 0]) & real)
            part = slice(count[query], count[query] + len(hits))
            upper[query, part], row[query, part] = above[query, hits], hits + (first - zero) * BLOCK
            count[query] += len(hits)
            both = np.concatenate([lower[query], above[query, hits] - slack[query, hits]])
            lower[query] = np.sort(both)[-k:]
        first = end
    return last
