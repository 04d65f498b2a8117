"""Finishing: what a screen kept is computed in float64, and the best of it stays; alone, or right behind the screen of one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError
from tokenspace.native import reference_screens as reference
from tokenspace.native.door import kernel, passed, unchecked
from tokenspace.native.screens import BLOCK, PANEL, CodedRows, Kept, RowTerms
from tokenspace.native.signatures import SIGNATURES, name_of
from tokenspace.native.sums import TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Found = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

ROOM = 2 * BLOCK * PANEL
"""Rows kept before they are finished, at least: what a panel may add must fit."""

FEW = 1 << 12
"""Neighbours up to which a search's room, of 8 to 36 bytes each, is kept for the next."""

MEASURES = {"inner_product": 0, "euclidean": 1, "cosine": 2}
"""The kernels' numbers for the measures."""


@dataclass(frozen=True, slots=True)
class Settling:
    """What finishes the rows that a screen kept for q queries; `keys`, `ids`, `finished` and `unseen` are filled in place.

    Attributes
    ----------
    measure : "inner_product", "euclidean" or "cosine"
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
    lengths : array of shape (n,), float64, or None
        The rows' norms, for the cosine.
    most : float
        At least the largest of them.
    queries : array of shape (q, d), float64
    query_lengths : array of shape (q,), float64
    slope : float
    shift, doubt, scale : arrays of shape (q,), float64
        A finished key is (slope · key + shift) / scale to the screen, up to doubt / scale.
    keys : array of shape (q, k), float64
        Heaps of the best keys, the worst in front, of equal ones that with the highest id; starts at minus infinity.
    ids : array of shape (q, k), int64
        Their rows; starts at the largest number there is.
    finished : array of shape (q,), int64
        How many rows were summed in float64.
    unseen : array of shape (q,), float64
        The highest key that a row which was not can have; starts at minus infinity.
    """

    measure: str
    matrix: NDArray[Any]
    lengths: NDArray[np.float64] | None
    most: float
    queries: NDArray[np.float64]
    query_lengths: NDArray[np.float64]
    slope: float
    shift: NDArray[np.float64]
    doubt: NDArray[np.float64]
    scale: NDArray[np.float64]
    keys: NDArray[np.float64]
    ids: NDArray[np.int64]
    finished: NDArray[np.int64]
    unseen: NDArray[np.float64]

    def arguments(self) -> tuple[Any, ...]:
        """Return what the kernels take."""
        (n, d), kind = self.matrix.shape, TYPES[name_of(self.matrix.dtype)]
        stride = self.matrix.strides[0] if n > 1 else d * self.matrix.itemsize
        table = MEASURES[self.measure], kind, self.matrix, stride, d, self.lengths, self.most
        frame = self.queries, self.query_lengths, self.slope, self.shift, self.doubt, self.scale
        return *table, *frame, self.keys, self.ids, self.finished, self.unseen, np.empty(d + BLOCK, np.float32)


def settle(settling: Settling, which: NDArray[np.int64], kept: Kept, *, zero: int) -> None:
    """Finish what was kept for some queries, and raise their thresholds to what the finished keys prove.

    Parameters
    ----------
    settling : Settling
    which : array of shape (m,), int64
        The queries.
    kept : Kept
        Rows kept from row `zero` on; none afterwards.
    zero : int

    Raises
    ------
    ArgumentError
        If the arrays do not fit each other.
    """
    if len(which) and not (int(which.min()) >= 0 and int(which.max()) < len(settling.keys) == len(kept.count)):
        message = f"settle: {len(which)} of {len(settling.keys)} queries, of {len(kept.count)} that were screened"
        raise ArgumentError(message)
    run: Callable[..., None] = kernel("settle") or reference.settle
    run(*settling.arguments(), which, len(which), zero, *kept.arguments())


