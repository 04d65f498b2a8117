"""The next token as a search: a language model's logits are inner products of a hidden state with the rows of its output head.

logit_i = <h, u_i> + b_i, so the k likeliest tokens are the k rows of the largest inner product with h. A bias joins in as one more number
a row, against a 1 in h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tokenspace.errors import ArgumentError, MissingExtraError
from tokenspace.search import Exact

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HEADS = {"ForCausalLM": "AutoModelForCausalLM", "LMHeadModel": "AutoModelForCausalLM", "ForMaskedLM": "AutoModelForMaskedLM"}
"""Classes of transformers, by the end of the architecture's name."""


@dataclass(frozen=True, slots=True)
class NextTokens:
    """The likeliest tokens at one place of a text.

    Attributes
    ----------
    place : int
        From 0: the last token's, or that of the mask.
    tokens : list of k str
    ids : array of shape (k,), int64
    scores : array of shape (k,), float64
        Inner products with the head's rows, and the bias.
    logits : array of shape (k,), float32
        The model's own for the same tokens: the same numbers, unless the model scales or bounds them afterwards.
    own : array of shape (k,), int64
        The ids of the model's own k largest logits.
    """

    place: int
    tokens: list[str]
    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    logits: NDArray[np.float32]
    own: NDArray[np.int64]


def has_head(folder: str | Path) -> bool:
    """Whether a model folder's network ends in an output head over the tokens.

    Parameters
    ----------
    folder : path
    """
    return _class_of(folder) is not None


def next_tokens(folder: str | Path, text: str, k: int = 10) -> NextTokens:
    """Return the k likeliest tokens: after the text, or where a masked model's text has its mask.

    Parameters
    ----------
    folder : path
        A model folder; nothing is downloaded, and no code in it is run.
    text : str
    k : int, default 10

    Returns
    -------
    NextTokens
        Found by `tokenspace.search.Exact` of the head's rows under the inner product.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    ArgumentError
        If the model has no output head, the text has no token or, for a masked model, not one mask, or k is not positive.
    """
    if k < 1:
        message = f"k must be at least 1; seen {k}"
        raise ArgumentError(message)
    try:
        import transformers  # noqa: PLC0415 - takes seconds, and only here
    except ImportError as error:
        message = "a model's next tokens need transformers, which is not installed"
        raise MissingExtraError(message, hint="pip install 'tokenspace[transformers]'") from error
    kind = _class_of(folder)
    if kind is None:
        message = f"{folder} has no output head over its tokens"
        raise ArgumentError(message, hint="language models have one: ...ForCausalLM, ...ForMaskedLM")
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, **local)
    model: Any = getattr(transformers, kind).from_pretrained(folder, **local).float().eval()
    encoded = tokenizer(text, return_tensors="pt", truncation=False)
    ids = encoded["input_ids"][0].tolist()
    place = _place(ids, tokenizer, masked=kind == "AutoModelForMaskedLM")
    head = model.get_output_embeddings()
    seen: list[torch.Tensor] = []
    hook = head.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    try:
        with torch.no_grad():
            logits = model(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits[0, place]
    finally:
        hook.remove()
    hidden = seen[0].reshape(-1, seen[0].shape[-1])[place if seen[0].shape[-2] > 1 else -1]
    found = head_search(head).search(_with_one(hidden.numpy(), head), k)
    return NextTokens(
        place,
        [token or "" for token in tokenizer.convert_ids_to_tokens(found.ids.tolist())],  # rows may outnumber tokens
        found.ids,
        found.scores,
        logits.numpy()[found.ids],
        np.argsort(-logits.numpy(), kind="stable")[: len(found.ids)],
    )


def head_search(head: Any) -> Exact:
    """Return the exact search for the rows of an output head with the largest logit.

    Parameters
    ----------
    head : torch.nn.Linear
        Of shape (n, d); a bias becomes one more number a row.

    Returns
    -------
    Exact
        Under the inner product.
    """
    rows = head.weight.detach().float().numpy()
    if getattr(head, "bias", None) is not None:
        rows = np.concatenate([rows, head.bias.detach().float().numpy()[:, None]], axis=1)
    return Exact(rows, "inner_product")


def _with_one(hidden: NDArray[np.float32], head: Any) -> NDArray[np.float32]:
    return np.append(hidden, np.float32(1)) if getattr(head, "bias", None) is not None else hidden


def _place(ids: list[int], tokenizer: Any, *, masked: bool) -> int:
    """Return the place asked about."""
    if not ids:
        message = "expected a text of at least one token; seen none"
        raise ArgumentError(message)
    if not masked:
        return len(ids) - 1
    places = [place for place, number in enumerate(ids) if number == tokenizer.mask_token_id]
    if len(places) != 1:
        message = f"a masked model is asked about one {tokenizer.mask_token}; seen {len(places)}"
        raise ArgumentError(message, hint=f"write {tokenizer.mask_token} where the token is wanted")
    return places[0]


def _class_of(folder: str | Path) -> str | None:
    """Return the class of transformers that opens a folder with its head; None where it has none."""
    import json  # noqa: PLC0415 - one file
    from pathlib import Path  # noqa: PLC0415

    config = Path(folder) / "config.json"
    if not config.is_file():
        message = f"{folder} is no model folder: it has no config.json"
        raise ArgumentError(message, hint="name a model folder with config.json, weights and tokenizer")
    names = json.loads(config.read_text(encoding="utf-8")).get("architectures") or []
    return next((kind for name in names for end, kind in HEADS.items() if str(name).endswith(end)), None)
