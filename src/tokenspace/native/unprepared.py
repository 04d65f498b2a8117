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

SPARED = 1 << 22
"""Bytes of room up to which it is left for the next search: the system takes 0.3 ms to give the 400 kB of 100 queries anew."""

LONGEST = 1 << 16
"""Numbers of a row whose products of codes, 255 times 127 at most, add up to less than 2^31."""


_rooms: list[NDArray[np.uint8]] = []


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
    q, d = _checked("every_row", matrix, queries, k, first, last)
    width, found = d + 2 * VECTOR, _found(q, k)
    rooms = np.zeros(d), np.empty(q * width, np.float32), np.zeros(GROUP * width, np.float32), np.empty(4 * q)
    run = kernel("every_row") or reference.every_row
    return found if run(*_table(matrix, measure), queries, q, first, last, *rooms, k, *found) else None


def every_code(
    matrix: NDArray[Any], queries: NDArray[np.float64], measure: str, k: int, first: int, last: int, middle: NDArray[np.float64]
) -> Found | None:
    """Return what `every_row` does, and None where it does: by codes of the rows, which many queries are worth.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
    queries : array of shape (q, d), float64
    measure : "inner_product", "euclidean" or "cosine"
    k : int
    first, last : int
        Fewer than 2^31 rows.
    middle : array of shape (d,), float64
        A point near the rows, each number a float32: seen from there, codes are finer. The answer is the same for any.

    Returns
    -------
    keys, ids, finished, bound
        As `every_row`.

    Raises
    ------
    ArgumentError
        If the arguments do not fit.
    """
    q, d = _checked("every_code", matrix, queries, k, first, last)
    if middle.shape != (d,) or d > LONGEST or last - first >= 1 << 31:
        message = f"every_code: a middle of shape {middle.shape}, {last - first} rows, for a matrix of shape {matrix.shape}"
        raise ArgumentError(message)
    table, found, sized = _table(matrix, measure), _found(q, k), kernel("every_code_room")
    size = 0 if sized is None else sized(last - first, q, d, k, table[1])
    try:
        room = _rooms.pop()  # nobody else has it now; there come to be as many as threads that search at once
    except IndexError:
        room = np.empty(0, np.uint8)
    if len(room) < size:
        room = np.empty(size, np.uint8)
    run = kernel("every_code") or reference.every_code
    done = run(*table, queries, q, first, last, np.zeros(d), middle, room, k, *found)
    if len(room) <= SPARED:
        _rooms.append(room)
    return found if done else None


def _checked(name: str, matrix: NDArray[Any], queries: NDArray[np.float64], k: int, first: int, last: int) -> tuple[int, int]:
    """Return how many queries there are, and of how many numbers."""
    (n, d), q = matrix.shape, len(queries)
    if not 0 <= first <= last <= n or queries.shape != (q, d) or k < 1:
        message = f"{name}: queries of shape {queries.shape}, {k} of rows {first}..{last}, for a matrix of shape {matrix.shape}"
        raise ArgumentError(message)
    return q, d


def _table(matrix: NDArray[Any], measure: str) -> tuple[Any, ...]:
    n, d = matrix.shape
    return MEASURES[measure], TYPES[name_of(matrix.dtype)], matrix, matrix.strides[0] if n > 1 else d * matrix.itemsize, d


def _found(q: int, k: int) -> Found:
    return np.empty((q, k)), np.empty((q, k), np.int64), np.empty(q, np.int64), np.empty(q)
