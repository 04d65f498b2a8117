"""Output heads: one logit a token, y = W h + b over all n + m tokens, of which only the new rows and new biases train.

The gradient of h needs every row, that of the rows only the new ones: of the usual two products in backward, one shrinks to m columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch.nn import functional

from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.rows import as_float_array
from tokenspace.torch.joining import grown_to, initial_rows
from tokenspace.torch.loss import cross_entropy
from tokenspace.torch.partial import Partial
from tokenspace.torch.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.torch.layer import EmbeddingLayer

BIASES = ("mean", "zeros")


class Output(Partial):
    """What tied and untied heads share: logits, loss, and how a bias grows.

    A subclass says in `_operands` which tensors it multiplies with.
    """

    bias: torch.Tensor | None
    new_bias: torch.nn.Parameter | None

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return logits over all tokens, old and new.

        Parameters
        ----------
        hidden : tensor of shape (..., d)

        Returns
        -------
        tensor of shape (..., n)

        Raises
        ------
        ShapeError
            If the last axis is not d long.
        """
        weight, bias, part, part_bias, selection = self._operands()
        if hidden.shape[-1:] != weight.shape[1:]:
            message = f"a head of shape {tuple(weight.shape)} takes vectors of {weight.shape[1]} numbers; seen shape {tuple(hidden.shape)}"
            raise ShapeError(message)
        if len(selection) == len(weight):  # all rows train
            return functional.linear(hidden, weight, bias)
        if self._plainly():
            new = functional.linear(hidden, part.to(weight.dtype), None if part_bias is None else part_bias.to(weight.dtype))
            return functional.linear(hidden, weight, bias).index_copy(-1, selection.ids(hidden.device), new)
        logits: torch.Tensor = _Logits.apply(hidden, weight, bias, part, part_bias, selection)
        return logits

    def cross_entropy(self, hidden: torch.Tensor, targets: torch.Tensor, **options: Any) -> torch.Tensor:
        """Return the loss without holding all logits: `tokenspace.torch.cross_entropy`.

        Parameters
        ----------
        hidden : tensor of shape (..., d)
        targets : tensor of shape (...), int64
        **options
            ignore_index, reduction, label_smoothing.

        Returns
        -------
        tensor of shape (), for reduction "none" of the shape of targets
        """
        return cross_entropy(hidden, targets, self, **options)

    def merge(self) -> torch.nn.Linear:
        """Return a plain `torch.nn.Linear` over the same rows, all of which train.

        Returns
        -------
        torch.nn.Linear
            Sharing memory with this head.
        """
        self._write_through()
        weight, bias, *_ = self._operands()
        plain = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta", dtype=weight.dtype)
        plain.weight = torch.nn.Parameter(weight.detach())
        if bias is not None:
            plain.bias = torch.nn.Parameter(bias.detach())
        return plain.train(self.training)

    def _operands(self) -> tuple[Any, Any, Any, Any, Selection]:
        """Return weight, bias, the parts of both that train, and which they are; all rows where all train."""
        raise NotImplementedError

    def _new_biases(self, m: int, init: str | ArrayLike | torch.Tensor) -> torch.Tensor | None:
        """Return how m biases start."""
        if self.bias is None:
            return None
        if isinstance(init, str):
            if init not in BIASES:
                message = f"bias_init must be an array of shape ({m},) or one of {', '.join(BIASES)}; seen {init!r}"
                raise ArgumentError(message)
            start = self.bias.detach().double().mean() if init == "mean" else torch.zeros((), device=self.bias.device)
            return start.to(self.bias.dtype).expand(m)
        values = init.detach() if isinstance(init, torch.Tensor) else torch.from_numpy(np.array(as_float_array(init, "bias_init")))
        if values.shape != (m,):
            message = f"bias_init must be of shape ({m},), one number for each new token; seen {tuple(values.shape)}"
            raise ShapeError(message)
        return values


