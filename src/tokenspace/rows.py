"""What may be a row of a table: its id, its element type, its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import DtypeError, NotFiniteError, RowIdError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

FLOATS = ("float32", "float64", "float16", "bfloat16")
"""Element types a table is stored in, by NumPy's names; bfloat16 is ml_dtypes'."""

BLOCK = 1 << 20
"""Numbers examined at a time: 8 MB as float64, which stays near the cache."""


def float_type(name: DTypeLike) -> np.dtype[Any]:
    """Return the dtype of that name; knows bfloat16, which plain NumPy does not.

    Raises
    ------
    DtypeError
        If it is none of `FLOATS`.
    """
    if name == "bfloat16":
        import ml_dtypes  # noqa: PLC0415 - a table of another type never needs it

        return np.dtype(ml_dtypes.bfloat16)
    dtype = np.dtype(name)
    if dtype.name not in FLOATS:
        message = f"a table's numbers must be {', '.join(FLOATS)}; seen {dtype}"
        raise DtypeError(message)
    return dtype


def wide_type(*dtypes: DTypeLike) -> type[np.float32 | np.float64]:
    """Return float64 where one of the types is float64, float32 otherwise."""
    return np.float64 if any(np.dtype(dtype) == np.float64 for dtype in dtypes) else np.float32


def as_float_array(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return `values` as an array of one of the types in `FLOATS`, uncopied where they are one already.

    Parameters
    ----------
    values : array or nested sequence of numbers
        Python numbers and integers become float32, or float64 where float32 would change them.
    name : str
        What the caller calls it, for the message.

    Raises
    ------
    DtypeError
        If they are not real numbers, or wider than float64.
    ShapeError
        If a nested sequence is ragged.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        message = f"{name} is not a rectangle of numbers: {error}"
        raise ShapeError(message) from None
    if array.dtype.name in FLOATS:
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind in "iub":
        narrow = array.astype(np.float32)
        return narrow if np.array_equal(narrow.astype(np.float64), array) else array.astype(np.float64)
    message = f"{name} must hold {', '.join(FLOATS)} or integers; seen {array.dtype}"
    raise DtypeError(message, hint="convert it with .astype(numpy.float32)")


def as_matrix(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return `values` as a float array of shape (m, d), d >= 1, its rows' numbers adjacent in memory.

    Raises
    ------
    ShapeError
        If there are not two axes, or a row holds no number.
    DtypeError
        If they are not real numbers.
    """
    array = as_float_array(values, name)
    if array.ndim != 2 or array.shape[1] == 0:  # noqa: PLR2004 - a matrix has two axes
        message = f"{name} must be of shape (rows, d) with d >= 1; seen {array.shape}"
        raise ShapeError(message, hint="one vector is vector[None, :]" if array.ndim == 1 else "")
    adjacent = array.strides[1] == array.itemsize or array.shape[1] == 1
    return array if adjacent and array.flags.aligned else np.array(array, order="C")  # ascontiguousarray would leave it where it is


def checked_rows(rows: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return row ids as int64, each held against 0..n-1.

    Raises
    ------
    RowIdError
        If one is outside, or not an integer.
    """
    ids = np.asarray(rows)
    if ids.size == 0 and ids.dtype == np.float64:  # an empty list
        ids = ids.astype(np.int64)
    if ids.dtype.kind not in "iu":
        message = f"row ids must be integers in 0..{n - 1}; seen {ids.dtype}"
        raise RowIdError(message)
    if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= n):
        outside = (ids < 0) | (ids >= n)
        message = f"row ids must be in 0..{n - 1}; seen {int(ids[outside].flat[0])}"
        raise RowIdError(message, hint="ids count from 0, and a negative id does not count from the end")
    return ids.astype(np.int64, copy=False)


def check_finite(matrix: NDArray[Any], name: str) -> None:
    """Hold every number of a matrix of shape (m, d) against NaN and infinity.

    Raises
    ------
    NotFiniteError
        Naming the first row and column.
    """
    step = max(1, BLOCK // max(1, matrix.shape[1]))
    for start in range(0, len(matrix), step):
        with np.errstate(invalid="ignore"):  # a signalling NaN would warn
            finite = np.isfinite(matrix[start : start + step])
        if not finite.all():
            row, column = divmod(int(np.argmin(finite)), matrix.shape[1])
            value = matrix[start + row, column]
            message = f"{name} holds {value} in row {start + row:,}, column {column:,}; every number must be finite"
            raise NotFiniteError(message, hint="drop or mend the row")


def unshared(rows: NDArray[Any], given: ArrayLike) -> NDArray[Any]:
    """Return rows that nobody else can write to: a copy, unless they were made here or are read-only down to their owner."""
    if rows.base is None and rows is not given:
        return rows
    owner: Any = rows
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return rows.copy()
        owner = owner.base
    return rows
