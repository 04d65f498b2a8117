"""What is asked of a word2vec training, and the check of each number of it."""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from tokenspace.errors import ArgumentError
from tokenspace.train.bounds import check
from tokenspace.train.subwords import buckets

MODELS = {"skipgram": 0.025, "cbow": 0.05}
"""Each model and the learning rate it begins with: word2vec.c's."""

LOSSES = ("ns", "hs")
MOST_WINDOW, MOST_NEGATIVE = 50, 63
"""Room in the kernel, which allocates nothing: train_step.h."""


@dataclass(frozen=True)
class Plan:
    """The parameters of skip-gram and CBOW, under the names that word2vec.c, gensim and fastText use.

    Attributes
    ----------
    model : "skipgram" or "cbow"
    dim : int, default 100
        Numbers a row.
    window : int, default 5
        Words looked at on each side, at the most; for each word the reach is drawn evenly from 1..window. At most 50.
    negative : int, default 5
        Words drawn against each word, 1 to 63, for loss "ns"; "hs" draws none.
    loss : "ns" or "hs", default "ns"
        Negative sampling or hierarchical softmax.
    epochs : int, default 5
        Passes over the text.
    alpha : float, default 0.025 for skip-gram and 0.05 for CBOW
        The learning rate; it falls to 0.0001 of itself along a line over all epochs.
    sample : float, default 0.001
        Words with more than about this share of the text are left out at random; 0 leaves all in.
    ns_exponent : float, default 0.75
        Words are drawn like their counts to this power.
    minn, maxn : int, default 0
        Letters of the pieces that words are made of; maxn 0 makes words without pieces. fastText's are 3 and 6.
    bucket : int, default 2,000,000
        Rows that the pieces share.
    seed : int, default 1
        Of everything drawn, for skip-gram the order of the parts of the text in each epoch among it.
    held_out : float, default 0
        Share of the text that measures and does not train, at most 0.5.
    patience : int, optional
        End after so many epochs in a row without a lower loss on the text held out, and give the rows of the best.
    """

    model: str
    dim: int = 100
    window: int = 5
    negative: int = 5
    loss: str = "ns"
    epochs: int = 5
    alpha: float = 0.0
    sample: float = 1e-3
    ns_exponent: float = 0.75
    minn: int = 0
    maxn: int = 0
    bucket: int = 2_000_000
    seed: int = 1
    held_out: float = 0.0
    patience: int | None = None

    def __post_init__(self) -> None:
        if not self.alpha:
            object.__setattr__(self, "alpha", MODELS[self.model])
        bounds: dict[str, tuple[float, float]] = {
            "dim": (1, 65_536),
            "window": (1, MOST_WINDOW),
            "negative": (0, MOST_NEGATIVE),
            "epochs": (1, math.inf),
            "alpha": (1e-30, math.inf),
            "sample": (0, math.inf),
            "ns_exponent": (-10, 10),
            "seed": (0, 2**64 - 1),
            "held_out": (0, 0.5),
        }
        check(self, bounds, whole=("dim", "window", "negative", "epochs", "seed"))
        if self.loss not in LOSSES:
            message = f"loss must be one of {', '.join(LOSSES)}; seen {self.loss!r}"
            raise ArgumentError(message)
        if self.loss == "ns" and not self.negative:
            message = f"negative must be in 1..{MOST_NEGATIVE} for negative sampling; seen 0"
            raise ArgumentError(message, hint="hierarchical softmax draws none: loss='hs' (--loss hs)")
        if self.patience is not None and (self.patience < 1 or not self.held_out):
            message = f"patience must be at least 1 and needs text held out; seen patience={self.patience}, held_out={self.held_out}"
            raise ArgumentError(message, hint="hold a share of the text out: held_out=0.01")
        buckets(asdict(self))

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain values."""
        return asdict(self)


def plan_of(model: str, options: dict[str, Any]) -> Plan:
    """Return a plan of the options that belong to one, which are taken out of `options`.

    Raises
    ------
    ArgumentError
        If a value is outside, or an option is unknown; the nearest name is in the hint.
    """
    names = {field.name for field in fields(Plan)} - {"model"}
    plan = Plan(model, **{name: options.pop(name) for name in list(options) if name in names})
    for name in options:
        near = difflib.get_close_matches(name, names, 1)
        message = f"{model}() has no option {name!r}"
        raise ArgumentError(message, hint=f"did you mean {near[0]}?" if near else "tokenspace.train.plan.Plan lists them")
    return plan
