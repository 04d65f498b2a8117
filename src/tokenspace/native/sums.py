"""Sums over pairs of vectors, the three measures' common part, and the sum of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tokenspace.errors import ArgumentError, DtypeError, ShapeError
from tokenspace.native import reference
from tokenspace.native.door import kernel
from tokenspace.native.signatures import name_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 3}
"""The kernel's numbers for the element types of rows."""

Term = Literal["product", "difference"]


def pair_sums(
    term: Term,
    queries: NDArray[np.float64],
    rows: NDArray[Any],
    *,
    query_ids: NDArray[np.int64] | None = None,
    row_ids: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Sum over each listed pair of a query q and a row x, in float64 and in one fixed order.

    Parameters
    ----------
    term : "product" or "difference"
        What is summed over k: q_k x_k, equation (10), or (q_k - x_k)^2, the square of equation (9).
    queries : array of shape (q, d), float64, C-contiguous
    rows : array of shape (n, d), float32, float64, float16 or bfloat16
        The numbers of a row must be adjacent.
    query_ids : array of shape (m,), int64, optional
        Which query each pair has; left out, query 0 throughout.
    row_ids : array of shape (m,), int64, optional
        Which row each pair has; left out, row i for pair i.

    Returns
    -------
    array of shape (m,), float64
        The same bits from every build, for every number of pairs and in whatever order they are listed.

    Raises
    ------
    ShapeError, DtypeError, ArgumentError
        If the arrays do not fit, are of another type, or an id is outside.

    Notes
    -----
    Time O(m·d), no memory but the result. Float64 sums of float32 products are off by at most about d·1e-16 of the sum of the
    terms' magnitudes; for "product" that may be much more than 1e-16 of the sum itself, where the terms cancel.
    """
    if queries.ndim != 2 or rows.ndim != 2 or queries.shape[1] != rows.shape[1]:  # noqa: PLR2004 - matrices
        message = f"pair_sums(queries of shape {queries.shape}, rows of shape {rows.shape}): both need two axes and one d"
        raise ShapeError(message)
    if name_of(rows.dtype) not in TYPES:
        message = f"rows must be {', '.join(TYPES)}; seen {rows.dtype}"
        raise DtypeError(message)
    m = len(rows) if query_ids is None and row_ids is None else len(query_ids if row_ids is None else row_ids)  # type: ignore[arg-type]
    for ids, count, what in ((query_ids, len(queries), "query_ids"), (row_ids, len(rows), "row_ids")):
        if ids is not None and (len(ids) != m or (m and (int(ids.min()) < 0 or int(ids.max()) >= count))):
            message = f"{what} must be {m} ids in 0..{count - 1}"
            raise ArgumentError(message)
    if m and (not len(queries) or (row_ids is None and m > len(rows))):
        message = f"{m} pairs were asked for from {len(queries)} queries and {len(rows)} rows"
        raise ArgumentError(message)
    query_ids, row_ids = (None if ids is None else np.ascontiguousarray(ids) for ids in (query_ids, row_ids))
    difference = term == "difference"
    compiled = kernel("pair_sums")
    if compiled is None:
        return reference.pair_sums(difference, queries, rows, query_ids, row_ids)
    out = np.empty(m)
    stride = rows.strides[0] if len(rows) > 1 else rows.itemsize * rows.shape[1]
    compiled(difference, TYPES[name_of(rows.dtype)], queries, rows, stride, rows.shape[1], query_ids, row_ids, m, out)
    return out


def row_sums(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Sum all rows of a matrix in float64, one after the other.

    Parameters
    ----------
    rows : array of shape (n, d), float32, float64, float16 or bfloat16
        The numbers of a row must be adjacent.

    Returns
    -------
    array of shape (d,), float64
        The same bits from every build; zero where there is no row.

    Raises
    ------
    ShapeError, DtypeError
        If there are not two axes, or the type is another.

    Notes
    -----
    Time O(n·d) at the speed of memory, no memory but the result. Off by at most about n·1e-16 of the sum of the magnitudes.

    Examples
    --------
    >>> row_sums(np.float32([[1, 2], [3, 4]]))
    array([4., 6.])
    """
    if rows.ndim != 2:  # noqa: PLR2004 - a matrix
        message = f"row_sums(rows of shape {rows.shape}): a matrix of shape (n, d) is needed"
        raise ShapeError(message)
    if name_of(rows.dtype) not in TYPES:
        message = f"rows must be {', '.join(TYPES)}; seen {rows.dtype}"
        raise DtypeError(message)
    compiled = kernel("row_sums")
    if compiled is None:
        return reference.row_sums(rows)
    n, d = rows.shape
    out = np.zeros(d)
    compiled(TYPES[name_of(rows.dtype)], rows, rows.strides[0] if n > 1 else rows.itemsize * d, n, d, out)
    return out
