"""How all pairs of two tables are measured: cell by cell of the result, in float32 where that can be proved, in float64 elsewhere.

A float32 result comes from a kernel: sums in float32 over short stretches, those added up in float64, distances taken from the
differences; or, for products, all in float64. A float64 result comes from matrix products and, for distances, the identity (12) on rows
whose mean is removed; the pairs that still cancel are done again from their difference. A cell's arithmetic depends on the cell alone,
so no bit depends on how many threads there are.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tokenspace import native
from tokenspace.engines import local
from tokenspace.errors import DtypeError, NotFiniteError
from tokenspace.measures import PAIRS, is_extreme, listed_pairs, norms
from tokenspace.rows import wide_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

    from tokenspace.measures import Measure
    from tokenspace.native.tiles import Term

    Progress = Callable[[int, int], object]
    Sums = Literal["float64", "float32"]
    Corner = tuple[slice, slice]

SMALLEST, LARGEST = 2.0**-40, 2.0**50
"""A row's largest number must lie between them, or be zero, for float32 to hold all its products and squares."""

TINY = 2.0**-100
"""A squared distance below it may have lost terms below float32's smallest number, 2^-126: computed again in float64."""

LIMITS = {"euclidean": np.inf, "inner_product": float(np.finfo(np.float32).max), "cosine": 1.0}
"""What the kernel clips results to; an inner product beyond it has no place in float32."""

CANCELS = 2.0**-10
"""In float64, pairs with |u-v|^2 below this share of |u|^2 + |v|^2 are computed from their difference: above it the identity is right
to about d·1e-13, below it it loses a digit for each."""

PREPARED = 1 << 21
"""Numbers of y that lie ready for the kernel at a time, and of x where it is not float32: 8 MB each."""


