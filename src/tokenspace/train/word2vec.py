"""word2vec: skip-gram and CBOW (Mikolov et al. 2013), over text of any length, by threads without locks."""

from __future__ import annotations

import hashlib
import math
import time
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import extension
from tokenspace.engines import local
from tokenspace.errors import ArgumentError, NotFiniteError, OutputError
from tokenspace.native.training import PADDING, Task, train_part
from tokenspace.train import growing
from tokenspace.train.corpus import read_corpus
from tokenspace.train.model import Model, TrainedTable, open_model, table_of
from tokenspace.train.plan import plan_of
from tokenspace.train.running import Progress, Stopped, run_parts
from tokenspace.train.sampling import alias_table, huffman_ways, keep_chances, state_of
from tokenspace.train.subwords import Subwords

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tokenspace.extension import Proof
    from tokenspace.table import EmbeddingTable
    from tokenspace.train.corpus import Corpus, Text
    from tokenspace.train.plan import Plan
    from tokenspace.vocabulary import Vocabulary

PARTS = 500, 2_000, 40_000
"""How many parts an epoch is cut into, and the least and most ids of one. Each has one learning rate and its own chain of random
numbers; a call of the kernel costs 20 µs, 40,000 words 20 ms."""

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


def skipgram(text: Text, **options: Any) -> TrainedTable:
    """Train a table by skip-gram: each word is to tell its neighbours.

    Parameters
    ----------
    text : str, path, list of them, or iterable of token lists
        As `tokenspace.train.corpus.read_corpus` takes.
    **options
        dim, window, negative, loss, epochs, alpha, sample, ns_exponent, minn, maxn, bucket, seed, held_out, patience: see
        `tokenspace.train.plan.Plan`. tokenizer, min_count, max_vocabulary, errors: see `read_corpus`. And:

        - ``threads``: by default one for every CPU;
        - ``deterministic`` (False): the same bits for any number of threads, of which one then trains and the others only read;
        - ``extend``: a `Model`, its file, or a table whose tokens keep their rows; new words of the text come behind them;
        - ``rows`` ("new"): which rows train when extending: "new", and the old ones of **both** matrices stay bit for bit, or "all";
        - ``init`` ("a-la-carte"): where new rows start when extending: there or "random";
        - ``checkpoint``: a file to keep the state in, every ``every`` (60) seconds and at the end;
        - ``resume`` (False): go on from that file;
        - ``watch``: called as ``watch(progress)`` some ten times a second; ``reading`` as `read_corpus` calls its ``watch``.

    Returns
    -------
    TrainedTable
        An `EmbeddingTable` with `model` (both matrices) and `report` (loss, rate, proofs).

    Raises
    ------
    ArgumentError
        If an option is unknown or outside, or the text has fewer than two different words.
    NotFiniteError
        If the numbers grew beyond float32: alpha is too large.
    FileContentError, TableNotFoundError, OutputError
        As `read_corpus`, and if a checkpoint is damaged or of another training.

    Notes
    -----
    One thread gives the same bits for the same text, options and seed, on every machine, with or without a stop between. Several
    threads write to shared rows without locks, which changes the last digits from run to run; `deterministic` costs their speed.
    Ctrl-C ends the training as if it had been asked for so much: the table is usable, and `checkpoint` can be resumed.

    Memory: 8 bytes a number of each row, 16 while the result is copied; the text is mapped. Windows share the words drawn against
    them, as in pWord2Vec. The vice: rows of words that stand in the text 5 times are close to where chance put them.

    References
    ----------
    T. Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", NIPS 2013.

    Examples
    --------
    >>> table = skipgram([["the", "cat", "sat"], ["the", "dog", "sat"]] * 50, dim=8, threads=1)
    >>> table.shape, table.report.epochs
    ((4, 8), 5)
    """
    return _train("skipgram", text, **options)


