"""The embedding layer: `torch.nn.Embedding` and `torch.nn.EmbeddingBag` in one, the lecture's z = Wx, and rows that join later.

Before `extend` it is what it replaces, number for number. After it, all rows serve and only the new ones train.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch.nn import functional

from tokenspace.errors import ArgumentError, RowIdError, ShapeError
from tokenspace.onehot import OneHot
from tokenspace.table import EmbeddingTable
from tokenspace.torch.arrays import as_array, as_tensor
from tokenspace.torch.gather import Bags, Lookup, Rules, bags_plainly, checked_bags, lookup_plainly, shortened
from tokenspace.torch.growing import Growing
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokenspace.torch.selection import Selection

MODES = (None, "sum", "mean", "max")


class EmbeddingLayer(Growing, torch.nn.Embedding):
    """n rows of d numbers, looked up by id, of which all train or only those that were added.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        n and d.
    padding_idx : int, optional
        A row that gets no gradient; in a bag it is left out. Starts as zero.
    max_norm : float, optional
        Rows longer than this are shortened to it when they are looked up. Rows that train are shortened where they stand, as torch
        does; old rows only in what is returned.
    norm_type : float, default 2.0
        Which norm.
    scale_grad_by_freq, sparse : bool, default False
        As in torch: divide a row's gradient by its count in the batch; give a sparse gradient.
    device, dtype : optional
        As in torch.
    mode : "sum", "mean", "max" or None, default None
        None: `layer(ids)` is a lookup. Else it is `torch.nn.EmbeddingBag`: one row for each bag of ids.
    include_last_offset : bool, default False
        Whether offsets end with the end of the last bag.

    Attributes
    ----------
    weight : Parameter of shape (n, d); after `extend` a plain tensor of shape (n + m, d)
        All rows, in the layout of a checkpoint. The lecture's W transposed.
    new_rows : Parameter of shape (m, d), or None
        After `extend` or `train_rows` the only parameter: a view of its rows in `weight` for float32 and float64, a float32 master
        of them for float16 and bfloat16 and for rows here and there.
    vocabulary : Vocabulary or None
        The tokens, where they are known.

    Notes
    -----
    A step on the new rows costs what the batch costs, whatever n is; an optimiser cannot move the old rows, by weight decay or
    momentum either, as it never sees them. State dicts have the one key `weight`, as `torch.nn.Embedding` writes it, and load in
    both directions; float32 masters are rounded when saved. Vices: `weight` is no buffer after `extend`, so DistributedDataParallel
    does not send it to the other processes (which is the point): load the same rows in each. What shards parameters (FSDP, ZeRO-3)
    sees the new rows only. `weight` of a half-precision layer shows the last optimiser step only after the next forward, `state_dict`
    or `to_table`. Training goes on from what others write into the chosen rows of `weight`, ``layer.weight[id] = row`` or another
    `weight`; where the parameter is a master, a compiled layer does not notice, and one on another device than the CPU not what is
    written to ``weight.data``. Names of `torch.nn.EmbeddingBag` that come before `device` in its signature (`mode`) must be given by
    name.

    References
    ----------
    Lecture "Embedding Layer and Distances/Similarities", equations (6) to (8), and 4.5 on extending a vocabulary.

    Examples
    --------
    >>> layer = EmbeddingLayer.from_table(EmbeddingTable(["king", "queen"], [[2, 1], [2, 3]]))
    >>> layer.extend(["royal"], init="subtoken-mean")
    range(2, 3)
    >>> [(name, tuple(rows.shape)) for name, rows in layer.named_parameters()]
    [('new_rows', (1, 2))]
    >>> bool((layer(torch.tensor([0, 2])) == layer.linear(OneHot([0, 2], n=3))).all()), bool(layer.proof())
    (True, True)
    """

    new_rows: Any

    _stands_for: ClassVar[Any] = None  # a class of torch.nn.Embedding's children whose place `install.extend` gave to one of ours
    __constants__ = [*torch.nn.Embedding.__constants__, "mode", "include_last_offset"]  # noqa: RUF012 - torch's

    def __init__(  # noqa: PLR0913, PLR0917 - torch's signature
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,  # noqa: FBT001, FBT002 - torch's
        sparse: bool = False,  # noqa: FBT001, FBT002
        _weight: torch.Tensor | None = None,
        _freeze: bool = False,  # noqa: FBT001, FBT002
        device: Any = None,
        dtype: Any = None,
        *,
        mode: str | None = None,
        include_last_offset: bool = False,
        vocabulary: Vocabulary | Iterable[str] | None = None,
    ) -> None:
        if mode not in MODES:
            message = f"mode must be None, 'sum', 'mean' or 'max'; seen {mode!r}"
            raise ArgumentError(message)
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight, _freeze, device, dtype
        )
        self.mode = mode
        self.include_last_offset = include_last_offset
        self.vocabulary = vocabulary if isinstance(vocabulary, Vocabulary) or vocabulary is None else Vocabulary(vocabulary)
        if self.vocabulary is not None and len(self.vocabulary) != num_embeddings:
            message = f"a layer needs one row for each token; seen {len(self.vocabulary):,} tokens and {num_embeddings:,} rows"
            raise ShapeError(message)
        self._followers: list[Any] = []
        self._begin()

    # ---------------------------------------------------------------------------------------------------------- from and to others

    @classmethod
    def from_pretrained(cls, embeddings: torch.Tensor, freeze: bool = True, *args: Any, **options: Any) -> EmbeddingLayer:  # noqa: FBT001, FBT002
        """Make a layer of a matrix, as `torch.nn.Embedding.from_pretrained` does.

        Parameters
        ----------
        embeddings : tensor of shape (n, d)
            Not copied.
        freeze : bool, default True
            Whether its rows stay as they are.
        *args, **options
            padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, in this order; by name also those of the class.

        Returns
        -------
        EmbeddingLayer

        Raises
        ------
        ShapeError
            If there are not two axes.
        """
        if embeddings.dim() != 2:  # noqa: PLR2004 - a matrix has two axes
            message = f"embeddings must be of shape (n, d); seen {tuple(embeddings.shape)}"
            raise ShapeError(message)
        names = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")
        options = {**dict(zip(names, args, strict=False)), **options}
        n, d = embeddings.shape
        return cls(n, d, _weight=embeddings, _freeze=freeze, **options)

    @classmethod
    def from_module(cls, module: torch.nn.Module) -> EmbeddingLayer:
        """Take the place of a `torch.nn.Embedding` or `torch.nn.EmbeddingBag`: same weight (the same Parameter), same options.

        Parameters
        ----------
        module : torch.nn.Embedding or torch.nn.EmbeddingBag

        Returns
        -------
        EmbeddingLayer

        Raises
        ------
        ArgumentError
            If it is something else.
        """
        if not isinstance(module, (torch.nn.Embedding, torch.nn.EmbeddingBag)):
            message = f"an embedding layer can take the place of torch.nn.Embedding and EmbeddingBag; seen {type(module).__name__}"
            raise ArgumentError(message)
        names = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")
        options = {name: getattr(module, name) for name in names}
        if isinstance(module, torch.nn.EmbeddingBag):
            options |= {"mode": module.mode, "include_last_offset": module.include_last_offset}
        n, d = module.weight.shape
        layer = cls(n, d, _weight=module.weight.detach(), **options)
        layer.weight = module.weight
        return layer.train(module.training)

    @classmethod
    def from_table(cls, table: EmbeddingTable, *, freeze: bool = False, **options: Any) -> EmbeddingLayer:
        """Make a layer of a table: its tokens, and a copy of its rows in their own element type.

        Parameters
        ----------
        table : EmbeddingTable
        freeze : bool, default False
            Whether the rows stay as they are.
        **options
            Those of the class.

        Returns
        -------
        EmbeddingLayer
        """
        options = {"vocabulary": table.vocabulary, **options}
        return cls(table.n, table.d, _weight=as_tensor(table.matrix), _freeze=freeze, **options)

    def to_table(self, tokens: Iterable[str] | Vocabulary | None = None) -> EmbeddingTable:
        """Return the rows as they are now as a table.

        Parameters
        ----------
        tokens : iterable of n str, or Vocabulary, optional
            Left out, those of `vocabulary`.

        Returns
        -------
        EmbeddingTable
            With a copy of the rows.

        Raises
        ------
        ArgumentError
            If the tokens are not known.
        ShapeError, NotFiniteError
            As `EmbeddingTable`.
        """
        tokens = self.vocabulary if tokens is None else tokens
        if tokens is None:
            message = "the layer does not know its tokens: a table needs one for each row"
            raise ArgumentError(message, hint="pass them: layer.to_table(tokens)")
        self._write_through(adopt=True)
        return EmbeddingTable(tokens, as_array(self.weight))

    def merge(self) -> torch.nn.Module:
        """Return a plain `torch.nn.Embedding`, or `torch.nn.EmbeddingBag`, over the same rows, all of which train.

        Returns
        -------
        torch.nn.Embedding or torch.nn.EmbeddingBag
            Sharing memory with this layer, which should not be used further.
        """
        self._write_through(adopt=True)
        names = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")
        options = {name: getattr(self, name) for name in names}
        if self.mode is not None:
            options |= {"mode": self.mode, "include_last_offset": self.include_last_offset}
        kind = torch.nn.Embedding if self.mode is None else torch.nn.EmbeddingBag
        return kind(*self.weight.shape, _weight=self.weight.detach(), **options).train(self.training)

    # -------------------------------------------------------------------------------------------------------------- what it does

    def forward(
        self,
        input: torch.Tensor,  # noqa: A002 - torch's name for it
        offsets: torch.Tensor | None = None,
        per_sample_weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Look up rows, equation (8), or reduce bags of them.

        Parameters
        ----------
        input : tensor of shape (...), int32 or int64
            Row ids; for bags of shape (b, l), or (m,) with offsets.
        offsets : tensor of shape (b,), or (b + 1,) with include_last_offset, optional
            Where in a flat input each bag begins.
        per_sample_weights : tensor of the shape of input, optional
            Factors, for mode "sum".

        Returns
        -------
        tensor of shape (..., d), for bags (b, d)
            Of the layer's element type.

        Raises
        ------
        RowIdError
            If an id is outside 0..n-1 (on the CPU; elsewhere torch's own error).
        ArgumentError, ShapeError
            If offsets or weights do not fit.
        """
        try:
            if self.mode is None:
                if offsets is not None or per_sample_weights is not None:
                    message = "offsets and per_sample_weights are for bags, and this layer's mode is None"
                    raise ArgumentError(message, hint="make it with mode='sum', 'mean' or 'max'")
                return self._rows(input)
            return self._bags(input, offsets, per_sample_weights)
        except (IndexError, RuntimeError) as error:
            _name_outside(input, self.num_embeddings, error)
            raise

    def linear(self, x: Any) -> torch.Tensor:
        """Return z = W x, equation (6), for any input x: the same rows as a fully connected layer.

        Parameters
        ----------
        x : tensor of shape (..., n), sparse tensor of shape (m, n), or OneHot of shape (..., n)

        Returns
        -------
        tensor of shape (..., d)
            Of the layer's element type; gradients flow into x's numbers and into the rows that train.

        Raises
        ------
        ShapeError
            If the last axis of x is not n long.

        Notes
        -----
        For a OneHot this is the lookup. A sparse x costs its non-zeros times d, a dense one n·d a vector.
        """
        if x.shape[-1:] != (self.num_embeddings,):
            message = f"linear(x of shape {tuple(x.shape)}) of a layer of {self.num_embeddings} rows: the last axis of x must be that long"
            raise ShapeError(message, hint="x holds one number a token; for a lookup by id call layer(ids)")
        if isinstance(x, OneHot):
            return self._rows(torch.from_numpy(np.array(x.ids)).to(self.weight.device))
        if x.layout != torch.strided:
            coo = x.to_sparse_coo().coalesce()
            row, column = coo.indices()
            terms = coo.values()[:, None] * self._rows(column)
            return terms.new_zeros(x.shape[0], self.embedding_dim).index_add(0, row, terms)
        x = x if x.is_floating_point() else x.to(self.weight.dtype)
        plainly = self._plainly()
        if not plainly:
            self._write_through()
        z = x @ self.weight
        if self._selection is None or not (plainly or torch.is_grad_enabled()):
            return z
        known = self._selection.part(self.weight) if plainly else self.new_rows.detach()
        return z + self._selection.columns(x) @ (self.new_rows - known).to(x.dtype)  # 0, with the new rows' gradient

    def extra_repr(self) -> str:
        """Return what a printed model says of it."""
        shown = super().extra_repr() + (f", mode={self.mode}" if self.mode else "")
        return shown if self._selection is None else f"{shown}, trains {self._selection!r}"

    def _rules(self) -> Rules:
        return Rules(self.padding_idx, self.scale_grad_by_freq, self.sparse, self.mode)

    def _rows(self, ids: torch.Tensor) -> torch.Tensor:
        """Look up ids of shape (...)."""
        if self._selection is None:
            return functional.embedding(
                ids, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
            )
        if self._plainly():
            return lookup_plainly(self.weight, self.new_rows, ids, self._selection, self._rules(), self.max_norm, self.norm_type)
        if self.max_norm is not None:
            self._shorten(ids, self._selection)
        self._write_through()
        rows: torch.Tensor = Lookup.apply(self.weight, self.new_rows, ids, self._selection, self._rules())
        return rows if self.max_norm is None else rows + (shortened(rows, self.max_norm, self.norm_type) - rows).detach()

    def _shorten(self, ids: torch.Tensor, selection: Selection) -> None:
        """Shorten the rows that train where they stand, as torch does; before they are written through."""
        _, slots = selection.find(ids.reshape(-1))
        with torch.no_grad():
            torch.embedding_renorm_(self.new_rows.detach(), slots, self.max_norm, self.norm_type)

    def _bags(self, ids: torch.Tensor, offsets: torch.Tensor | None, weights: torch.Tensor | None) -> torch.Tensor:
        """Reduce bags of rows."""
        flat, starts, weights = checked_bags(ids, offsets, weights, self._rules(), includes_end=self.include_last_offset)
        if self._selection is None and not self._plainly():
            return functional.embedding_bag(
                flat, self.weight, starts, self.max_norm, self.norm_type, self.scale_grad_by_freq, str(self.mode), self.sparse, weights,
                padding_idx=self.padding_idx,
            )  # fmt: skip
        if self.max_norm is not None or self._plainly():
            return bags_plainly(self._rows(flat), flat, starts, weights, self._rules())
        self._write_through()
        bags: torch.Tensor = Bags.apply(self.weight, self.new_rows, flat, starts, weights, self._selection, self._rules())
        return bags


def _name_outside(ids: Any, n: int, error: Exception) -> None:
    """Say which id was outside, where that is what went wrong."""
    if isinstance(ids, torch.Tensor) and ids.numel() and not ids.is_floating_point() and ids.device.type == "cpu":
        outside = ids[(ids < 0) | (ids >= n)]
        if outside.numel():
            message = f"row ids must be in 0..{n - 1}; seen {int(outside.flatten()[0])}"
            hint = "ids count from 0; was the tokenizer extended and the layer not?"
            raise RowIdError(message, hint=hint) from error