def cell_size(arithmetic: str, d: int, *, halved: bool) -> tuple[int, int]:
    """Return how many rows of x, and of y, make a cell.

    For matrix products as many as make 8 MB of results. For the kernel as many of y as a cache of 1 MB holds, and more of x, so that
    bringing y there costs little; not more where half of a symmetric result is computed, since cells on its diagonal are computed whole.
    """
    if arithmetic == "float64":
        return 1024, 1024
    columns = max(64, min(512, (1 << 18) // d // 16 * 16))
    return (1 if halved else 4) * columns, columns


@dataclass
class Tally:
    """Counts the pairs that are done, for the caller's callback."""

    progress: Progress | None
    total: int
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, count: int) -> None:
        """Count, and tell the caller."""
        if self.progress is not None:
            with self.lock:
                self.done += count
                self.progress(self.done, self.total)


@dataclass(frozen=True)
class Side:
    """Some rows of x or of y as the kernel takes them.

    Attributes
    ----------
    start : int
        Which row is the first.
    values : array of shape (m, d), or (ceil(m / 16), d, 16), float32
        Rows of x, or panels of y.
    factors : array of float64
        One for each row, 1 or the inverse of its length.
    usual : dict
        For each cell, by its first row: whether its products and squares can be summed, in float32 if that is what they are summed in.
    """

    start: int
    values: NDArray[np.float32]
    factors: NDArray[np.float64]
    usual: dict[int, bool]


@dataclass(frozen=True)
class _Result:
    """Where results go: `out` has x's rows from `first` on; `halved` if it is symmetric and half of it is computed."""

    out: NDArray[Any]
    first: int
    halved: bool
    tally: Tally


@dataclass(frozen=True)
class Pairs:
    """Two tables, finite and of one d, and how their rows are to be measured.

    Attributes
    ----------
    measure : "euclidean", "inner_product" or "cosine"
    x, y : arrays of shapes (q, d) and (n, d)
        Any float type, or integers that float32 holds. The same object where a table is measured with itself.
    threads : int
    sums : "float64" or "float32"
        What products are summed in where the result is float32; such distances are taken from differences, in float32, either way.
    """

    measure: Measure
    x: NDArray[Any]
    y: NDArray[Any]
    threads: int
    sums: Sums = "float64"

    def result_type(self, dtype: DTypeLike | None) -> np.dtype[Any]:
        """Return the type of the result: `dtype`, or what the tables ask for where it is None.

        Raises
        ------
        DtypeError
            If it is neither float32 nor float64.
        """
        kind = np.dtype(wide_type(self.x.dtype, self.y.dtype) if dtype is None else dtype)
        if kind.name not in {"float32", "float64"}:
            message = f"the result must be float32 or float64; seen {kind}"
            raise DtypeError(message)
        return kind

    def fill(self, out: NDArray[Any], first: int, tally: Tally) -> None:
        """Write the measures of x's rows, from `first` on, with all of y's rows.

        Parameters
        ----------
        out : array of shape (m, n), float32 or float64
        first : int
        tally : Tally

        Raises
        ------
        NotFiniteError
            If a result is too large for its type.
        """
        doubles = np.float64 in {self.x.dtype.type, self.y.dtype.type, out.dtype.type}
        narrow = not doubles and native.fuses()
        halved = self.x is self.y and len(out) == len(self.y)
        cell = cell_size("float32" if narrow else "float64", self.x.shape[1], halved=halved)
        step = -(-PREPARED // (self.x.shape[1] * cell[0])) * cell[0]
        result = _Result(out, first, halved, tally)
        with local.one_blas_thread():
            for rows in _parts(slice(0, len(out)), step):
                left = self._rows(slice(first + rows.start, first + rows.stop), cell[0]) if narrow else None
                for columns in _parts(slice(rows.start if halved else 0, len(self.y)), step):
                    self._fill_part(result, rows, columns, left, cell)

    def _fill_part(self, result: _Result, rows: slice, columns: slice, left: Side | None, cell: tuple[int, int]) -> None:
        right = None if left is None else self._panels(columns, cell[1])
        corners = [(r, c) for r in _parts(rows, cell[0]) for c in _parts(columns, cell[1]) if not result.halved or c.stop > r.start]
        local.run(partial(self._measure, result, left, right), corners, threads=self.threads)

    def _rows(self, part: slice, cell: int) -> Side:
        x = self.x[part]
        values = x if x.dtype == np.float32 else np.empty(x.shape, dtype=np.float32)
        factors = np.ones(len(x))

        def prepare(some: slice) -> bool:
            if values is not x:
                values[some] = x[some]
            return self._prepare(values[some], factors[some])

        pieces = _parts(slice(0, len(x)), cell)
        usual = local.run(prepare, pieces, threads=self.threads)
        return Side(part.start, values, factors, {part.start + piece.start: fits for piece, fits in zip(pieces, usual, strict=True)})

    def _panels(self, part: slice, cell: int) -> Side:
        y = self.y[part]
        panels = native.new_panels(*y.shape)
        width = panels.shape[2]
        factors = np.ones(len(panels) * width)

        def prepare(some: slice) -> bool:
            block = y[some].astype(np.float32, copy=False)
            whole, rest = divmod(len(block), width)
            at = some.start // width
            panels[at : at + whole] = block[: whole * width].reshape(whole, width, y.shape[1]).transpose(0, 2, 1)
            if rest:
                panels[at + whole, :, :rest] = block[whole * width :].T
            return self._prepare(block, factors[some])

        pieces = _parts(slice(0, len(y)), cell)
        usual = local.run(prepare, pieces, threads=self.threads)
        return Side(part.start, panels, factors, {part.start + piece.start: fits for piece, fits in zip(pieces, usual, strict=True)})

    def _prepare(self, block: NDArray[np.float32], factors: NDArray[np.float64]) -> bool:
        """Set the factors of some rows; return whether their products and squares can be summed."""
        if self.measure == "cosine":
            with np.errstate(divide="ignore"):  # a zero row: 0 times infinity will be NaN, as it should
                np.divide(1, norms(block), out=factors)
        if self._term == "exact product":
            return True  # float64 holds all of them
        sizes = np.abs(block).max(axis=1)
        return bool(sizes.max() <= LARGEST and sizes.min(initial=1, where=sizes > 0) >= SMALLEST)

    def _measure(self, result: _Result, left: Side | None, right: Side | None, corner: Corner) -> None:
        """Fill one cell, and its mirror image where half of a symmetric matrix is computed."""
        rows, columns = corner
        own = slice(result.first + rows.start, result.first + rows.stop)
        place, x, y = result.out[rows, columns], self.x[own], self.y[columns]
        if left is None or right is None or not self._narrow_cell(left, right, own, columns, place):
            cell = self._wide_cell(x, y)
            _check_size(cell, place.dtype)
            place[...] = np.triu(cell) + np.triu(cell, 1).T if result.halved and rows == columns else cell
        if self.x is self.y and self.measure == "cosine":
            same = np.arange(max(own.start, columns.start), min(own.stop, columns.stop))
            ids = same - own.start, same - columns.start
            place[ids] = np.where(np.isnan(place[ids]), np.nan, 1)
        mirrored = result.halved and columns.start >= rows.stop
        if mirrored:
            result.out[columns, rows] = place.T
        result.tally.add(place.size * (1 + mirrored))

    @property
    def _term(self) -> Term:
        """What the kernel sums."""
        return "difference" if self.measure == "euclidean" else "product" if self.sums == "float32" else "exact product"

    def _narrow_cell(self, left: Side, right: Side, own: slice, columns: slice, out: NDArray[Any]) -> bool:
        """Fill one cell by the kernel; return whether float32 held everything."""
        if not (left.usual[own.start] and right.usual[columns.start]):
            return False
        adjacent = out.dtype.isnative and out.flags.aligned and (out.strides[1] == out.itemsize or out.shape[1] == 1)
        target = out if adjacent else np.empty(out.shape, dtype=np.float32)
        a = slice(own.start - left.start, own.stop - left.start)
        width = right.values.shape[2]
        b = slice((columns.start - right.start) // width, -(-(columns.stop - right.start) // width))
        factors = left.factors[a], right.factors[b.start * width : b.stop * width]
        limit = LIMITS[self.measure]
        doubtful = native.all_pairs(self._term, left.values[a], right.values[b], target, factors=factors, limit=limit, tiny=TINY)
        if doubtful and self.measure == "inner_product":
            return False  # one is too large
        if doubtful and self.measure == "euclidean" and {self.x.dtype.kind, self.y.dtype.kind}.isdisjoint("iu"):  # those lose nothing
            i, j = np.nonzero(target <= TINY**0.5)
            _from_differences(self.x[own], self.y[columns], i, j, target)
        if not adjacent:
            out[...] = target
        return True

    @cached_property
    def _middle(self) -> NDArray[np.float64]:
        """The mean of y's first rows, or zero where it would overflow."""
        some = self.y[:2048].astype(np.float64)
        return np.zeros(self.y.shape[1]) if is_extreme(some) else some.mean(axis=0)

    def _wide_cell(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
        x, y = (rows.astype(np.float64) if rows.dtype.kind in "iu" else rows for rows in (x, y))
        if any(rows.dtype == np.float64 and is_extreme(rows) for rows in (x, y)):
            every = np.arange(len(y))
            return np.stack([listed_pairs(self.measure, x, y, np.full(len(y), i), every) for i in range(len(x))])
        a, b = x.astype(np.float64), y.astype(np.float64)
        if self.measure == "euclidean":
            return self._wide_distances(x, y, a, b)
        products = a @ b.T
        if self.measure == "inner_product":
            return products
        with np.errstate(invalid="ignore", divide="ignore"):
            products /= norms(x)[:, None]
            products /= norms(y)[None, :]
        return np.clip(products, -1, 1, out=products)

    def _wide_distances(self, x: NDArray[Any], y: NDArray[Any], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        a -= self._middle
        b -= self._middle
        squares = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None, :]
        squared = squares - 2 * (a @ b.T)
        i, j = np.nonzero(squared <= CANCELS * squares)
        np.maximum(squared, 0, out=squared)
        distances = np.sqrt(squared, out=squared)
        _from_differences(x, y, i, j, distances)
        return distances


def _parts(whole: slice, step: int) -> list[slice]:
    """Cut a range into parts of `step`, the last one shorter."""
    return [slice(start, min(start + step, whole.stop)) for start in range(whole.start, whole.stop, step)]


def _from_differences(x: NDArray[Any], y: NDArray[Any], i: NDArray[np.int64], j: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Replace the distances of the listed pairs by what their differences give in float64."""
    for start in range(0, len(i), PAIRS):
        part = slice(start, start + PAIRS)
        out[i[part], j[part]] = listed_pairs("euclidean", x, y, i[part], j[part])


def _check_size(cell: NDArray[np.float64], kind: np.dtype[Any]) -> None:
    largest = max(0.0, float(np.nanmax(cell, initial=0)), -float(np.nanmin(cell, initial=0)))
    if not largest <= float(np.finfo(kind).max):
        message = f"a result of {largest:.3g} is too large for {kind}"
        raise NotFiniteError(message, hint="pass dtype='float64', or scale the table")
