"""PEFT's trainable tokens."""

from __future__ import annotations

from typing import Any

import torch
from peft import TrainableTokensConfig, get_peft_model

from peers.trained import DECAY, RATE, Trained


class Model(torch.nn.Module):
    """An embedding and nothing else, for PEFT to wrap."""

    def __init__(self, rows: torch.Tensor) -> None:
        super().__init__()
        self.embed_tokens = torch.nn.Embedding(*rows.shape, _weight=rows)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Look rows up."""
        rows: torch.Tensor = self.embed_tokens(ids)
        return rows


def layer(old: torch.Tensor, new: torch.Tensor) -> Trained:
    """Train the last rows of a layer."""
    n = len(old)
    base = Model(torch.cat([old, new]))
    wrapped = get_peft_model(base, TrainableTokensConfig(target_modules=["embed_tokens"], token_indices=list(range(n, n + len(new)))))
    return _trained(wrapped, n)


def tied(old: torch.Tensor, new: torch.Tensor) -> Trained:
    """Train them in a language model with a tied head."""
    from peers.transformers_resize import small_model  # noqa: PLC0415 - transformers is slow to load

    n = len(old)
    base = small_model(torch.cat([old, new]))
    wrapped = get_peft_model(base, TrainableTokensConfig(target_modules=["wte"], token_indices=list(range(n, n + len(new)))))

    def loss(ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(wrapped(input_ids=ids).logits.flatten(0, 1), wanted.flatten())

    return _trained(wrapped, n, loss)


def _trained(wrapped: Any, n: int, loss: Any = None) -> Trained:
    tokens = next(module for module in wrapped.modules() if type(module).__name__ == "TrainableTokensLayer")
    optimiser = torch.optim.AdamW([p for p in wrapped.parameters() if p.requires_grad], lr=RATE, weight_decay=DECAY)
    return Trained(wrapped, optimiser, lambda: tokens.base_layer.weight[:n], loss)
