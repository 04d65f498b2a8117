"""Pictures of a table in a plane: principal axes, and axes that tokens name.

A projection shows a share of the variance and hides the rest: two rows that lie together in the plane may be far apart in the table.
It is for finding one's way, never for measuring; each result says its share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.engines import local
from tokenspace.errors import ArgumentError, NotFiniteError, ShapeError, ZeroVectorError
from tokenspace.rows import as_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

WIDEST = 1024
"""Dimensions up to which the whole covariance is decomposed: 1,024 take 0.3 s, and time grows with the cube."""

BLOCK = 1 << 21
"""Numbers lifted to float64 at a time and thread: 16 MB."""

SPARE, ROUNDS = 8, 6
"""Axes carried beyond those wanted, and passes over the table, of the randomised method (Halko et al., section 4.5)."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A table's rows along m directions.

    Attributes
    ----------
    coordinates : array of shape (n, m), float32
        Each row's coordinates.
    axes : array of shape (m, d), float64
        The directions, of length 1.
    middle : array of shape (d,), float64
        What was taken from every row first: the mean for principal axes, zero for axes named by tokens.
    share : array of shape (m,), float64
        Share of the rows' whole variance that lies along each direction, 0..1; NaN where all rows are equal. Directions that are
        not orthogonal share some of it, so that their shares may not be added up.
    """

    coordinates: NDArray[np.float32]
    axes: NDArray[np.float64]
    middle: NDArray[np.float64]
    share: NDArray[np.float64]


def principal_axes(matrix: ArrayLike, m: int = 2, *, method: str = "auto", seed: int = 0, threads: int | None = None) -> Projection:
    """Project rows on the m directions of their largest variance (PCA).

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
        n at least 1. Read in blocks.
    m : int, default 2
        Directions wanted; where d is smaller, the rest are zero, with a share of 0.
    method : "auto", "covariance" or "randomised", default "auto"
        The eigenvectors of the (d, d) covariance, exact; or block power iterations from random directions, which never form it.
        "auto" takes the covariance up to 1,024 dimensions.
    seed : int, default 0
        Of the randomised method.
    threads : int, optional
        Default: as many as CPUs this process may use.

    Returns
    -------
    Projection
        Each axis has the sign that makes its largest component positive.

    Raises
    ------
    ArgumentError
        If m is not positive, there are no rows, or the method is unknown.
    NotFiniteError
        If the rows' squares leave float64's range, or their coordinates float32's.

    Notes
    -----
    "covariance": one pass, O(n·d²), and one for the coordinates. "randomised": 8 passes, O(n·d·m). The vice of both: directions of
    large variance are not directions of large meaning; GloVe's first two of 50 hold a tenth of the variance.

    References
    ----------
    N. Halko, P.-G. Martinsson, J. A. Tropp, "Finding structure with randomness", SIAM Review 53 (2011), algorithm 4.4.

    Examples
    --------
    >>> found = principal_axes(np.float32([[0, 0], [2, 2], [4, 4]]))
    >>> found.share.round(6), found.coordinates[:, 0].round(3)
    (array([1., 0.]), array([-2.828,  0.   ,  2.828], dtype=float32))
    """
    rows = as_matrix(matrix, "matrix")
    n, d = rows.shape
    if m < 1 or n < 1 or method not in {"auto", *METHODS}:
        message = f"expected m >= 1 axes of n >= 1 rows by one of auto, {', '.join(METHODS)}; seen m = {m}, n = {n}, method {method!r}"
        raise ArgumentError(message)
    count = local.thread_count(threads)
    middle, total = _spread(rows, count)
    chosen = method if method != "auto" else ("covariance" if d <= WIDEST else "randomised")
    axes, variance = METHODS[chosen](rows, middle, min(m, d), seed, count)
    axes *= np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    axes, variance = np.pad(axes, ((0, m - len(axes)), (0, 0))), np.pad(np.maximum(variance, 0), (0, m - len(variance)))
    return Projection(_coordinates(rows, middle, axes, count), axes, middle, variance / total if total > 0 else np.full(m, np.nan))


def named_axes(matrix: ArrayLike, directions: Sequence[ArrayLike], *, threads: int | None = None) -> Projection:
    """Project rows on given directions, such as the difference of two tokens' rows.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
    directions : sequence of m arrays of shape (d,)
        Each is brought to length 1; none is zero. They need not be orthogonal.
    threads : int, optional
        Default: as many as CPUs this process may use.

    Returns
    -------
    Projection
        A coordinate is a row's inner product with the direction: how far it reaches in that direction, from zero.

    Raises
    ------
    ZeroVectorError
        If a direction is zero.
    ShapeError
        If one has another length.
    NotFiniteError
        If the rows' squares leave float64's range, or their coordinates float32's.

    Notes
    -----
    Three passes over the table, O(n·d·m).

    Examples
    --------
    >>> he, she, king = np.float32([[1, 0], [0, 1], [2, 1]])
    >>> named_axes([he, she, king], [he - she]).coordinates.round(3).ravel()
    array([ 0.707, -0.707,  0.707], dtype=float32)
    """
    rows = as_matrix(matrix, "matrix")
    given = [np.asarray(direction, dtype=np.float64) for direction in directions]
    for place, direction in enumerate(given):
        if direction.shape != (rows.shape[1],):
            message = f"direction {place} must be of shape ({rows.shape[1]},), as the rows are; seen {direction.shape}"
            raise ShapeError(message)
        if not direction.any():
            message = f"direction {place} is the zero vector, which points nowhere"
            raise ZeroVectorError(message, hint="name two tokens with different rows")
    axes = np.stack([direction / np.abs(direction).max() for direction in given])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    count = local.thread_count(threads)
    middle, total = _spread(rows, count)
    along = sum(_each(rows, lambda block: (((block - middle) @ axes.T) ** 2).sum(axis=0), count))
    origin = np.zeros(rows.shape[1])
    return Projection(_coordinates(rows, origin, axes, count), axes, origin, along / total if total > 0 else np.full(len(axes), np.nan))


def _each(rows: NDArray[Any], function: Any, threads: int) -> list[Any]:
    """Apply a function to all rows as float64, block by block, in an order that does not depend on the number of threads."""
    step = max(1, BLOCK // rows.shape[1])
    parts = [(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]

    def applied(part: tuple[int, int]) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):  # told from the result; a thread has its own state
            return function(rows[slice(*part)].astype(np.float64))

    return local.run(applied, parts, threads=threads)


def _spread(rows: NDArray[Any], threads: int) -> tuple[NDArray[np.float64], float]:
    """Return the mean of all rows and the sum of their squared distances from it."""
    middle = sum(_each(rows, lambda block: block.sum(axis=0), threads)) / max(1, len(rows))
    total = float(sum(_each(rows, lambda block: ((block - middle) ** 2).sum(), threads)))
    if not np.isfinite(total):
        message = "expected rows whose squared distances from their mean float64 can hold; their sum is infinite"
        raise NotFiniteError(message, hint="divide all rows by one power of ten first")
    return np.asarray(middle, dtype=np.float64), total


def _coordinates(rows: NDArray[Any], middle: NDArray[np.float64], axes: NDArray[np.float64], threads: int) -> NDArray[np.float32]:
    found = np.concatenate(_each(rows, lambda block: ((block - middle) @ axes.T).astype(np.float32), threads))
    if not np.isfinite(found).all():
        message = "expected rows whose coordinates float32 can hold"
        raise NotFiniteError(message, hint="divide all rows by one power of ten first")
    return found


def _covariance(
    rows: NDArray[Any], middle: NDArray[np.float64], m: int, seed: int, threads: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the covariance's first eigenvectors as rows, and the sums of squares along them."""
    del seed

    def squared(block: NDArray[np.float64]) -> NDArray[np.float64]:
        block -= middle
        return block.T @ block

    values, vectors = np.linalg.eigh(sum(_each(rows, squared, threads)))
    return np.ascontiguousarray(vectors[:, ::-1][:, :m].T), values[::-1][:m]


def _randomised(
    rows: NDArray[Any], middle: NDArray[np.float64], m: int, seed: int, threads: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Iterate random directions towards the covariance's first eigenvectors, and solve for these among what they span."""
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((rows.shape[1], min(rows.shape[1], m + SPARE))))[0]

    def pulled(block: NDArray[np.float64]) -> NDArray[np.float64]:
        block -= middle
        return block.T @ (block @ basis)

    for _ in range(ROUNDS):
        basis = np.linalg.qr(sum(_each(rows, pulled, threads)))[0]
    values, vectors = np.linalg.eigh(basis.T @ sum(_each(rows, pulled, threads)))
    return np.ascontiguousarray((basis @ vectors[:, ::-1][:, :m]).T), values[::-1][:m]


METHODS = {"covariance": _covariance, "randomised": _randomised}
