"""A word2vec training: its matrices, and the parts of the text that threads train on, without locks (Recht et al. 2011)."""

from __future__ import annotations

import hashlib
import math
import time
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import extension
from tokenspace.errors import ArgumentError, NotFiniteError, OutputError
from tokenspace.native.training import PADDING, Task, aligned_rows, train_part
from tokenspace.train import growing
from tokenspace.train.corpus import check_words
from tokenspace.train.model import Model, TrainedTable, open_model, table_of
from tokenspace.train.running import Progress, Stopped, fell_no_more, run_parts
from tokenspace.train.sampling import alias_table, huffman_ways, keep_chances, state_of
from tokenspace.train.subwords import bags, buckets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.extension import Proof
    from tokenspace.train.corpus import Corpus
    from tokenspace.train.plan import Plan

PARTS = 500, 2_000, 40_000
"""How many parts an epoch is cut into, and the least and most ids of one. Each has one learning rate and its own chain of random
numbers; a call of the kernel costs 20 µs, 40,000 words 20 ms."""

SHUFFLED = {"skipgram"}
"""Models for which each epoch goes through the parts in an order of its own, a text being seldom well mixed: in its own order what stands
at its end meets only a small learning rate. On 20 million words of manuals, dictionaries and articles, medians over 5 and 8 seeds, shuffled
against the text's own order: skip-gram 42.8 and 42.7 on WordSim-353, 19.1 and 18.4 on SimLex-999, 10.5 and 10.3 % of the analogies; CBOW
39.9 and 41.4, 12.1 and 11.3, 10.8 and 10.8, wherefore it keeps the text's order.
"""

LEAST_RATE = 1e-4
"""What is left of the learning rate at the end, as in word2vec.c."""


@dataclass(frozen=True)
class Trained:
    """How a training went; as text, in one line.

    Attributes
    ----------
    model : str
    tokens : int
        Rows of the table.
    words : int
        Words of the text, an epoch.
    epochs, wanted : int
        Done, and asked for.
    ended : str
        "done", "stopped" (Ctrl-C) or "held-out loss" (early).
    losses : tuple of float
        Mean loss of each epoch, as it went: a pair of words, its negative ones included.
    held_out : tuple of float
        Mean loss on the text held out, after each epoch; empty where none is.
    seconds, cpu_seconds : float
        Of the training, without reading the text.
    rate : float
        Words a second.
    proofs : tuple of Proof
        That the old rows of both matrices are what they were, where only new ones trained.
    """

    model: str
    tokens: int
    words: int
    epochs: int
    wanted: int
    ended: str
    losses: tuple[float, ...]
    held_out: tuple[float, ...]
    seconds: float
    cpu_seconds: float
    rate: float
    proofs: tuple[Proof, ...] = ()

    def __str__(self) -> str:
        """Say it in one line."""
        end = {"done": "", "stopped": f", stopped in epoch {self.epochs + 1} of {self.wanted}"}.get(
            self.ended, f", ended after epoch {self.epochs} of {self.wanted} as the held-out loss fell no more"
        )
        loss = f", loss {self.losses[-1]:.4f}" if self.losses else ""
        held = f", held out {min(self.held_out):.4f}" if self.held_out else ""
        proofs = "".join(f"; {what}: {proof}" for what, proof in zip(("input rows", "output rows"), self.proofs, strict=False))
        rate = f"{self.rate:,.0f} words/s"
        return f"{self.model}: {self.tokens:,} tokens from {self.words:,} words, {self.seconds:,.1f} s, {rate}{loss}{held}{end}{proofs}"

    def document(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self) | {"proved": all(map(bool, self.proofs))}


