"""Screens: kernels that bound every row's key and keep only the rows that may be among a query's k best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.native import reference_screens as reference
from tokenspace.native.door import kernel, passed, unchecked
from tokenspace.native.signatures import SIGNATURES, name_of
from tokenspace.native.sums import TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

BLOCK, PANEL = 16, 16
"""Rows a block and blocks a panel, as the kernels lay them out."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a screen keeps for q queries; filled in place.

    Attributes
    ----------
    lower : array of shape (q, k), float32
        A heap of the k best lower bounds, the least in front; starts at minus infinity.
    upper : array of shape (q, room), float32
        Upper bounds of the rows kept.
    row : array of shape (q, room), int32
        Those rows, counted from the first one the call screens.
    count : array of shape (q,), int32
        How many.
    """

    lower: NDArray[np.float32]
    upper: NDArray[np.float32]
    row: NDArray[np.int32]
    count: NDArray[np.int32]

    @classmethod
    def start(cls, q: int, k: int, room: int) -> Kept:
        """Return empty arrays; `room` must hold at least two panels of rows."""
        lower = np.full((q, k), -np.inf, dtype=np.float32)
        return cls(lower, np.empty((q, room), np.float32), np.empty((q, room), np.int32), np.zeros(q, np.int32))

    def arguments(self) -> tuple[Any, ...]:
        """Return what the kernels take: k, room and the four arrays."""
        return self.lower.shape[1], self.upper.shape[1], self.lower, self.upper, self.row, self.count


@dataclass(frozen=True, slots=True)
class RowTerms:
    """What turns a product into a key: factor · (<q, x'> + constant) + addend.

    Attributes
    ----------
    factor, addend : arrays of shape (16 blocks,), float32, or None
    reach : array of shape (panels, 3), float32
        The largest factor · |x'|, factor and |addend| of each panel's rows, rounded up.
    """

    factor: NDArray[np.float32] | None
    addend: NDArray[np.float32] | None
    reach: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CodedRows:
    """Rows as 7-bit codes, sixteen side by side; made by `code_rows`.

    Attributes
    ----------
    high : array of shape (blocks, (groups + 1) // 2, 16, 4), uint8
        A code c in -59..59 stands as c + 68 = 8 u + v. Here are the u, of two groups of four numbers in one byte; a last group that has
        no second one has its v there.
    low : array of shape (16 blocks, groups // 2, 4), uint8
        The v, row after row: few rows are looked at so closely.
    scales : array of shape (16 blocks,), uint8
        s is the float32 with the bits (code << 20) + base.
    residuals : array of shape (16 blocks,), uint8
        |x' - s c| is at most code · unit · s.
    coarse : array of shape (panels,), uint8
        |x' - 8 s (u - 8)| is at most code · 9 unit · s for each row of a panel.
    n : int
        Rows, without those that fill the last block.
    base : int
    unit : float
    """

    high: NDArray[np.uint8]
    low: NDArray[np.uint8]
    scales: NDArray[np.uint8]
    residuals: NDArray[np.uint8]
    coarse: NDArray[np.uint8]
    n: int
    base: int
    unit: float

    @classmethod
    def room(cls, n: int, d: int, base: int, unit: float) -> CodedRows:
        """Return zeros to be filled by `code_rows`."""
        return cls.of({name: np.zeros(shape, np.uint8) for name, shape in cls.shapes(n, d).items()}, n, base, unit)

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.uint8]], n: int, base: int, unit: float) -> CodedRows:
        """Return coded rows from their arrays by name."""
        return cls(arrays["high"], arrays["low"], arrays["scales"], arrays["residuals"], arrays["coarse"], n, base, unit)

    @staticmethod
    def shapes(n: int, d: int) -> dict[str, tuple[int, ...]]:
        """Return the arrays' shapes, by name, for n rows of d numbers."""
        blocks, groups = -(-n // BLOCK), -(-d // 4)
        planes = {"high": (blocks, (groups + 1) // 2, BLOCK, 4), "low": (blocks * BLOCK, groups // 2, 4)}
        return planes | {"scales": (blocks * BLOCK,), "residuals": (blocks * BLOCK,), "coarse": (-(-blocks // PANEL),)}

    def arrays(self) -> dict[str, NDArray[np.uint8]]:
        """Return the arrays by name, in the kernels' order."""
        return {name: getattr(self, name) for name in ("high", "low", "scales", "residuals", "coarse")}

    def arguments(self, terms: RowTerms) -> tuple[Any, ...]:
        """Return what the kernels take of coded rows."""
        groups = self.high.shape[1] + self.low.shape[1]
        return *self.arrays().values(), terms.factor, terms.addend, terms.reach, self.n, groups, self.base, self.unit


@dataclass(frozen=True, slots=True)
class CodedQueries:
    """Queries as 8-bit codes q = s'c' + e'.

    Attributes
    ----------
    codes : array of shape (tiles, groups, screen_tile()), int32
        Four codes of a query in each, -127..127.
    offset : array of shape (tiles · screen_tile(),), int32
        68 times the sum of a query's codes.
    terms : array of shape (tiles · screen_tile(), 5), float32
        |s'c'|, |e'|, constant, 1 and |s'c'| + |e'|, all divided by s'.
    """

    codes: NDArray[np.int32]
    offset: NDArray[np.int32]
    terms: NDArray[np.float32]


def screen_tile() -> int:
    """Return how many queries stand side by side in the packed queries of this level."""
    compiled = kernel("screen_tile")
    return reference.TILE if compiled is None else int(compiled())


def code_rows(rows: NDArray[Any], middle: NDArray[np.float64], base: int, unit: float, out: CodedRows, first: int) -> None:
    """Code rows into blocks `first` on of `out`.

    Parameters
    ----------
    rows : array of shape (m, d), float32, float64, float16 or bfloat16
        A whole number of panels of rows, or the last ones.
    middle : array of shape (d,), float64
        Taken from each row; each number a float32.
    base : int
        Bits of the least step as a float32; see `CodedRows`.
    unit : float
        What residuals are counted in.
    out : CodedRows
        Its arrays are written to.
    first : int
        The first block.

    Raises
    ------
    ShapeError
        If `out` has no room for the rows.
    """
    blocks = -(-len(rows) // BLOCK)
    part, lines = slice(first, first + blocks), slice(first * BLOCK, (first + blocks) * BLOCK)
    high, low = out.high[part], out.low[lines]
    if first % PANEL or len(high) != blocks or high.shape[1] + low.shape[1] != -(-rows.shape[1] // 4):
        message = f"code_rows(rows of shape {rows.shape}) needs {blocks} blocks from {first} on, a panel's edge; `out` has {out.n:,} rows"
        raise ShapeError(message)
    outs = high, low, out.scales[lines], out.residuals[lines], out.coarse[first // PANEL :]
    compiled = kernel("code_rows")
    if compiled is None:
        reference.code_rows(rows, middle, base, unit, *outs)
        return
    scratch = np.empty(rows.shape[1] + 32)
    compiled(TYPES[name_of(rows.dtype)], rows, rows.strides[0], *rows.shape, middle, base, unit, scratch, *outs)


def pack_rows(rows: NDArray[Any], middle: NDArray[np.float64], packed: NDArray[np.float32]) -> None:
    """Pack rows less `middle` into blocks of (d, 16) float32.

    Parameters
    ----------
    rows : array of shape (m, d), float32, float64, float16 or bfloat16
    middle : array of shape (d,), float64
    packed : array of shape (blocks, d, 16), float32
        Written to; places beyond m are left as they are.

    Raises
    ------
    ShapeError
        If `packed` has no room for the rows.
    """
    if len(rows) > len(packed) * BLOCK or packed.shape[1:] != (rows.shape[1], BLOCK):
        message = f"pack_rows(rows of shape {rows.shape}) does not fit into packed of shape {packed.shape}"
        raise ShapeError(message)
    compiled = kernel("pack_rows")
    if compiled is None:
        reference.pack_rows(rows, middle, packed)
        return
    compiled(TYPES[rows.dtype.name], rows, rows.strides[0], *rows.shape, middle, np.empty(rows.shape[1] + 8), packed)


def screen_bytes(rows: CodedRows, terms: RowTerms, queries: CodedQueries, kept: Kept, *, zero: int, first: int, last: int) -> int:
    """Screen blocks first..last-1 of coded rows for q queries, once; see `bytes_screen`.

    Parameters
    ----------
    rows : CodedRows
    terms : RowTerms
    queries : CodedQueries
    kept : Kept
    zero : int
        The block from whose first row the kept rows are counted.
    first, last : int

    Returns
    -------
    int
        The block it stopped at: `last`, or an earlier one where what is kept has to be settled before it can go on.

    Raises
    ------
    ArgumentError
        If the arrays do not fit each other.
    """
    return bytes_screen(rows, terms, queries, kept, zero=zero)(first, last)


def bytes_screen(rows: CodedRows, terms: RowTerms, queries: CodedQueries, kept: Kept, *, zero: int) -> Callable[[int, int], int]:
    """Return `screen_bytes` of blocks first..last-1, to be called often: arrays are checked once and not at each call, in 0.1 ms.

    Parameters
    ----------
    rows : CodedRows
    terms : RowTerms
    queries : CodedQueries
    kept : Kept
    zero : int

    Returns
    -------
    callable

    Raises
    ------
    ArgumentError
        If the arrays do not fit each other; when called, if the blocks are not among the rows'.
    """
    blocks, groups = len(rows.high), rows.high.shape[1] + rows.low.shape[1]
    if queries.codes.shape[1] != groups or len(terms.reach) * PANEL < blocks:
        message = f"queries of {queries.codes.shape[1]} groups for rows of {groups}, terms of {len(terms.reach)} panels for {blocks} blocks"
        raise ArgumentError(message)
    compiled, coded = kernel("screen_bytes"), rows.arguments(terms)
    fast = None if compiled is None else unchecked(compiled)
    screen: Callable[..., int] = fast or compiled or reference.screen_bytes
    kinds = SIGNATURES["screen_bytes"][1:] if fast else ()
    room = np.empty(PANEL * BLOCK * 4 * groups, np.uint8)
    at = len(coded)
    before = *passed(kinds[:at], coded), zero
    after = passed(kinds[at + 3 :], (queries.codes, queries.offset, queries.terms, len(kept.count), *kept.arguments(), room))

    def run(first: int, last: int) -> int:
        if not 0 <= zero <= first <= last <= blocks:
            message = f"blocks {first}..{last} of {blocks}, counted from {zero}"
            raise ArgumentError(message)
        return int(screen(*before, first, last, *after))

    return run


def screen_floats(  # noqa: PLR0913 - rows, queries, what is kept, and the range
    packed: NDArray[np.float32],
    terms: RowTerms,
    error: float,
    query_packed: NDArray[np.float32],
    query_terms: NDArray[np.float32],
    kept: Kept,
    *,
    n: int,
    first: int,
    last: int,
) -> int:
    """Screen blocks first..last-1 of packed float32 rows for q queries.

    Parameters
    ----------
    packed : array of shape (blocks, d, 16), float32
    terms : RowTerms
    error : float
        What a product may be off by, in units of |q| |x'|.
    query_packed : array of shape (tiles, d, screen_tile()), float32
    query_terms : array of shape (tiles · screen_tile(), 3), float32
        |q|, constant and 1.
    kept : Kept
    n : int
        Rows among the blocks that are real.
    first, last : int

    Returns
    -------
    int
        The block it stopped at, as `screen_bytes`.

    Raises
    ------
    ArgumentError
        If the arrays do not fit each other.
    """
    blocks, d = packed.shape[:2]
    if not 0 <= first <= last <= blocks or query_packed.shape[1] != d or len(terms.reach) * PANEL < last:
        message = f"screen_floats: blocks {first}..{last} of {blocks}, queries of {query_packed.shape[1]} numbers for rows of {d}"
        raise ArgumentError(message)
    arguments = (packed, terms.factor, terms.addend, terms.reach, n, d, error, first, last, query_packed, query_terms)
    compiled = kernel("screen_floats")
    return int((reference.screen_floats if compiled is None else compiled)(*arguments, len(kept.count), *kept.arguments()))
