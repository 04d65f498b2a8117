"""Rows that join a layer later: from then on they alone train, or others that are chosen, and the rest stays bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tokenspace.errors import ShapeError
from tokenspace.table import EmbeddingTable
from tokenspace.torch.arrays import as_array
from tokenspace.torch.joining import checked_tokens, grown_to, initial_rows
from tokenspace.torch.partial import Partial

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike

    from tokenspace.vocabulary import Vocabulary


class Growing(Partial):
    """What `EmbeddingLayer` does with new tokens; the lookup of old and new alike is its own.

    A subclass keeps in `_followers` the heads that are tied to it, which grow when it does.
    """

    num_embeddings: int
    embedding_dim: int
    vocabulary: Vocabulary | None
    _followers: list[Any]

    def extend(
        self,
        tokens: Iterable[str] | int,
        *,
        init: str | ArrayLike | torch.Tensor = "mean",
        parts: Sequence[Sequence[int]] | None = None,
        record: bool = True,
        **options: Any,
    ) -> range:
        """Add rows for new tokens; from now on they alone train, and the rows before them stay bit for bit.

        Parameters
        ----------
        tokens : iterable of str, or int
            The new tokens; where the layer does not know its tokens their number will do.
        init : str, or array or tensor of shape (m, d), default "mean"
            How they start: a name of `tokenspace.extension.INITIALISERS`, or the rows themselves.
        parts : sequence of m sequences of int, optional
            For "subtoken-mean", "copy" and "description": the row ids that each new token starts from. Where the layer knows its
            tokens, those of "subtoken-mean" are found by spelling, as `EmbeddingTable.extend` does.
        record : bool, default True
            Whether the SHA-256 of the old rows is taken, for `proof`.
        **options
            As `tokenspace.extension.new_rows`: seed, donor, ...

        Returns
        -------
        range
            The new ids.

        Raises
        ------
        DuplicateTokenError
            If a token has a row already or is given twice.
        TokenError
            If a token is empty or no string.
        ArgumentError, ShapeError, RowIdError, NotFiniteError
            If there are no tokens, or as `tokenspace.extension.new_rows`.

        Notes
        -----
        Copies the table once. Called again, it trains the newest rows, and those added before count as old; `train_rows` chooses
        otherwise. Make the optimiser afterwards: `new_rows` is a new parameter.
        """
        m, vocabulary = checked_tokens(tokens, self.vocabulary)
        ids = range(self.num_embeddings, self.num_embeddings + m)
        if parts is None and isinstance(init, str) and init == "subtoken-mean" and vocabulary is not None and self.vocabulary is not None:
            table = EmbeddingTable.mapped(self.vocabulary, as_array(self.weight))
            added = vocabulary.tokens_of(np.arange(ids.start, ids.stop))
            parts = [table.subtokens(token) for token in added]
        self._write_through()
        rows = initial_rows(self.weight, m, init=init, parts=parts, **options)
        self.place(ids, rows, record=record)
        self.vocabulary = vocabulary
        return ids

    def train_rows(self, ids: ArrayLike | torch.Tensor, *, record: bool = True) -> None:
        """Let rows that are there already train, and no others: reserved rows in the middle, or those of several extensions.

        Parameters
        ----------
        ids : array of shape (m,), integers in 0..n-1, each once
            A run of ids is found by comparing; others through a map of 4n bytes.
        record : bool, default True
            Whether the SHA-256 of all other rows is taken, for `proof`.

        Raises
        ------
        RowIdError
            If an id is outside.
        DuplicateTokenError
            If an id stands twice.
        ArgumentError
            If there is none.
        """
        self.place(ids, None, record=record)

    def place(self, ids: ArrayLike | torch.Tensor, rows: torch.Tensor | None, *, record: bool = True) -> None:
        """Write rows at ids, the table growing where they lie beyond its end, and let them alone train.

        Parameters
        ----------
        ids : array of shape (m,), integers, each once
            Those of n or more must leave no gap.
        rows : tensor of shape (m, d), or None
            None leaves the rows as they are.
        record : bool, default True
            Whether the SHA-256 of all other rows is taken, for `proof`.

        Raises
        ------
        RowIdError
            If an id is negative, or a row beyond the end would be left without a value.
        ShapeError, DuplicateTokenError, ArgumentError
            As `train_rows`.
        """
        ids = np.asarray(ids.cpu() if isinstance(ids, torch.Tensor) else ids)
        total = grown_to(ids, self.num_embeddings, can_grow=rows is not None)
        if rows is not None and rows.shape != (ids.size, self.embedding_dim):
            message = f"rows must be of shape {(ids.size, self.embedding_dim)}, one for each id; seen {tuple(rows.shape)}"
            raise ShapeError(message)
        before = self.num_embeddings
        self._choose(ids, total, {} if rows is None else {"weight": rows}, record=record)
        self.num_embeddings = total
        for head in self._followers:
            head._follow(ids, before, record=record)  # noqa: SLF001 - heads tied to this layer

    def train_all(self) -> None:
        """Let all rows train again, as before `extend`; `weight` is a Parameter again."""
        self._release()
        for head in self._followers:
            head._release()  # noqa: SLF001 - heads tied to this layer
