"""tokenspace itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from peers.trained import DECAY, RATE, Trained
from tokenspace import checkpoint, extension
from tokenspace.torch import EmbeddingLayer, extend
from tokenspace.torch.arrays import as_array, as_tensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def layer(old: torch.Tensor, new: torch.Tensor) -> Trained:
    """Train the new rows of a layer."""
    n = len(old)
    module = EmbeddingLayer.from_pretrained(old, freeze=False)
    module.extend(len(new), init=new, record=False)
    return Trained(module, torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=DECAY), lambda: module.weight[:n])


def tied(old: torch.Tensor, new: torch.Tensor, *, chunked: bool = True) -> Trained:
    """Train them in a language model with a tied head; its loss in chunks, which never hold all logits."""
    from peers.transformers_resize import small_model  # noqa: PLC0415 - transformers is slow to load

    n = len(old)
    model = small_model(old)
    extended = extend(model, len(new), init=new)

    def loss(ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        if chunked:
            hidden = model.transformer(input_ids=ids).last_hidden_state
            return extended.head.cross_entropy(hidden.flatten(0, 1), wanted.flatten())  # type: ignore[union-attr]
        return torch.nn.functional.cross_entropy(model(input_ids=ids).logits.flatten(0, 1), wanted.flatten())

    optimiser = torch.optim.AdamW(extended.parameters(), lr=RATE, weight_decay=DECAY)
    return Trained(model, optimiser, lambda: extended.layer.weight[:n], loss)


def tied_logits(old: torch.Tensor, new: torch.Tensor) -> Trained:
    """Do the same with all logits, as the model's own code makes them."""
    return tied(old, new, chunked=False)


def rows_by(init: str) -> Callable[[torch.Tensor], Callable[[], torch.Tensor]]:
    """Make the new rows alone."""
    return lambda old: lambda: as_tensor(extension.new_rows(as_array(old), 100, init=init))


def layer_by(init: str) -> Callable[[torch.Tensor], Callable[[], torch.Tensor]]:
    """Make a layer with the new rows under the old ones, the old ones' digest included."""

    def make(old: torch.Tensor) -> Callable[[], torch.Tensor]:
        module = EmbeddingLayer.from_pretrained(old)

        def work() -> torch.Tensor:
            module.extend(100, init=init)
            return module.weight[len(old) :]

        return work

    return make


def extend_on_disk(folder: Path, out: Path, count: int) -> Callable[[], None]:
    """Extend a model folder."""
    rows = np.ones((count, checkpoint.open(folder).embedding.matrix().shape[1]), dtype=np.float32)
    return lambda: print(checkpoint.extend(folder, [f"new{place}" for place in range(count)], out=out, init=rows))
