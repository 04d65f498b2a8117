"""Attention of a real Transformer: the scaled inner products <q, k> / sqrt(d) between token representations, and their softmax.

The model computes its queries, keys and values itself; this module stands in the place where they meet, by the name under which
transformers looks attention functions up, and writes down what it sees. So every architecture that asks there is served alike.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from tokenspace.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

NAME = "tokenspace_seen"
LONGEST = 512
"""Positions read at the most: scores of all layers and heads are kept, layers · heads · positions² numbers."""

_seen: ContextVar[list[tuple[torch.Tensor, torch.Tensor]]] = ContextVar("attention of the pass under way")


@dataclass(frozen=True, slots=True)
class Attention:
    """What the heads of every layer made of one text.

    Attributes
    ----------
    tokens : list of p str
        The text as the model reads it.
    scores : array of shape (layers, heads, p, p), float32
        The inner product of query i and key j over the square root of the head's d (or by the factor the model itself uses); -inf
        where position i may not look at j.
    weights : array of shape (layers, heads, p, p), float32
        The softmax of each row of scores: what position i takes from j; each row sums to 1.
    """

    tokens: list[str]
    scores: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Representations:
    """What one text's tokens are to a Transformer, before it reads them together and after.

    Attributes
    ----------
    tokens : list of p str
    static : array of shape (p, d), float32
        Each token's row of the input embedding, the same in every text.
    hidden : array of shape (layers + 1, p, h), float32
        The token representations: what goes into the first layer, rows with places added, then what comes out of each layer.
    """

    tokens: list[str]
    static: NDArray[np.float32]
    hidden: NDArray[np.float32]


class Reader:
    """A Transformer opened to have its attention read.

    Parameters
    ----------
    folder : path
        A model folder on this machine; nothing is downloaded, and no code in it is run.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    ArgumentError
        If the folder cannot be opened as a model, or its attention does not pass where transformers looks functions up.

    Notes
    -----
    The model's weights are held as long as the reader lives.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", 2017, equation (1).
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from transformers import (  # noqa: PLC0415 - takes seconds, and only here
                AttentionInterface,
                AttentionMaskInterface,
                AutoModel,
                AutoTokenizer,
            )
            from transformers.masking_utils import eager_mask  # noqa: PLC0415
        except ImportError as error:
            message = "reading attention needs transformers, which is not installed"
            raise MissingExtraError(message, hint='pip install "tokenspace[transformers]"') from error
        AttentionInterface.register(NAME, _attend)
        AttentionMaskInterface.register(NAME, eager_mask)
        self.name = str(folder)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            model = AutoModel.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, attn_implementation=NAME, dtype=torch.float32
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            message = f"{folder} cannot be opened as a Transformer: {error}"
            raise ArgumentError(message, hint="name a model folder with config.json, weights and tokenizer") from error
        self._model: Any = model.eval()
        self.layers = int(model.config.num_hidden_layers)
        self.heads = int(model.config.num_attention_heads)
        self._positions = int(getattr(model.config, "max_position_embeddings", None) or LONGEST)

    def attention(self, text: str, *, pair: str | None = None, most: int = LONGEST) -> Attention:
        """Return the attention of all layers and heads for a text.

        Parameters
        ----------
        text : str
        pair : str, optional
            A second text, read after the first as the tokenizer joins them.
        most : int, default 512
            Tokens that are read; a model with fewer positions reads no more than those.

        Returns
        -------
        Attention

        Raises
        ------
        ArgumentError
            If the text has more tokens than that, or none.

        Notes
        -----
        One pass of the model. The vice: a large weight says where a head took its numbers from, not why the model answered as it did.
        """
        encoded = self._encoded(text, pair, most)
        seen: list[tuple[torch.Tensor, torch.Tensor]] = []
        token = _seen.set(seen)
        try:
            with torch.no_grad():
                self._model(**encoded)
        finally:
            _seen.reset(token)
        if not seen:
            message = f"the attention of {self.name} does not pass through transformers' attention functions and cannot be read"
            raise ArgumentError(message)
        return Attention(
            self._tokens(encoded),
            torch.stack([scores[0] for scores, _ in seen]).numpy(),
            torch.stack([weights[0] for _, weights in seen]).numpy(),
        )

    def representations(self, text: str) -> Representations:
        """Return the rows of a text's tokens, and what every layer makes of them.

        Parameters
        ----------
        text : str

        Returns
        -------
        Representations

        Raises
        ------
        ArgumentError
            If the text is longer than 512 tokens, or empty.
        """
        encoded = self._encoded(text, None, LONGEST)
        with torch.no_grad():
            made = self._model(**encoded, output_hidden_states=True).hidden_states
            static = self._model.get_input_embeddings().weight[encoded["input_ids"][0]]
        return Representations(self._tokens(encoded), static.float().numpy(), torch.stack([layer[0] for layer in made]).float().numpy())

    def _encoded(self, text: str, pair: str | None, most: int) -> Any:
        encoded = self._tokenizer(text, pair, return_tensors="pt", truncation=False)
        encoded.pop("token_type_ids", None) if "token_type_ids" not in self._accepted() else None
        length = int(encoded["input_ids"].shape[1])
        most = min(most, LONGEST, self._positions)
        if not 1 <= length <= most:
            message = f"expected a text of 1 to {most} tokens; seen {length}"
            raise ArgumentError(message)
        return encoded

    def _tokens(self, encoded: Any) -> list[str]:
        tokens: list[str] = self._tokenizer.convert_ids_to_tokens(encoded["input_ids"][0].tolist())
        return tokens

    def _accepted(self) -> set[str]:
        return set(self._model.forward.__code__.co_varnames) | set(getattr(self._model.forward, "__kwdefaults__", None) or ())


def scaled_scores(query: torch.Tensor, key: torch.Tensor, *, scaling: float | None = None) -> torch.Tensor:
    """Return the scaled inner products of queries with keys, <q, k> / sqrt(d).

    Parameters
    ----------
    query : tensor of shape (..., heads, p, d)
    key : tensor of shape (..., groups, s, d)
        `groups` divides `heads`: several heads may share keys.
    scaling : float, optional
        Left out, 1 / sqrt(d).

    Returns
    -------
    tensor of shape (..., heads, p, s)

    Examples
    --------
    >>> scaled_scores(torch.tensor([[[2.0, 0, 0, 0]]]), torch.tensor([[[3.0, 0, 0, 0]]])).item()
    3.0
    """
    return torch.matmul(query, _shared(key, query).transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scaling is None else scaling)


def _shared(some: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Repeat keys or values for the heads that share them."""
    return some.repeat_interleave(query.shape[-3] // some.shape[-3], dim=-3)


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **_more: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend as transformers' own eager function does, writing scores and weights down."""
    del module
    scores = scaled_scores(query, key, scaling=scaling)
    if attention_mask is not None:
        mask = attention_mask[..., : key.shape[-2]]
        hidden = mask == 0 if mask.dtype == torch.bool else mask < torch.finfo(scores.dtype).min / 2
        scores = (scores if mask.dtype == torch.bool else scores + mask).masked_fill(hidden, -torch.inf)
    weights = torch.softmax(scores, dim=-1).nan_to_num(0)  # a position that may look nowhere takes nothing
    seen = _seen.get(None)
    if seen is not None:
        seen.append((scores, weights))
    return torch.matmul(weights, _shared(value, query)).transpose(1, 2).contiguous(), weights
