"""PyTorch alone: full training, a hook that masks the old rows' gradient, a sparse gradient with the old rows filtered out."""

from __future__ import annotations

import torch

from peers.trained import DECAY, RATE, Trained


def full(old: torch.Tensor, new: torch.Tensor) -> Trained:
    """Train everything."""
    module, n = _embedding(old, new), len(old)
    optimiser = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=DECAY)
    return Trained(module, optimiser, lambda: module.weight[:n])


def floor(old: torch.Tensor, new: torch.Tensor) -> Trained:
    """Look rows up and train nothing: what a step costs that none of the others can go below. The gradient of the rows is formed."""
    rows = torch.cat([old, new])

    class Frozen(torch.nn.Module):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.embedding(ids, rows).requires_grad_()

    class Nothing:
        state: dict[torch.Tensor, dict[str, torch.Tensor]] = {}  # noqa: RUF012 - empty

        def step(self) -> None:
            pass

        def zero_grad(self, *, set_to_none: bool) -> None:
            pass

    return Trained(Frozen(), Nothing(), lambda: rows[: len(old)])


def hook_mask(old: torch.Tensor, new: torch.Tensor, decay: float = DECAY) -> Trained:
    """Set the old rows' gradient to zero."""
    module, n = _embedding(old, new), len(old)

    def mask(gradient: torch.Tensor) -> torch.Tensor:
        gradient[:n] = 0
        return gradient

    module.weight.register_hook(mask)
    return Trained(module, torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=decay), lambda: module.weight[:n])


def hook_mask_no_decay(old: torch.Tensor, new: torch.Tensor) -> Trained:
    """Do the same without weight decay, which is the only way it keeps the old rows."""
    return hook_mask(old, new, 0.0)


def sparse_filter(old: torch.Tensor, new: torch.Tensor) -> Trained:
    """Take a sparse gradient and drop the old rows' from it; SparseAdam has no weight decay."""
    module, n = _embedding(old, new, sparse=True), len(old)

    def only_new(gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.coalesce()
        ids = gradient.indices()[0]
        chosen = ids >= n
        return torch.sparse_coo_tensor(ids[chosen][None], gradient.values()[chosen], gradient.shape)

    module.weight.register_hook(only_new)
    return Trained(module, torch.optim.SparseAdam(list(module.parameters()), lr=RATE), lambda: module.weight[:n])


def _embedding(old: torch.Tensor, new: torch.Tensor, *, sparse: bool = False) -> torch.nn.Embedding:
    rows = torch.cat([old, new])
    return torch.nn.Embedding(*rows.shape, _weight=rows, sparse=sparse)
