"""A static table distilled from an encoder: what it makes of each token alone, turned to its main directions, weighed by rarity.

As model2vec does it (S. Tulkens, T. van Dongen, "Model2Vec: Turn any Sentence Transformer into a small fast model", 2024): each token of
the vocabulary goes through the encoder by itself; a principal component analysis keeps the directions along which they differ most; each
row is multiplied by the weight a / (a + p) of smooth inverse frequency, p by Zipf's law. The folder is one that model2vec opens.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import progress
from tokenspace.checkpoint.model2vec import write_folder
from tokenspace.encode.weights import sif_weights
from tokenspace.errors import ArgumentError, OutputError
from tokenspace.torch.sentence import POOLINGS, Pooled, SentenceModel

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

SMOOTH = 1e-4
"""model2vec's a."""

UNUSED = r"\[unused\d+\]"
"""Tokens that are left out: BERT's places for later tokens."""

TOGETHER = 256
"""Tokens that go through the encoder at a time."""


@dataclass(frozen=True)
class Distilled:
    """What was distilled; as text, in one line.

    Attributes
    ----------
    out : str
    tokens, d : int
        Rows and numbers a row.
    explained : float
        Share of the variance that the kept directions hold, 0..1.
    seconds : float
    """

    out: str
    tokens: int
    d: int
    explained: float
    seconds: float

    def __str__(self) -> str:
        """Say it in one line."""
        kept = f"{self.explained:.1%} of the variance kept"
        return f"wrote {self.out}: {self.tokens:,} tokens × {self.d} numbers, {kept}, {self.seconds:,.0f} s"

    def document(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self)


def distil(  # noqa: PLR0913 - each an option of the command
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    d: int | None = 256,
    a: float | None = SMOOTH,
    pooling: str = "mean",
    leave_out: str | None = UNUSED,
    dtype: str = "float32",
    force: bool = False,
    threads: int | None = None,
) -> Distilled:
    r"""Distil a static table from an encoder.

    Parameters
    ----------
    model : path
        The folder of a Transformer.
    out : path
        The new folder, which tokenspace, model2vec and sentence-transformers open.
    d : int or None, default 256
        Numbers a row, at most the encoder's; None leaves the encoder's own without turning them.
    a : float or None, default 1e-4
        Of the weight a / (a + p); None weighs all tokens alike.
    pooling : str, default "mean"
        How a token's representation and those of the special tokens about it become one; a name of sentence-transformers.
    leave_out : str or None, default ``\[unused\d+\]``
        A pattern: tokens that begin so have no row.
    dtype : "float32" or "float16", default "float32"
    force : bool, default False
        Replace `out`.
    threads : int, optional
        PyTorch's; left out, its own setting.

    Returns
    -------
    Distilled

    Raises
    ------
    OutputError
        If `out` is there already, or cannot be written.
    ArgumentError
        If an argument is outside, or no token is left.
    ModelFolderError, MissingExtraError
        As `Transformer`.

    Notes
    -----
    One pass of the encoder over each token with its special tokens: a minute or two for 30,000 tokens and a small encoder. Special tokens
    but the unknown and the filling one have no row. The vice: what a token means in company is not in it.
    """
    path, began = Path(out), time.monotonic()
    if path.exists() and not force:
        message = f"{path} is there already"
        raise OutputError(message, hint="name another folder, or replace it with force=True (--force)")
    if pooling not in POOLINGS or dtype not in {"float32", "float16"}:
        message = f"pooling must be one of {', '.join(POOLINGS)}, dtype float32 or float16; seen {pooling!r} and {dtype!r}"
        raise ArgumentError(message)
    opened = SentenceModel.opened(Path(model))
    opened.pooling, opened.layers = Pooled([pooling]), type(opened.layers)()  # what stands behind the pooling is for whole sentences
    width = int(opened.network.config.hidden_size)
    if d is not None and not 1 <= d <= width:
        message = f"d must be in 1..{width}, the encoder's numbers a vector; seen {d}"
        raise ArgumentError(message)
    settings, ids = trimmed(json.loads(opened.tokenizer.to_str()), leave_out)
    if not len(ids):
        message = f"no token is left: all match {leave_out!r}"
        raise ArgumentError(message)
    with opened.threads(threads):
        rows = _tokens_alone(opened, ids)
    rows, explained = principal(rows, d) if d is not None else (rows, 1.0)
    if a is not None:
        rows = rows * sif_weights(len(rows), a=a)[:, None]
    config = {"tokenizer_name": Path(model).name, "apply_pca": d, "sif_coefficient": a, "pooling": pooling, "normalize": True}
    write_folder(path, rows.astype(dtype), settings, config)
    return Distilled(str(path), len(rows), rows.shape[1], explained, round(time.monotonic() - began, 3))


