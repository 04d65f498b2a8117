"""All pairs of points that are close, by halving: no pair is missed, and few others are looked at.

A set is cut at the middle of its widest coordinate. Close pairs then lie in the lower half, in the upper half, or across the cut, and
those across stand within `reach` of it on either side. Each of the three is a smaller join of the same kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.engines import local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ids = NDArray[np.int64]
    Points = NDArray[np.float64]

SMALL = 1 << 20
"""Pairs that are looked at rather than cut again."""

CUT = 500
"""A cut costs about as much as looking at so many pairs for each point in it: 0.7 us and 1.5 ns, with 33 coordinates. What is cut is so
never dearer than looking at all pairs would have been."""

TILE = 512, 2048
"""Points multiplied at a time: 4 or 8 MB of squared distances."""


def joined(points: Points, reach: float) -> Iterator[tuple[Ids, Ids]]:
    """Yield pairs of points, among them every pair that is at most `reach` apart, none twice.

    Parameters
    ----------
    points : array of shape (n, k), float64
    reach : float

    Yields
    ------
    pair of arrays of shape (m,), int64
        Row ids of the points of each pair. Pairs farther apart may be among them only by rounding, about 1e-13 of the squared
        coordinates.

    Notes
    -----
    From O(n·k·log n) where the points spread far beyond `reach` to O(n^2·k) where they do not. Memory O(n·log n).
    """
    waiting: list[tuple[Ids, Ids | None]] = [(np.arange(len(points)), None)]
    while waiting:
        a, b = waiting.pop()
        if b is not None:
            a, b = _facing(points, a, b, reach)
            if not (len(a) and len(b)):
                continue
        pairs = len(a) * len(b) if b is not None else len(a) ** 2 // 2
        parts = _cut(points, a, b, reach) if pairs > SMALL else []
        left = sum(len(x) * len(y) if y is not None else len(x) ** 2 // 2 for x, y in parts)
        if parts and pairs - left > CUT * (len(a) + (len(b) if b is not None else 0)):
            waiting += [(x, y) for x, y in parts if len(x) and (y is None or len(y))]
        else:
            yield from _looked_at(points, a, b, reach)


def _facing(points: Points, a: Ids, b: Ids, reach: float) -> tuple[Ids, Ids]:
    """Drop the points of each set that are too far from the box around the other."""
    for _ in range(2):
        if not (len(a) and len(b)):
            break
        others = points[b]
        mine = points[a]
        a, b = b, a[((mine >= others.min(axis=0) - reach) & (mine <= others.max(axis=0) + reach)).all(axis=1)]
    return a, b


def _cut(points: Points, a: Ids, b: Ids | None, reach: float) -> list[tuple[Ids, Ids | None]]:
    """Return the joins that the join of a and b, or of a with itself, falls into."""
    both = points[a] if b is None else np.concatenate([points[a], points[b]])
    axis = int(np.argmax(both.var(axis=0)))
    at = float(np.median(both[:, axis]))
    low_a, high_a, under_a, over_a = _sides(points, a, axis, at, reach)
    if b is None:
        return [(low_a, None), (high_a, None), (under_a, over_a)]
    low_b, high_b, under_b, over_b = _sides(points, b, axis, at, reach)
    return [(low_a, low_b), (high_a, high_b), (under_a, over_b), (over_a, under_b)]


def _sides(points: Points, ids: Ids, axis: int, at: float, reach: float) -> tuple[Ids, Ids, Ids, Ids]:
    """Return the points up to a cut, those beyond it, and of each the ones within reach of it."""
    along = points[ids, axis]
    low = along <= at
    return ids[low], ids[~low], ids[low & (along >= at - reach)], ids[~low & (along <= at + reach)]


def _looked_at(points: Points, a: Ids, b: Ids | None, reach: float) -> Iterator[tuple[Ids, Ids]]:
    """Yield the close pairs between two sets, or within one, from all their squared distances."""
    other = a if b is None else b
    x, y = points[a], points[other]
    middle = y.mean(axis=0)
    x, y = x - middle, y - middle
    # |x-y|^2 as one product: (x, |x|^2, 1) with (-2y, 1, |y|^2). It is off by (k+10) units in the last place of the largest
    # |x|^2 + |y|^2 at the most, here four times over; where that is little next to reach^2, in float32.
    xx, yy = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    scale = 8 * (x.shape[1] + 10) * (float(xx.max()) + float(yy.max()))
    narrow = scale * 2.0**-24 < reach**2 / 4
    bound = reach**2 + scale * (2.0**-24 if narrow else 2.0**-53)
    dtype: Any = np.float32 if narrow else np.float64
    left: NDArray[Any] = np.column_stack([x, xx, np.ones(len(x))]).astype(dtype)
    right: NDArray[Any] = np.column_stack([-2 * y, np.ones(len(y)), yy]).astype(dtype)
    for i in range(0, len(a), TILE[0]):
        for j in range(i if b is None else 0, len(other), TILE[1]):
            with local.one_blas_thread():
                squared = left[i : i + TILE[0]] @ right[j : j + TILE[1]].T
            if squared.min() > bound:
                continue
            first, second = np.nonzero(squared <= bound)
            if b is None:
                later = second + j > first + i
                first, second = first[later], second[later]
            if len(first):
                yield a[i + first], other[j + second]