class Nearest:
    """The nearest rows of one query at a time, by the upper plane of their codes and by finishing them; made once, called often.

    Parameters
    ----------
    rows : CodedRows
    terms : RowTerms
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
    measure : "inner_product", "euclidean" or "cosine"
    lengths : array of shape (n,), float64, or None
        The rows' norms, for the cosine.
    most : float
        At least the largest of them.
    middle : array of shape (d,), float64
        What the codes were made around.

    Raises
    ------
    ArgumentError
        If the arrays do not fit each other.
    """

    __slots__ = ("_coded", "_kinds", "_rooms", "_run", "_shape", "_table")

    def __init__(
        self,
        rows: CodedRows,
        terms: RowTerms,
        matrix: NDArray[Any],
        measure: str,
        lengths: NDArray[np.float64] | None,
        most: float,
        middle: NDArray[np.float64],
    ) -> None:
        n, d = self._shape = matrix.shape
        shapes = {name: array.shape for name, array in rows.arrays().items()}
        if shapes != CodedRows.shapes(n, d) or rows.n != n or len(terms.reach) * PANEL < len(rows.high) or middle.shape != (d,):
            message = f"codes of {rows.n:,} rows, {shapes}, are not those of a matrix of shape {matrix.shape}"
            raise ArgumentError(message)
        stride = matrix.strides[0] if n > 1 else d * matrix.itemsize
        farthest = float(terms.reach[:, 0].max(initial=0)) + float(np.linalg.norm(middle))
        table = MEASURES[measure], TYPES[name_of(matrix.dtype)], matrix, stride, d, lengths, most, middle, farthest
        compiled, coded = kernel("nearest"), rows.arguments(terms)
        fast = None if compiled is None else unchecked(compiled)
        self._run: Callable[..., None] = fast or compiled or reference.nearest
        # An array is checked here, once, and passed by its address: checking all of them takes 10 µs a search.
        kinds = SIGNATURES["nearest"][1:] if fast else ()
        at = len(coded), len(coded) + 2, len(coded) + 2 + len(table)
        self._coded, self._table = passed(kinds[: at[0]], coded), passed(kinds[at[1] : at[2]], table)
        self._kinds = kinds[at[2] :]
        self._rooms: list[_Room] = []

    def __call__(self, query: NDArray[np.float64], k: int, first: int, last: int) -> Found:
        """Return the nearest rows among blocks first..last-1.

        Parameters
        ----------
        query : array of shape (d,), float64
        k : int
        first, last : int
            `first` at a panel's edge.

        Returns
        -------
        keys : array of shape (k,), float64
            The best first; minus infinity where there are fewer rows.
        ids : array of shape (k,), int64
        finished : array of shape (1,), int64
            How many rows were summed in float64.
        bound : array of shape (1,), float64
            The highest key that a row which was not can have.

        Raises
        ------
        ArgumentError
            If the arguments do not fit.
        """
        n, d = self._shape
        if first % PANEL or not 0 <= first <= last <= -(-n // BLOCK) or query.shape != (d,) or k < 1:
            message = f"a query of shape {query.shape}, {k} rows of blocks {first}..{last}, for a matrix of shape {self._shape}"
            raise ArgumentError(message)
        try:
            room = self._rooms.pop()  # nobody else has it now; there come to be as many as threads that search at once
        except IndexError:
            room = None
        if room is None or room.k != k:
            room = _Room(d, k, self._kinds)
        np.copyto(room.query, query)
        self._run(*self._coded, first, last, *self._table, *room.arguments)
        keys, ids, finished, bound = room.found
        found = keys.copy(), ids.copy(), finished.copy(), bound.copy()
        if k <= FEW:
            self._rooms.append(room)
        return found


class _Room:
    """What the search for one query reads and writes beside the table."""

    __slots__ = ("arguments", "found", "k", "query")

    def __init__(self, d: int, k: int, kinds: Sequence[Any]) -> None:
        self.k, self.query = k, np.empty(d)
        room = max(2 * k + ROOM, 4 * ROOM)
        scratch = np.empty(d + 8), np.empty(d + BLOCK, np.float32), np.empty(2 * (d + 8 + 4 * BLOCK), np.uint8)
        kept = k, room, np.empty(k, np.float32), np.empty(room, np.float32), np.empty(room, np.int32), np.zeros(1, np.int32)
        self.found = np.empty(k), np.empty(k, np.int64), np.zeros(1, np.int64), np.empty(1)
        self.arguments = passed(kinds, (self.query, *scratch, *kept, *self.found))
