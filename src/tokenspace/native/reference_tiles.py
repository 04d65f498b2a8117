"""The kernel of all pairs once more, in NumPy: the oracle of its tests. Where it would serve, float64 products are faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRODUCT, DIFFERENCE, EXACT_PRODUCT = range(3)
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


def chunk_of_sums(form: int, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32] | NDArray[np.float64]:
    """Return the sums over one chunk of terms, of every row of x with every row of y."""
    if form == EXACT_PRODUCT:
        exact = np.zeros((len(x), len(y)))
        for k in range(x.shape[1]):  # each product is exact, so that fusing would change nothing
            exact += x[:, None, k].astype(np.float64) * y[None, :, k]
        return exact
    total = np.zeros((len(x), len(y)), dtype=np.float32)
    for first in range(0, x.shape[1], CHAIN):
        chain = np.zeros(total.shape, dtype=np.float32)
        for k in range(first, min(first + CHAIN, x.shape[1])):
            a, b = y[None, :, k], x[:, None, k]
            chain = fused(a - b, a - b, chain) if form == DIFFERENCE else fused(a, b, chain)
        total += chain
    return total


def all_pairs(
    form: int,
    rows: NDArray[np.float32],
    panels: NDArray[np.float32],
    row_factors: NDArray[np.float64],
    factors: NDArray[np.float64],
    limit: float,
    tiny: float,
    out: NDArray[np.float32],
) -> int:
    """Fill `out` with the products of all pairs, times two factors, or with their distances; count the doubtful ones."""
    d = rows.shape[1]
    columns = panels.transpose(0, 2, 1).reshape(-1, d)
    total = np.zeros((len(rows), len(columns)))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, d, CHUNK):
            total += chunk_of_sums(form, rows[:, start : start + CHUNK], columns[:, start : start + CHUNK])
        total *= row_factors[:, None] * factors[None, :]
        clipped = np.clip(total, -limit, limit)
        narrow = clipped.astype(np.float32)
        out[...] = (np.sqrt(narrow) if form == DIFFERENCE else narrow)[:, : out.shape[1]]
    return int(np.count_nonzero(total < tiny if form == DIFFERENCE else total != clipped))