class Head(Output, torch.nn.Linear):
    """An untied output head: its own n rows and, with a bias, n numbers; stands where `torch.nn.Linear` stood.

    Parameters
    ----------
    in_features, out_features : int
        d and n.
    bias : bool, default True
    device, dtype : optional
        As in torch.

    Attributes
    ----------
    weight, bias : as `torch.nn.Linear`; after `extend` plain tensors of n + m rows
    new_rows : Parameter of shape (m, d), or None
    new_bias : Parameter of shape (m,), or None

    Notes
    -----
    As `EmbeddingLayer`: views for float32 and float64, float32 masters for half precision; state dicts have the keys of
    `torch.nn.Linear`.

    Examples
    --------
    >>> head = Head(4, 10)
    >>> head.extend(2)
    range(10, 12)
    >>> [(name, tuple(rows.shape)) for name, rows in head.named_parameters()]
    [('new_rows', (2, 4)), ('new_bias', (2,))]
    >>> tuple(head(torch.zeros(3, 4)).shape)
    (3, 12)
    """

    out_features: int
    new_rows: Any

    _pairs: ClassVar[Mapping[str, str]] = {"weight": "new_rows", "bias": "new_bias"}

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:  # noqa: FBT001, FBT002
        super().__init__(in_features, out_features, bias, device, dtype)
        self._begin()

    @classmethod
    def from_module(cls, module: torch.nn.Linear) -> Head:
        """Take the place of a `torch.nn.Linear`, with the same Parameters.

        Parameters
        ----------
        module : torch.nn.Linear

        Returns
        -------
        Head
        """
        head = cls(module.in_features, module.out_features, module.bias is not None, "meta", module.weight.dtype)
        head.weight, head.bias = module.weight, module.bias
        return head.train(module.training)

    def extend(
        self,
        m: int,
        *,
        init: str | ArrayLike | torch.Tensor = "mean",
        bias_init: str | ArrayLike | torch.Tensor = "mean",
        record: bool = True,
        parts: Sequence[Sequence[int]] | None = None,
        **options: Any,
    ) -> range:
        """Add m rows and biases, which alone train from now on.

        Parameters
        ----------
        m : int
            At least 1.
        init : str, or array or tensor of shape (m, d), default "mean"
            As `EmbeddingLayer.extend`.
        bias_init : "mean", "zeros", or array or tensor of shape (m,), default "mean"
            With the mean row and the mean bias a new token's logit is the mean of all logits.
        record : bool, default True
            Whether the SHA-256 of the old rows is taken, for `proof`.
        parts, **options
            As `tokenspace.extension.new_rows`.

        Returns
        -------
        range
            The new ids.

        Raises
        ------
        ArgumentError, ShapeError, RowIdError, NotFiniteError
            If m is not positive, or as `tokenspace.extension.new_rows`.
        """
        ids = range(self.out_features, self.out_features + m)
        self._write_through()
        rows = initial_rows(self.weight, m, init=init, parts=parts, **options) if m > 0 else None
        self.place(ids, rows, self._new_biases(m, bias_init), record=record)
        return ids

    def place(self, ids: ArrayLike, rows: torch.Tensor | None = None, biases: torch.Tensor | None = None, *, record: bool = True) -> None:
        """Write rows and biases at ids, growing where they lie beyond the end, and let them alone train.

        Parameters
        ----------
        ids : array of shape (m,), integers, each once
        rows : tensor of shape (m, d), or None
            None leaves the rows as they are.
        biases : tensor of shape (m,), or None
        record : bool, default True
            Whether the SHA-256 of all other rows is taken, for `proof`.

        Raises
        ------
        RowIdError, ShapeError, DuplicateTokenError, ArgumentError
            As `EmbeddingLayer.place`.
        """
        places = np.asarray(ids)
        total = grown_to(places, self.out_features, can_grow=rows is not None)
        if rows is not None and rows.shape != (places.size, self.in_features):
            message = f"rows must be of shape {(places.size, self.in_features)}, one for each id; seen {tuple(rows.shape)}"
            raise ShapeError(message)
        if self.bias is not None and biases is None and rows is not None:
            biases = self._new_biases(places.size, "mean")
        given = {"weight": rows, "bias": biases}
        self._choose(places, total, {name: values for name, values in given.items() if values is not None}, record=record)
        self.out_features = total

    def _operands(self) -> tuple[Any, Any, Any, Any, Selection]:
        if self._selection is None:
            return self.weight, self.bias, self.weight, self.bias, Selection.everything(self.out_features)
        if not self._plainly():
            self._write_through()
        return self.weight, self.bias, self.new_rows, self.new_bias, self._selection


