"""The optimiser of new rows: each learns for itself, and from what the others are told.

The mean of a word's pieces is off in much the same way for all words: many pieces share a part that says "not the beginning of a word".
A row is told so by the few texts that hold its token; all of them together have a text's worth of it in every batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from tokenspace.torch import Extended
    from tokenspace.train.new_rows.objectives import Objective

OWN, SHARED = 0.6, 0.3
"""Shares of the learning rate where rows share an offset and a map: of what is each row's own, and of those."""


MOMENTUM = 0.3
"""AdamW's first beta there. A text says something of the few tokens in it: with 0.9 their rows went on for ten steps with what it said,
without another that could object, and held-out vectors were a tenth further from what they should be."""


class Shared:
    """An offset and a linear map of the rows as they began, the same for all: what they bring is added to the rows after each step.

    Parameters
    ----------
    rows : torch.nn.Parameter of shape (m, d)
        As they begin.
    """

    def __init__(self, rows: torch.nn.Parameter) -> None:
        start = rows.detach().float()
        size = start.abs().sum(dim=1).mean().clamp(min=torch.finfo(torch.float32).tiny)
        self.rows = rows
        self.start = start / size  # then a step of the map moves a row as far as a step of the offset does
        self.offset = torch.nn.Parameter(start.new_zeros(start.shape[1]))
        self.map = torch.nn.Parameter(start.new_zeros(start.shape[1], start.shape[1]))
        self.before = self.brought()

    def brought(self) -> torch.Tensor:
        """Return what is added to each row."""
        return torch.addmm(self.offset.detach(), self.start, self.map.detach())

    def gather(self, *_: Any) -> None:
        """Take the rows' gradients, before a step."""
        if self.rows.grad is None:
            return
        gradient = self.rows.grad.float()
        self.offset.grad, self.map.grad = gradient.sum(dim=0), self.start.T @ gradient
        self.before = self.brought()

    def give(self, *_: Any) -> None:
        """Move the rows by what a step changed."""
        self.rows.data.add_((self.brought() - self.before).to(self.rows.dtype))


def optimiser_of(extended: Extended, goal: Objective, lr: float) -> torch.optim.AdamW:
    """Return AdamW without weight decay, each group's share of the learning rate under "share".

    Parameters
    ----------
    extended : Extended
        With its rows as they begin.
    goal : Objective
        Whether rows share is its `shared`.
    lr : float
    """
    groups: list[dict[str, Any]] = [{"params": extended.parameters(), "share": OWN if goal.shared else 1.0}]
    if not goal.shared:
        return torch.optim.AdamW(groups, lr=lr, weight_decay=0.0)
    shared = Shared(extended.layer.new_rows)
    groups.append({"params": [shared.offset, shared.map], "share": SHARED})
    optimiser = torch.optim.AdamW(groups, lr=lr, betas=(MOMENTUM, 0.999), weight_decay=0.0)
    optimiser.register_step_pre_hook(shared.gather)
    optimiser.register_step_post_hook(shared.give)
    return optimiser
