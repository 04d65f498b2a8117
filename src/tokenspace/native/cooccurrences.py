"""Sums over a text of weights by distance, row by row: the front of the kernels that count co-occurrences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenspace.errors import RowIdError, ShapeError
from tokenspace.native import reference_glove
from tokenspace.native.door import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Entries = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]


class Gathering:
    """Where a thread gathers a row: one cell a word, and bits that say which were touched; all zero between rows.

    Parameters
    ----------
    n : int
        Words; 8 bytes each and two bits.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.sums = np.zeros(n, dtype=np.int64)
        self.bits = np.zeros(-(-n // 64), dtype=np.uint64)
        self.tops = np.zeros(-(-n // 4096), dtype=np.uint64)


def word_counts(ids: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Return how often each of n words stands in a text, of shape (n,); -1 in `ids` is no word.

    Raises
    ------
    RowIdError
        If an id is neither -1 nor in 0..n-1.
    """
    counts = np.zeros(n, dtype=np.int64)
    compiled = kernel("word_counts")
    strange = (compiled or reference_glove.word_counts)(ids, len(ids), n, counts)
    if strange:
        message = f"ids of a text must be -1 or in 0..{n - 1}; {strange:,} are not"
        raise RowIdError(message)
    return counts


def word_places(ids: NDArray[np.int32], first: int, counts: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return where words stand in a text.

    Parameters
    ----------
    ids : array of shape (m,), int32
        At most 2^31 of them.
    first : int
    counts : array of shape (r,), int64
        How often the words first..first+r-1 stand in `ids`, as `word_counts` says.

    Returns
    -------
    array of shape (counts.sum(),), int32, and array of shape (r + 1,), int64
        The places, word by word and rising, and where each word's begin.
    """
    starts = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=starts[1:])
    places = np.empty(starts[-1], dtype=np.int32)
    compiled = kernel("word_places")
    (compiled or reference_glove.word_places)(ids, len(ids), first, first + len(counts), starts[:-1].copy(), places)
    return places, starts


def cooccurrence_rows(  # noqa: PLR0913 - the kernel's
    ids: NDArray[np.int32],
    begin: int,
    places: NDArray[np.int32],
    starts: NDArray[np.int64],
    *,
    first: int,
    weights: NDArray[np.int64],
    symmetric: bool,
    fixed: int,
    room: Gathering,
) -> Entries:
    """Return rows of co-occurrences.

    Parameters
    ----------
    ids : array of shape (m,), int32
        The whole text; -1 ends a sentence.
    begin, places, starts
        Where the words of the rows stand: at ``begin + places[starts[r] : starts[r + 1]]`` word ``first + r``.
    first : int
        The first row.
    weights : array of shape (window,), int64
        By distance, from 1.
    symmetric : bool
        Whether to look to both sides, for the columns j <= i; else to the right, for all.
    fixed : int
        Where not symmetric: pairs of two words below it are left out.
    room : Gathering
        This thread's.

    Returns
    -------
    columns : array of shape (e,), int32
        Rising within a row.
    sums : array of shape (e,), int64
    sizes : array of shape (r,), int64
        Entries of each row.

    Raises
    ------
    ShapeError
        If a word's places leave the text.
    """
    rows = len(starts) - 1
    span = places[starts[0] : starts[-1]]
    if len(span) and (begin + int(span.min()) < 0 or begin + int(span.max()) >= len(ids)):
        message = f"places {begin + int(span.min()):,} to {begin + int(span.max()):,} are not all in a text of {len(ids):,} ids"
        raise ShapeError(message)
    reach = (2 if symmetric else 1) * len(weights)
    width = np.arange(first + 1, first + rows + 1) if symmetric else room.n
    most = int(np.minimum(np.diff(starts) * reach, width).sum())
    columns, sums, sizes = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int64), np.empty(rows, dtype=np.int64)
    call = kernel("cooccurrence_rows") or reference_glove.cooccurrence_rows
    count = call(
        ids, len(ids), begin, places, starts, first, first + rows, symmetric, fixed, weights, len(weights),
        room.sums, room.bits, room.tops, room.n, columns, sums, sizes,
    )  # fmt: skip
    return columns[:count], sums[:count], sizes


def merge_rows(
    columns: NDArray[np.int32], sums: NDArray[np.int64], starts: NDArray[np.int64], sizes: NDArray[np.int64], room: Gathering
) -> Entries:
    """Return rows that lie in several runs, their sums added up.

    Parameters
    ----------
    columns, sums : arrays of shape (e,), int32 and int64
        The runs' entries.
    starts, sizes : arrays of shape (runs, rows), int64
        Where each row of each run lies.
    room : Gathering

    Returns
    -------
    columns, sums, sizes
        As `cooccurrence_rows`.
    """
    runs, rows = starts.shape
    most = int(np.minimum(sizes.sum(axis=0), room.n).sum())
    merged, totals, lengths = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int64), np.empty(rows, dtype=np.int64)
    call = kernel("merge_rows") or reference_glove.merge_rows
    count = call(columns, sums, starts, sizes, runs, rows, room.sums, room.bits, room.tops, room.n, merged, totals, lengths)
    return merged[:count], totals[:count], lengths
