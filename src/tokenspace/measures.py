"""The three measures of closeness: Euclidean distance (9), inner product (10), cosine similarity (11), and the identity (12).

One pair or paired rows: `euclidean`, `inner_product`, `cosine`. All pairs of two tables: `pairwise`. All about one pair: `compare`.

The identity |u-v|^2 = |u|^2 + |v|^2 - 2<u,v> turns all distances into one matrix product, which is why it is used; its vice is that
the three terms cancel where u and v are close next to their length. In float32 it then finds the wrong neighbours. Here it is
taken in float64, after the rows' common mean is removed, and the pairs that still cancel are computed from their difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from tokenspace.engines import local
from tokenspace.errors import ArgumentError, NotFiniteError, ShapeError, ZeroVectorError
from tokenspace.native import pair_sums
from tokenspace.rows import as_float_array, as_matrix, check_finite, wide_type

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

Measure = Literal["euclidean", "inner_product", "cosine"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

PAIRS = 1 << 16
"""Paired rows lifted to float64 at a time."""

TILE = 512, 2048
"""Rows of x and of y that `pairwise` multiplies at a time: 8 MB of float64 results."""

CANCELS = 2.0**-10
"""Pairs with |u-v|^2 below this share of |u|^2 + |v|^2 are computed from their difference: above it the identity in float64 is
right to about d·1e-13, below it it loses a digit for each."""

EXTREME = 2.0**500
"""Float64 numbers beyond this, or non-zero ones below its inverse, are scaled before they are squared."""


def euclidean(u: ArrayLike, v: ArrayLike) -> Any:
    """Return the Euclidean distance |u - v|, equation (9): the smaller, the closer.

    Parameters
    ----------
    u, v : arrays of shape (..., d), any float type or integers
        One pair of vectors, or rows paired by broadcasting their leading axes.

    Returns
    -------
    float, or array of shape (...), float64
        In the embedding's own unit, never negative; exactly 0 for equal vectors.

    Raises
    ------
    ShapeError
        If the vectors differ in length or the leading axes cannot be paired.
    NotFiniteError
        If a vector holds NaN or infinity.
    DtypeError
        If they are not real numbers.

    See Also
    --------
    pairwise : every row of one matrix with every row of another.

    Notes
    -----
    Computed from the difference in float64, so near duplicates keep all their digits. Time O(pairs · d).
    The vice: it mixes closeness of direction with difference of length; frequent and rare words of one meaning are far apart.

    References
    ----------
    Lecture "Embedding Layer and Distances/Similarities", Definition 5.1, equation (9).

    Examples
    --------
    >>> round(euclidean([2, -1, 3], [1, 2, -1]), 6)  # Example 5.1: sqrt(26)
    5.09902
    """
    return _each_pair("euclidean", u, v)


def inner_product(u: ArrayLike, v: ArrayLike) -> Any:
    """Return the standard inner product <u, v>, equation (10): the larger, the closer.

    Parameters
    ----------
    u, v : arrays of shape (..., d), any float type or integers
        One pair of vectors, or rows paired by broadcasting their leading axes.

    Returns
    -------
    float, or array of shape (...), float64
        In the embedding's unit squared.

    Raises
    ------
    ShapeError
        If the vectors differ in length or the leading axes cannot be paired.
    NotFiniteError
        If a vector holds NaN or infinity.
    DtypeError
        If they are not real numbers.

    Notes
    -----
    Summed in float64. Time O(pairs · d). The vice: it favours long vectors, whatever they point at, and a vector need not be its
    own nearest neighbour.

    References
    ----------
    Lecture, Definition 5.2, equation (10).

    Examples
    --------
    >>> inner_product([2, -1, 3], [1, 2, -1])  # Example 5.2
    -3.0
    """
    return _each_pair("inner_product", u, v)


def cosine(u: ArrayLike, v: ArrayLike) -> Any:
    """Return the cosine similarity <u, v> / (|u| |v|), equation (11): the larger, the closer.

    Parameters
    ----------
    u, v : arrays of shape (..., d), any float type or integers
        One pair of vectors, or rows paired by broadcasting their leading axes.

    Returns
    -------
    float, or array of shape (...), float64
        In [-1, 1]. For paired rows NaN where one of the two is the zero vector, which has no direction.

    Raises
    ------
    ZeroVectorError
        If there is one pair and one of its vectors is zero: Definition 5.3 leaves zero out.
    ShapeError
        If the vectors differ in length or the leading axes cannot be paired.
    NotFiniteError
        If a vector holds NaN or infinity.
    DtypeError
        If they are not real numbers.

    Notes
    -----
    Computed in float64. Time O(pairs · d). The vice: it forgets length, so a word seen twice counts as much as one seen
    a million times; and near 1 it says little (an angle of 0.01 is a cosine of 0.99995).

    References
    ----------
    Lecture, Definition 5.3, equation (11).

    Examples
    --------
    >>> round(cosine([2, -1, 3], [1, 2, -1]), 6)  # Example 5.3: -3/(2 sqrt(21))
    -0.327327
    """
    result = _each_pair("cosine", u, v)
    if isinstance(result, float) and math.isnan(result):
        zero = "u" if not np.any(np.asarray(u)) else "v"
        message = f"cosine(u, v): {zero} is the zero vector, for which the cosine is not defined (Definition 5.3)"
        raise ZeroVectorError(message, hint="the Euclidean distance and the inner product are defined for it")
    return result


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that the lecture says about one pair of vectors; made by `compare`.

    Attributes
    ----------
    euclidean, inner_product, cosine : float
        Equations (9) to (11). The cosine is NaN where a vector is zero.
    norm_u, norm_v : float
        Lengths |u| and |v|.
    angle : float
        Between u and v in radians, 0..pi; NaN where a vector is zero.
    projection : float
        Signed length of v's orthogonal projection on u's line (Fig. 3), <u,v>/|u|; NaN where u is zero.
    identity : pair of float
        The two sides of equation (12): |u-v|^2, and |u|^2 + |v|^2 - 2<u,v>.
    """

    euclidean: float
    inner_product: float
    cosine: float
    norm_u: float
    norm_v: float
    angle: float
    projection: float
    identity: tuple[float, float]


