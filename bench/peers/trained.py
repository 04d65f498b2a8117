"""What a method of training new rows gives a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

RATE, DECAY = 1e-3, 0.01


@dataclass(frozen=True)
class Trained:
    """A module that looks ids up, its optimiser, and a look at the old rows; for heads also a loss of ids and targets."""

    module: Any
    optimiser: Any
    old_rows: Callable[[], torch.Tensor]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
