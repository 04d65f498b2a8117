"""The three measures of closeness: Euclidean distance (9), inner product (10), cosine similarity (11), and the identity (12).

One pair or paired rows: `euclidean`, `inner_product`, `cosine`. All about one pair: `compare`. All pairs of two tables: `all_pairs`.

The identity |u-v|^2 = |u|^2 + |v|^2 - 2<u,v> turns all distances into one matrix product, which is why it is used; its vice is that
the three terms cancel where u and v are close next to their length. In float32 it then finds the wrong neighbours. Here distances are
taken from the differences, in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from tokenspace.errors import ArgumentError, ShapeError, ZeroVectorError
from tokenspace.native import pair_sums
from tokenspace.rows import as_float_array, as_matrix, check_finite

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Measure = Literal["euclidean", "inner_product", "cosine"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
"""The names of the three: ``"euclidean"`` (9), ``"inner_product"`` (10), ``"cosine"`` (11)."""

PAIRS = 1 << 16
"""Paired rows lifted to float64 at a time."""

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
    tokenspace.pairwise : every row of one matrix with every row of another.

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

    def _repr_html_(self) -> str:
        """Show the three measures and what they are made of in a notebook."""
        from tokenspace.display import table_html  # noqa: PLC0415 - only a notebook asks

        left, right = self.identity
        rows = (
            ("Euclidean distance (9)", self.euclidean),
            ("inner product (10)", self.inner_product),
            ("cosine similarity (11)", self.cosine),
            ("length of u", self.norm_u),
            ("length of v", self.norm_v),
            ("angle in degrees", math.degrees(self.angle)),
            ("projection of v on u", self.projection),
            ("identity (12), left side", left),
            ("identity (12), right side", right),
        )
        return table_html(("quantity", "value"), rows, "The three measures of a pair")


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
    return float(size.max(initial=0)) > EXTREME or float(size.min(initial=1, where=size > 0)) < 1 / EXTREME


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
