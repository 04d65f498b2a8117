"""A word2vec training by replicas: each trains copies of both matrices on its share of a stretch of text, then the copies become one.

What the replicas that moved a row added to it is put together between two bounds. Few steps add up, as they would have done one after the
other; of many steps, each of which led a replica to much the same place, the mean counts, as the sum would lead far beyond it. Only
rows that moved travel back. Every replica is one thread with a random chain of its own for each part, so the result has the same bits
wherever the replicas run; it depends on how many there are, and how often they meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.engines import local
from tokenspace.errors import ArgumentError
from tokenspace.native.training import train_part
from tokenspace.train.hogwild import Run, task_of
from tokenspace.train.running import Stopped
from tokenspace.train.sampling import state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tokenspace.engines import Engine
    from tokenspace.train import growing
    from tokenspace.train.corpus import Corpus
    from tokenspace.train.plan import Plan

EXCHANGES = 50
"""Times in an epoch that the copies become one."""

SETTLED = 100
"""Steps after which a row has gone half the way to where its neighbours hold it. On 1,052,782 words (d = 50, 3 epochs), loss of the text
held out: one thread 2.494; 2 and 8 replicas with 50 exchanges 2.509 and 2.534. By the mean of all steps (0) 2.544 and 2.654, with 1000
2.499 and 2.949, by their sum 2.497 and numbers beyond float32."""


@dataclass(frozen=True)
class Stretch:
    """What all replicas of a stretch begin with.

    Attributes
    ----------
    plan : Plan
    counts : array of shape (n,), int64
    inputs, outputs : arrays of shape (r, d) and (o, d), float32
    free : (int, int)
        The first input row and the first output row that move.
    """

    plan: Plan
    counts: NDArray[np.int64]
    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    free: tuple[int, int]


@dataclass(frozen=True)
class Share:
    """A replica's text: ids, its parts (number, first and last id, learning rate)."""

    ids: NDArray[np.int32]
    parts: tuple[tuple[int, int, int, float], ...]

    def __str__(self) -> str:
        """Name the parts, for messages."""
        return f"parts {self.parts[0][0]:,} to {self.parts[-1][0]:,} of the training"


def train_share(share: Share, stretch: Stretch) -> dict[str, NDArray[Any]]:
    """Train copies of the matrices on a share: what a worker does, wherever it runs.

    Returns
    -------
    dict of str to array
        Of both matrices the ids of the rows that moved, and what was added to them; the parts' tallies.
    """
    inputs, outputs = stretch.inputs.copy(), stretch.outputs.copy()
    task = task_of(stretch.plan, stretch.counts, inputs, outputs, stretch.free)
    tallies = np.zeros((len(share.parts), 3))
    for (number, start, end, alpha), tally in zip(share.parts, tallies, strict=True):
        train_part(task, share.ids, (start, end), state_of(stretch.plan.seed, 1, number), alpha, tally)
    result: dict[str, NDArray[Any]] = {"tallies": tallies}
    for name, before, after in (("inputs", stretch.inputs, inputs), ("outputs", stretch.outputs, outputs)):
        moved = np.flatnonzero((before != after).any(axis=1))
        result |= {f"{name}_ids": moved, f"{name}_steps": after[moved] - before[moved]}
    return result


class Replicated(Run):
    """A training whose parts replicas train.

    Parameters
    ----------
    plan, corpus, threads, old
        As `Run`.
    engine : Engine
    replicas : int, optional
        Default: as many as the engine works on at a time.
    exchanges : int
        Times in an epoch that the copies become one.

    Raises
    ------
    ArgumentError
        If a number is not positive, or words are made of pieces.
    """

    def __init__(
        self,
        plan: Plan,
        corpus: Corpus,
        *,
        threads: int,
        old: growing.Old | None,
        engine: Engine,
        replicas: int | None = None,
        exchanges: int = EXCHANGES,
    ) -> None:
        super().__init__(plan, corpus, threads=threads, old=old)
        self.engine, self.replicas = engine, engine.workers() if replicas is None else replicas
        if self.replicas < 1 or exchanges < 1:
            message = f"replicas and exchanges must be at least 1; seen {self.replicas} and {exchanges}"
            raise ArgumentError(message)
        if plan.maxn:
            message = "words made of pieces (maxn) are trained on one machine"
            raise ArgumentError(message, hint="leave the engine out, or maxn=0")
        self.ends = [last for _, last in local.ranges(len(self.parts), exchanges)]

    def advance(self, last: int, tick: Callable[[int], None], until: float) -> int:
        """Train one stretch: up to the next exchange."""
        del until
        epoch, place = divmod(self.at, len(self.parts))
        stop = min(last, epoch * len(self.parts) + next(end for end in self.ends if end > place))
        stretch = Stretch(self.plan, self.corpus.counts, self.inputs, self.outputs, self.free)
        sums = {name: (np.zeros_like(rows), np.zeros(len(rows), dtype=np.int32)) for name, rows in self._matrices()}
        spans = local.ranges(stop - self.at, self.replicas)
        found: dict[int, dict[str, NDArray[Any]]] = {}
        try:
            for number, result in self.engine.map(train_share, self._shares(spans), stretch):
                found[number] = result
                tick(self.at + spans[len(found) - 1][1])
        except KeyboardInterrupt:
            raise Stopped(self.at) from None  # what these replicas did is dropped
        for number, (first, end) in enumerate(spans):  # in one order, whoever was done first
            self.tallies[self.at + first : self.at + end] = found[number]["tallies"]
            for name, (total, count) in sums.items():
                total[found[number][f"{name}_ids"]] += found[number][f"{name}_steps"]
                count[found[number][f"{name}_ids"]] += 1
        settled = self._settled(spans[0][1] - spans[0][0])
        for name, rows in self._matrices():
            total, count = sums[name]
            moved = np.flatnonzero(count)
            share = settled[moved] if len(settled) == len(rows) else np.ones(len(moved), dtype=np.float32)  # inner nodes have no counts
            total[moved] /= (1 + (count[moved] - 1) * share).astype(np.float32)[:, None]
            rows[moved] += total[moved]
        return stop

    def _settled(self, parts: int) -> NDArray[np.float32]:
        """Return how far each word's rows come to rest within a replica's share of so many parts: 0 for a first step, towards 1."""
        steps = self.corpus.counts * (parts / len(self.parts)) * (self.plan.window + 1)
        return (steps / (steps + SETTLED)).astype(np.float32)

    def _matrices(self) -> tuple[tuple[str, NDArray[np.float32]], ...]:
        return ("inputs", self.inputs), ("outputs", self.outputs)

    def _shares(self, spans: list[tuple[int, int]]) -> Iterator[Share]:
        for first, end in spans:
            numbers = range(self.at + first, self.at + end)
            pieces = [self.corpus.ids[slice(*self.span(number))] for number in numbers]
            ends = np.cumsum([0, *map(len, pieces)]).tolist()
            parts = tuple(zip(numbers, ends[:-1], ends[1:], map(self.alpha, numbers), strict=True))
            yield Share(np.concatenate(pieces), parts)
