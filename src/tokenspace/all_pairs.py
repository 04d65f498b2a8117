"""All pairs: a measure of every row of one matrix with every row of another, at once or some rows at a time.

Here are the two calls; how a cell of the result is computed, and how exactly, is in `tiles`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.engines import local
from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.measures import check_measure
from tokenspace.rows import as_matrix, check_finite
from tokenspace.tiles import Pairs, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from tokenspace.measures import Measure
    from tokenspace.tiles import Progress, Sums

SMALL_INTEGERS = {"int8", "uint8", "int16", "uint16"}
"""Integers that float32 holds exactly, whatever they are: each tile converts its own."""

BLOCK = 1 << 26
"""Results in a block of `pairwise_blocks`, unless the caller says otherwise: 256 MB of float32."""


def pairwise(
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    measure: Measure = "euclidean",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    sums: Sums = "float64",
    threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[Any]:
    """Return a measure of every row of x with every row of y: ``out[i, j] = measure(x[i], y[j])``.

    Parameters
    ----------
    x : array of shape (q, d), any float type or integers
    y : array of shape (n, d), optional
        Left out, x with itself: half the work.
    measure : "euclidean", "inner_product" or "cosine", default "euclidean"
    out : array of shape (q, n), float32 or float64, optional
        Where the result is written, a memory-mapped file perhaps.
    dtype : float32 or float64, optional
        Of the result. Left out, that of `out`, else float64 where x or y is float64, float32 otherwise.
    sums : "float64" or "float32", default "float64"
        What inner products and cosines are summed in; float32 is twice as fast, and right next to ``|u| |v|`` only.
    threads : int, optional
        Default: as many as CPUs this process may use. The result has the same bits for any number.
    progress : callable, optional
        Called as ``progress(done, total)``, pairs both, now and then, from one thread at a time. What it raises ends the work.

    Returns
    -------
    array of shape (q, n)
        Euclidean distances are never negative and exactly 0 for equal rows. Cosines are in [-1, 1], NaN where a row is zero.

    Raises
    ------
    ShapeError
        If x and y differ in d, or `out` has another shape.
    DtypeError
        If the result is to be of a type other than float32 and float64, or x or y holds no real numbers.
    NotFiniteError
        If a row holds NaN or infinity (the first is named), or a result is too large for the result's type.
    ArgumentError
        If the measure is unknown.

    See Also
    --------
    pairwise_blocks : for a result larger than memory.
    tokenspace.search.Exact : the k closest rows, without the (q, n) matrix.

    Notes
    -----
    How far a result may be from the exact value, whatever the rows and however large d is, rounding to the result's type included:

    ==================  ====================  ========================  ==================
    result, sums        Euclidean distance    inner product             cosine
    ==================  ====================  ========================  ==================
    float32             16·2^-24 of itself    2^-24 of itself (*)       2^-24 of itself (*)
    float32, float32    16·2^-24 of itself    28·2^-24 of ``|u| |v|``   28·2^-24
    float64             about d·1e-13 of it   d·2^-53 of ``|u| |v|``    d·2^-53
    ==================  ====================  ========================  ==================

    (*) and what float64 sums may be off by, d·2^-53 of ``|u| |v|``. 16·2^-24 is 9.6e-7 and 28·2^-24 is 1.7e-6; errors seen are a tenth
    and a fiftieth of that. Near duplicates and rows far from the origin are no exception: in float32 distances are taken from the
    differences, never from the identity (12).

    The vice of ``sums="float32"``: a product that is small next to ``|u| |v|``, of rows almost orthogonal, is right next to their lengths
    and not next to itself, and so is a cosine near 0.

    A float32 result of tables that are not float64 depends on its two rows alone, not on those beside them, and has the same bits on
    every processor that multiplies and adds in one instruction (x86 since 2013, ARM), given compiled kernels. Elsewhere, for float64
    results, and where distances or float32 sums meet rows whose largest number is outside 2^-40..2^50, the work is done by BLAS in float64
    and the last bits are BLAS's.

    Time O(q·n·d): in float32 about that of a float32 matrix product, in float64 twice that; half of it for x with itself. Neither table is
    copied whole, whatever its type: beyond the result, memory is about 20 MB, in float64 30 MB a thread. Memory-mapped tables may be
    larger than memory; they are read once to find what is not finite.

    References
    ----------
    Lecture, equations (9) to (12). Higham, Accuracy and Stability of Numerical Algorithms, section 3.1, for the sums' errors.

    Examples
    --------
    >>> pairwise(np.float32([[0, 0], [3, 4]]))
    array([[0., 5.],
           [5., 0.]], dtype=float32)
    """
    pairs = _pairs("pairwise", x, y, measure, sums, threads)
    shape = len(pairs.x), len(pairs.y)
    if out is None:
        out = np.empty(shape, dtype=pairs.result_type(dtype))
    if out.shape != shape or out.dtype.name not in {"float32", "float64"} or (dtype is not None and out.dtype != dtype):
        message = f"out must be of shape {shape} and {dtype or 'float32 or float64'}; seen {out.shape}, {out.dtype}"
        raise ShapeError(message)
    pairs.fill(out, 0, Tally(progress, out.size))
    return out


def pairwise_blocks(
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    measure: Measure = "euclidean",
    rows: int | None = None,
    dtype: DTypeLike | None = None,
    sums: Sums = "float64",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield a measure of every row of x with every row of y, some rows of x at a time.

    Parameters
    ----------
    x, y, measure, dtype, sums, threads, progress
        As for `pairwise`. Both tables may be memory-mapped and larger than memory.
    rows : int, optional
        Rows of x in a block; left out, as many as make 256 MB of float32. More are faster: each block reads all of y.

    Yields
    ------
    rows : slice
        Which rows of x.
    block : array of shape (rows, n)
        Their measures, as `pairwise` returns them; a new array each time.

    Raises
    ------
    ShapeError, DtypeError, NotFiniteError, ArgumentError
        As for `pairwise`; all but a result that is too large at the call, before the first block is asked for.

    Notes
    -----
    A float32 block has the bits of `pairwise`'s rows. The vice: x with itself takes twice as long as by `pairwise`, which computes
    the half of a symmetric matrix.

    Examples
    --------
    >>> x = np.float32([[0, 0], [3, 4], [6, 8]])
    >>> for part, block in pairwise_blocks(x, x[:1], rows=2):
    ...     print(part.start, part.stop, block.ravel())
    0 2 [0. 5.]
    2 3 [10.]
    """
    pairs = _pairs("pairwise_blocks", x, y, measure, sums, threads)
    if rows is not None and rows < 1:
        message = f"rows must be at least 1; seen {rows}"
        raise ArgumentError(message)
    n = len(pairs.y)
    step = max(1, BLOCK // max(1, n)) if rows is None else rows
    return _blocks(pairs, step, pairs.result_type(dtype), Tally(progress, len(pairs.x) * n))


def _blocks(pairs: Pairs, step: int, kind: np.dtype[Any], tally: Tally) -> Iterator[tuple[slice, NDArray[Any]]]:
    for start in range(0, len(pairs.x), step):
        part = slice(start, min(start + step, len(pairs.x)))
        block = np.empty((part.stop - start, len(pairs.y)), dtype=kind)
        pairs.fill(block, start, tally)
        yield part, block


def _pairs(caller: str, x: ArrayLike, y: ArrayLike | None, measure: Measure, sums: Sums, threads: int | None) -> Pairs:
    """Hold what both calls take against what they can take."""
    check_measure(measure)
    if sums not in {"float64", "float32"}:
        message = f"sums must be float64 or float32; seen {sums!r}"
        raise ArgumentError(message)
    a = _table(x, "x")
    b = a if y is None else _table(y, "y")
    if a.shape[1] != b.shape[1]:
        message = f"{caller}(x of shape {a.shape}, y of shape {b.shape}): both must have the same number of columns"
        raise ShapeError(message, hint="did you mix two tables?")
    for rows, name in ((a, "x"), (b, "y"))[: 1 + (b is not a)]:
        if rows.dtype.kind not in "iu":
            check_finite(rows, name)
    return Pairs(measure, a, b, local.thread_count(threads), sums)


def _table(values: ArrayLike, name: str) -> NDArray[Any]:
    if isinstance(values, np.ndarray) and values.dtype.name in SMALL_INTEGERS and values.ndim == 2 and values.shape[1]:  # noqa: PLR2004
        return values
    return as_matrix(values, name)
