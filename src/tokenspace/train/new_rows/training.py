"""The training itself: steps, what they cost and bring, a stop that keeps what there is, and going on from there."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tokenspace import checkpoint, extension
from tokenspace.checkpoint.folders.contents import is_model_folder
from tokenspace.checkpoint.folders.staging import check_place
from tokenspace.errors import ArgumentError, OutputError
from tokenspace.train import rounds
from tokenspace.train.bounds import check, check_positive
from tokenspace.train.new_rows.network import loaded, partial, written
from tokenspace.train.new_rows.objectives import objective_of
from tokenspace.train.new_rows.optimising import optimiser_of
from tokenspace.train.new_rows.texts import Cutter, scattered
from tokenspace.train.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from tokenspace.checkpoint import Model
    from tokenspace.train.new_rows.objectives import Objective
    from tokenspace.train.new_rows.texts import Example

HELD_OUT = 400
"""Texts that measure and do not train, at the most; a tenth of the texts where that is less."""

FASTEST = 1e6
"""The largest lr that is tried: far beyond sense, and within what float32 holds."""

OFTEN = 60.0
"""Seconds between two records of where the training stands: a killed process loses no more."""


@dataclass(frozen=True)
class Trained:
    """What a training did; as text, in one line.

    Attributes
    ----------
    out : Path
    tokens : int
        New rows.
    steps, wanted : int
        Steps done in all, and asked for; fewer where it was stopped.
    texts, held_out : int
        Texts trained on, and measured on.
    measure : str
        "cosine" to the vectors of the unextended model, or "loss".
    before, after : float
        Its mean over the held-out texts.
    old_length, new_length : float
        Tokens a held-out text, without and with the new tokens.
    seconds : float
    proof : Proof
        Of the old rows on disk.
    """

    out: Path
    tokens: int
    steps: int
    wanted: int
    texts: int
    held_out: int
    measure: str
    before: float
    after: float
    old_length: float
    new_length: float
    seconds: float
    proof: extension.Proof

    def __str__(self) -> str:
        """Say it in one line."""
        share = 1 - self.new_length / self.old_length
        steps = f"{self.steps} steps" if self.steps == self.wanted else f"stopped after {self.steps} of {self.wanted} steps"
        change = f"{self.measure} on {self.held_out} held-out texts {self.before:.4f} -> {self.after:.4f}"
        shorter = f"tokens a text {self.old_length:.2f} -> {self.new_length:.2f} (-{share:.1%})"
        return f"{self.tokens} new rows, {steps}, {self.seconds:,.0f} s; {change}; {shorter}; {self.proof}"

    def document(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self) | {"out": str(self.out), "proved": bool(self.proof)}


@dataclass(frozen=True)
class Plan:
    """What is asked for; `train_new_rows` says what each field is."""

    objective: str
    steps: int
    batch: int
    lr: float
    length: int
    seed: int

    def __post_init__(self) -> None:
        check_positive(self, ("steps", "batch", "lr", "length"))
        check(self, {"lr": (0.0, FASTEST)}, whole=())

    def texts_of(self, examples: list[Example], step: int) -> list[Example]:
        """Return the texts of a step."""
        return [examples[place] for place in rounds.places(step, batch=self.batch, count=len(examples), seed=(self.seed, 1))]


def train_new_rows(  # noqa: PLR0913 - each an option of the command
    model: str | os.PathLike[str],
    texts: str | os.PathLike[str] | Iterable[str],
    *,
    out: str | os.PathLike[str],
    tokens: Sequence[str] | None = None,
    objective: str = "distil",
    steps: int = 50,
    batch: int = 32,
    lr: float = 0.01,
    length: int = 128,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    watch: Callable[[int, int, float], None] | None = None,
) -> Trained:
    """Train the new rows of an extended model folder on plain text; no labels are needed.

    Parameters
    ----------
    model : str or path
        A folder that `tokenspace.checkpoint.extend` wrote.
    texts : str or path, or iterable of str
        A UTF-8 file with one text a line, from all parts of which some are taken, or the texts, read from the first until there are
        enough. Those without a new token are passed over.
    out : str or path
        The new folder; it must not be there unless `force` or `resume`.
    tokens : sequence of str, optional
        Whose rows train. Left out, the last of the tokenizer's added tokens that are not special.
    objective : "distil", "mlm" or "clm", default "distil"
        "distil": the model without the new tokens is the teacher. An encoder's sentence vectors are to be the same, a language model's
        distributions of masked or next tokens. "mlm" and "clm": predict the text's own tokens, masked or next.
    steps, batch : int, default 50 and 32
        Optimiser steps, and texts in each.
    lr : float, default 0.01
        AdamW's, falling to 0 along a line; no weight decay.
    length : int, default 128
        Longer texts, in old tokens, are passed over.
    seed : int, default 0
        Of the texts taken, their order and what is masked.
    resume : bool, default False
        Go on where a training into `out` was stopped.
    force : bool, default False
        Replace `out`.
    watch : callable, optional
        Called after each step as ``watch(done, steps, loss)``. KeyboardInterrupt, there or anywhere in a step, ends the training as if
        it had been asked for so many steps.

    Returns
    -------
    Trained
        What was reached on held-out texts, and the proof that the old rows are what they were.

    Raises
    ------
    ArgumentError
        If an argument is outside, no text has a new token, or there are none.
    NotFiniteError
        If the training runs away; nothing is written then.
    ModelFolderError, FileContentError, OutputError
        In one of their kinds, as `tokenspace.checkpoint.extend`.
    MissingExtraError
        If torch, transformers or tokenizers is not installed.

    Notes
    -----
    For sentence vectors the rows learn from each other: beside its own numbers, each gets an offset and a linear map of what it began
    as, the same for all rows. They learn at 0.3 times `lr`, what is a row's own at 0.6 times, all with a first beta of 0.3. The map
    takes four times d x d float32 numbers while it trains.

    Dropout is off. A step costs three passes of the network, two for the texts and one for the teacher, and for the rows what the
    batch costs. Deterministic for a seed on one machine and number of threads. While it runs, and after a stop, the file
    ``OUT.training.safetensors`` has what `resume` needs.

    The logits of a language model are made and forgotten 32 MB at a time. The vice: where a network does something to them after its
    output head (Gemma 2 caps them, Cohere scales them), all of a batch are held: batch x length x vocabulary x 8 bytes, so take a small
    batch there.

    References
    ----------
    K. Dobler, D. Elliott, G. de Melo, "AweDist: Attention-aware embedding distillation for new input token embeddings", 2025.
    """
    plan = Plan(objective, steps, batch, lr, length, seed)
    out = Path(out)
    state = State(out.with_name(out.name + ".training.safetensors"))
    if out.exists() and not (force or resume):
        message = f"{out} is there already"
        raise OutputError(message, hint="name another folder, replace it with force=True (--force), or go on with resume=True (--resume)")
    if not is_model_folder(model):
        message = f"{model} is no model folder: only the rows of a network can be trained by what it makes of text"
        hint = "a table of vectors learns new words with `tokenspace train skipgram --text FILE --extend TABLE --out FILE`"
        raise ArgumentError(message, hint=hint)
    began = time.monotonic()
    opened = checkpoint.open(model)
    check_place(out, source=opened.folder.root, force=force or resume)
    ids = _new_ids(opened, tokens)
    kind = objective_of(opened, objective)
    examples = _read(texts, Cutter(opened, ids), plan)
    held = max(1, min(HELD_OUT, len(examples) // 10))
    measured, examples = examples[:held], examples[held:] or examples
    network = loaded(opened, kind)
    extended = partial(network, ids)
    goal = kind(network, opened, ids, extended.head)
    before = _closeness(goal, measured, batch)
    optimiser = optimiser_of(extended, goal, lr)
    settings = {"objective": objective, "batch": batch, "lr": lr, "seed": seed, "texts": len(examples), "tokens": len(ids)}
    done = state.read(optimiser, settings) if resume else 0
    done = _steps(goal, optimiser, examples, plan, done, watch, lambda at: state.write(optimiser, settings, at))
    after = _closeness(goal, measured, batch)
    proof = written(opened, extended, ids, out, force=force or resume)
    if done >= steps:
        state.path.unlink(missing_ok=True)
    old_length, new_length = (
        float(np.mean([len(cut.ids) for cut in cuts])) for cuts in zip(*((e.old, e.new) for e in measured), strict=True)
    )
    return Trained(
        out=out,
        tokens=len(ids),
        steps=done,
        wanted=steps,
        texts=len(examples),
        held_out=held,
        measure=goal.measure,
        before=before,
        after=after,
        old_length=old_length,
        new_length=new_length,
        seconds=time.monotonic() - began,
        proof=proof,
    )


def _new_ids(opened: Model, tokens: Sequence[str] | None) -> NDArray[np.int64]:
    """Return the ids of the rows to train, rising."""
    added = {entry["id"]: entry for entry in opened.tokenizer.fast.added}
    if tokens is not None:
        by_name = {entry["content"]: number for number, entry in added.items()}
        for token in tokens:
            if token not in by_name:
                message = f"the token {token!r:.60} was not added to the tokenizer of {opened.folder.root}"
                raise ArgumentError(message, hint="extend the model first: `tokenspace extend`")
        return np.array(sorted({by_name[token] for token in tokens}), dtype=np.int64)
    end = opened.taken
    first = end
    while first - 1 in added and not added[first - 1]["special"]:
        first -= 1
    if first == end:
        message = f"the tokenizer of {opened.folder.root} has no added token at its end, so there is no new row to train"
        raise ArgumentError(message, hint="extend the model first: `tokenspace extend`; or name the tokens")
    return np.arange(first, end)


def _read(texts: str | os.PathLike[str] | Iterable[str], cutter: Cutter, plan: Plan) -> list[Example]:
    """Return texts for all steps and to measure on, in an order of the seed's."""
    count = plan.steps * plan.batch
    count += max(1, min(HELD_OUT, count // 9))
    if isinstance(texts, (str, os.PathLike)):
        texts = scattered(Path(texts), plan.seed)
    examples = cutter.gather(texts, count, plan.length)
    order = np.random.default_rng(plan.seed).permutation(len(examples))
    return [examples[place] for place in order]


def _steps(
    goal: Objective,
    optimiser: torch.optim.Optimizer,
    examples: list[Example],
    plan: Plan,
    done: int,
    watch: Callable[[int, int, float], None] | None,
    record: Callable[[int], None],
) -> int:
    """Take the steps that are left; return how many are done in all."""
    recorded = time.monotonic()
    try:
        while done < plan.steps:
            for group in optimiser.param_groups:
                group["lr"] = plan.lr * group["share"] * (1 - done / plan.steps)
            loss = goal.loss(plan.texts_of(examples, done), np.random.default_rng([plan.seed, done]))
            optimiser.zero_grad()
            if loss.requires_grad:
                torch.autograd.backward(loss)
                optimiser.step()
            done += 1
            if watch is not None:
                watch(done, plan.steps, float(loss.detach()))
            if time.monotonic() - recorded > OFTEN:
                record(done)
                recorded = time.monotonic()
    except KeyboardInterrupt:
        record(done)
    return done


def _closeness(goal: Objective, examples: list[Example], batch: int) -> float:
    """Return the measure's mean over texts."""
    random = np.random.default_rng(0)
    parts = [examples[start : start + batch] for start in range(0, len(examples), batch)]
    with torch.no_grad():
        losses = [float(goal.loss(part, random)) * len(part) for part in parts]
    return goal.closeness(sum(losses) / len(examples))
