"""GloVe: the front of the kernels that bring co-occurrences in order and take the steps of the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.errors import RowIdError, ShapeError
from tokenspace.native import reference_glove
from tokenspace.native.door import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD, ROWS = 16, 4
"""Numbers before the four rows of a word: its biases and their squared gradients, filled up to a line of the cache."""


def stride(d: int) -> int:
    """Return the numbers a row of d takes: the next multiple of 16."""
    return -(-d // HEAD) * HEAD


@dataclass(frozen=True, slots=True)
class Records:
    """Co-occurrences in the order of their training.

    Attributes
    ----------
    pairs : array of shape (m, 2), int32
        Word and context.
    terms : array of shape (m, 2), float32
        Logarithm of the count, and its weight f(x).
    bounds : array of shape (tasks + 1,), int64
        Where the records of each task begin.
    """

    pairs: NDArray[np.int32]
    terms: NDArray[np.float32]
    bounds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Weighting:
    """What makes a record of a count: f(x) = (x / x_max)^alpha below x_max, else 1, and which are held out.

    Attributes
    ----------
    x_max, alpha : float
    seed : int
        Of the choice of what is held out.
    held : int
        Of 2^64 records so many are held out.
    """

    x_max: float
    alpha: float
    seed: int = 0
    held: int = 0


def gather(
    segments: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    ends: NDArray[np.int64],
    entries: NDArray[np.int32],
    stripes: NDArray[np.uint8],
    tasks: NDArray[np.int32],
    weighting: Weighting,
    *,
    held_out: bool = False,
) -> Records:
    """Bring segments of the counts into tasks.

    Parameters
    ----------
    segments : arrays of shape (k,), int64
        First entry, number of entries and row of the first one, of each.
    ends : array of shape (n,), int64
        Where the rows end among all entries.
    entries : array of shape (e, 2), int32
        Column and the bits of the count, a float32, of the segments' entries, one after the other.
    stripes : array of shape (n,), uint8
        Of each word.
    tasks : array of shape (s, s), int32
        Of each pair of stripes.
    weighting : Weighting
    held_out : bool, default False
        Whether to bring those that are held out, instead of the others.

    Returns
    -------
    Records
        Of each task in the order of the segments.

    Raises
    ------
    ShapeError, RowIdError
        If a segment leaves the counts, a stripe the tasks, or a column the rows.
    """
    first, size, row = segments
    if len(first) and not (first.min() >= 0 and size.min() >= 0 and (first + size).max() <= ends[-1] and size.sum() == len(entries)):
        message = (
            f"segments of {int(size.sum()):,} entries up to {int((first + size).max()):,} do not fit {len(entries):,} of {int(ends[-1]):,}"
        )
        raise ShapeError(message)
    if len(entries) and not (entries[:, 0].min() >= 0 and entries[:, 0].max() < len(ends)):
        message = f"counts name a word {int(entries[:, 0].max()):,} of {len(ends):,}"
        raise RowIdError(message)
    if len(stripes) != len(ends) or (len(stripes) and int(stripes.max()) >= len(tasks)) or tasks.shape[0] != tasks.shape[1]:
        message = (
            f"{len(stripes):,} words in {int(stripes.max(initial=0)) + 1} stripes do not fit {len(ends):,} rows and tasks of {tasks.shape}"
        )
        raise ShapeError(message)
    call = kernel("glove_gather") or reference_glove.glove_gather
    where = (first, size, row, len(first), ends, entries, stripes, tasks, len(tasks))
    how = (weighting.seed, weighting.held, held_out, weighting.x_max, weighting.alpha)
    sizes = np.zeros(int(tasks.max()) + 1, dtype=np.int64)
    call(*where, *how, sizes, None, None)
    bounds = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=bounds[1:])
    pairs, terms = np.empty((bounds[-1], 2), dtype=np.int32), np.empty((bounds[-1], 2), dtype=np.float32)
    call(*where, *how, bounds[:-1].copy(), pairs, terms)
    return Records(pairs, terms, bounds)


def mix(records: Records, seed: int) -> None:
    """Mix the records of each task among themselves, in place."""
    call = kernel("glove_mix") or reference_glove.glove_mix
    call(records.bounds, len(records.bounds) - 1, seed, records.pairs.view(np.int64), records.terms.view(np.int64))


def check(records: Records, blocks: NDArray[np.float32]) -> None:
    """Hold records against the blocks they are to be used with.

    Raises
    ------
    RowIdError
        If a word has no block.
    """
    if len(records.pairs) and not (records.pairs.min() >= 0 and records.pairs.max() < len(blocks)):
        message = f"records name words up to {int(records.pairs.max()):,}; there are {len(blocks):,}"
        raise RowIdError(message)


def steps(
    records: Records,
    tasks: tuple[int, int],
    blocks: NDArray[np.float32],
    costs: NDArray[np.float64],
    *,
    eta: float,
    clip: float,
    symmetric: bool,
    fixed: int = 0,
) -> None:
    """Take the steps of tasks, one after the other; `check` the records first.

    Parameters
    ----------
    records : Records
    tasks : pair of int
        From, to.
    blocks : array of shape (n, 16 + 4 s), float32
        Each word's numbers; changed in place. No other thread may move words of the same tasks.
    costs : array of shape (tasks,), float64
        Filled with the sum of each task's costs before each step.
    eta, clip : float
    symmetric : bool
        Whether a record stands for both orders of its words.
    fixed : int, default 0
        Words below it do not move.
    """
    call = kernel("glove_steps") or reference_glove.glove_steps
    s = (blocks.shape[1] - HEAD) // ROWS
    call(records.pairs, records.terms, records.bounds, *tasks, blocks, s, symmetric, fixed, eta, clip, costs)


def cost(records: Records, blocks: NDArray[np.float32], *, symmetric: bool) -> float:
    """Return the sum of the costs of records, with no step taken; `check` them first."""
    call = kernel("glove_cost") or reference_glove.glove_cost
    return float(call(records.pairs, records.terms, len(records.pairs), blocks, (blocks.shape[1] - HEAD) // ROWS, symmetric))
