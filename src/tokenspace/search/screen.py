r"""The two fast paths: a screen bounds every row's key in float32 or from 7-bit codes, and only rows that may count are finished.

What the screen needs to know of a matrix, a measure and the queries, and the loop that settles what it kept. A key, as the screens
see it, is factor · (<q, x'> + constant) + addend with x' = x - middle, divided by the query's scale s':

=============  =================  ==================  =============================
measure        factor             constant            addend
=============  =================  ==================  =============================
inner product  1                  (the same for all)  0
cosine         1/|x|              <q, middle>/|q|     0, or -3 for a zero row
Euclidean      1                  0                   -|x'|^2/2, with q' for q
=============  =================  ==================  =============================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.native import CodedQueries, CodedRows, Kept, RowTerms, Settling
from tokenspace.search.best import NO_COSINE, NO_ROW, Best, Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tokenspace.measures import Measure

    Outcome = tuple[Best, NDArray[np.int64], NDArray[np.float64]]
    """Each query's best rows, how many were finished, and the highest key that one which was not can have."""

ROWS = 16 * 16
"""Rows a panel: threads get whole panels."""

AT_ONCE = 256 * ROWS
"""Rows whose lengths are measured at a time, whole panels of them."""

TOGETHER = 512
"""Queries screened in one pass; what is kept for them takes some 2 MB a thread, they themselves 32 bytes a number."""

CHUNK = 4 << 20
"""Bytes of rows packed as float32 at a time."""

SEEN = 1024
"""Rows whose mean is the middle: it is off by 3 % of the rows' spread then, which makes their squared lengths from it 0.1 % larger."""

ROOM = 1 << 18
"""Rows kept for all queries together, at 8 bytes each, where that is enough."""

LARGEST, LEAST = 1e8, 1e-8
"""Lengths for which float32 bounds neither overflow nor vanish, whatever the measure; tables beyond take another path."""

FARTHEST = 1e20
"""Queries longer than that, or shorter than its inverse, and not zero, take another path too, but for the cosine, which has no use for
their lengths."""

SPREAD = 8
"""Panels from all over the rows that come first."""

FAR = 1e-6
"""Share of the rows' distance from the origin that is added to their distance from the middle: 2^-19 of it is 2e-12, more than float64
sums of some thousand terms can be off by."""

