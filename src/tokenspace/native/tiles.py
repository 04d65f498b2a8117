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

Term = Literal["product", "difference", "exact product"]
TERMS: tuple[Term, ...] = ("product", "difference", "exact product")
"""The kernel's forms, by their numbers."""

ALIGNED = 64
"""Bytes: a panel's 16 numbers then fill one line of the cache; loads across two of them cost the kernel 5 %."""

WITHOUT_FUSED = {"numpy", "x86-64", "generic"}
"""Levels at which a fused multiply-add takes tens of instructions."""


def fuses() -> bool:
    """Return whether `all_pairs` is fast here: whether the processor multiplies and adds in one instruction."""
    return door.level() not in WITHOUT_FUSED


def new_panels(n: int, d: int) -> NDArray[np.float32]:
    """Return panels for n columns of d numbers, of shape (ceil(n / 16), d, 16), float32, aligned as the kernel likes it.

    Whoever asks fills them; zeros stand in the last one only.
    """
    shape = -(-n // COLUMNS), d, COLUMNS
    size = math.prod(shape) * 4
    room = np.empty(size + ALIGNED, dtype=np.uint8)
    start = -room.ctypes.data % ALIGNED
    panels = room[start : start + size].view(np.float32).reshape(shape)
    panels[-1:] = 0
    return panels


def all_pairs(
    term: Term,
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
    term : "product", "difference" or "exact product"
        ``out[i, j]`` is s f_i g_j for the sum s of products (10), or its square root for the sum s of squared differences (9). Exact
        products are summed in float64, the others in float32.
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
        What sums of squared differences are held against.

    Returns
    -------
    int
        How many differences are below `tiny`, how many products beyond `limit` or NaN; those of the columns that fill up the last panel
        among them.

    Raises
    ------
    ShapeError, DtypeError
        If the arrays do not fit or are of another type.

    Notes
    -----
    Sums in float32 are taken over 192 numbers, by chains of 16, and in float64 beyond. As long as no term leaves float32's range, a
    product is off by at most 28·2^-24 |u| |v| and a distance by at most 16·2^-24 of itself, for any d and with the last rounding
    included. An exact product is off by 2^-24 of itself and d·2^-53 |u| |v|, whatever the numbers; it takes twice the time. Each result
    depends on its two rows alone and has the same bits from every build. Time O(m·n·d), no memory.
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
    compiled, form = kernel("all_pairs"), TERMS.index(term)
    if compiled is None:
        return reference_tiles.all_pairs(form, rows, panels, *factors, limit, tiny, out)
    return int(compiled(form, rows, rows.strides[0], m, panels, n, d, *factors, limit, tiny, out, out.strides[0]))
