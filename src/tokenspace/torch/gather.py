"""The lookup i -> w_i with a gradient for chosen rows only, as autograd functions, and the same in plain autograd.

Forward reads the whole matrix once, old rows and new alike, without splitting it. Backward adds up only the gradients that fall on
chosen rows. So a step costs what the batch costs, where an ordinary embedding writes a gradient of n rows. The plain forms cost about
twice as much and are for tracers (`torch.compile`, `torch.export`), which cannot look into an autograd function's choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.torch import heap

if TYPE_CHECKING:
    from tokenspace.torch.selection import Selection

TINY = 1e-7
"""Added to a norm before dividing by it, as torch's `embedding_renorm_` does."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How gradients are added up: what `torch.nn.Embedding` takes under the same names, and for bags what `EmbeddingBag` does.

    Attributes
    ----------
    padding_idx : int or None
        A row that gets no gradient and that a bag leaves out.
    scale_grad_by_freq : bool
        Whether a row's gradient is divided by how often it stands in the batch.
    sparse : bool
        Whether the gradient is a sparse tensor.
    mode : "sum", "mean", "max" or None
        How a bag is brought to one row; None for a lookup.
    """

    padding_idx: int | None = None
    scale_grad_by_freq: bool = False
    sparse: bool = False
    mode: str | None = None


class Lookup(torch.autograd.Function):
    """``(whole, part, ids, selection, rules) -> rows``: of shape (..., d) for ids of shape (...)."""

    @staticmethod
    def forward(ctx: Any, whole: torch.Tensor, part: torch.Tensor, ids: torch.Tensor, selection: Selection, rules: Rules) -> torch.Tensor:
        """Gather."""
        ctx.save_for_backward(ids)
        ctx.selection, ctx.rules, ctx.shape, ctx.kind = selection, rules, part.shape, part.dtype
        with heap.tidied(ids.numel() * whole[:1].nbytes, whole.device):
            return functional.embedding(ids, whole)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Add up what falls on chosen rows."""
        (ids,), (gradient,) = ctx.saved_tensors, gradients
        with heap.tidied(gradient.nbytes, gradient.device):
            flat = ids.reshape(-1)
            at, slots = _found(flat, ctx.selection, ctx.rules)
            rows = gradient.reshape(len(flat), ctx.shape[1]).index_select(0, at).to(ctx.kind)
            gathered = _gathered(rows, slots, ctx.shape, ctx.rules)
            heap.release()
            return None, gathered, None, None, None


