"""What a language model says at some places of a batch, a few places at a time: the logits of all never stand in memory together.

The network runs up to its output head, which for that while hands on what it was called with. Whether the head is the network's last
word is tried once, on a short text: some cap or scale their logits, and those make them all, as their own code does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from tokenspace.torch.loss import BLOCK

if TYPE_CHECKING:
    from tokenspace.torch.head import Output


class Reader:
    """A language model and its head.

    Parameters
    ----------
    model : torch.nn.Module
        Of transformers.
    head : Head or TiedHead
        Its output head.
    ids : tensor of shape (m,), int64
        The new tokens', left out where the old ones are asked for.

    Attributes
    ----------
    whole : bool
        Whether `states` are logits: the head has not the last word.
    """

    def __init__(self, model: Any, head: Output, ids: torch.Tensor) -> None:
        self.model, self.head, self.ids = model, head, ids
        self.whole = False
        tried = torch.arange(4)[None] % head.out_features
        with torch.no_grad():
            usual = model(input_ids=tried, attention_mask=torch.ones_like(tried)).logits
            states = self.states(tried, torch.ones_like(tried))
            self.whole = states.shape[-1] != head.in_features or not torch.equal(head(states), usual)

    def states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return what the head is called with, of shape (b, l, d); the logits where it has not the last word."""
        if self.whole:
            return self._logits(ids, mask)
        self.head.forward = lambda hidden: hidden  # type: ignore[method-assign]
        try:
            return self._logits(ids, mask)
        finally:
            del self.head.forward

    def _logits(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=ids, attention_mask=mask).logits
        return logits

    def cross_entropy(self, states: torch.Tensor, targets: torch.Tensor, **options: Any) -> torch.Tensor:
        """Return the loss at places of shape (p, d), over all tokens; options as `torch.nn.functional.cross_entropy`."""
        if self.whole:
            return functional.cross_entropy(states.float(), targets, **options)
        return self.head.cross_entropy(states, targets, **options)

    def divergence(self, states: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        """Return the mean Kullback-Leibler divergence from what the teacher says of old tokens, at places of shape (p, d)."""
        total = states.new_zeros((), dtype=torch.float32)
        for block in self._blocks(len(states)):
            wanted = self._of_old(teacher[block])
            total = total + checkpoint(self._divergence, states[block], wanted, use_reentrant=False)
        return total / len(states)

    def log_probability(self, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of each old token's probability among the old ones at its place, without a gradient."""
        parts = [self._of_old(states[block]).gather(1, tokens[block, None])[:, 0] for block in self._blocks(len(states))]
        return torch.cat(parts)

    def _divergence(self, states: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return functional.kl_div(self._old(states), wanted, reduction="sum", log_target=True)

    def _of_old(self, states: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self._old(states)

    def _old(self, states: torch.Tensor) -> torch.Tensor:
        """Return the logarithms of the old tokens' probabilities; new ones are as good as impossible."""
        logits = states if self.whole else self.head(states)
        return functional.log_softmax(logits.float().index_fill(-1, self.ids, -1e4), dim=-1)

    def _blocks(self, places: int) -> list[slice]:
        step = max(1, BLOCK // (4 * self.head.out_features))
        return [slice(start, start + step) for start in range(0, places, step)]
