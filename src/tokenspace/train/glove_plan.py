"""What is asked of a GloVe training, and the check of each number of it."""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from tokenspace.errors import ArgumentError
from tokenspace.train.bounds import check

VECTORS = ("sum", "word", "context")
"""What becomes the table; Stanford's program calls the choice -model."""


@dataclass(frozen=True)
class GlovePlan:
    """The parameters of GloVe, under the names and with the defaults of Stanford's programs.

    Attributes
    ----------
    dim : int, default 50
        Numbers a row (-vector-size).
    window : int, default 15
        The farthest that two words stand apart (-window-size).
    symmetric : bool, default True
        Count to both sides (-symmetric); else a word's neighbours are those to its right.
    distance_weighting : bool, default True
        A pair d apart counts 1/d (-distance-weighting); else 1.
    x_max : float, default 100
        Counts from here on weigh 1, ...
    alpha : float, default 0.75
        ... and lesser ones (x / x_max)^alpha.
    eta : float, default 0.05
        The learning rate at the beginning; AdaGrad lowers it for each number by itself. The biases' is 1, as in Stanford's program.
    grad_clip : float, default 100
        A gradient's numbers are cut to this size (-grad-clip).
    epochs : int, default 25
        Passes over the pairs (-iter).
    vectors : "sum", "word" or "context", default "sum"
        What becomes the table (-model): the word's row plus its row as a context, or one of the two.
    memory : float, default 0.5
        GB, about, for counting (-memory); the result does not depend on it.
    seed : int, default 1
        Of the first rows, the order of the pairs and what is held out.
    held_out : float, default 0
        Share of the pairs that measures and does not train, at most 0.5, and at most a million pairs.
    patience : int, optional
        End after so many epochs in a row without a lower loss on the pairs held out, and give the rows of the best.
    """

    dim: int = 50
    window: int = 15
    symmetric: bool = True
    distance_weighting: bool = True
    x_max: float = 100.0
    alpha: float = 0.75
    eta: float = 0.05
    grad_clip: float = 100.0
    epochs: int = 25
    vectors: str = "sum"
    memory: float = 0.5
    seed: int = 1
    held_out: float = 0.0
    patience: int | None = None

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float]] = {
            "dim": (1, 65_536),
            "window": (1, 10_000),
            "epochs": (1, math.inf),
            "x_max": (1e-30, 1e30),
            "alpha": (0, 4),  # (1e-60)^4 still is a number
            "eta": (1e-30, 1e30),
            "grad_clip": (1e-30, 1e30),
            "memory": (1e-3, math.inf),
            "seed": (0, 2**64 - 1),
            "held_out": (0, 0.5),
        }
        check(self, bounds, whole=("dim", "window", "epochs", "seed"))
        if self.vectors not in VECTORS:
            message = f"vectors must be one of {', '.join(VECTORS)}; seen {self.vectors!r}"
            raise ArgumentError(message)
        if self.patience is not None and (self.patience < 1 or not self.held_out):
            message = f"patience must be at least 1 and needs pairs held out; seen patience={self.patience}, held_out={self.held_out}"
            raise ArgumentError(message, hint="hold a share of the pairs out: held_out=0.01")

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain values."""
        return asdict(self)


def glove_plan_of(options: dict[str, Any]) -> GlovePlan:
    """Return a plan of options.

    Raises
    ------
    ArgumentError
        If a value is outside, or an option is unknown; the nearest name is in the hint.
    """
    names = {field.name for field in fields(GlovePlan)}
    for name in options:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            message = f"glove() has no option {name!r}"
            raise ArgumentError(message, hint=f"did you mean {near[0]}?" if near else "tokenspace.train.glove_plan.GlovePlan lists them")
    return GlovePlan(**options)
