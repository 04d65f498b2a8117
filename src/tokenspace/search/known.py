"""What a search knows of its matrix: lengths, which paths can serve, and once they are needed the codes and the screens' frame."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.engines import local
from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.measures import EXTREME, norms
from tokenspace.native import CodedRows
from tokenspace.rows import check_finite
from tokenspace.search import product
from tokenspace.search.plan import PATHS, Ready
from tokenspace.search.screen import FARTHEST, LARGEST, LEAST, ROWS, Frame, code, middle_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tokenspace.measures import Measure
    from tokenspace.search.plan import PathName

    Codes = tuple[CodedRows, NDArray[np.float64]]

SMALL = 1 << 22
"""Numbers below which one thread measures the rows: it takes 0.7 ms, and starting another one 0.2 ms."""


class Known:
    """A matrix as the searches under one measure need it.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
    measure : "euclidean", "inner_product" or "cosine"
    threads : int
    codes : CodedRows and array of shape (d,), optional
        The rows' codes and the point they are seen from, where they were made before.
    lengths : array of shape (n,), float64, optional
        The rows' lengths, where they are known.

    Attributes
    ----------
    lengths : array of shape (n,), float64, or None
        The rows' lengths, where the measure is the cosine.
    most : float
        The largest of them.
    extreme : bool
        Whether squares of the rows' numbers lose digits in float64.
    single : bool
        Whether the rows may be multiplied in float32.
    usable : tuple of str
        The paths that can serve.

    Raises
    ------
    NotFiniteError
        If a row holds NaN or infinity; the first is named.
    ShapeError
        If the codes are not those of such a matrix.
    """

    __slots__ = ("_farthest", "_frame", "_lock", "codes", "extreme", "lengths", "matrix", "measure", "most", "single", "threads", "usable")

    def __init__(
        self, matrix: NDArray[Any], measure: Measure, threads: int, codes: Codes | None, lengths: NDArray[np.float64] | None
    ) -> None:
        self.matrix, self.measure, self.threads = matrix, measure, threads
        if lengths is None:
            alone = matrix.size < SMALL
            lengths = norms(matrix) if alone else np.concatenate(self.run(lambda part: norms(matrix[slice(*part)])))
        if not np.isfinite(lengths).all():
            check_finite(matrix, "matrix")
        self.lengths = lengths if measure == "cosine" else None
        self.most = float(lengths.max(initial=0))
        # Only float64 rows can leave the range in which squares keep their digits; such a table is measured pair by pair, scaled.
        self.extreme = matrix.dtype == np.float64 and bool((lengths > EXTREME).any() or (lengths < 1 / EXTREME).any())
        ordinary = self.most < LARGEST and lengths.min(initial=1, where=lengths > 0) > LEAST and len(lengths) > 0
        self.single = bool(ordinary) and product.is_single(matrix)
        self.usable: tuple[PathName, ...] = PATHS if ordinary and native.LEVEL != "numpy" else ("every", "product")
        if codes is not None and {name: part.shape for name, part in codes[0].arrays().items()} != CodedRows.shapes(*matrix.shape):
            message = f"codes of {codes[0].n:,} rows, {codes[0].high.shape}, are not those of a matrix of shape {matrix.shape}"
            raise ShapeError(message, hint="make them with .code() of a search of this matrix")
        self.codes = codes
        self._frame: Frame | None = None
        self._farthest: float | None = None
        self._lock = threading.Lock()

    def run(self, function: Callable[[tuple[int, int]], Any]) -> list[Any]:
        """Map a function over ranges of whole panels, one a thread and none of 2^30 rows or more."""
        n = len(self.matrix)
        panels = -(-n // ROWS)
        parts = local.ranges(panels, max(self.threads, panels * ROWS >> 30))
        return local.run(function, [(a * ROWS, min(b * ROWS, n)) for a, b in parts], threads=self.threads)

    def ready(self, missed: float) -> Ready:
        """Return what a search's path is chosen by; `missed` are the seconds that codes would have saved before."""
        return Ready(self.codes is not None, missed, self._frame is not None, self.single)

    def coded(self) -> Codes:
        """Return the codes, making them where there are none yet.

        Raises
        ------
        ArgumentError
            If the matrix cannot be coded.
        """
        if "bytes" not in self.usable:
            message = f"this matrix cannot be coded here; its searches go by {' or '.join(self.usable)}"
            raise ArgumentError(message)
        with self._lock:
            if self.codes is None:
                middle = middle_of(self.matrix)
                largest = self.most + float(np.linalg.norm(middle))
                self.codes = code(self.matrix, middle, largest, self.run), middle
            return self.codes

    def framed(self, middle: NDArray[np.float64] | None) -> Frame:
        """Return the rows as the screens see them from `middle`, which codes bring along; None for the point they have now, or any."""
        with self._lock:
            if self._frame is None or not (middle is None or np.array_equal(self._frame.middle, middle)):
                middle = middle_of(self.matrix) if middle is None else middle
                self._frame = Frame.of(self.matrix, self.measure, self.lengths, middle)
            return self._frame

    def reach(self) -> float:
        """Return how long queries may be for screens to bound their keys: in float32, and not finer than float64 can tell them apart.

        From so far away that rounding makes ties of different distances, those ties count, and a sharper bound would break them.
        """
        if self._farthest is None:
            self._farthest = np.inf if self.measure == "cosine" else FARTHEST
            if self.measure == "euclidean":
                frame = self.framed(None)
                # a squared distance is rounded by (d + 8) 2^-53 of itself, bounds allow for 2^-19 of the lengths' product
                nearest = float(frame.terms.reach[:, 0].min(initial=np.inf)) * 2.0**32 / (self.matrix.shape[1] + 16)
                self._farthest = min(FARTHEST, nearest - float(np.linalg.norm(frame.middle)))
        return self._farthest

    def within_reach(self, queries: NDArray[Any]) -> bool:
        """Return whether screens can bound these queries' keys; a cosine has no use for their lengths."""
        if self.measure == "cosine":
            return True
        lengths = norms(queries)
        return bool(lengths.max(initial=0) <= self.reach() and lengths.min(initial=1, where=lengths > 0) >= 1 / FARTHEST)
