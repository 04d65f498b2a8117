"""The screens once more, in NumPy: the oracle of their tests, and what runs where no compiled library could be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

BLOCK, PANEL, TILE = 16, 16, 4
LOST = np.float32(2.0**-20)


def code_rows(
    rows: NDArray[Any],
    middle: NDArray[np.float64],
    base: int,
    unit: float,
    codes: NDArray[np.uint8],
    scales: NDArray[np.uint8],
    residuals: NDArray[np.uint8],
) -> None:
    """Write each row's codes, scale and residual, the steps and the order of summation being the kernel's."""
    n, d = rows.shape
    x = rows.astype(np.float64) - middle
    least = (np.abs(x).max(axis=1) / 63 * (1 + 2.0**-20)).astype(np.float32).view(np.int32).astype(np.int64)
    scale = np.clip((least - base + 0xFFFFF) >> 20, 0, 255)
    step = ((scale << 20) + base).astype(np.int32).view(np.float32).astype(np.float64)[:, None]
    c = np.rint(x * (1 / step))
    lost = np.zeros((n, -(-d // 8) * 8))
    lost[:, :d] = (x - step * c) ** 2
    eight = np.zeros((n, 8))
    for k in range(0, lost.shape[1], 8):
        eight += lost[:, k : k + 8]
    four = eight[:, :4] + eight[:, 4:]
    two = four[:, :2] + four[:, 2:]
    scales[:n] = scale
    residuals[:n] = np.ceil(np.sqrt(two[:, 0] + two[:, 1]) / step[:, 0] / np.float64(np.float32(unit)) * (1 + 2.0**-20))
    lines = np.full((len(codes) * BLOCK, codes.shape[1] * 4), 64, dtype=np.uint8)
    lines[:n, :d] = c + 64
    codes[:] = lines.reshape(len(codes), BLOCK, -1, 4).transpose(0, 2, 1, 3)


def pack_rows(rows: NDArray[Any], middle: NDArray[np.float64], packed: NDArray[np.float32]) -> None:
    """Write each row less the middle, sixteen side by side."""
    lines = packed.transpose(0, 2, 1).reshape(-1, packed.shape[1]).copy()
    lines[: len(rows)] = rows.astype(np.float64) - middle
    packed[:] = lines.reshape(len(packed), BLOCK, -1).transpose(0, 2, 1)


def screen_bytes(  # noqa: PLR0913, PLR0917 - the kernel's argument list
    codes: NDArray[np.uint8],
    scales: NDArray[np.uint8],
    residuals: NDArray[np.uint8],
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
        block = codes[panel].transpose(0, 2, 1, 3).reshape(-1, groups * 4).astype(np.int32)
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

    return _screen(bounds, n, zero, first, last, *kept)


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
