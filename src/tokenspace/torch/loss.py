"""Cross-entropy of an output head, a few positions at a time: the logits of all positions never stand in memory together.

The usual way makes (positions, n) logits, as many log-probabilities and as many gradients: 600 MB for 1,024 positions of GPT-2. Here a
block of positions is multiplied, turned into its loss and its gradient and forgotten, all in forward, so nothing is computed twice.
Two of the usual three products are left: the third, the gradient of all n rows, shrinks to the rows that train.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from tokenspace.errors import ArgumentError, RowIdError, ShapeError

if TYPE_CHECKING:
    from tokenspace.torch.head import Output
    from tokenspace.torch.selection import Selection

BLOCK = 1 << 25
"""Bytes of logits at a time. 166 positions of GPT-2: enough for the products to run at full speed."""

REDUCTIONS = ("mean", "sum", "none")


def cross_entropy(
    hidden: torch.Tensor,
    targets: torch.Tensor,
    head: Output,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Return ``torch.nn.functional.cross_entropy(head(hidden), targets)`` without ever holding ``head(hidden)``.

    Parameters
    ----------
    hidden : tensor of shape (..., d)
        What the head would be called with.
    targets : tensor of shape (...), int64
        The right class of each position, or `ignore_index`.
    head : Head or TiedHead
    ignore_index : int, default -100
        Positions with this target count for nothing.
    reduction : "mean", "sum" or "none", default "mean"
        The mean is over the positions that count.
    label_smoothing : float in [0, 1], default 0
        Share of the target spread evenly over all classes.

    Returns
    -------
    tensor of shape (), for "none" of the shape of targets
        float32, or float64 where the head is.

    Raises
    ------
    ShapeError
        If targets do not fit hidden.
    RowIdError
        If a target is no class.
    ArgumentError
        If an option is not what it may be.

    Notes
    -----
    Memory: `BLOCK` bytes of logits (twice that in half precision), the gradient of hidden and that of the rows that train. With
    reduction "none" also their (positions, m) logit gradients. Gradients of gradients are not offered. A head that trains all rows
    works too; its gradient of n rows is then summed up block by block.

    Examples
    --------
    >>> from tokenspace.torch import Head
    >>> head, hidden, targets = Head(4, 10), torch.randn(6, 4), torch.arange(6)
    >>> usual = torch.nn.functional.cross_entropy(head(hidden), targets)
    >>> torch.allclose(cross_entropy(hidden, targets, head), usual)
    True
    """
    if reduction not in REDUCTIONS or not 0 <= label_smoothing <= 1:
        message = f"reduction is one of {', '.join(REDUCTIONS)} and label_smoothing in [0, 1]; seen {reduction!r} and {label_smoothing}"
        raise ArgumentError(message)
    if hidden.shape[:-1] != targets.shape:
        message = f"cross_entropy(hidden of shape {tuple(hidden.shape)}, targets of shape {tuple(targets.shape)}): one target a position"
        raise ShapeError(message)
    weight, bias, part, part_bias, selection = head._operands()  # noqa: SLF001 - the head's other half
    flat, wanted = hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1)
    if head._plainly():  # noqa: SLF001 - as above
        logits = head(flat)
        wide = logits if logits.dtype == torch.float64 else logits.float()
        return functional.cross_entropy(
            wide, wanted, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        ).reshape(targets.shape if reduction == "none" else ())
    wrong = (wanted != ignore_index) & ((wanted < 0) | (wanted >= len(weight)))
    if bool(wrong.any()):
        message = f"targets must be classes 0..{len(weight) - 1} or ignore_index={ignore_index}; seen {int(wanted[wrong][0])}"
        raise RowIdError(message)
    settings = _Settings(ignore_index, reduction, label_smoothing, torch.is_grad_enabled())
    loss: torch.Tensor = _Loss.apply(flat, weight, bias, part, part_bias, wanted, selection, settings)
    return loss.reshape(targets.shape) if reduction == "none" else loss


@dataclass(frozen=True, slots=True)
class _Settings:
    ignore_index: int
    reduction: str
    label_smoothing: float
    learns: bool


