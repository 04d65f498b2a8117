"""In which order pairs are trained: anew in each epoch, without a file of shuffled pairs, and so that threads never meet.

An epoch goes through all segments of the counts in an order of its own, a wave of them at a time. Each word draws a stripe for the wave.
Pairs of words of stripes a and b make a task, and tasks that have no stripe in common make a round, as in a tournament where everybody
meets everybody once. The tasks of a round may run at one time; rounds follow one another. So threads never move the same row, and the
result has the same bits for any number of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.engines import local
from tokenspace.native import glove

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from tokenspace.native.glove import Records, Weighting
    from tokenspace.train.cooccurrence import Cooccurrences

SEGMENT = 512
"""Entries of the counts that stay together until they are mixed: one read of 4 kB."""

WAVE = 1 << 19
"""Entries of a wave, 8 MB; two waves are held at a time. Fewer mix less, more need more memory."""

STRIPES = 32
"""Groups of words in a wave. Half as many threads can work at a time."""

ALONE = 1 << 13
"""A wave of so few pairs is quicker done by one thread, in the same order."""


@dataclass(frozen=True, slots=True)
class Descent:
    """How steps are taken; `tokenspace.train.glove` says what each number is."""

    eta: float
    clip: float
    symmetric: bool
    fixed: int


class Waves:
    """The pairs of a training, wave by wave.

    Parameters
    ----------
    counts : Cooccurrences
    weighting : Weighting
    seed : int
    """

    def __init__(self, counts: Cooccurrences, weighting: Weighting, seed: int) -> None:
        self.counts, self.weighting, self.seed = counts, weighting, seed
        self.segments = -(-len(counts) // SEGMENT)
        self.spans = local.ranges(self.segments, -(-len(counts) // WAVE))
        self.tasks, self.rounds = _tournament()

    def __len__(self) -> int:
        """Return the number of waves in an epoch."""
        return len(self.spans)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the segments in the order of an epoch."""
        return np.random.default_rng([self.seed, 1, epoch]).permutation(self.segments)

    def records(self, epoch: int, wave: int, order: NDArray[np.int64]) -> Records:
        """Return the pairs of a wave, in the order of their training."""
        draw = np.random.default_rng([self.seed, 2, epoch, wave])
        stripes = draw.integers(0, STRIPES, len(self.counts.ends), dtype=np.uint8)
        records = self._gathered(order[slice(*self.spans[wave])], stripes, self.tasks)
        glove.mix(records, int(draw.integers(0, 1 << 62)))
        return records

    def held_out(self) -> Records:
        """Return the pairs that are held out."""
        one = np.zeros((1, 1), dtype=np.int32)
        stripes = np.zeros(len(self.counts.ends), dtype=np.uint8)
        parts = [self._gathered(np.arange(*span), stripes, one, held_out=True) for span in self.spans]
        pairs, terms = (np.concatenate([getattr(part, name) for part in parts]) for name in ("pairs", "terms"))
        return glove.Records(pairs, terms, np.array([0, len(pairs)]))

    def _gathered(
        self, segments: NDArray[np.int64], stripes: NDArray[np.uint8], tasks: NDArray[np.int32], *, held_out: bool = False
    ) -> Records:
        first = segments * SEGMENT
        size = np.minimum(SEGMENT, len(self.counts) - first)
        rows = np.searchsorted(self.counts.ends, first, side="right")
        entries = self.counts.read(zip(first.tolist(), size.tolist(), strict=True))
        return glove.gather((first, size, rows), self.counts.ends, entries, stripes, tasks, self.weighting, held_out=held_out)

    def train(
        self, blocks: NDArray[np.float32], descent: Descent, threads: int, begin: tuple[int, int], epochs: int
    ) -> Generator[tuple[int, int, float, int], None, None]:
        """Train wave after wave; the next one is made ready meanwhile.

        Parameters
        ----------
        blocks : array of shape (n, 16 + 4 s), float32
            Each word's numbers, changed in place.
        descent : Descent
        threads : int
        begin : (int, int)
            Epoch and wave to begin with.
        epochs : int
            How many there are.

        Yields
        ------
        epoch, wave : int
            The one that is done.
        cost : float
            The sum of the costs of its pairs, before each step.
        count : int
            Steps taken.
        """
        epoch, wave = begin
        with ThreadPoolExecutor(threads + 1) as pool:
            order = self.order(epoch)
            ahead = pool.submit(self.records, epoch, wave, order) if epoch < epochs else None
            while ahead is not None:
                records = ahead.result()
                following = (epoch, wave + 1) if wave + 1 < len(self) else (epoch + 1, 0)
                if following[0] != epoch and following[0] < epochs:
                    order = self.order(following[0])
                ahead = pool.submit(self.records, *following, order) if following[0] < epochs else None
                glove.check(records, blocks)
                yield epoch, wave, self._steps(pool, records, blocks, descent, threads), _steps_of(records, symmetric=descent.symmetric)
                epoch, wave = following

    def _steps(self, pool: ThreadPoolExecutor, records: Records, blocks: NDArray[np.float32], descent: Descent, threads: int) -> float:
        """Take the steps of a wave; return the sum of their costs."""
        costs = np.zeros(len(records.bounds) - 1)
        how = {"eta": descent.eta, "clip": descent.clip, "symmetric": descent.symmetric, "fixed": descent.fixed}

        def work(tasks: tuple[int, int]) -> None:
            glove.steps(records, tasks, blocks, costs, **how)  # type: ignore[arg-type] # each is of its type

        if threads == 1 or len(records.pairs) < ALONE:
            work((0, len(costs)))
        else:
            for first, last in self.rounds:
                bounds = records.bounds[first : last + 1]
                wanted = bounds[0] + (bounds[-1] - bounds[0]) * np.arange(1, threads) // threads
                cuts = np.unique([0, *np.searchsorted(bounds, wanted), last - first]) + first
                list(pool.map(work, zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)))
        return float(costs.sum())


def _steps_of(records: Records, *, symmetric: bool) -> int:
    """Return how many steps the records stand for."""
    twice = int(np.count_nonzero(records.pairs[:, 0] != records.pairs[:, 1])) if symmetric else 0
    return len(records.pairs) + twice


def _tournament() -> tuple[NDArray[np.int32], list[tuple[int, int]]]:
    """Return the task of each pair of stripes, and the tasks of each round: one stripe stays, the others turn around it."""
    tasks = np.zeros((STRIPES, STRIPES), dtype=np.int32)
    circle, half = list(range(STRIPES)), STRIPES // 2
    rounds = []
    for turn in range(STRIPES - 1):
        for table in range(half):
            a, b = circle[table], circle[-1 - table]
            tasks[a, b] = tasks[b, a] = turn * half + table
        rounds.append((turn * half, (turn + 1) * half))
        circle = [circle[0], circle[-1], *circle[1:-1]]
    last = (STRIPES - 1) * half
    np.fill_diagonal(tasks, np.arange(last, last + STRIPES))
    return tasks, [*rounds, (last, last + STRIPES)]