def cbow(text: Text, **options: Any) -> TrainedTable:
    """Train a table by CBOW: the mean of a word's neighbours is to tell the word.

    Parameters
    ----------
    text : str, path, list of them, or iterable of token lists
    **options
        As `skipgram`; alpha begins at 0.05.

    Returns
    -------
    TrainedTable

    Raises
    ------
    ArgumentError, NotFiniteError, FileContentError, TableNotFoundError, OutputError
        As `skipgram`.

    Notes
    -----
    Faster than skip-gram, as each word is one step and not one a neighbour, and worse for rare words.

    Examples
    --------
    >>> cbow([["the", "cat", "sat"], ["the", "dog", "sat"]] * 50, dim=8, threads=1).model.outputs.shape
    (4, 8)
    """
    return _train("cbow", text, **options)


def _train(  # noqa: PLR0913 - what belongs to no plan
    name: str,
    text: Text,
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    min_count: int = 5,
    max_vocabulary: int | None = None,
    errors: str = "strict",
    threads: int | None = None,
    deterministic: bool = False,
    extend: Model | EmbeddingTable | str | os.PathLike[str] | None = None,
    rows: str = "new",
    init: str = "a-la-carte",
    checkpoint: str | os.PathLike[str] | None = None,
    every: float = 60.0,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
    reading: Callable[[str, int, int], None] | None = None,
    **options: Any,
) -> TrainedTable:
    plan = plan_of(name, options)
    if resume and checkpoint is None:
        message = "resume needs the checkpoint to go on from"
        raise ArgumentError(message, hint="name the file: checkpoint=... (--checkpoint)")
    stand = open_model(checkpoint) if resume and checkpoint is not None else None
    old = None if extend is None else growing.old_of(extend, plan, rows, init)
    plan = plan if old is None else replace(plan, dim=old.inputs.shape[1])
    corpus = read_corpus(
        text, tokenizer=tokenizer, min_count=min_count, max_vocabulary=max_vocabulary, base=old.vocabulary if old else None, errors=errors,
        threads=threads, watch=reading,
    )  # fmt: skip
    run = Run(plan, corpus, threads=1 if deterministic else local.thread_count(threads), old=old)
    if stand is not None:
        run.take_up(stand, str(checkpoint))
    keeper = Keeper(Path(checkpoint), every) if checkpoint is not None else None
    return run.through(keeper, watch)


class Keeper:
    """Writes the state of a training to its file, now and then.

    Parameters
    ----------
    path : Path
    every : float
        Seconds between two times.
    """

    def __init__(self, path: Path, every: float) -> None:
        self.path, self.every = path, every
        self.due = time.monotonic() + every

    def write(self, model: Model) -> None:
        """Write it; a full disk ends no training, as the state before is still there."""
        try:
            model.save(self.path)
        except OutputError as error:
            warnings.warn(f"no checkpoint was written: {error.message}", RuntimeWarning, stacklevel=2)
        self.due = time.monotonic() + self.every


