"""Steps of word2vec over a part of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.native import reference_training
from tokenspace.native.door import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

PADDING = 16
"""Rows are a multiple of so many numbers long; the same figure stands in train_step.h."""


LINE = 16
"""Numbers in a line of the cache."""


def aligned_rows(n: int, d: int) -> NDArray[np.float32]:
    """Return zeros of shape (n, d) that begin where a line of the cache does; NumPy's own begin within one.

    Where d is a multiple of 16 no vector of a row lies across two lines then.
    """
    room = np.zeros(n * d + LINE, dtype=np.float32)
    first = -room.ctypes.data // room.itemsize % LINE
    return room[first : first + n * d].reshape(n, d)


@dataclass(frozen=True)
class Task:
    """What all parts of a training share.

    Attributes
    ----------
    inputs : array of shape (r, d), float32
        d a multiple of `PADDING`; written to, by many threads at once.
    outputs : array of shape (o, d), float32
    around : bool
        Whether a word is told by its neighbours (CBOW), else its neighbours by it.
    keep : array of shape (n,), float32
        With which chance each word stays.
    window : int
        1..50.
    negative : int
        Words drawn, 1..63; 0 for hierarchical softmax.
    shares : pair of arrays of shape (n,), float32 and int32
        How they are drawn: `sampling.alias_table`.
    ways : three arrays
        Hierarchical softmax: `sampling.huffman_ways`.
    begins, pieces : arrays of shape (n + 1,), int64, and (m,), int32, or None
        The input rows of each word where words are made of pieces.
    free : pair of int
        The first input row and the first output row that move.
    """

    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    around: bool
    keep: NDArray[np.float32]
    window: int
    negative: int
    shares: tuple[Any, Any]
    ways: tuple[Any, Any, Any]
    begins: NDArray[np.int64] | None
    pieces: NDArray[np.int32] | None
    free: tuple[int, int]

    @property
    def in_bags(self) -> bool:
        """Whether input rows are averaged before a word is asked about."""
        return self.around or self.begins is not None


def train_part(
    task: Task, ids: NDArray[np.int32], part: tuple[int, int], random: NDArray[np.uint64], rate: float, tally: NDArray[np.float64]
) -> None:
    """Train on a part of a text, or measure on it.

    Parameters
    ----------
    task : Task
    ids : array of shape (m,), int32
        Row ids, -1 where a sentence ends.
    part : pair of int
        0 <= start <= end <= m.
    random : array of shape (1,), uint64
        The state of the chain of random numbers; moves on.
    rate : float
        0 measures: nothing moves.
    tally : array of shape (3,), float64
        Takes the pairs; mantissa and exponent of two of the product of all their chances, whose logarithm is minus the loss. The
        mantissa is NaN where a number was not finite.

    Notes
    -----
    The interpreter lock is free meanwhile, so threads may train on other parts of the same matrices. One thread gives the same bits on
    every level.
    """
    d, n = task.inputs.shape[1], len(task.keep)
    learn = int(rate > 0)
    compiled = kernel("bags" if task.in_bags else "skipgram")
    tally[:] = 0
    if compiled is None:
        reference_training.train_part(task, ids, part, random, np.float32(rate or 1.0), learn, tally)
        return
    largest = 1 if task.begins is None else int(np.diff(task.begins).max())
    bags = (int(task.around), task.begins, task.pieces, np.empty(2 * task.window * largest, dtype=np.int32)) if task.in_bags else ()
    compiled(
        ids, *part, task.keep, random, task.window, rate or 1.0, learn, task.inputs, task.outputs, d, np.array(task.free, dtype=np.int64),
        task.negative, n, *task.shares, *task.ways, np.zeros(3 * d, dtype=np.float32), tally, *bags,
    )  # fmt: skip


def context_sums(
    ids: NDArray[np.int32],
    part: tuple[int, int],
    window: int,
    rows: NDArray[np.float32],
    enough: int,
    sums: NDArray[np.float64],
    times: NDArray[np.int64],
) -> None:
    """Add up the known rows around each word of a part of a text.

    Parameters
    ----------
    ids : array of shape (m,), int32
        Row ids, -1 where a sentence ends.
    part : pair of int
        0 <= start <= end <= m.
    window : int
        Words on each side that count.
    rows : array of shape (n, d), float32
        Those of the words below n, which are known.
    enough : int
        A known word with so many neighbours gets no more.
    sums : array of shape (k, d), float64
        Takes the sums, of all k words.
    times : array of shape (k,), int64
        Takes how many rows each sum has.
    """
    compiled = kernel("context_sums")
    if compiled is None:
        reference_training.context_sums(ids, part, window, rows, enough, sums, times)
        return
    compiled(ids, *part, window, rows, len(rows), rows.shape[1], enough, sums, times)
