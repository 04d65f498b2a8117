"""GloVe (Pennington, Socher and Manning 2014): rows whose inner products are the logarithms of how often words stand near each other."""

from __future__ import annotations

import hashlib
import math
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tokenspace import extension
from tokenspace.engines import engine_of, local
from tokenspace.errors import ArgumentError, NotFiniteError
from tokenspace.native import glove as kernels
from tokenspace.native.training import aligned_rows
from tokenspace.train import growing
from tokenspace.train.cooccurrence import count_cooccurrences
from tokenspace.train.corpus import check_words, read_corpus
from tokenspace.train.counting import count_by
from tokenspace.train.glove_plan import glove_plan_of
from tokenspace.train.hogwild import Keeper, Trained
from tokenspace.train.model import Model, TrainedTable, open_model, table_of
from tokenspace.train.running import Progress, fell_no_more
from tokenspace.train.waves import Descent, Waves

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tokenspace.engines import Engine
    from tokenspace.extension import Proof
    from tokenspace.table import EmbeddingTable
    from tokenspace.train.corpus import Corpus, Text
    from tokenspace.train.glove_plan import GlovePlan

MOST_HELD = 1 << 20
"""Pairs held out at the most: 16 MB, and a loss that is settled to a thousandth."""

PART = 1 << 16
"""Words whose first numbers are drawn at a time."""


def glove(  # noqa: PLR0913 - what belongs to no plan
    text: Text,
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    min_count: int = 5,
    max_vocabulary: int | None = None,
    errors: str = "strict",
    threads: int | None = None,
    deterministic: bool = True,
    extend: Model | EmbeddingTable | str | os.PathLike[str] | None = None,
    rows: str = "new",
    init: str = "a-la-carte",
    checkpoint: str | os.PathLike[str] | None = None,
    every: float = 60.0,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
    reading: Callable[[str, int, int], None] | None = None,
    engine: str | Engine | None = None,
    shared: str | os.PathLike[str] | None = None,
    **options: Any,
) -> TrainedTable:
    """Train a table by GloVe.

    Parameters
    ----------
    text : str, path, list of them, or iterable of token lists
        As `tokenspace.train.corpus.read_corpus` takes.
    tokenizer, min_count, max_vocabulary, errors
        As `read_corpus`.
    threads : int, optional
        By default one for every CPU; up to 16 have work.
    deterministic : bool, default True
        Taken because the other models take it. Here the result never depends on the number of threads, and that costs nothing.
    extend : Model, path or EmbeddingTable, optional
        A model, its file, or a table whose tokens keep their rows; new words of the text come behind them.
    rows : "new" or "all", default "new"
        Which rows train when extending: the new ones, and the old ones of **both** matrices stay bit for bit, or all.
    init : "a-la-carte" or "random", default "a-la-carte"
        Where new rows start when extending.
    checkpoint : path, optional
        A file to keep the state in, every ``every`` (60) seconds and at the end; with `patience` a second one, .best.
    resume : bool, default False
        Go on from that file.
    watch : callable, optional
        Called as ``watch(progress)`` after each wave of half a million pairs; ``reading`` as ``reading(what, done, total)`` before.
    engine : "local", "ray" or tokenspace.engines.Engine, optional
        Where pairs are counted, range by range of the text: the same counts. What is trained on them is trained here.
    shared : path, optional
        A folder that all machines of the engine see, for sums on their way. Left out, one of this machine's.
    **options
        dim, window, symmetric, distance_weighting, x_max, alpha, eta, grad_clip, epochs, vectors, memory, seed, held_out, patience: see
        `tokenspace.train.glove_plan.GlovePlan`.

    Returns
    -------
    TrainedTable
        An `EmbeddingTable` with `model` (both matrices, biases) and `report` (loss, rate, proofs). The loss is the mean of
        f(x) (<w_i, c_j> + b_i + b_j' - log x)² / 2 over all steps of the epoch, each before it is taken: what Stanford's program prints.

    Raises
    ------
    ArgumentError
        If an option is unknown or outside, the text has fewer than two different words, or no two stand near each other.
    NotFiniteError
        If the numbers grew beyond float32: eta is too large.
    FileContentError, TableNotFoundError, OutputError
        As `read_corpus`, if there is no room for the counts, and if a checkpoint is damaged or of another training.

    Notes
    -----
    The same bits for the same text, options and seed, for any number of threads, on every machine, with or without a stop between.
    Ctrl-C ends the training after the wave under way: the table is usable, and `checkpoint` can be resumed.

    Memory: 16 bytes a number of each row (two matrices and their squared gradients), 4 for the table, 30 MB of pairs, and `memory`
    while counting; the counts lie in a temporary file (``TMPDIR``), 8 bytes a pair. They are trained in an order that is new in each
    epoch, without a file of shuffled pairs. The vice: the counts of words beyond the first thousands are few and noisy, and the window of
    15 makes pairs of words that only share a topic.

    References
    ----------
    J. Pennington, R. Socher, C. Manning, "GloVe: Global Vectors for Word Representation", EMNLP 2014.

    Examples
    --------
    >>> table = glove([["the", "cat", "sat"], ["the", "dog", "sat"]] * 50, dim=8, epochs=5)
    >>> table.shape, table.report.epochs
    ((4, 8), 5)
    """
    del deterministic
    plan = glove_plan_of(options)
    if resume and checkpoint is None:
        message = "resume needs the checkpoint to go on from"
        raise ArgumentError(message, hint="name the file: checkpoint=... (--checkpoint)")
    stand = open_model(checkpoint) if resume and checkpoint is not None else None
    old = None if extend is None else growing.source_of(extend)
    if old is not None:
        growing.check_dim(old.rows.shape[1], options.get("dim"))
        plan = replace(plan, dim=old.rows.shape[1])
    growing.check_choices(rows, init)
    corpus = read_corpus(
        text, tokenizer=tokenizer, min_count=min_count, max_vocabulary=max_vocabulary, base=old.vocabulary if old else None, errors=errors,
        threads=threads, watch=reading,
    )  # fmt: skip
    check_words(corpus)
    count = local.thread_count(threads)
    fixed = len(old.vocabulary) if old is not None and rows == "new" else 0
    began = time.monotonic(), time.process_time()
    workers = None if engine is None else engine_of(engine, threads=threads)
    run = Run(plan, corpus, fixed, count, reading, engine=workers, shared=shared)
    if old is not None:
        run.take_over(old, init)
    keeper = Keeper(Path(checkpoint), every) if checkpoint is not None else None
    if stand is not None and keeper is not None:
        run.take_up(stand, keeper)
    return run.through(keeper, watch, began)