class Run:
    """A training: matrices, parts in their order, and what they came to.

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
        if n < 2 or np.count_nonzero(corpus.counts) < 2:  # noqa: PLR2004 - a word is told from another
            message = f"a training needs at least two different words; the text has {np.count_nonzero(corpus.counts)}"
            raise ArgumentError(message, hint="give more text, or lower min_count (--min-count)")
        self.plan, self.corpus, self.threads, self.old = plan, corpus, threads, old
        self.pieces = Subwords.of(plan.settings())
        self.wide = -(-plan.dim // PADDING) * PADDING
        self.inputs, self.outputs = _first_rows(plan, n)
        self.free = (0, 0)
        if old is not None:
            self.free = growing.take_over(old, self.inputs, self.outputs, corpus, plan)
        counts, least, most = PARTS
        parts = corpus.parts(min(max(len(corpus.ids) // counts, least), most))
        step = round(1 / plan.held_out) if plan.held_out else 0
        self.measured = parts[step - 1 :: step] if step and len(parts) >= step else parts[-1:] if step else []
        self.parts = [part for part in parts if part not in set(self.measured)] or parts
        self.before = np.concatenate([[0], np.cumsum([end - start for start, end in self.parts])])
        self.tallies = np.zeros((plan.epochs * len(self.parts), 3))
        self.at = 0
        self.held: list[float] = []
        self.best: tuple[float, NDArray[np.float32], NDArray[np.float32]] | None = None
        self.task = self._task()

    def _task(self) -> Task:
        plan, counts = self.plan, self.corpus.counts
        begins, rows = self.pieces.bags(self.corpus.vocabulary) if self.pieces else (None, None)
        shares = alias_table(counts, plan.ns_exponent) if plan.loss == "ns" else (None, None)
        ways = huffman_ways(counts) if plan.loss == "hs" else (None, None, None)
        return Task(
            self.inputs, self.outputs, plan.model == "cbow", keep_chances(counts, plan.sample), plan.window,
            plan.negative if plan.loss == "ns" else 0, shares, ways, begins, rows, self.free,
        )  # fmt: skip

    def alpha(self, part: int) -> float:
        """Return the learning rate of a part: it depends on the place in the text alone."""
        epoch, place = divmod(part, len(self.parts))
        done = (epoch + self.before[place] / self.before[-1]) / self.plan.epochs
        return self.plan.alpha * max(LEAST_RATE, 1.0 - float(done))

    def work(self, part: int) -> None:
        """Train on a part."""
        start, end = self.parts[part % len(self.parts)]
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

        run_parts(one, 0, len(tallies), threads=self.threads, tick=lambda _: None)
        return mean_loss(tallies)

    def through(self, keeper: Keeper | None, watch: Callable[[Progress], None] | None) -> TrainedTable:
        """Train to the end, or to where it is stopped; return the table."""
        began, cpu, first = time.monotonic(), time.process_time(), self.at
        ended = "done"

        def tick(begun: int) -> None:
            if watch is not None:
                watch(self.progress(begun, first, time.monotonic() - began))

        try:
            while self.at < len(self.tallies):
                last = (self.at // len(self.parts) + 1) * len(self.parts)
                self.at = run_parts(self.work, self.at, last, threads=self.threads, tick=tick, until=keeper.due if keeper else math.inf)
                if self.at == last and self.measured:
                    self.held.append(self.measure())
                    if self._over():
                        ended = "held-out loss"
                        break
                if keeper and time.monotonic() > keeper.due and self.at < len(self.tallies):
                    keeper.write(self.model())
        except Stopped as stop:
            self.at, ended = stop.part, "stopped"
        except KeyboardInterrupt:  # between two parts
            ended = "stopped"
        seconds, words = time.monotonic() - began, self.words(self.at) - self.words(first)
        if keeper and ended == "stopped":
            keeper.write(self.model())
        if self.best is not None and ended != "stopped":
            self.inputs, self.outputs = self.best[1:]
        model = self.model()
        if keeper and ended != "stopped":
            keeper.write(model)
        report = Trained(
            self.plan.model, len(self.corpus.vocabulary), self.corpus.seen, self.at // len(self.parts), self.plan.epochs, ended,
            tuple(mean_loss(part) for part in np.split(self.tallies[: self.at], range(len(self.parts), self.at, len(self.parts)))),
            tuple(self.held), seconds, time.process_time() - cpu, words / max(seconds, 1e-9), self.proofs(),
        )  # fmt: skip
        return table_of(model, report)

    def _over(self) -> bool:
        """Whether the loss on the text held out fell too long ago; the rows of the best epoch are kept for then."""
        if self.plan.patience is None:
            return False
        if self.best is None or self.held[-1] < self.best[0]:
            self.best = self.held[-1], self.inputs.copy(), self.outputs.copy()
        return len(self.held) - 1 - int(np.argmin(self.held)) >= self.plan.patience

    def words(self, part: int) -> int:
        """Return the words of the text up to a part, those left out for being rare among them."""
        epoch, place = divmod(part, len(self.parts))
        return int((epoch + self.before[place] / self.before[-1]) * self.corpus.seen)

    def progress(self, begun: int, first: int, seconds: float) -> Progress:
        """Return how far it is."""
        epoch = min((begun - 1) // len(self.parts), self.plan.epochs - 1) if begun else 0
        rate = (self.words(begun) - self.words(first)) / max(seconds, 1e-9)
        total = self.plan.epochs * self.corpus.seen
        done = self.words(begun)
        loss = mean_loss(self.tallies[epoch * len(self.parts) : begun])
        return Progress(
            done, total, "words", rate, (total - done) / rate if rate else math.inf, epoch + 1, self.plan.epochs, self.alpha(max(begun - 1, 0)),
            loss, self.held[-1] if self.held else math.nan,
        )  # fmt: skip

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
            "tallies": self.tallies[: self.at].tolist() if self.at < len(self.tallies) else [],
        }
        dim = self.plan.dim
        inputs, outputs = (np.ascontiguousarray(rows[:, :dim]) for rows in (self.inputs, self.outputs))
        return Model(self.plan.model, self.corpus.vocabulary, self.corpus.counts, inputs, outputs, self.plan.settings(), state)

    def fingerprint(self) -> str:
        """Return what stands for the text and vocabulary: a training goes on only with the same."""
        told = hashlib.sha256(self.corpus.counts.tobytes())
        told.update(np.ascontiguousarray(self.corpus.vocabulary.data).tobytes())
        told.update(str(len(self.corpus.ids)).encode())
        return told.hexdigest()

    def take_up(self, stand: Model, path: str) -> None:
        """Go on from where a training was stopped.

        Raises
        ------
        ArgumentError
            If it was another training: another text, or other settings.
        """
        now, then = self.plan.settings(), dict(stand.settings)
        differing = next((name for name in now if now[name] != then.get(name)), None)
        if differing is not None:
            message = f"the training in {path} had {differing} {then.get(differing)!r}; seen {now[differing]!r}"
            raise ArgumentError(message, hint="give the same values, or start anew without resume (--resume)")
        if stand.state.get("text") != self.fingerprint():
            message = f"the training in {path} had another text"
            raise ArgumentError(message, hint="give the same text, or start anew without resume (--resume)")
        dim = self.plan.dim
        self.inputs[:, :dim], self.outputs[:, :dim] = stand.inputs, stand.outputs
        self.at, self.held = int(stand.state["part"]), list(stand.state["held"])
        tallies = np.array(stand.state["tallies"]).reshape(-1, 3)
        self.tallies[: len(tallies)] = tallies


def mean_loss(tallies: NDArray[np.float64]) -> float:
    """Return the mean loss a pair of parts' tallies of shape (p, 3): pairs, mantissa and exponent of the product of their chances."""
    done = tallies[tallies[:, 0] > 0]
    with np.errstate(invalid="ignore"):
        return float(-(np.log(done[:, 1]) + done[:, 2] * math.log(2)).sum() / done[:, 0].sum()) if len(done) else math.nan


def _first_rows(plan: Plan, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where the matrices start: input rows evenly in ±1/(2 dim), output rows at 0, as in word2vec.c; padded with zeros."""
    wide = -(-plan.dim // PADDING) * PADDING
    random = np.random.default_rng([plan.seed, 0])
    inputs = np.zeros((n + Subwords.buckets(plan.settings()), wide), dtype=np.float32)
    for start in range(0, len(inputs), 1 << 16):
        block = inputs[start : start + (1 << 16), : plan.dim]
        block[...] = (random.random(block.shape, dtype=np.float32) - np.float32(0.5)) / np.float32(plan.dim)
    return inputs, np.zeros((n if plan.loss == "ns" else n - 1, wide), dtype=np.float32)
