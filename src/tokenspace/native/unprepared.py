"""Every row for some queries, in one reading and with nothing prepared: what few queries of a matrix cost least by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError
from tokenspace.native import reference_screens as reference
from tokenspace.native.door import kernel
from tokenspace.native.settling import MEASURES
from tokenspace.native.signatures import name_of
from tokenspace.native.sums import TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.native.settling import Found

GROUP, VECTOR = 8, 16
"""Rows that the kernel lifts at a time, and float32 numbers of its widest vector."""


def every_row(matrix: NDArray[Any], queries: NDArray[np.float64], measure: str, k: int, first: int, last: int) -> Found | None:
    """Return the nearest rows among first..last-1 of some queries.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
    queries : array of shape (q, d), float64
    measure : "inner_product", "euclidean" or "cosine"
    k : int
    first, last : int

    Returns
    -------
    keys : array of shape (q, k), float64
        The best first; minus infinity where there are fewer rows.
    ids : array of shape (q, k), int64
    finished : array of shape (q,), int64
        How many rows were summed in float64.
    bound : array of shape (q,), float64
        The highest key that a row which was not can have; minus infinity where all were.

    None where a number of those rows is not finite, or a row or query, not being zero, is so long or short that float32 sums say little
    of it.

    Raises
    ------
    ArgumentError
        If the arguments do not fit.
    """
    (n, d), q = matrix.shape, len(queries)
    if not 0 <= first <= last <= n or queries.shape != (q, d) or k < 1:
        message = f"every_row: queries of shape {queries.shape}, {k} of rows {first}..{last}, for a matrix of shape {matrix.shape}"
        raise ArgumentError(message)
    width = d + 2 * VECTOR
    table = MEASURES[measure], TYPES[name_of(matrix.dtype)], matrix, matrix.strides[0] if n > 1 else d * matrix.itemsize, d
    rooms = np.zeros(d), np.empty(q * width, np.float32), np.zeros(GROUP * width, np.float32), np.empty(4 * q)
    found = np.empty((q, k)), np.empty((q, k), np.int64), np.empty(q, np.int64), np.empty(q)
    run = kernel("every_row") or reference.every_row
    return found if run(*table, queries, q, first, last, *rooms, k, *found) else None
