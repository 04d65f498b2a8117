"""The training itself: steps over pairs, what they cost and bring, a stop that keeps what there is, and going on from there."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tokenspace.analysis.sentences import evaluate_sentences, retrieval
from tokenspace.errors import ArgumentError, NotFiniteError, OutputError
from tokenspace.texts.pairs import SentencePairs, read_sentence_pairs
from tokenspace.train import rounds
from tokenspace.train.bounds import check_positive
from tokenspace.train.siamese.encoders import TOGETHER, encoder_of
from tokenspace.train.siamese.objectives import OBJECTIVES, Objective, Softmax, copies
from tokenspace.train.state import State

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from tokenspace.extension import Proof
    from tokenspace.table import EmbeddingTable
    from tokenspace.train.siamese.encoders import Encoder

    Pairs = SentencePairs | str | os.PathLike[str]

HELD_OUT = 1000
"""Pairs that measure and do not train, at the most; a tenth of them where that is less."""

OFTEN = 60.0
"""Seconds between two records of where the training stands: a killed process loses no more."""


@dataclass(frozen=True)
class Evaluated:
    """How the encoder does on held-out pairs at one point.

    Attributes
    ----------
    step : int
        Steps done.
    loss : float
        Mean of the training losses since the point before; NaN at the first.
    score : float
        What `Trained.measure` names.
    """

    step: int
    loss: float
    score: float

    def __str__(self) -> str:
        """Say it in one line."""
        return f"step {self.step:,}: loss {self.loss:.4f}, held out {self.score:.4f}"


@dataclass(frozen=True)
class Trained:
    """What a training did; as text, in one line.

    Attributes
    ----------
    out : str
    objective : str
    steps, wanted : int
        Steps done in all, and asked for; fewer where it was stopped.
    pairs, held_out : int
        Pairs trained on, and measured on.
    measure : str
        "spearman", "accuracy", "order" or "recall@1".
    before, after : float
        That, on the held-out pairs.
    course : tuple of Evaluated
    seconds : float
    proof : Proof or None
        Of the rows that were to stay, where only some were trained.
    """

    out: str
    objective: str
    steps: int
    wanted: int
    pairs: int
    held_out: int
    measure: str
    before: float
    after: float
    seconds: float
    course: tuple[Evaluated, ...] = field(default=(), repr=False)
    proof: Proof | None = None

    def __str__(self) -> str:
        """Say it in one line."""
        steps = f"{self.steps:,} steps" if self.steps == self.wanted else f"stopped after {self.steps:,} of {self.wanted:,} steps"
        change = f"{self.measure} on {self.held_out:,} held-out pairs {self.before:.4f} -> {self.after:.4f}"
        return f"{self.out}: {self.pairs:,} pairs, {steps}, {self.seconds:,.0f} s; {change}{f'; {self.proof}' if self.proof else ''}"

    def document(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        told = asdict(self) | {"proved": None if self.proof is None else bool(self.proof)}
        del told["proof"]
        return told


@dataclass(frozen=True)
class Plan:
    """What is asked for; `train_siamese` says what each field is."""

    objective: str
    steps: int
    batch: int
    lr: float
    seed: int
    every: int

    def __post_init__(self) -> None:
        check_positive(self, ("steps", "batch", "lr", "every"))

    def places(self, pairs: int, step: int) -> list[int]:
        """Return which pairs a step takes."""
        return rounds.places(step, batch=self.batch, count=pairs, seed=(self.seed, 2))


def train_siamese(  # noqa: PLR0913 - each an option of the command
    pairs: Pairs,
    model: str | os.PathLike[str] | EmbeddingTable | None = None,
    *,
    out: str | os.PathLike[str],
    objective: str = "contrastive",
    held_out: Pairs | None = None,
    scale: tuple[float, float] | None = None,
    columns: Mapping[str, str | int] | None = None,
    only: Sequence[str] | None = None,
    tokenizer: Any = "auto",
    dim: int = 100,
    steps: int | None = None,
    epochs: int = 1,
    batch: int = 64,
    lr: float | None = None,
    length: int | None = None,
    every: int | None = None,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    watch: Callable[[int, int, float], None] | None = None,
    evaluated: Callable[[Evaluated], None] | None = None,
) -> Trained:
    """Train one encoder on pairs of sentences.

    Parameters
    ----------
    pairs : SentencePairs or path
        As `tokenspace.texts.pairs.read_sentence_pairs` reads them: TSV, JSON lines or Parquet.
    model : path, EmbeddingTable or None
        A Transformer's folder; or a table, whose rows are taken as a bag; or nothing: rows at random for the words of the pairs.
    out : path
        A table's file, in the format of its ending, or a Transformer's folder.
    objective : "contrastive", "cosine", "triplet" or "softmax", default "contrastive"
        Find each sentence's other among those of the batch; the cosine as the label says; the second closer than the third by Euclidean
        distance; tell the label from (u, v, |u - v|).
    held_out : SentencePairs or path, optional
        Pairs that measure. Left out, a tenth of the pairs, 1,000 at the most, which then do not train.
    scale : pair of float, optional
        For "cosine", what labels range over, brought to 0..1. Left out, labels are cosines, in -1..1.
    columns : mapping, optional
        Which column is what: as `read_sentence_pairs`.
    only : sequence of str, optional
        Tokens whose rows train, and nothing else: of a table, tokens that it has, or that are new to it; of a Transformer, tokens of its
        tokenizer.
    tokenizer : default "auto"
        Of a table: as `tokenspace.encode.Static` takes it.
    dim : int, default 100
        Numbers a row, where rows start at random.
    steps : int, optional
        Optimiser steps. Left out, as many as `epochs` (default 1) take.
    batch : int, default 64
        Pairs a step.
    lr : float, optional
        Adam's, falling to 0 along a line. Left out, 0.01 for rows, 2e-5 for a Transformer.
    length : int, optional
        Of a Transformer: tokens read of a text at the most.
    every : int, optional
        Steps between two measurements on the held-out pairs. Left out, a tenth of all.
    seed : int, default 0
    resume : bool, default False
        Go on where a training into `out` was stopped.
    force : bool, default False
        Replace `out`.
    watch : callable, optional
        Called after each step as ``watch(done, steps, loss)``. KeyboardInterrupt, there or anywhere in a step, ends the training as if it
        had been asked for so many steps.
    evaluated : callable, optional
        Called with each `Evaluated` as it is made.

    Returns
    -------
    Trained

    Raises
    ------
    ArgumentError
        If an argument is outside, or does not go with the model or the pairs.
    LabelError, UnpairedRowError, FileContentError
        If the pairs are not what they should be; the line is named.
    OutputError
        If `out` is there already, or cannot be written.
    NotFiniteError
        If the loss becomes NaN or infinite.

    Notes
    -----
    The score on held-out pairs: with numbers as labels the Spearman correlation of the cosine; for "softmax" the share of labels told
    right; of triples the share in the right order; else how often a sentence's other is the closest of all held-out ones. Dropout is off.
    Deterministic for a seed on one machine and number of threads; a training that was stopped and resumed ends with the same bits as one
    that was not. While it runs, and after a stop, the file ``OUT.training.safetensors`` has what `resume` needs.

    References
    ----------
    N. Reimers, I. Gurevych, "Sentence-BERT", EMNLP 2019, section 3.
    """
    if objective not in OBJECTIVES:
        message = f"objective must be one of {', '.join(OBJECTIVES)}; seen {objective!r}"
        raise ArgumentError(message)
    path, began = Path(out), time.monotonic()
    if path.exists() and not (force or resume):
        message = f"{path} is there already"
        raise OutputError(message, hint="name another, replace it with force=True (--force), or go on with resume=True (--resume)")
    read, measured = _split(_read(pairs, columns), None if held_out is None else _read(held_out, columns), seed)
    plan = Plan(objective, steps or -(-max(1, epochs) * len(read) // max(1, batch)), batch, 1.0 if lr is None else lr, seed, every or 1)
    encoder = encoder_of(
        model,
        (text for side in (read.first, read.second, read.third or ()) for text in side),
        tokenizer=tokenizer, dim=dim, seed=seed, only=only, length=length,
    )  # fmt: skip
    plan = Plan(objective, plan.steps, batch, lr or encoder.rate, seed, every or max(1, plan.steps // 10))
    goal = OBJECTIVES[objective](read, encoder.d, scale)
    parameters = [*encoder.parameters(), *goal.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=plan.lr)
    state = State(path.with_name(path.name + ".training.safetensors"))
    settings = {
        "objective": objective,
        "batch": batch,
        "lr": plan.lr,
        "seed": seed,
        "pairs": len(read),
        "d": encoder.d,
        "steps": plan.steps,
    }
    measure, score = _measure(encoder, goal, measured)
    before = score()
    done = state.read(optimiser, settings) if resume else 0
    course = [Evaluated(0, float("nan"), before)]

    def note(step: int, loss: float) -> None:
        course.append(Evaluated(step, loss, score()))
        if evaluated is not None:
            evaluated(course[-1])

    done = _steps(encoder, goal, optimiser, read, plan, done, watch, note, lambda at: state.write(optimiser, settings, at))
    after = course[-1].score if course[-1].step == done else score()
    proof = encoder.save(path)
    if done >= plan.steps:
        state.path.unlink(missing_ok=True)
    seconds = round(time.monotonic() - began, 3)
    return Trained(str(path), objective, done, plan.steps, len(read), len(measured), measure, before, after, seconds, tuple(course), proof)


def _read(pairs: Pairs, columns: Mapping[str, str | int] | None) -> SentencePairs:
    return pairs if isinstance(pairs, SentencePairs) else read_sentence_pairs(pairs, columns=columns)


def _split(pairs: SentencePairs, held_out: SentencePairs | None, seed: int) -> tuple[SentencePairs, SentencePairs]:
    """Return what trains and what measures."""
    if held_out is not None:
        return pairs, held_out
    held = min(HELD_OUT, len(pairs) // 10)
    if not held:
        return pairs, pairs
    order = np.random.default_rng([seed, 1]).permutation(len(pairs)).tolist()
    return pairs.some(sorted(order[held:])), pairs.some(sorted(order[:held]))


def _steps(  # noqa: PLR0913, PLR0917 - the loop's state
    encoder: Encoder,
    goal: Objective,
    optimiser: torch.optim.Optimizer,
    pairs: SentencePairs,
    plan: Plan,
    done: int,
    watch: Callable[[int, int, float], None] | None,
    note: Callable[[int, float], None],
    record: Callable[[int], None],
) -> int:
    """Take the steps that are left; return how many are done in all."""
    recorded, losses = time.monotonic(), [0.0][:0]
    try:
        while done < plan.steps:
            for group in optimiser.param_groups:
                group["lr"] = plan.lr * (1 - done / plan.steps)
            places = plan.places(len(pairs), done)
            loss = batch_loss(encoder, goal, pairs, places)
            value = float(loss.detach())
            if not np.isfinite(value):
                message = f"the loss is {value} at step {done + 1:,}"
                raise NotFiniteError(message, hint="take a smaller learning rate")
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            done += 1
            losses.append(value)
            if watch is not None:
                watch(done, plan.steps, value)
            if done % plan.every == 0 or done == plan.steps:
                note(done, float(np.mean(losses)))
                losses = []
            if time.monotonic() - recorded > OFTEN:
                record(done)
                recorded = time.monotonic()
    except KeyboardInterrupt:
        record(done)
    return done


def batch_loss(encoder: Encoder, goal: Objective, pairs: SentencePairs, places: Sequence[int]) -> torch.Tensor:
    """Return the loss of some pairs, all of whose sentences go through the encoder together."""
    some = pairs.some(places)
    sides = [some.first, some.second, *([some.third] if some.third is not None else [])]
    vectors = torch.split(encoder.vectors([text for side in sides for text in side]), len(places))
    targets = None if goal.targets is None else goal.targets[torch.tensor(list(places))]
    return goal.loss(vectors, targets, copies(some.second, [text for side in sides[1:] for text in side]))


def encoded(encoder: Encoder, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the vectors of texts, without gradients."""
    with torch.no_grad():
        parts = [encoder.vectors(texts[start : start + TOGETHER]).float().numpy() for start in range(0, len(texts), TOGETHER)]
    return np.concatenate(parts)


