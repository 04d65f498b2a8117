"""All pairs of the rows of two float32 matrices, tile by tile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from tokenspace.errors import DtypeError, ShapeError
from tokenspace.native import door, reference_tiles
from tokenspace.native.door import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = 16
"""Columns that lie side by side in a panel; the kernel's number."""

ALIGNED = 64
"""Bytes: a panel's 16 numbers then fill one line of the cache; loads across two of them cost the kernel 5 %."""

WITHOUT_FUSED = {"numpy", "x86-64", "generic"}
"""Levels at which a fused multiply-add takes tens of instructions."""


def fuses() -> bool:
    """Return whether `all_pairs` is fast here: whether the processor multiplies and adds in one instruction."""
    return door.level() not in WITHOUT_FUSED


def new_panels(n: int, d: int) -> NDArray[np.float32]:
    """Return panels for n columns of d numbers: zeros of shape (ceil(n / 16), d, 16), float32, aligned as the kernel likes it."""
    shape = -(-n // COLUMNS), d, COLUMNS
    size = math.prod(shape) * 4
    room = np.zeros(size + ALIGNED, dtype=np.uint8)
    start = -room.ctypes.data % ALIGNED
    return room[start : start + size].view(np.float32).reshape(shape)


def all_pairs(
    term: Literal["product", "difference"],
    rows: NDArray[np.float32],
    panels: NDArray[np.float32],
    out: NDArray[np.float32],
    *,
    factors: tuple[NDArray[np.float64], NDArray[np.float64]],
    limit: float = math.inf,
    tiny: float = -math.inf,
) -> int:
    """Fill `out` with the products of all pairs, times two factors, or with their distances.

    Parameters
    ----------
    term : "product" or "difference"
        ``out[i, j]`` is s f_i g_j for the sum s of products (10), or its square root for the sum s of squared differences (9).
    rows : array of shape (m, d), float32
        The numbers of a row must be adjacent.
    panels : array of shape (ceil(n / 16), d, 16), float32, C-contiguous
        ``panels[p, k, c]`` is number k of column 16 p + c; the last panel is filled up with zeros.
    out : array of shape (m, n), float32
        The numbers of a row must be adjacent.
    factors : arrays of shapes (m,) and (16 ceil(n / 16),), float64
        f and g.
    limit : float, optional
        What s f_i g_j is clipped to, on both sides.
    tiny : float, optional
        Sums of squared differences below it are counted.

    Returns
    -------
    int
        How many are below `tiny`, those of the columns that fill up the last panel among them.

    Raises
    ------
    ShapeError, DtypeError
        If the arrays do not fit or are of another type.

    Notes
    -----
    Sums are taken in float32 over 192 numbers, by chains of 16, and in float64 beyond. As long as no term leaves float32's range, a
    product is off by at most 28·2^-24 |u| |v| and a distance by at most 16·2^-24 of itself, for any d and with the last rounding
    included. Each result depends on its two rows alone and has the same bits from every build. Time O(m·n·d), no memory.
    """
    (m, d), n = rows.shape, out.shape[1]
    count = -(-n // COLUMNS)
    shapes = [panels.shape, out.shape, *(factor.shape for factor in factors)]
    if shapes != [(count, d, COLUMNS), (m, n), (m,), (count * COLUMNS,)]:
        message = f"all_pairs(rows of shape {rows.shape}): panels, out and the two factors of shapes {shapes} do not fit"
        raise ShapeError(message)
    types = [array.dtype.name for array in (rows, panels, out, *factors)]
    if types != [*3 * ["float32"], *2 * ["float64"]]:
        message = f"all_pairs takes float32 rows, panels and out, and float64 factors; seen {', '.join(types)}"
        raise DtypeError(message)
    compiled = kernel("all_pairs")
    difference = term == "difference"
    if compiled is None:
        return reference_tiles.all_pairs(difference, rows, panels, *factors, limit, tiny, out)
    return int(compiled(difference, rows, rows.strides[0], m, panels, n, d, *factors, limit, tiny, out, out.strides[0]))