class Keeper:
    """Writes the state of a training to its file, now and then.

    Parameters
    ----------
    path : Path
    every : float
        Seconds between two times.

    Attributes
    ----------
    best : Path
        A file beside it, for the rows of the best epoch, where the text held out says which that is.
    """

    def __init__(self, path: Path, every: float) -> None:
        self.path, self.every = path, every
        self.best = path.with_name(path.name + ".best")
        self.due = time.monotonic() + every

    def write(self, model: Model, path: Path | None = None) -> None:
        """Write it; a full disk ends no training, as the state before is still there."""
        try:
            model.save(path or self.path)
        except OutputError as error:
            warnings.warn(f"no checkpoint was written: {error.message}", RuntimeWarning, stacklevel=2)
        self.due = time.monotonic() + self.every

    def check(self, stand: Model, settings: dict[str, Any], text: str, *, apart: str = "") -> None:
        """Refuse to go on from another training: other settings, but for the one that stands `apart`, or another text.

        Raises
        ------
        ArgumentError
        """
        then = dict(stand.settings)
        differing = next((name for name in settings if name != apart and settings[name] != then.get(name)), None)
        if differing is not None:
            message = f"the training in {self.path} had {differing} {then.get(differing)!r}; seen {settings[differing]!r}"
            raise ArgumentError(message, hint="give the same values, or start anew without resume (--resume)")
        if stand.state.get("text") != text:
            message = f"the training in {self.path} had another text"
            raise ArgumentError(message, hint="give the same text, or start anew without resume (--resume)")