def _tokens_alone(opened: SentenceModel, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what the encoder makes of each token between its special tokens."""
    around = opened.tokenizer.encode("", add_special_tokens=True).ids
    middle = _middle(opened, around)
    rows = np.empty((len(ids), int(opened.network.config.hidden_size)))
    for start in range(0, len(ids), TOGETHER):
        some = ids[start : start + TOGETHER].tolist()
        rows[start : start + len(some)] = opened.vectors([[*around[:middle], token, *around[middle:]] for token in some])
        progress.report("encoding tokens", 4 * rows.shape[1] * (start + len(some)), 4 * rows.size)
    return np.nan_to_num(rows)


def _middle(opened: SentenceModel, around: list[int]) -> int:
    """Return how many of the special tokens stand before a text."""
    marked = opened.tokenizer.encode("a", add_special_tokens=True)
    own = [place for place, special in enumerate(marked.special_tokens_mask) if not special]
    return own[0] if own else len(around)


def principal(rows: NDArray[np.float64], d: int) -> tuple[NDArray[np.float64], float]:
    """Return rows, less their mean, along their d main directions, and the share of the variance that these hold.

    Parameters
    ----------
    rows : array of shape (n, h), float64
    d : int
        At most h.

    Returns
    -------
    array of shape (n, d), float64
        Each column's largest number is positive.
    float
    """
    centred = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    values = np.maximum(values, 0)
    turned = centred @ vectors[:, ::-1][:, :d]
    signs = np.sign(turned[np.abs(turned).argmax(axis=0), np.arange(d)])
    total = float(values.sum())
    return turned * np.where(signs == 0, 1, signs), float(values[::-1][:d].sum()) / total if total else 1.0


def trimmed(settings: dict[str, Any], leave_out: str | None) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Return a tokenizer without special tokens and those left out, numbered anew, and the old ids of the tokens that stay.

    Parameters
    ----------
    settings : dict
        A tokenizer.json.
    leave_out : str or None
        A pattern.

    Returns
    -------
    dict
    array of shape (n,), int64

    Raises
    ------
    ArgumentError
        If the pattern is none.

    Notes
    -----
    Of a tokenizer that joins pairs (BPE), a token that is part of a pair, or made of one, stays.
    """
    try:
        pattern = None if leave_out is None else re.compile(leave_out)
    except re.error as error:
        message = f"leave_out must be a regular expression; seen {leave_out!r}: {error}"
        raise ArgumentError(message) from None
    model, added = settings["model"], settings.get("added_tokens") or []
    unigram = isinstance(model["vocab"], list)
    names = {place: token for place, (token, _) in enumerate(model["vocab"])} if unigram else {n: t for t, n in model["vocab"].items()}
    names |= {token["id"]: token["content"] for token in added}
    unknown = names.get(model["unk_id"]) if model.get("unk_id") is not None else model.get("unk_token")
    filling = ((settings.get("padding") or {}).get("pad_token")) or "[PAD]"
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model.get("merges") or []]
    inner = len(model.get("continuing_subword_prefix") or "")
    joined = {token for left, right in merges for token in (left, right, left + right[inner:])}
    special = {token["content"] for token in added if token["special"]} - {unknown, filling}
    gone = special | {name for name in names.values() if pattern is not None and pattern.match(name) and name not in joined | {unknown}}
    kept = [number for number in sorted(names) if names[number] not in gone]
    new = {names[number]: place for place, number in enumerate(kept)}
    if unigram:
        scores = dict(model["vocab"])
        worst = min(scores.values(), default=0.0)
        model = model | {"vocab": [[name, scores.get(name, worst)] for name in new], "unk_id": None if unknown is None else new[unknown]}
    else:
        within = set(model["vocab"])
        model = model | {"vocab": {name: place for name, place in new.items() if name in within}}
    left = [token | {"id": new[token["content"]]} for token in added if token["content"] in new]
    cleared = dict.fromkeys(("post_processor", "truncation", "padding"))
    return settings | cleared | {"model": model, "added_tokens": left}, np.array(kept, dtype=np.int64)
