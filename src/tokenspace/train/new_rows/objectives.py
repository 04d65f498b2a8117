"""What the new rows are trained for. Where it is distillation, the model without its new tokens says what is right, not labels.

An objective takes a model and a batch of texts in both cuts, and gives a loss; its `load` names the class of transformers that it needs,
and `shared` says whether rows learn from each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from tokenspace.errors import ArgumentError
from tokenspace.train.new_rows.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tokenspace.checkpoint import Model
    from tokenspace.torch.head import Output
    from tokenspace.train.new_rows.texts import Example

MASKED = 0.15
"""Share of the tokens that are masked, as BERT has it."""

TOGETHER = 4
"""Texts that a sentence encoder reads at a time."""

IGNORED = -100
"""The label of a place that does not count; torch's."""


class Objective:
    """A loss over batches.

    Parameters
    ----------
    model : torch.nn.Module
        Of transformers.
    opened : Model
        The folder it was loaded from.
    ids : array of shape (m,), int64
        The new tokens'.
    head : Head or TiedHead, or None
        The model's output head, for objectives that need it.
    """

    load = "AutoModel"
    needs_head = False
    shared = False
    measure = "loss"

    def __init__(self, model: Any, opened: Model, ids: NDArray[np.int64], head: Output | None) -> None:
        del head
        self.model: Any = model
        self.opened, self.ids = opened, torch.from_numpy(ids)

    def loss(self, batch: Sequence[Example], random: np.random.Generator) -> torch.Tensor:
        """Return the mean loss of a batch, a scalar."""
        raise NotImplementedError

    def closeness(self, loss: float) -> float:
        """Return what is reported of a loss under the name `measure`."""
        return loss


class SentenceVectors(Objective):
    """1 - cosine of the text's vector, in the new cut, with that of the model in the old cut."""

    shared = True
    measure = "cosine"

    def __init__(self, model: Any, opened: Model, ids: NDArray[np.int64], head: Output | None) -> None:
        super().__init__(model, opened, ids, head)
        self.pooling = POOLING[pooling_of(opened)]
        self.encoder: Any = model.get_encoder() if getattr(model.config, "is_encoder_decoder", False) else model

    def vectors(self, cuts: Sequence[NDArray[np.int64]]) -> torch.Tensor:
        """Return a vector for each text, of shape (b, d), in float32; texts of a length go together, so that little is padding."""
        order = np.argsort([len(cut) for cut in cuts], kind="stable")
        parts = np.split(order, range(TOGETHER, len(order), TOGETHER))
        vectors = torch.cat([self._of_some([cuts[place] for place in part]) for part in parts])
        return vectors[torch.from_numpy(np.argsort(order))]

    def _of_some(self, cuts: Sequence[NDArray[np.int64]]) -> torch.Tensor:
        ids, mask = padded(cuts)
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        return self.pooling(hidden, mask[:, :, None].float())

    def loss(self, batch: Sequence[Example], random: np.random.Generator) -> torch.Tensor:
        """Compare the vectors of both cuts."""
        del random
        with torch.no_grad():
            wanted = self.vectors([example.old.ids for example in batch])
        return (1 - functional.cosine_similarity(self.vectors([example.new.ids for example in batch]), wanted)).mean()

    def closeness(self, loss: float) -> float:
        """Return the mean cosine."""
        return 1 - loss


class ByHead(Objective):
    """What a network's output head says of each place."""

    needs_head = True

    def __init__(self, model: Any, opened: Model, ids: NDArray[np.int64], head: Output | None) -> None:
        super().__init__(model, opened, ids, head)
        if head is None:
            message = f"{type(self).__name__} needs a model with an output head; seen {type(model).__name__} without one"
            raise ArgumentError(message)
        self.reader = Reader(model, head, self.ids)