class TiedHead(Output):
    """An output head that multiplies with the input layer's rows; a bias, where there is one, is its own.

    Parameters
    ----------
    layer : EmbeddingLayer
        Whose rows serve; held, not registered: its parameters are its own. When it is extended the bias grows with it.
    bias : tensor of shape (n,), optional

    Attributes
    ----------
    weight : tensor of shape (n, d)
        The layer's.
    bias : Parameter of shape (n,), or None; after an extension a plain tensor
    new_bias : Parameter of shape (m,), or None

    Raises
    ------
    ShapeError
        If the bias does not have one number for each row.

    Notes
    -----
    State dicts have the keys of a tied `torch.nn.Linear`, `weight` included; what is loaded for `weight` is the layer's to load.

    Examples
    --------
    >>> from tokenspace.torch import EmbeddingLayer
    >>> layer = EmbeddingLayer(10, 4)
    >>> head = TiedHead(layer, bias=torch.zeros(10))
    >>> layer.extend(2)
    range(10, 12)
    >>> tuple(head(torch.zeros(3, 4)).shape), [name for name, _ in head.named_parameters()]
    ((3, 12), ['new_bias'])
    """

    _pairs: ClassVar[Mapping[str, str]] = {"bias": "new_bias"}

    def __init__(self, layer: EmbeddingLayer, bias: torch.Tensor | None = None) -> None:
        super().__init__()
        if bias is not None and bias.shape != (layer.num_embeddings,):
            message = f"a bias has one number for each of the {layer.num_embeddings} rows; seen shape {tuple(bias.shape)}"
            raise ShapeError(message)
        self.__dict__["layer"] = layer  # not registered
        layer._followers.append(self)  # noqa: SLF001 - the other half
        self.bias_init: Any = "mean"
        self.register_parameter("bias", bias if bias is None or isinstance(bias, torch.nn.Parameter) else torch.nn.Parameter(bias))
        self._begin()
        if layer._selection is not None and bias is not None:  # noqa: SLF001
            self._choose(layer._selection.ids().numpy(), layer.num_embeddings, {}, record=False)  # noqa: SLF001

    @property
    def weight(self) -> torch.Tensor:
        """The layer's rows."""
        return self.layer.weight

    @property
    def in_features(self) -> int:
        """Numbers a row, d."""
        return int(self.layer.embedding_dim)

    @property
    def out_features(self) -> int:
        """Tokens, n."""
        return int(self.layer.num_embeddings)

    def _follow(self, ids: NDArray[Any], before: int, *, record: bool) -> None:
        """Grow with the layer, which had `before` rows and now trains `ids`."""
        if self.bias is None:
            return
        rows = {}
        if self.layer.num_embeddings > before:
            biases = self._new_biases(ids.size, self.bias_init)
            rows = {} if biases is None else {"bias": biases}
        self._choose(ids, self.layer.num_embeddings, rows, record=record)

    def _plainly(self) -> bool:
        return super()._plainly() or bool(self.layer._plainly())  # noqa: SLF001 - the layer's rows are the head's

    def _operands(self) -> tuple[Any, Any, Any, Any, Selection]:
        layer = self.layer
        selection = layer._selection  # noqa: SLF001
        if selection is None:
            return layer.weight, self.bias, layer.weight, self.bias, Selection.everything(layer.num_embeddings)
        if not self._plainly():
            layer._write_through()  # noqa: SLF001
            self._write_through()
        return layer.weight, self.bias, layer.new_rows, self.new_bias, selection

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:  # noqa: FBT001
        destination[prefix + "weight"] = self.layer.weight if keep_vars else self.layer.weight.detach()
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        super()._load_from_state_dict({key: value for key, value in state_dict.items() if key != prefix + "weight"}, prefix, *rest)


class _Logits(torch.autograd.Function):
    """``(hidden, weight, bias, part, part_bias, selection) -> logits``, with gradients for 0, 3 and 4."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        part: torch.Tensor,
        part_bias: torch.Tensor | None,
        selection: Selection,
    ) -> torch.Tensor:
        """Multiply with all rows."""
        ctx.save_for_backward(hidden, weight)
        ctx.selection, ctx.kinds = selection, (part.dtype, None if part_bias is None else part_bias.dtype)
        return functional.linear(hidden, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Give hidden its whole gradient, the rows and biases theirs where they train."""
        hidden, weight = ctx.saved_tensors
        gradient, (kind, bias_kind) = gradients[0], ctx.kinds
        by_hidden = gradient @ weight.to(gradient.dtype) if ctx.needs_input_grad[0] else None
        new = ctx.selection.columns(gradient).reshape(-1, len(ctx.selection))
        by_rows = new.to(kind).T @ hidden.reshape(-1, hidden.shape[-1]).to(kind) if ctx.needs_input_grad[3] else None
        by_biases = new.to(bias_kind).sum(0) if bias_kind is not None and ctx.needs_input_grad[4] else None
        return by_hidden.to(hidden.dtype) if by_hidden is not None else None, None, None, by_rows, by_biases, None