class Bags(torch.autograd.Function):
    """``(whole, part, ids, starts, weights, selection, rules) -> bags``: (b, d) for flat ids, (b,) starts and (m,) weights or None."""

    @staticmethod
    def forward(
        ctx: Any,
        whole: torch.Tensor,
        part: torch.Tensor,
        ids: torch.Tensor,
        starts: torch.Tensor,
        weights: torch.Tensor | None,
        selection: Selection,
        rules: Rules,
    ) -> torch.Tensor:
        """Sum, average or take the largest, without the rows of all positions ever standing in memory."""
        mode = ("sum", "mean", "max").index(str(rules.mode))
        bags, _, sizes, largest = torch.embedding_bag(whole, ids, starts, False, mode, False, weights, False, rules.padding_idx)  # noqa: FBT003
        ctx.save_for_backward(whole if ctx.needs_input_grad[4] else None, ids, starts, weights, sizes, largest)
        ctx.selection, ctx.rules, ctx.shape, ctx.kind = selection, rules, part.shape, part.dtype
        return bags

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Add up what falls on chosen rows; and for weights the products of gradients and rows."""
        heap.release()
        whole, ids, starts, weights, sizes, largest = ctx.saved_tensors
        gradient, rules = gradients[0], ctx.rules
        if rules.mode == "max":
            out = torch.zeros(ctx.shape, dtype=ctx.kind, device=gradient.device)
            winners = torch.where(sizes[:, None] > 0, ctx.selection.slots_of(largest), -1)
            kept = winners >= 0
            out.scatter_add_(0, winners.clamp(min=0), torch.where(kept, gradient, 0).to(ctx.kind))
            return None, out, None, None, None, None, None
        at, slots = _found(ids, ctx.selection, rules)
        rows = gradient[bag_of(at, starts)].to(ctx.kind)
        if rules.mode == "mean":
            rows = rows / sizes[bag_of(at, starts)][:, None]
        by_weight = None
        if weights is not None:
            rows = rows * weights[at][:, None]
            if ctx.needs_input_grad[4]:
                bag = bag_of(torch.arange(len(ids), device=ids.device), starts)
                by_weight = (gradient[bag] * functional.embedding(ids, whole)).sum(-1).to(weights.dtype)
                by_weight = by_weight if rules.padding_idx is None else by_weight.masked_fill(ids == rules.padding_idx, 0)
        return None, _gathered(rows, slots, ctx.shape, rules), None, None, by_weight, None, None


def _found(flat: torch.Tensor, selection: Selection, rules: Rules) -> tuple[torch.Tensor, torch.Tensor]:
    """Return positions and slots of rows that train, the padding left out."""
    at, slots = selection.find(flat)
    if rules.padding_idx is not None:
        kept = flat[at] != rules.padding_idx
        at, slots = at[kept], slots[kept]
    return at, slots


def _gathered(rows: torch.Tensor, slots: torch.Tensor, shape: torch.Size, rules: Rules) -> torch.Tensor:
    """Return the gradient of the part: the rows added up at their slots."""
    if rules.scale_grad_by_freq:
        rows = rows / torch.bincount(slots, minlength=shape[0])[slots][:, None]
    if rules.sparse:
        return torch.sparse_coo_tensor(slots[None], rows, shape, check_invariants=False)
    return torch.zeros(shape, dtype=rows.dtype, device=rows.device).index_add(0, slots, rows)


def bag_of(positions: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    """Return the bag each position is in; an empty bag has none."""
    return torch.bucketize(positions, starts, right=True) - 1


def lookup_plainly(
    whole: torch.Tensor, part: torch.Tensor, ids: torch.Tensor, selection: Selection, rules: Rules, max_norm: float | None, norm_type: float
) -> torch.Tensor:
    """Return the rows in plain autograd: two gathers and a choice between them; dense gradients, nothing written in place."""
    slots = selection.slots_of(ids)
    if rules.padding_idx is not None:
        slots = slots.masked_fill(ids == rules.padding_idx, -1)
    m = len(part)
    padded = torch.cat([part, part.new_zeros(1, part.shape[1])])  # old ids go to a row of their own, so that frequencies stay right
    new = functional.embedding(torch.where(slots < 0, m, slots), padded, m, scale_grad_by_freq=rules.scale_grad_by_freq)
    rows = torch.where((slots >= 0)[..., None], new.to(whole.dtype), functional.embedding(ids, whole))
    return rows if max_norm is None else rows + (shortened(rows, max_norm, norm_type) - rows).detach()


def bags_plainly(rows: torch.Tensor, ids: torch.Tensor, starts: torch.Tensor, weights: torch.Tensor | None, rules: Rules) -> torch.Tensor:
    """Return bags of looked-up rows, (m, d) -> (b, d), in plain autograd; equal largest numbers share their gradient."""
    bag = bag_of(torch.arange(len(ids), device=ids.device), starts)
    b = len(starts)
    kept = torch.ones_like(ids, dtype=torch.bool) if rules.padding_idx is None else ids != rules.padding_idx
    if rules.mode == "max":
        bag = torch.where(kept, bag, b)  # one bag more, for the padding
        most = rows.new_zeros(b + 1, rows.shape[1])
        return most.scatter_reduce(0, bag[:, None].expand_as(rows), rows, "amax", include_self=False)[:b]
    terms = rows * kept[:, None].to(rows.dtype)
    terms = terms if weights is None else terms * weights[:, None]
    total = rows.new_zeros(b, rows.shape[1]).index_add(0, bag, terms)
    if rules.mode == "mean":
        total = total / rows.new_zeros(b).index_add(0, bag, kept.to(rows.dtype)).clamp(min=1)[:, None]
    return total


def shortened(rows: torch.Tensor, max_norm: float, norm_type: float) -> torch.Tensor:
    """Return rows brought to a norm of at most max_norm, as `max_norm` of `torch.nn.Embedding` does."""
    norms = torch.linalg.vector_norm(rows, ord=norm_type, dim=-1, keepdim=True)
    return torch.where(norms > max_norm, rows * (max_norm / (norms + TINY)), rows)


def checked_bags(
    ids: torch.Tensor, offsets: torch.Tensor | None, weights: torch.Tensor | None, rules: Rules, *, includes_end: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Return flat ids, where bags begin, and flat weights.

    Raises
    ------
    ShapeError
        If ids, offsets and weights do not fit together.
    ArgumentError
        If there are weights and the mode is not "sum".
    """
    message = ""
    if ids.dim() not in {1, 2} or (ids.dim() == 1) != (offsets is not None):
        seen = f"{tuple(ids.shape)}" + ("" if offsets is None else f" with offsets of shape {tuple(offsets.shape)}")
        message = f"bags are ids of shape (b, l), or of shape (m,) with offsets; seen {seen}"
    elif weights is not None and weights.shape != ids.shape:
        message = f"per_sample_weights must have the shape of the ids, {tuple(ids.shape)}; seen {tuple(weights.shape)}"
    if message:
        raise ShapeError(message)
    if weights is not None and rules.mode != "sum":
        message = f"per_sample_weights are for mode 'sum'; seen mode {rules.mode!r}"
        raise ArgumentError(message)
    if offsets is None:
        offsets = torch.arange(0, ids.numel(), max(1, ids.shape[1]), device=ids.device, dtype=ids.dtype)
    elif includes_end:
        offsets = offsets[:-1]
    return ids.reshape(-1), offsets, None if weights is None else weights.reshape(-1)