class NextTokens(ByHead):
    """How the next old token is distributed, after every boundary that both cuts have; and how likely each new token itself is.

    A new token's probability should be the product of its pieces' in the old cut, which trains an output head's new rows.
    """

    load = "AutoModelForCausalLM"

    def loss(self, batch: Sequence[Example], random: np.random.Generator) -> torch.Tensor:
        """Compare the distributions."""
        del random
        reader = self.reader
        with torch.no_grad():
            teacher = reader.states(*padded([example.old.ids for example in batch]))
        states = reader.states(*padded([example.new.ids for example in batch]))
        here, there, places, pieces, counts = [], [], [], [], []
        for line, example in enumerate(batch):
            old, new = example.boundaries()
            fresh = np.isin(example.new.ids, self.ids.numpy())
            after = np.cumsum(fresh)[new] > 0  # before the first new token both have read the same ids
            here += [(line, place) for place in new[after]]
            there += [(line, place) for place in old[after]]
            ends = dict(zip(new.tolist(), old.tolist(), strict=True))
            for place in np.flatnonzero(fresh).tolist():
                if place - 1 in ends and place in ends:
                    parts = range(ends[place - 1] + 1, ends[place] + 1)
                    pieces += [(line, part - 1, int(example.old.ids[part])) for part in parts]
                    counts.append(len(parts))
                    places.append((line, place - 1, int(example.new.ids[place])))
        loss = states.new_zeros((), dtype=torch.float32)
        if here:
            loss = loss + reader.divergence(_at(states, here), _at(teacher, there))
        if places:
            line, place, token = torch.tensor(places).T
            ours = -reader.cross_entropy(states[line, place], token, reduction="none")
            line, place, old_token = torch.tensor(pieces).T
            each = reader.log_probability(teacher[line, place], old_token)
            products = torch.stack([part.sum() for part in each.split(counts)])
            loss = loss + _between_two(ours, products)
        return loss


class MaskedTokens(NextTokens):
    """How a masked token is distributed over the old ones, the same tokens being masked in both cuts."""

    load = "AutoModelForMaskedLM"

    def loss(self, batch: Sequence[Example], random: np.random.Generator) -> torch.Tensor:
        """Compare the distributions."""
        mask_id = mask_token(self.opened)
        olds: list[NDArray[np.int64]] = []
        news: list[NDArray[np.int64]] = []
        here: list[tuple[int, int]] = []
        there: list[tuple[int, int]] = []
        for line, example in enumerate(batch):
            old, new = example.boundaries()
            same = np.flatnonzero(example.old.ids[old] == example.new.ids[new])
            some = random.permutation(same)[: max(1, int(MASKED * len(same)))]
            for cut, at, into, places in ((example.old, old, olds, there), (example.new, new, news, here)):
                ids = cut.ids.copy()
                ids[at[some]] = mask_id
                into.append(ids)
                places += [(line, place) for place in at[some]]
        states = self.reader.states(*padded(news))
        if not here:
            return states.float().sum() * 0
        with torch.no_grad():
            teacher = self.reader.states(*padded(olds))
        return self.reader.divergence(_at(states, here), _at(teacher, there))


class Masked(ByHead):
    """The masked tokens themselves, as BERT was trained; the text is the teacher."""

    load = "AutoModelForMaskedLM"

    def loss(self, batch: Sequence[Example], random: np.random.Generator) -> torch.Tensor:
        """Return the cross-entropy of masked tokens."""
        ids, mask = padded([example.new.ids for example in batch])
        text, _ = padded([(example.new.ends > 0).astype(np.int64) for example in batch])
        chosen = torch.from_numpy(random.random(tuple(ids.shape)) < MASKED) & (text > 0)
        chosen[0, int(text[0].argmax())] |= not bool(chosen.any())
        states = self.reader.states(ids.masked_fill(chosen, mask_token(self.opened)), mask)
        return self.reader.cross_entropy(states[chosen], ids[chosen])