class Run:
    """A training: matrices, parts in the order of each epoch, and what they came to.

    Parameters
    ----------
    plan : Plan
    corpus : Corpus
    threads : int
    old : growing.Old, optional
        What is extended.
    """

    def __init__(self, plan: Plan, corpus: Corpus, *, threads: int, old: growing.Old | None) -> None:
        n = len(corpus.vocabulary)
        check_words(corpus)
        self.plan, self.corpus, self.threads, self.old = plan, corpus, threads, old
        self.wide = -(-plan.dim // PADDING) * PADDING
        self.inputs, self.outputs = _first_rows(plan, n)
        self.free = (0, 0)
        if old is not None:
            self.free = growing.take_over(old, self.inputs, self.outputs, corpus, plan)
        counts, least, most = PARTS
        parts = corpus.parts(min(max(len(corpus.ids) // counts, least), most))
        step = round(1 / plan.held_out) if plan.held_out else 0
        if step and len(parts) < 2:  # noqa: PLR2004 - one to train on, one to measure on
            message = f"the text of {corpus.tokens:,} words is too short to hold a part out"
            raise ArgumentError(message, hint="give more text, or leave held_out (--held-out) out")
        self.measured = parts[step - 1 :: step] if step and len(parts) >= step else parts[-1:] if step else []
        self.parts = [part for part in parts if part not in set(self.measured)]
        self.order = np.tile(np.arange(len(self.parts)), (plan.epochs, 1))
        if plan.model in SHUFFLED:
            for epoch, order in enumerate(self.order):
                np.random.default_rng([plan.seed, 3, epoch]).shuffle(order)
        lengths = np.array([end - start for start, end in self.parts])
        self.before = np.pad(np.cumsum(lengths[self.order], axis=1), ((0, 0), (1, 0)))
        self.tallies = np.zeros((plan.epochs * len(self.parts), 3))
        self.at = 0
        self.held: list[float] = []
        self.best: tuple[float, NDArray[np.float32], NDArray[np.float32]] | None = None
        self.task = task_of(plan, corpus.counts, self.inputs, self.outputs, self.free, bags(corpus.vocabulary, plan.settings()))

    def span(self, part: int) -> tuple[int, int]:
        """Return where the ids of a part lie: each epoch goes through all of them."""
        return self.parts[self.order[divmod(part, len(self.parts))]]

    def done(self, part: int) -> float:
        """Return how many epochs are done where a part begins."""
        epoch, place = divmod(part, len(self.parts))
        return epoch + float(self.before[epoch, place] / self.before[epoch, -1]) if place else float(epoch)

    def alpha(self, part: int) -> float:
        """Return the learning rate of a part: it depends on the parts before it alone."""
        return self.plan.alpha * max(LEAST_RATE, 1.0 - self.done(part) / self.plan.epochs)

    def work(self, part: int) -> None:
        """Train on a part."""
        start, end = self.span(part)
        tally = np.zeros(3)
        train_part(self.task, self.corpus.ids, (start, end), state_of(self.plan.seed, 1, part), self.alpha(part), tally)
        self.tallies[part] = tally
        self.corpus.release(start, end)
        if not math.isfinite(tally[1]):
            message = f"the numbers grew beyond float32 in epoch {part // len(self.parts) + 1}, at alpha {self.alpha(part):.4g}"
            raise NotFiniteError(message, hint=f"take a smaller learning rate: alpha (--alpha) below {self.plan.alpha:g}")

    def measure(self) -> float:
        """Return the mean loss on the text held out; nothing moves."""
        tallies = np.zeros((len(self.measured), 3))

        def one(number: int) -> None:
            chain = state_of(self.plan.seed, 2, number)
            train_part(self.task, self.corpus.ids, self.measured[number], chain, 0.0, tallies[number])

        try:
            run_parts(one, 0, len(tallies), threads=self.threads, tick=lambda _: None)
        except Stopped:  # its parts are not those of the training
            raise KeyboardInterrupt from None
        return mean_loss(tallies)

    def through(self, keeper: Keeper | None, watch: Callable[[Progress], None] | None) -> TrainedTable:
        """Train to the end, or to where it is stopped; return the table."""
        began, cpu, first = time.monotonic(), time.process_time(), self.at

        def tick(begun: int) -> None:
            if watch is not None:
                watch(self.progress(begun, first, time.monotonic() - began))

        try:
            ended = self._epochs(keeper, tick)
        except Stopped as stop:
            self.at, ended = stop.part, "stopped"
        except KeyboardInterrupt:  # between two parts
            ended = "stopped"
        seconds, words = time.monotonic() - began, self.words(self.at) - self.words(first)
        if self.best is not None and ended != "stopped":
            self.inputs, self.outputs = self.best[1:]
        model = self.model()
        if keeper:
            keeper.write(model)
        report = Trained(
            model=self.plan.model,
            tokens=len(self.corpus.vocabulary),
            words=self.corpus.seen,
            epochs=self.at // len(self.parts),
            wanted=self.plan.epochs,
            ended=ended,
            losses=tuple(mean_loss(part) for part in np.split(self.tallies[: self.at], range(len(self.parts), self.at, len(self.parts)))),
            held_out=tuple(self.held),
            seconds=seconds,
            cpu_seconds=time.process_time() - cpu,
            rate=words / max(seconds, 1e-9),
            proofs=self.proofs(),
        )
        return table_of(model, report)

    def _epochs(self, keeper: Keeper | None, tick: Callable[[int], None]) -> str:
        """Train epoch by epoch, measure and keep the state between; return how it ended."""
        while True:
            epoch, place = divmod(self.at, len(self.parts))
            if self.measured and not place and len(self.held) < epoch:
                self._measure_epoch(keeper)
            if fell_no_more(self.held, self.plan.patience):
                return "held-out loss"
            if self.at == len(self.tallies):
                return "done"
            self.at = self.advance((epoch + 1) * len(self.parts), tick, keeper.due if keeper else math.inf)
            if keeper and time.monotonic() > keeper.due and self.at < len(self.tallies):
                keeper.write(self.model())

    def advance(self, last: int, tick: Callable[[int], None], until: float) -> int:
        """Train parts up to `last`, beginning none after `until`; return the first that is not done.

        Raises
        ------
        Stopped
            If KeyboardInterrupt came.
        """
        return run_parts(self.work, self.at, last, threads=self.threads, tick=tick, until=until)

    def _measure_epoch(self, keeper: Keeper | None) -> None:
        """Measure on the text held out; where patience asks for it, keep the rows of the best epoch."""
        self.held.append(self.measure())
        if self.plan.patience and (self.best is None or self.held[-1] < self.best[0]):
            self.best = self.held[-1], self.inputs.copy(), self.outputs.copy()
            if keeper:
                keeper.write(self.model(), keeper.best)

    def words(self, part: int) -> int:
        """Return the words of the text up to a part, those left out for being rare among them."""
        return int(self.done(part) * self.corpus.seen)

    def progress(self, begun: int, first: int, seconds: float) -> Progress:
        """Return how far it is."""
        epoch = min((begun - 1) // len(self.parts), self.plan.epochs - 1) if begun else 0
        rate = (self.words(begun) - self.words(first)) / max(seconds, 1e-9)
        total = self.plan.epochs * self.corpus.seen
        done = self.words(begun)
        return Progress(
            done=done,
            total=total,
            unit="words",
            rate=rate,
            left=(total - done) / rate if rate else math.inf,
            epoch=epoch + 1,
            epochs=self.plan.epochs,
            alpha=self.alpha(max(begun - 1, 0)),
            loss=mean_loss(self.tallies[epoch * len(self.parts) : begun]),
            held_out=self.held[-1] if self.held else math.nan,
        )

    def proofs(self) -> tuple[Proof, ...]:
        """Return the proofs that the old rows that were to stay have stayed."""
        if self.old is None:
            return ()
        dim = self.plan.dim
        pairs = zip(self.free, (self.old.inputs, self.old.outputs), (self.inputs, self.outputs), strict=True)
        return tuple(extension.proof(before, after[:, :dim]).require() for free, before, after in pairs if free and before is not None)

    def model(self) -> Model:
        """Return what there is, with what is needed to go on."""
        state = {
            "part": self.at,
            "held": self.held,
            "text": self.fingerprint(),
        }
        dim = self.plan.dim
        inputs, outputs = (np.ascontiguousarray(rows[:, :dim]) for rows in (self.inputs, self.outputs))
        return Model(
            name=self.plan.model,
            vocabulary=self.corpus.vocabulary,
            counts=self.corpus.counts,
            inputs=inputs,
            outputs=outputs,
            settings=self.plan.settings(),
            state=state,
            tallies=self.tallies[: self.at].copy(),
        )

    def fingerprint(self) -> str:
        """Return what stands for the text and vocabulary: a training goes on only with the same."""
        told = hashlib.sha256(self.corpus.counts.tobytes())
        told.update(np.ascontiguousarray(self.corpus.vocabulary.data).tobytes())
        told.update(str(len(self.corpus.ids)).encode())
        return told.hexdigest()

    def take_up(self, stand: Model, keeper: Keeper) -> None:
        """Go on from where a training was stopped.

        Raises
        ------
        ArgumentError
            If it was another training: another text, or other settings.
        """
        keeper.check(stand, self.plan.settings(), self.fingerprint())
        self._put(stand)
        self.at, self.held = int(stand.state["part"]), list(stand.state["held"])
        self.tallies[: self.at] = stand.tallies
        if self.plan.patience is not None and self.held:
            self._put(open_model(keeper.best))
            self.best = min(self.held), self.inputs.copy(), self.outputs.copy()
            self._put(stand)

    def _put(self, model: Model) -> None:
        """Take a model's rows."""
        dim = self.plan.dim
        self.inputs[:, :dim], self.outputs[:, :dim] = model.inputs, model.outputs


def task_of(
    plan: Plan,
    counts: NDArray[np.int64],
    inputs: NDArray[np.float32],
    outputs: NDArray[np.float32],
    free: tuple[int, int],
    pieces: tuple[Any, Any] = (None, None),
) -> Task:
    """Return what all parts of a training share; `pieces` are those that words are made of."""
    shares = alias_table(counts, plan.ns_exponent) if plan.loss == "ns" else (None, None)
    ways = huffman_ways(counts) if plan.loss == "hs" else (None, None, None)
    return Task(
        inputs, outputs, plan.model == "cbow", keep_chances(counts, plan.sample), plan.window,
        plan.negative if plan.loss == "ns" else 0, shares, ways, *pieces, free,
    )  # fmt: skip


def mean_loss(tallies: NDArray[np.float64]) -> float:
    """Return the mean loss a pair of parts' tallies of shape (p, 3): pairs, mantissa and exponent of the product of their chances."""
    done = tallies[tallies[:, 0] > 0]
    with np.errstate(invalid="ignore"):
        return float(-(np.log(done[:, 1]) + done[:, 2] * math.log(2)).sum() / done[:, 0].sum()) if len(done) else math.nan


def _first_rows(plan: Plan, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where the matrices start: input rows evenly in ±1/(2 dim), output rows at 0, as in word2vec.c; padded with zeros."""
    wide = -(-plan.dim // PADDING) * PADDING
    random = np.random.default_rng([plan.seed, 0])
    inputs = aligned_rows(n + buckets(plan.settings()), wide)
    for start in range(0, len(inputs), 1 << 16):
        block = inputs[start : start + (1 << 16), : plan.dim]
        block[...] = (random.random(block.shape, dtype=np.float32) - np.float32(0.5)) / np.float32(plan.dim)
    return inputs, aligned_rows(n if plan.loss == "ns" else n - 1, wide)