UP = 1 + 1e-6
"""Rounds a bound up by more than its conversion to float32 can round it down."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How the screens see a matrix under one measure.

    Attributes
    ----------
    middle : array of shape (d,), float64
        A point near the rows, each number a float32: seen from there rows are shorter, and codes finer.
    terms : RowTerms
        Of every row and panel.
    """

    middle: NDArray[np.float64]
    terms: RowTerms

    @classmethod
    def of(cls, matrix: NDArray[Any], measure: Measure, lengths: NDArray[np.float64] | None, middle: NDArray[np.float64]) -> Frame:
        """Measure the rows once.

        Parameters
        ----------
        matrix : array of shape (n, d), any float type
        measure : "euclidean", "inner_product" or "cosine"
        lengths : array of shape (n,), float64, or None
            The rows' norms, for the cosine.
        middle : array of shape (d,), float64

        Returns
        -------
        Frame
        """
        blocks, away = -(-len(matrix) // 16), float(np.linalg.norm(middle))
        longest, largest, terms = np.zeros(-(-blocks // 16)), np.zeros(-(-blocks // 16)), np.zeros(blocks * 16, dtype=np.float32)
        for start in range(0, len(matrix), AT_ONCE):  # no float64 number of each row is kept
            part, panels = slice(start, start + AT_ONCE), slice(start // ROWS, (start + AT_ONCE) // ROWS)
            if lengths is None:
                squares = native.pair_sums("difference", middle[None, :], matrix[part])
                longest[panels], terms[part][: len(squares)] = np.sqrt(_panels(squares)), -squares / 2
            else:
                own = lengths[part]
                inverse = np.where(own > 0, 1 / np.where(own > 0, own, 1), 0)
                largest[panels], terms[part][: len(own)] = _panels(inverse), inverse
        none, ones = np.zeros(len(longest)), np.ones(len(longest))
        if lengths is None:
            # Bounds allow for 2^-19 of |q| |x'|. Where rows are hardly longer than float64's rounding of them, that share of their distance
            # from the origin has to be allowed for instead.
            longest += FAR * (longest.max(initial=0) + away)
            euclidean = measure == "euclidean"
            reach = [longest, ones, _panels(-terms) if euclidean else none]
            return cls(middle, RowTerms(None, terms if euclidean else None, _rounded(reach)))
        addend = _filled(np.where(lengths > 0, 0, NO_COSINE), blocks) if not lengths.all() else None
        reach = [1 + largest * away, largest, none if addend is None else _panels(-addend)]
        return cls(middle, RowTerms(terms, addend, _rounded(reach)))


def middle_of(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean of some rows spread over the matrix, rounded to float32 so that a file can hold it."""
    step = max(1, len(matrix) // SEEN)
    some = matrix[::step]
    return (native.row_sums(some) / max(1, len(some))).astype(np.float32).astype(np.float64)


def code(matrix: NDArray[Any], middle: NDArray[np.float64], largest: float, run: Callable[..., Any]) -> CodedRows:
    """Return the rows' 7-bit codes.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    middle : array of shape (d,), float64
    largest : float
        At least the largest number of any x' = x - middle in size.
    run : callable
        Maps a function over ranges of panels, with threads.

    Returns
    -------
    CodedRows
        n·(d + 2) bytes, d rounded up to a multiple of four and n to one of sixteen.
    """
    n, d = matrix.shape
    top = int(np.float32(max(largest, LEAST) / 59 * UP).view(np.int32))
    base = ((top | 0xFFFFF) + 1) - (255 << 20)
    out = CodedRows.room(n, d, base, float(np.float32(np.sqrt(d) / 2 * 1.001 / 255)))

    def fill(part: tuple[int, int]) -> None:
        native.code_rows(matrix[part[0] : part[1]], middle, base, out.unit, out, part[0] // 16)

    run(fill)
    return out


class Screener:
    """Some queries made ready for the screens, and the search of a range of rows with them.

    Parameters
    ----------
    keys : Keys
        Of q queries with the matrix.
    frame : Frame
    most : float
        The largest length of a row.
    """

    __slots__ = (
        "_constant",
        "_doubt",
        "_frame",
        "_keys",
        "_matrix",
        "_most",
        "_moved",
        "_moved_lengths",
        "_scale",
        "_shift",
        "_slope",
        "_tile",
    )

    def __init__(self, matrix: NDArray[Any], keys: Keys, frame: Frame, most: float) -> None:
        self._matrix, self._keys, self._frame, self._most = matrix, keys, frame, most
        self._tile = native.screen_tile()
        lengths = np.where(keys.query_lengths > 0, keys.query_lengths, 1)
        moved = keys.queries
        self._constant = np.zeros(len(moved))
        if keys.measure == "euclidean":
            moved = moved - frame.middle
        elif keys.measure == "cosine":
            moved = moved / lengths[:, None]
            self._constant = moved @ frame.middle
        self._moved = moved
        self._moved_lengths = _lengths(moved)
        farthest = float(frame.terms.reach[:, 0].max(initial=0) + np.linalg.norm(frame.middle))
        # Beside a query at the middle itself the rows' own terms would leave float32's range: coarser codes of it do no harm there.
        self._scale = np.maximum(np.abs(moved).max(axis=1) / 127, 1e-15 * farthest if keys.measure == "euclidean" else 0)
        self._scale[self._scale == 0] = 1
        # A finished key is slope · key + shift to the screens: the product loses the middle's share, minus a squared distance becomes
        # half of |q'|^2 - |q' - x'|^2. `doubt` covers what rounding may change on the way.
        self._slope, self._shift, self._doubt = 1.0, np.zeros(len(moved)), np.full(len(moved), 1e-30)
        if keys.measure == "inner_product":
            self._shift = -(moved @ frame.middle)
            self._doubt += 1e-10 * keys.query_lengths * farthest
        elif keys.measure == "euclidean":
            self._slope, self._shift = 0.5, self._moved_lengths**2 / 2

    def by_bytes(self, rows: CodedRows, k: int, start: int, stop: int) -> Outcome:
        """Search rows start..stop, start at a panel's edge, by their codes; see `_settled`."""
        queries = self._coded(rows)
        first, last, kept = start // 16, -(-stop // 16), self._kept(k)
        screen = native.bytes_screen(rows, self._frame.terms, queries, kept, zero=first)
        return self._settled(screen, kept, start, _spread_first(first, last), self._scale)

    def _coded(self, rows: CodedRows) -> CodedQueries:
        """Code the queries as the byte screens take them."""
        whole = self._moved / self._scale[:, None]
        c = np.rint(whole)
        kept_length, lost = _lengths(c), _lengths(np.subtract(whole, c, out=whole))
        terms = np.stack([kept_length, lost, self._constant / self._scale, 1 / self._scale, kept_length + lost], axis=1)
        packed = np.zeros((len(c), 4 * (rows.high.shape[1] + rows.low.shape[1])), dtype=np.int8)
        packed[:, : c.shape[1]] = c
        offset = self._padded((68 * c.sum(axis=1)).astype(np.int32))
        return CodedQueries(self._tiles(packed.view(np.int32)), offset, self._padded(_up(terms)))

    def by_floats(self, k: int, start: int, stop: int) -> Outcome:
        """Search rows start..stop, start at a panel's edge, by float32 products of packed rows; see `_settled`."""
        d = self._matrix.shape[1]
        terms = self._frame.terms
        packed_queries = self._tiles(self._moved.astype(np.float32))
        query_terms = self._padded(_up(np.stack([self._moved_lengths, self._constant, np.ones(len(self._moved))], axis=1)))
        error = (d + 8) * 2.0**-24
        step = max(ROWS, CHUNK // (4 * d) // ROWS * ROWS)
        packed = np.zeros((min(step, -(-(stop - start) // ROWS) * ROWS) // 16, d, 16), dtype=np.float32)
        state: dict[str, Any] = {"from": -1}
        kept = self._kept(k)

        def screen(at: int, last: int) -> int:
            chunk = start + (at * 16 - start) // step * step
            end = min(chunk + step, stop)
            if state["from"] != chunk:
                native.pack_rows(self._matrix[chunk:end], self._frame.middle, packed)
                part = slice(chunk, chunk + len(packed) * 16)
                state["terms"] = RowTerms(
                    None if terms.factor is None else terms.factor[part],
                    None if terms.addend is None else terms.addend[part],
                    terms.reach[chunk // ROWS :],
                )
                state["from"] = chunk
            zero = chunk // 16
            span = {"n": end - chunk, "first": at - zero, "last": last - zero}
            return zero + native.screen_floats(packed, state["terms"], error, packed_queries, query_terms, kept, **span)

        chunks = [(at // 16, -(-min(at + step, stop) // 16)) for at in range(start, stop, step)]
        return self._settled(screen, kept, start, chunks, np.ones(len(self._moved)), zero=lambda first: first * 16)

    def _kept(self, k: int) -> Kept:
        q = len(self._moved)
        return Kept.start(q, k, max(2 * k + ROWS, min(ROOM // q, 32 * ROWS), 2 * ROWS))

    def _settled(
        self,
        screen: Callable[[int, int], int],
        kept: Kept,
        start: int,
        chunks: list[tuple[int, int]],
        scale: NDArray[np.float64],
        *,
        zero: Callable[[int], int] | None = None,
    ) -> Outcome:
        """Run a screen over chunks of blocks; finish what it kept, whenever it is full and at the end.

        Kept rows are counted from row `start`; or, where `zero` is given, from the row it tells for a chunk's first block, and then each
        chunk is settled before the next.
        """
        q = len(self._moved)
        settling = self._settling(kept.lower.shape[1], scale)
        for place, (first, last) in enumerate(chunks):
            if zero is None and place == SPREAD:  # from here on a k-th best that is known, and not only bounded, is to be reached
                native.settle(settling, np.arange(q), kept, zero=start)
            at = first
            while (at := screen(at, last)) < last:
                full = np.flatnonzero(kept.count + ROWS > kept.upper.shape[1])
                native.settle(settling, full, kept, zero=start if zero is None else zero(first))
            if zero is not None:
                native.settle(settling, np.arange(q), kept, zero=zero(first))
        if zero is None:
            native.settle(settling, np.arange(q), kept, zero=start)
        return self._outcome(settling, kept)

    def _settling(self, k: int, scale: NDArray[np.float64]) -> Settling:
        """Return what finishes rows for these queries, none of which was seen yet."""
        keys, q = self._keys, len(self._moved)
        table = keys.measure, self._matrix, keys.lengths, self._most, keys.queries, keys.query_lengths
        found = np.full((q, k), -np.inf), np.full((q, k), NO_ROW), np.zeros(q, dtype=np.int64), np.full(q, -np.inf)
        return Settling(*table, self._slope, self._shift, self._doubt, scale, *found)

    def _outcome(self, settling: Settling, kept: Kept) -> Outcome:
        bound = np.maximum(settling.unseen, self._bound(kept.lower[:, 0], settling.scale))
        return Best.of(settling.ids, settling.keys), settling.finished, bound

    def _bound(self, lower: NDArray[np.float32], scale: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the finished keys that thresholds of the screens stand for."""
        return (lower.astype(np.float64) * scale - self._shift) / self._slope

    def _tiles(self, lines: NDArray[Any]) -> NDArray[Any]:
        """Lay queries of shape (q, w) out as (tiles, w, tile)."""
        padded = self._padded(lines)
        return np.ascontiguousarray(padded.reshape(-1, self._tile, lines.shape[1]).transpose(0, 2, 1))

    def _padded(self, lines: NDArray[Any]) -> NDArray[Any]:
        """Fill the last tile up with zeros."""
        tiles = -(-len(lines) // self._tile)
        out = np.zeros((tiles * self._tile, *lines.shape[1:]), dtype=lines.dtype)
        out[: len(lines)] = lines
        return out


def _spread_first(first: int, last: int) -> list[tuple[int, int]]:
    """Cut a range of blocks into a few panels spread over it, then all between them.

    Tables often begin with rows that are alike (reserved tokens, the most frequent words). Thresholds that come from all over the table
    let far fewer rows pass.
    """
    panels = -(-(last - first) // 16)
    step = panels // SPREAD
    if step < 4:  # noqa: PLR2004 - too few panels for it to matter
        return [(first, last)]
    spread = [(first + 16 * at, first + 16 * (at + 1)) for at in range(step // 2, panels - 1, step)]
    edges = [first, *(edge for pair in spread for edge in pair), last]
    return spread + list(zip(edges[::2], edges[1::2], strict=True))


def _lengths(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.einsum("ij,ij->i", lines, lines))


def _up(terms: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round query terms up to float32; a constant, which may be negative and is no bound, only to the nearest."""
    rounded = (terms * UP).astype(np.float32)
    column = 2 if terms.shape[1] == 5 else 1  # noqa: PLR2004 - see the kernels' terms
    rounded[:, column:4] = terms[:, column:4]
    return rounded


def _filled(values: NDArray[np.float64], blocks: int) -> NDArray[np.float32]:
    out = np.zeros(blocks * 16, dtype=np.float32)
    out[: len(values)] = values
    return out


def _panels(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the largest value of each panel."""
    edges = np.arange(0, max(1, len(values)), ROWS)
    return np.maximum.reduceat(values, edges).astype(np.float64) if len(values) else np.zeros(0)


def _rounded(columns: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    return (np.stack(columns, axis=1) * UP).astype(np.float32)