class Run:
    """A training: each word's numbers, the pairs in their order, and what they came to.

    Parameters
    ----------
    plan : GlovePlan
    corpus : Corpus
    fixed : int
        Words below it do not move.
    threads : int
    reading : callable or None
        Told how far the counting is.
    engine : Engine, optional
        Counts the pairs.
    shared : path, optional
        A folder that its machines see.
    """

    def __init__(
        self,
        plan: GlovePlan,
        corpus: Corpus,
        fixed: int,
        threads: int,
        reading: Callable[[str, int, int], None] | None,
        *,
        engine: Engine | None = None,
        shared: str | os.PathLike[str] | None = None,
    ) -> None:
        n = len(corpus.vocabulary)
        self.plan, self.corpus, self.fixed, self.threads = plan, corpus, fixed, threads
        how: dict[str, Any] = {"window": plan.window, "symmetric": plan.symmetric, "distance_weighting": plan.distance_weighting}
        how |= {"fixed": fixed, "memory": plan.memory, "watch": reading}
        if engine is not None:
            counts = count_by(engine, corpus.ids, n, folder=shared, **how)
        else:
            counts = count_cooccurrences(corpus.ids, n, threads=threads, release=corpus.release, **how)
        if not len(counts):
            what = "no new word of the text stands near another word" if fixed else "no two words of the text stand near each other"
            raise ArgumentError(what, hint="give more text, or lower min_count (--min-count)")
        share = min(plan.held_out, MOST_HELD / len(counts))
        self.waves = Waves(counts, kernels.Weighting(plan.x_max, plan.alpha, plan.seed, int(share * 2**64)), plan.seed)
        self.measured = self.waves.held_out() if share else None
        self.s = kernels.stride(plan.dim)
        self.blocks = _first_numbers(plan, n)
        self.old: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self.at, self.cost, self.steps = (0, 0), 0.0, 0
        self.losses: list[float] = []
        self.held: list[float] = []
        self.best: tuple[float, NDArray[np.float32]] | None = None

    def row(self, which: int) -> NDArray[np.float32]:
        """Return one of the four rows of all words: word, its squared gradients, context, its squared gradients."""
        start = kernels.HEAD + which * self.s
        return self.blocks[:, start : start + self.plan.dim]

    def take_over(self, old: growing.Source, init: str) -> None:
        """Put old rows in front, and start the new ones.

        A table without its second matrix is the sum of two equal ones; its biases are those of independent words.
        """
        n = len(old.vocabulary)
        if old.model is not None and old.model.name == "glove":
            word, context = old.model.inputs, old.model.outputs
            self.blocks[:n, [0, 2]] = old.model.memory["biases"][:, [0, 2]]
        else:
            word = context = old.rows if self.plan.vectors != "sum" else old.rows * np.float32(0.5)
            seen = np.maximum(self.corpus.counts, 0.5)
            self.blocks[:, 0] = self.blocks[:, 2] = np.log(seen) - 0.5 * np.log(seen.sum())
        self.row(0)[:n], self.row(2)[:n] = word, context
        if self.fixed:
            self.old = self.row(0)[:n].copy(), self.row(2)[:n].copy()
        if init == "a-la-carte" and len(self.blocks) > n:
            rows = np.zeros((len(self.blocks), self.plan.dim), dtype=np.float32)
            rows[:n] = word + context
            new = growing.a_la_carte(self.corpus, rows, n, min(self.plan.window, growing.REACH)) / 2
            self.row(0)[n:], self.row(2)[n:] = new, new

    def through(self, keeper: Keeper | None, watch: Callable[[Progress], None] | None, began: tuple[float, float]) -> TrainedTable:
        """Train to the end, or to where it is stopped; return the table."""
        first, ended = self.at[0] * len(self.waves) + self.at[1], "held-out loss" if self._over() else "done"
        descent = Descent(self.plan.eta, self.plan.grad_clip, self.plan.symmetric, self.fixed)
        start = time.monotonic()
        with _Interrupt() as interrupt:
            training = self.waves.train(self.blocks, descent, self.threads, self.at, self.at[0] if self._over() else self.plan.epochs)
            for epoch, wave, cost, steps in training:
                self._note(epoch, wave, cost, steps, keeper)
                try:
                    if watch is not None:
                        watch(self.progress(epoch, first, time.monotonic() - start))
                except KeyboardInterrupt:
                    interrupt.asked = True
                if self._over() or self.at[0] == self.plan.epochs:
                    ended = "held-out loss" if self._over() else "done"
                    break
                if interrupt.asked:
                    ended = "stopped"
                    break
                if keeper and time.monotonic() > keeper.due:
                    keeper.write(self.model())
            training.close()
        seconds, cpu = time.monotonic() - began[0], time.process_time() - began[1]
        if self.best is not None and ended != "stopped":
            self.blocks = self.best[1]
        model = self.model()
        if keeper:
            keeper.write(model)
        done = (self.at[0] * len(self.waves) + self.at[1] - first) / len(self.waves)
        report = Trained(
            model="glove",
            tokens=len(self.corpus.vocabulary),
            words=self.corpus.seen,
            epochs=self.at[0],
            wanted=self.plan.epochs,
            ended=ended,
            losses=(*self.losses, *([self.cost / self.steps] if self.steps else [])),
            held_out=tuple(self.held),
            seconds=seconds,
            cpu_seconds=cpu,
            rate=done * self.corpus.seen / max(seconds, 1e-9),
            proofs=self.proofs(),
        )
        return table_of(model, report)

    def _note(self, epoch: int, wave: int, cost: float, steps: int, keeper: Keeper | None) -> None:
        """Take down what a wave came to."""
        if not math.isfinite(cost):
            self._diverged(epoch)
        self.cost, self.steps = self.cost + cost, self.steps + steps
        self.at = epoch, wave + 1
        if self.at[1] == len(self.waves):
            self.at = epoch + 1, 0
            self.losses.append(self.cost / self.steps if self.steps else math.nan)
            self.cost, self.steps = 0.0, 0
            if not all(np.isfinite(self.blocks[start : start + PART]).all() for start in range(0, len(self.blocks), PART)):
                self._diverged(epoch)
            if self.measured is not None:
                self.held.append(self.measure())
                self._keep_best(keeper)

    def _diverged(self, epoch: int) -> None:
        message = f"the numbers grew beyond float32 in epoch {epoch + 1}, at eta {self.plan.eta:g}"
        raise NotFiniteError(message, hint="take a smaller learning rate: eta (--eta)")

    def measure(self) -> float:
        """Return the mean cost of the pairs held out; nothing moves."""
        records = self.measured
        if records is None or not len(records.pairs):
            return math.nan
        kernels.check(records, self.blocks)
        twice = int(np.count_nonzero(records.pairs[:, 0] != records.pairs[:, 1])) if self.plan.symmetric else 0
        return kernels.cost(records, self.blocks, symmetric=self.plan.symmetric) / (len(records.pairs) + twice)

    def _keep_best(self, keeper: Keeper | None) -> None:
        """Keep the numbers of the best epoch, where patience asks for it."""
        if self.plan.patience and (self.best is None or self.held[-1] < self.best[0]):
            self.best = self.held[-1], self.blocks.copy()
            if keeper:
                keeper.write(self.model(), keeper.best)

    def _over(self) -> bool:
        """Whether the loss on the pairs held out fell too long ago."""
        return fell_no_more(self.held, self.plan.patience)

    def progress(self, epoch: int, first: int, seconds: float) -> Progress:
        """Return how far it is."""
        waves, pairs = len(self.waves), len(self.waves.counts)
        at = self.at[0] * waves + self.at[1]
        total, done = pairs * self.plan.epochs, round(pairs * at / waves)
        rate = (at - first) / waves * pairs / max(seconds, 1e-9)
        loss = self.cost / self.steps if self.steps else self.losses[-1]
        held = self.held[-1] if self.held else math.nan
        left = (total - done) / rate if rate else math.inf
        return Progress(done, total, "pairs", rate, left, epoch + 1, self.plan.epochs, self.plan.eta, loss, held)

    def proofs(self) -> tuple[Proof, ...]:
        """Return the proofs that the old rows of both matrices have stayed."""
        if self.old is None:
            return ()
        return tuple(extension.proof(before, self.row(which)).require() for which, before in zip((0, 2), self.old, strict=True))

    def model(self) -> Model:
        """Return what there is, with what is needed to go on; its arrays are views of the words' numbers."""
        state = {
            "epoch": self.at[0],
            "wave": self.at[1],
            "cost": self.cost,
            "steps": self.steps,
            "losses": self.losses,
            "held": self.held,
            "text": self.fingerprint(),
        }
        memory = {"biases": self.blocks[:, :4], "input_squares": self.row(1), "output_squares": self.row(3)}
        return Model(
            name="glove",
            vocabulary=self.corpus.vocabulary,
            counts=self.corpus.counts,
            inputs=self.row(0),
            outputs=self.row(2),
            settings=self.plan.settings(),
            state=state,
            memory=memory,
        )

    def fingerprint(self) -> str:
        """Return what stands for the text, its pairs and vocabulary: a training goes on only with the same."""
        told = hashlib.sha256(self.corpus.counts.tobytes())
        told.update(np.ascontiguousarray(self.corpus.vocabulary.data).tobytes())
        told.update(self.waves.counts.ends.tobytes())
        return told.hexdigest()

    def take_up(self, stand: Model, keeper: Keeper) -> None:
        """Go on from where a training was stopped.

        Raises
        ------
        ArgumentError
            If it was another training: another text, or other settings.
        """
        keeper.check(stand, self.plan.settings(), self.fingerprint(), apart="memory")
        self._put(stand)
        self.at = int(stand.state["epoch"]), int(stand.state["wave"])
        self.cost, self.steps = float(stand.state["cost"]), int(stand.state["steps"])
        self.losses, self.held = list(stand.state["losses"]), list(stand.state["held"])
        if self.plan.patience is not None and self.held:
            self._put(open_model(keeper.best))
            self.best = min(self.held), self.blocks.copy()
            self._put(stand)

    def _put(self, model: Model) -> None:
        """Take a model's numbers."""
        self.row(0)[:], self.row(2)[:] = model.inputs, model.outputs
        self.row(1)[:], self.row(3)[:] = model.memory["input_squares"], model.memory["output_squares"]
        self.blocks[:, :4] = model.memory["biases"]