class _Loss(torch.autograd.Function):
    """``(hidden, weight, bias, part, part_bias, targets, selection, settings) -> loss``, with gradients for 0, 3 and 4."""

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917 - what autograd hands over
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        part: torch.Tensor | None,
        part_bias: torch.Tensor | None,
        targets: torch.Tensor,
        selection: Selection,
        settings: _Settings,
    ) -> torch.Tensor:
        """Go through the positions block by block: loss, gradient of hidden, gradient of the rows that train."""
        of_hidden, of_part, of_bias = (settings.learns and ctx.needs_input_grad[place] for place in (0, 3, 4))
        wide = torch.float64 if weight.dtype == torch.float64 else torch.float32
        each = settings.reduction == "none"
        kept = targets != settings.ignore_index
        share = 1.0 / float(kept.sum()) if settings.reduction == "mean" and bool(kept.any()) else 1.0
        losses = torch.zeros(len(targets), dtype=wide, device=hidden.device)
        by_hidden = torch.empty_like(hidden) if of_hidden else None
        chosen = len(selection)
        columns = torch.empty(len(targets), chosen, dtype=wide, device=hidden.device) if each and (of_part or of_bias) else None
        by_part = torch.zeros(chosen, hidden.shape[1], dtype=wide, device=hidden.device) if of_part and not each else None
        by_bias = torch.zeros(chosen, dtype=wide, device=hidden.device) if of_bias and not each else None
        step = max(1, BLOCK // (len(weight) * losses.element_size()))
        for start in range(0, len(targets), step):
            block = slice(start, start + step)
            raw = functional.linear(hidden[block], weight, bias)
            kind, logits = raw.dtype, raw.to(wide)
            del raw
            losses[block] = _to_gradient(logits, targets[block], kept[block], settings.label_smoothing)
            if not (of_hidden or of_part or of_bias):
                continue
            if not each and share != 1:
                logits *= share
            if by_hidden is not None:
                by_hidden[block] = logits.to(kind) @ weight.to(kind)
            new = selection.columns(logits)
            if columns is not None:
                columns[block] = new
            if by_part is not None:
                by_part.addmm_(new.T, hidden[block].to(wide))
            if by_bias is not None:
                by_bias += new.sum(0)
        ctx.save_for_backward(by_hidden, by_part, by_bias, columns, hidden if each and of_part else None)
        ctx.kinds = tuple(None if tensor is None else tensor.dtype for tensor in (part, part_bias))
        ctx.wanted = (of_part, of_bias)
        if each:
            return losses
        return losses.sum() * share if bool(kept.any()) or settings.reduction == "sum" else losses.sum() / 0

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Scale what forward computed."""
        by_hidden, by_part, by_bias, columns, hidden = ctx.saved_tensors
        gradient, (kind, bias_kind), (of_part, of_bias) = gradients[0], ctx.kinds, ctx.wanted
        if columns is not None:
            columns = columns * gradient[:, None]
            by_part = columns.T @ hidden.to(columns.dtype) if of_part else None
            by_bias = columns.sum(0) if of_bias else None
        scale = gradient[:, None] if gradient.dim() else gradient
        of_rows = 1 if columns is not None else gradient
        return (
            None if by_hidden is None else (by_hidden * scale).to(by_hidden.dtype),
            None,
            None,
            None if by_part is None else (by_part * of_rows).to(kind),
            None if by_bias is None else (by_bias * of_rows).to(bias_kind),
            None,
            None,
            None,
        )


def _to_gradient(logits: torch.Tensor, targets: torch.Tensor, kept: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Turn (c, n) logits into the gradient of the c losses by them, in place; return the losses, 0 where a position does not count."""
    n = logits.shape[1]
    places = targets.masked_fill(~kept, 0)[:, None]
    most = logits.amax(1, keepdim=True)
    logits -= most
    right = logits.gather(1, places)
    mean = logits.mean(1, keepdim=True) if smoothing else 0
    logits.exp_()
    total = logits.sum(1, keepdim=True)
    losses = total.log() - (right if not smoothing else (1 - smoothing) * right + smoothing * mean)
    logits *= kept[:, None] / total
    if smoothing:
        logits -= kept[:, None] * (smoothing / n)
    logits.scatter_add_(1, places, (smoothing - 1) * kept[:, None].to(logits.dtype))
    return losses.squeeze(1).masked_fill(~kept, 0)
