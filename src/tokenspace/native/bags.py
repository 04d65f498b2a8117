"""Means of bags of rows: static sentence vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, DtypeError, ShapeError
from tokenspace.native import reference
from tokenspace.native.door import kernel
from tokenspace.native.signatures import name_of
from tokenspace.native.sums import TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray


def bag_means(
    rows: NDArray[Any],
    words: NDArray[np.int32],
    begins: NDArray[np.int64],
    pieces: NDArray[np.int32],
    *,
    factors: NDArray[np.float64] | None = None,
    more: NDArray[Any] | None = None,
    most: int | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the mean of each bag's rows, each times its factor: sums in float64, token after token.

    Parameters
    ----------
    rows : array of shape (n, d), float32, float64, float16 or bfloat16
        The numbers of a row must be adjacent.
    words : array of shape (m,), int32
        Word numbers, and -1 behind the last of each bag.
    begins : array of shape (w + 1,), int64
        Where the rows of each of w words begin in `pieces`; a word may have none.
    pieces : array of shape (p,), int32
        Ids of rows, in 0..n + e - 1.
    factors : array of shape (n + e,), float64, optional
        What each row is multiplied by.
    more : array of shape (e, d), of the type of `rows`, optional
        The rows n..n + e - 1.
    most : int, optional
        How many of a bag's rows count, the first ones; left out, all.

    Returns
    -------
    means : array of shape (b, d), float32
        Zero for a bag without rows. The same bits from every build.
    counts : array of shape (b,), int64
        Rows of each bag.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError
        If the arrays do not fit together, or a number is outside.

    Notes
    -----
    About d / 3 ns a token while its row is in the cache; memory the result alone.

    Examples
    --------
    >>> two = np.float32([[2, 0], [0, 4]])
    >>> bag_means(two, np.int32([0, 1, -1, -1]), np.array([0, 1, 2]), np.int32([0, 1]))
    (array([[1., 2.],
           [0., 0.]], dtype=float32), array([2, 0]))
    """
    if rows.ndim != 2 or (more is not None and (more.ndim != 2 or more.shape[1] != rows.shape[1])):  # noqa: PLR2004 - matrices
        message = f"bag_means(rows of shape {rows.shape}, more of shape {getattr(more, 'shape', None)}): both need two axes and one d"
        raise ShapeError(message)
    if name_of(rows.dtype) not in TYPES or (more is not None and more.dtype != rows.dtype):
        message = f"rows must be {', '.join(TYPES)}, and more of the same; seen {rows.dtype}{'' if more is None else f' and {more.dtype}'}"
        raise DtypeError(message)
    n, d = rows.shape
    all_rows = n + (0 if more is None else len(more))
    if factors is not None and factors.shape != (all_rows,):
        message = f"factors must be one for each of {all_rows:,} rows; seen shape {factors.shape}"
        raise ShapeError(message)
    if len(words) and words[-1] != -1:
        message = "the last bag must end with -1"
        raise ArgumentError(message)
    bags = int(np.count_nonzero(words == -1))
    limit = np.iinfo(np.int64).max if most is None else most
    out, counts = np.zeros((bags, d), dtype=np.float32), np.zeros(bags, dtype=np.int64)
    compiled = kernel("bag_means")
    if compiled is None:
        stopped = reference.bag_means(rows, words, begins, pieces, factors, more, limit, out, counts)
    else:
        stride = rows.strides[0] if n > 1 else rows.itemsize * d
        listed = (words, len(words), begins, len(begins) - 1, pieces, len(pieces), limit)
        stopped = compiled(TYPES[name_of(rows.dtype)], rows, stride, d, n, more, all_rows, factors, *listed, np.empty(d), out, counts)
    if stopped != len(words):
        message = f"word {int(words[stopped])}, at {stopped:,}, is not in 0..{len(begins) - 2}, or its rows are not in 0..{all_rows - 1}"
        raise ArgumentError(message)
    return out, counts