class Causal(ByHead):
    """The next token, as GPT was trained; the text is the teacher."""

    load = "AutoModelForCausalLM"

    def loss(self, batch: Sequence[Example], random: np.random.Generator) -> torch.Tensor:
        """Return the cross-entropy of next tokens."""
        del random
        ids, mask = padded([example.new.ids for example in batch])
        labels = ids.masked_fill(mask == 0, IGNORED)[:, 1:]
        return self.reader.cross_entropy(self.reader.states(ids, mask)[:, :-1].flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


DISTIL = {"ForCausalLM": NextTokens, "LMHeadModel": NextTokens, "ForMaskedLM": MaskedTokens}
"""What distillation is, by the end of the architecture's name; else, and in a sentence-transformers folder, sentence vectors."""

OBJECTIVES: dict[str, type[Objective] | None] = {"distil": None, "mlm": Masked, "clm": Causal}
"""What new rows can be trained for, by the names that ``objective=`` takes; "distil" depends on the model."""


def objective_of(opened: Model, name: str) -> type[Objective]:
    """Return the objective of that name for a model.

    Raises
    ------
    ArgumentError
        If there is none of that name, or the model has not the head that it needs.
    """
    if name not in OBJECTIVES:
        message = f"objective must be one of {', '.join(OBJECTIVES)}; seen {name!r}"
        raise ArgumentError(message)
    architecture = str((opened.settings.get("architectures") or [""])[0])
    fitting = [kind for end, kind in DISTIL.items() if architecture.endswith(end) and not opened.folder.module]
    kind = OBJECTIVES[name] or (fitting[0] if fitting else SentenceVectors)
    if kind.needs_head and opened.roles.head == "none":
        message = f"objective {name!r} needs a model with an output head; seen a {architecture or 'model'} without one"
        raise ArgumentError(message, hint="objective='distil' trains by sentence vectors")
    return kind


def padded(cuts: Sequence[NDArray[np.int64]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids of shape (b, l), filled up with 0 on the right, and the mask of what is text, both int64."""
    ids = np.zeros((len(cuts), max(map(len, cuts))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for line, cut in enumerate(cuts):
        ids[line, : len(cut)] = cut
        mask[line, : len(cut)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def mask_token(opened: Model) -> int:
    """Return the id of a model's mask token.

    Raises
    ------
    ArgumentError
        If it has none.
    """
    settings = opened.folder.json("tokenizer_config.json") or {}
    given = settings.get("mask_token", "[MASK]")
    name = given.get("content") if isinstance(given, dict) else given
    for entry in opened.tokenizer.fast.added:
        if entry["content"] == name:
            return int(entry["id"])
    message = f"the tokenizer has no mask token {name!r}"
    raise ArgumentError(message, hint="objective='distil' for an encoder of sentences, 'clm' for a model that reads from the left")


def pooling_of(opened: Model) -> str:
    """Return how a sentence-transformers folder makes one vector of many; the mean in other folders."""
    for name in opened.folder.contents:
        if name.endswith("_Pooling/config.json"):
            settings = opened.folder.root.joinpath(name)
            break
    else:
        return "mean"
    import json  # noqa: PLC0415 - one file

    told = json.loads(settings.read_text())
    modes = {"pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max", "pooling_mode_lasttoken": "lasttoken"}
    chosen = [short for long, short in modes.items() if told.get(long)]
    mode = str(told.get("pooling_mode") or (chosen[0] if chosen else "mean"))
    return mode if mode in POOLING else "mean"


def _at(states: torch.Tensor, places: list[tuple[int, int]]) -> torch.Tensor:
    """Return the states at places (line, place), of shape (p, d)."""
    return states[tuple(torch.tensor(places).T)]


def _last(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return hidden[torch.arange(len(hidden)), mask[:, :, 0].sum(dim=1).long() - 1]


POOLING: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mean": lambda hidden, mask: (hidden * mask).sum(dim=1) / mask.sum(dim=1),
    "cls": lambda hidden, _: hidden[:, 0],
    "max": lambda hidden, mask: hidden.masked_fill(mask == 0, -1e9).max(dim=1).values,
    "lasttoken": _last,
}
"""Names of sentence-transformers; modes that are not here share the mean's direction or are close to it."""


def _between_two(ours: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the mean Kullback-Leibler divergence of "this token" against "another", from logarithms of probabilities."""
    wanted = wanted.clamp(max=-1e-6)
    ours = ours.clamp(max=-1e-6)
    q = wanted.exp()
    return (q * (wanted - ours) + (1 - q) * (torch.log1p(-q) - torch.log1p(-ours.exp()))).mean()