def _measure(encoder: Encoder, goal: Objective, pairs: SentencePairs) -> tuple[str, Callable[[], float]]:
    """Return what the held-out pairs are asked, and a function that asks it."""
    if isinstance(goal, Softmax):
        places = {name: place for place, name in enumerate(goal.names)}
        right = torch.tensor([places.get(label, -1) for label in pairs.labels or ()])

        def accuracy() -> float:
            with torch.no_grad():
                u, v = (torch.from_numpy(encoded(encoder, side)) for side in (pairs.first, pairs.second))
                return float((goal.logits(u, v).argmax(dim=1) == right).float().mean())

        return "accuracy", accuracy
    if pairs.third is not None:
        third = pairs.third

        def order() -> float:
            u, v, w = (encoded(encoder, side) for side in (pairs.first, pairs.second, third))
            return float((np.linalg.norm(u - v, axis=1) < np.linalg.norm(u - w, axis=1)).mean())

        return "order", order
    if pairs.labels is not None:
        pairs.scores()  # what is no number is named before the first step
        return "spearman", lambda: evaluate_sentences(lambda texts: encoded(encoder, texts), pairs).spearman["cosine"].value
    return "recall@1", lambda: retrieval(encoded(encoder, pairs.first), encoded(encoder, pairs.second), k=[1]).recall[1].value
