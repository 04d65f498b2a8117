"""How many wanted rows each row of a table comes before, counted under all three measures in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ShapeError
from tokenspace.native import reference_ranks as reference
from tokenspace.native.door import kernel
from tokenspace.native.reference_ranks import NO_COSINE
from tokenspace.native.signatures import name_of
from tokenspace.native.sums import TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NO_COSINE", "rank_counts"]


def rank_counts(
    query: NDArray[np.float64],
    rows: NDArray[Any],
    lengths: NDArray[np.float64],
    own: float,
    *,
    zero: int,
    limits: NDArray[np.float64],
    ids: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Count the rows that come before just b of m wanted rows, for each measure and each b in 1..m.

    Parameters
    ----------
    query : array of shape (d,), float64
    rows : array of shape (n, d), float32, float64, float16 or bfloat16
        Finite, and so are their squares' sums. Row i has the id zero + i.
    lengths : array of shape (n,), float64
        Their norms.
    own : float
        The query's norm.
    zero : int
    limits : array of shape (3, m), float64
        The wanted rows' keys under Euclidean distance (minus its square), inner product and cosine (`NO_COSINE` where there is none), from
        the definitions; from last to first, that is, rising.
    ids : array of shape (3, m), int64
        Their ids, falling where keys are equal.

    Returns
    -------
    array of shape (3, m), int64
        Column b - 1 counts the rows that come before the first b of the limits, and before no other.

    Raises
    ------
    ShapeError
        If the arrays do not fit.

    Notes
    -----
    One pass, O(n (d + log m)), no memory but the result. Minus the square of the distance is taken from products and norms by the
    identity (12): each of the two ways is off by at most d + 5 roundings of (|x| + |q|)^2, and where twice 2 (d + 8) of them could move a
    row past a wanted one, it is summed from the definition.
    """
    n, d = rows.shape
    if query.shape != (d,) or lengths.shape != (n,) or limits.shape != ids.shape or limits.shape[:1] != (3,):
        message = (
            f"rank_counts(query of shape {query.shape}, rows of shape {rows.shape}, lengths of shape {lengths.shape}, "
            f"limits of shape {limits.shape}, ids of shape {ids.shape}): expected (d,), (n, d), (n,), (3, m), (3, m)"
        )
        raise ShapeError(message)
    m = limits.shape[1]
    compiled = kernel("rank_counts")
    if compiled is None or not m:
        return reference.rank_counts(query, rows, zero, lengths, own, limits, ids)
    counts = np.zeros((3, m), dtype=np.int64)
    stride = rows.strides[0] if n > 1 else rows.itemsize * d
    compiled(TYPES[name_of(rows.dtype)], rows, stride, n, d, zero, lengths, query, own, limits, ids, m, counts)
    return counts