class _Interrupt:
    """Hears Ctrl-C without tearing a wave in two: `asked` says that it came. A second one is no longer waited for."""

    asked = False

    def __enter__(self) -> Self:
        self.before: Any = None
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.before = signal.signal(signal.SIGINT, self._heard)
        return self

    def _heard(self, *_: object) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self.before)

    def __exit__(self, *_: object) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


def _first_numbers(plan: GlovePlan, n: int) -> NDArray[np.float32]:
    """Return where the numbers start: rows and biases evenly in ±1/(2 dim), squared gradients at 1, as in Stanford's program."""
    random, s = np.random.default_rng([plan.seed, 0]), kernels.stride(plan.dim)
    blocks = aligned_rows(n, kernels.HEAD + kernels.ROWS * s)
    for start in range(0, n, PART):
        block = blocks[start : start + PART]
        drawn = (random.random((len(block), 2, plan.dim + 1), dtype=np.float32) - np.float32(0.5)) / np.float32(plan.dim)
        rows = block[:, kernels.HEAD :].reshape(len(block), kernels.ROWS, s)
        rows[:, ::2, : plan.dim], rows[:, 1::2] = drawn[:, :, :-1], 1
        block[:, [0, 2]], block[:, [1, 3]] = drawn[:, :, -1], 1
    return blocks