def compare(u: ArrayLike, v: ArrayLike) -> Comparison:
    """Return the three measures of one pair with norms, angle, projection and both sides of the identity (12).

    Parameters
    ----------
    u, v : arrays of shape (d,), any float type or integers

    Returns
    -------
    Comparison

    Raises
    ------
    ShapeError
        If they are not two vectors of one length.
    NotFiniteError
        If one holds NaN or infinity.

    Notes
    -----
    The angle is taken from 2 atan2(|a-b|, |a+b|) of the unit vectors a and b, which keeps its digits where the cosine is near 1 or -1.

    References
    ----------
    Lecture, equations (9) to (12) and Fig. 3.

    Examples
    --------
    >>> c = compare([3, 0], [4, 3])
    >>> c.inner_product, c.norm_u, c.norm_v, c.projection, c.identity
    (12.0, 3.0, 5.0, 4.0, (10.0, 10.0))
    """
    a, b = (as_float_array(x, name).astype(np.float64) for x, name in ((u, "u"), (v, "v")))
    if a.ndim != 1 or a.shape != b.shape:
        message = f"compare(u of shape {a.shape}, v of shape {b.shape}): two vectors of one length are needed"
        raise ShapeError(message)
    distance, product, similarity = (float(_each_pair(measure, a, b)) for measure in MEASURES)
    norm_u, norm_v = float(_each_pair("euclidean", a, np.zeros_like(a))), float(_each_pair("euclidean", b, np.zeros_like(b)))
    angle = math.nan
    if norm_u and norm_v:
        unit_u, unit_v = a / np.abs(a).max(), b / np.abs(b).max()
        unit_u, unit_v = unit_u / np.linalg.norm(unit_u), unit_v / np.linalg.norm(unit_v)
        angle = 2 * math.atan2(float(np.linalg.norm(unit_u - unit_v)), float(np.linalg.norm(unit_u + unit_v)))
    projection = similarity * norm_v if norm_u and norm_v else (0.0 if norm_u else math.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        identity = float(np.sum((a - b) ** 2)), float(np.sum(a * a) + np.sum(b * b) - 2 * product)
    return Comparison(distance, product, similarity, norm_u, norm_v, angle, projection, identity)


def pairwise(
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    measure: Measure = "euclidean",
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    threads: int | None = None,
) -> NDArray[Any]:
    """Return a measure of every row of x with every row of y: ``out[i, j] = measure(x[i], y[j])``.

    Parameters
    ----------
    x : array of shape (q, d), any float type or integers
    y : array of shape (n, d), optional
        Left out, x with itself.
    measure : "euclidean", "inner_product" or "cosine", default "euclidean"
    out : array of shape (q, n), float32 or float64, optional
        Where the result is written.
    dtype : float32 or float64, optional
        Of the result. Left out, that of `out`, else float64 where x or y is float64, float32 otherwise.
    threads : int, optional
        Default: as many as CPUs this process may use. The result has the same bits for any number.

    Returns
    -------
    array of shape (q, n)
        Euclidean distances are never negative and exactly 0 for equal rows. Cosines are in [-1, 1], NaN where a row is zero.

    Raises
    ------
    ShapeError
        If x and y differ in d, or `out` has another shape.
    NotFiniteError
        If a row holds NaN or infinity (the first is named), or a result is too large for the result's type.
    ArgumentError
        If the measure is unknown.

    See Also
    --------
    tokenspace.search.Exact : the k closest rows, without the (q, n) matrix.

    Notes
    -----
    Float32 results are within 1e-7 relative of what float64 gives, also for near duplicates and for rows far from the origin: the
    work is done in float64 tiles, by the identity (12) on rows whose mean is removed, and pairs that still cancel are computed from
    their difference. Time O(q·n·d) at float64 matrix-product speed, extra memory about 25 MB a thread; x and y are never copied whole.
    The vice: the result itself is q·n numbers, 64 GB for 400,000 rows against 40,000.

    References
    ----------
    Lecture, equations (9) to (12).

    Examples
    --------
    >>> pairwise(np.float32([[0, 0], [3, 4]]))
    array([[0., 5.],
           [5., 0.]], dtype=float32)
    """
    check_measure(measure)
    a = as_matrix(x, "x")
    b = a if y is None else as_matrix(y, "y")
    if a.shape[1] != b.shape[1]:
        message = f"pairwise(x of shape {a.shape}, y of shape {b.shape}): both must have the same number of columns"
        raise ShapeError(message, hint="did you mix two tables?")
    check_finite(a, "x")
    if b is not a:
        check_finite(b, "y")
    if out is None:
        out = np.empty((len(a), len(b)), dtype=wide_type(a.dtype, b.dtype) if dtype is None else dtype)
    if out.shape != (len(a), len(b)) or out.dtype.name not in {"float32", "float64"} or (dtype is not None and out.dtype != dtype):
        message = f"out must be of shape {(len(a), len(b))} and {dtype or 'float32 or float64'}; seen {out.shape}, {out.dtype}"
        raise ShapeError(message)
    if len(a) and len(b):
        _all_pairs(measure, a, b, out, local.thread_count(threads))
    return out


def check_measure(measure: str) -> None:
    """Hold a measure's name against the three.

    Raises
    ------
    ArgumentError
        If it is none of them.
    """
    if measure not in MEASURES:
        message = f"measure must be one of {', '.join(MEASURES)}; seen {measure!r}"
        raise ArgumentError(message)


def _each_pair(measure: Measure, u: ArrayLike, v: ArrayLike) -> Any:
    """Pair the rows by broadcasting and measure each pair in float64."""
    a, b = as_float_array(u, "u"), as_float_array(v, "v")
    if a.ndim < 1 or b.ndim < 1 or a.shape[-1] != b.shape[-1] or a.shape[-1] == 0:
        message = f"{measure}(u of shape {a.shape}, v of shape {b.shape}): both need vectors of one length on their last axis"
        raise ShapeError(message, hint="did you mix two tables?")
    try:
        lead = np.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    except ValueError:
        message = f"{measure}(u of shape {a.shape}, v of shape {b.shape}): the leading axes cannot be paired"
        raise ShapeError(message, hint="for every row with every row use pairwise") from None
    x, y = (as_matrix(array.reshape(-1, array.shape[-1]), name) for array, name in ((a, "u"), (b, "v")))
    check_finite(x, "u")
    check_finite(y, "v")
    pairs = [np.broadcast_to(np.arange(len(rows)).reshape(array.shape[:-1]), lead).ravel() for rows, array in ((x, a), (y, b))]
    result = np.empty(pairs[0].size)
    for start in range(0, result.size, PAIRS):
        part = slice(start, start + PAIRS)
        result[part] = listed_pairs(measure, x, y, pairs[0][part], pairs[1][part])
    return result.reshape(lead) if lead else float(result[0])


def listed_pairs(
    measure: Measure, x: NDArray[Any], y: NDArray[Any], x_ids: NDArray[np.int64], y_ids: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the measure of each listed pair of rows in float64, from its definition; rows are finite.

    Parameters
    ----------
    measure : "euclidean", "inner_product" or "cosine"
    x, y : arrays of shapes (q, d) and (n, d)
    x_ids, y_ids : arrays of shape (m,), int64
        At most some 100,000 at a time: x's rows are lifted to float64.

    Returns
    -------
    array of shape (m,), float64
    """
    u = x[x_ids].astype(np.float64)
    if is_extreme(u) or (y.dtype == np.float64 and is_extreme(y[y_ids])):
        return _scaled_pairs(measure, u, y[y_ids].astype(np.float64))
    own = np.arange(len(u))
    if measure == "euclidean":
        return np.sqrt(pair_sums("difference", u, y, query_ids=own, row_ids=y_ids))
    products = pair_sums("product", u, y, query_ids=own, row_ids=y_ids)
    if measure == "inner_product":
        return products
    lengths = np.sqrt(pair_sums("product", u, u, query_ids=own, row_ids=own)) * norms(y, y_ids)
    with np.errstate(invalid="ignore"):
        return np.clip(products / lengths, -1, 1)


def norms(matrix: NDArray[Any], rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return the Euclidean lengths of rows, in float64.

    Parameters
    ----------
    matrix : array of shape (n, d)
    rows : array of shape (m,), int64, optional
        Left out, all of them.

    Returns
    -------
    array of shape (m,) or (n,), float64
        Infinity where a float64 row's squares overflow.
    """
    origin = np.zeros((1, matrix.shape[1]))
    return np.sqrt(pair_sums("difference", origin, matrix, row_ids=rows))


def is_extreme(values: NDArray[Any]) -> bool:
    """Return whether a number is too large or, not being zero, too small to be squared in float64."""
    size = np.abs(values)
    largest = size.max(initial=0)
    return bool(largest > EXTREME or size.min(initial=1, where=size > 0) < 1 / EXTREME)


def _scaled_pairs(measure: Measure, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure paired rows whose squares would leave float64's range: divide by powers of two first, which is exact."""
    largest = [np.abs(rows).max(axis=1) for rows in (u, v)]
    exponent_u, exponent_v = (np.where(size > 0, np.frexp(size)[1], -2000) for size in largest)  # a zero row sets no scale
    own = np.arange(len(u))
    if measure == "euclidean":
        exponent_u = exponent_v = np.maximum(exponent_u, exponent_v)
    a, b = np.ldexp(u, -exponent_u[:, None]), np.ldexp(v, -exponent_v[:, None])
    with np.errstate(over="ignore"):  # what float64 cannot hold is infinite
        if measure == "euclidean":
            return np.ldexp(np.sqrt(pair_sums("difference", a, b, query_ids=own, row_ids=own)), exponent_u)
        products = pair_sums("product", a, b, query_ids=own, row_ids=own)
        if measure == "inner_product":
            return np.ldexp(products, exponent_u + exponent_v)
    with np.errstate(invalid="ignore"):
        return np.clip(products / (norms(a) * norms(b)), -1, 1)


def _all_pairs(measure: Measure, x: NDArray[Any], y: NDArray[Any], out: NDArray[Any], threads: int) -> None:
    """Fill `out` tile by tile; each tile's arithmetic depends on the tile alone, so the bits depend on no thread count."""
    by_definition = (x.dtype == np.float64 and is_extreme(x)) or (y.dtype == np.float64 and is_extreme(y))
    middle = y[: TILE[1]].mean(axis=0, dtype=np.float64) if measure == "euclidean" and not by_definition else None
    largest = float(np.finfo(out.dtype).max)

    def fill(corner: tuple[int, int]) -> None:
        i, j = corner
        rows, columns = slice(i, min(i + TILE[0], len(x))), slice(j, min(j + TILE[1], len(y)))
        tile = (_tile_by_definition if by_definition else _tile)(measure, x[rows], y[columns], middle)
        if x is y and measure != "inner_product":
            same = np.arange(max(i, j), min(rows.stop, columns.stop))
            tile[same - i, same - j] = 0 if measure == "euclidean" else np.where(np.isnan(tile[same - i, same - j]), np.nan, 1)
        with np.errstate(invalid="ignore"):
            if not np.nanmax(np.abs(tile), initial=0) <= largest:
                message = f"a result of {float(np.nanmax(np.abs(tile))):.3g} is too large for {out.dtype}"
                raise NotFiniteError(message, hint="pass dtype='float64', or scale the table")
        out[rows, columns] = tile

    corners = [(i, j) for i in range(0, len(x), TILE[0]) for j in range(0, len(y), TILE[1])]
    local.run(fill, corners, threads=threads)


def _tile_by_definition(measure: Measure, x: NDArray[Any], y: NDArray[Any], middle: NDArray[np.float64] | None) -> NDArray[np.float64]:
    del middle  # taken from the difference itself, nothing cancels
    columns = np.arange(len(y))
    return np.stack([listed_pairs(measure, x, y, np.full(len(y), i), columns) for i in range(len(x))])


def _tile(measure: Measure, x: NDArray[Any], y: NDArray[Any], middle: NDArray[np.float64] | None) -> NDArray[np.float64]:
    a, b = x.astype(np.float64), y.astype(np.float64)
    if middle is None:
        products = a @ b.T
        if measure == "inner_product":
            return products
        with np.errstate(invalid="ignore", divide="ignore"):
            products /= norms(x)[:, None]
            products /= norms(y)[None, :]
        return np.clip(products, -1, 1, out=products)
    a -= middle
    b -= middle
    squares = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None, :]
    squared = squares - 2 * (a @ b.T)
    i, j = np.nonzero(squared <= CANCELS * squares)
    np.maximum(squared, 0, out=squared)
    distances = np.sqrt(squared, out=squared)
    for start in range(0, len(i), PAIRS):
        part = slice(start, start + PAIRS)
        distances[i[part], j[part]] = listed_pairs("euclidean", x, y, i[part], j[part])
    return distances
