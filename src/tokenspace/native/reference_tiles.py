"""The kernel of all pairs once more, in NumPy: the oracle of its tests. Where it would serve, float64 products are faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHAIN, CHUNK = 16, 192
"""Terms that are added one after the other, and terms whose chains are added in float32 before float64 takes them; the kernel's."""


def fused(x: NDArray[np.float32], y: NDArray[np.float32], z: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return x y + z with one rounding.

    The product of two float32 numbers is exact in float64. The sum is rounded to odd there, which a second rounding, to float32,
    cannot tell from the exact sum (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, theorem 1).
    """
    product, term = x.astype(np.float64) * y, z.astype(np.float64)
    total = product + term
    part = total - product
    error = (product - (total - part)) + (term - part)  # Knuth: total + error is the exact sum
    even = (np.ascontiguousarray(total).view(np.int64) & 1) == 0
    return np.where((error != 0) & even, np.nextafter(total, np.copysign(np.inf, error)), total).astype(np.float32)


def all_pairs(
    difference: bool,  # noqa: FBT001 - mirrors the kernel's argument list
    rows: NDArray[np.float32],
    panels: NDArray[np.float32],
    row_factors: NDArray[np.float64],
    factors: NDArray[np.float64],
    limit: float,
    tiny: float,
    out: NDArray[np.float32],
) -> int:
    """Fill `out` with the products of all pairs, times two factors, or with their distances; count the squares below `tiny`."""
    d = rows.shape[1]
    columns = panels.transpose(0, 2, 1).reshape(-1, d)
    total = np.zeros((len(rows), len(columns)))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, d, CHUNK):
            part = np.zeros(total.shape, dtype=np.float32)
            end = min(start + CHUNK, d)
            for first in range(start, end, CHAIN):
                chain = np.zeros(total.shape, dtype=np.float32)
                for k in range(first, min(first + CHAIN, end)):
                    x, y = columns[None, :, k], rows[:, None, k]
                    chain = fused(x - y, x - y, chain) if difference else fused(x, y, chain)
                part += chain
            total += part
        total *= row_factors[:, None] * factors[None, :]
        np.clip(total, -limit, limit, out=total)
        narrow = total.astype(np.float32)
        out[...] = (np.sqrt(narrow) if difference else narrow)[:, : out.shape[1]]
    return int(np.count_nonzero(total < tiny)) if difference else 0
