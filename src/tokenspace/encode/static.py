"""Sentence vectors from a table: the mean of the rows of a sentence's tokens, weighted and freed of what all share where asked for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tokenspace import native
from tokenspace.encode.encoder import Encoder
from tokenspace.encode.weights import common_components, sif_weights, unit, without
from tokenspace.engines import local
from tokenspace.errors import ArgumentError, ShapeError, TokenError
from tokenspace.texts.bags import LINE_END, TEXT_END, Bags
from tokenspace.texts.cutting import CUTTERS, HuggingFace, Whitespace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.table import EmbeddingTable
    from tokenspace.texts.cutting import Cutter

    Means = tuple[NDArray[np.float32], NDArray[np.int64]]

TOGETHER = 4096
"""Texts that go through at a time: some hundred kB."""


class Static(Encoder):
    """Sentence vectors from a table: the mean of the rows of a sentence's tokens.

    Parameters
    ----------
    table : EmbeddingTable
    tokenizer : str, path, tokenizers.Tokenizer or Cutter, default "auto"
        "whitespace": tokens as they stand between blanks. "words": also in lower case, and cut at marks. Else a tokenizer.json, a folder
        that has one, or an opened tokenizer; its special tokens are not added and its unknown token is left out. "auto": the
        tokenizer.json in the folder that the table was opened from, else "whitespace".
    weights : "sif", array of shape (n,) or None
        What each row is multiplied by; "sif" is `sif_weights` by Zipf's law.
    components : array of shape (c, d), optional
        Orthonormal directions that are taken away; `fitted` finds them.
    normalize : bool, optional
        Whether vectors are brought to length 1. Left out: as the model2vec folder says that the table was opened from, else no.
    length : int, optional
        Tokens that count, the first ones of each sentence. Left out, all do.

    Raises
    ------
    ArgumentError, ShapeError
        If these do not fit the table.
    MissingExtraError, TableNotFoundError
        If a tokenizer.json is to be read and cannot be.

    Notes
    -----
    A sentence of which no token is known, an empty one say, has the zero vector; `counted` tells. The mean is over all known tokens,
    also those of weight below 1, as in SIF. Sums are taken in float64 one token after the other.

    Each different word is cut once and remembered, up to a million of them; so a text costs little more than finding its words. The
    vice of it all: the order of words is lost, "dog bites man" is "man bites dog".

    Examples
    --------
    >>> from tokenspace import EmbeddingTable
    >>> table = EmbeddingTable(["cat", "dog", "the"], [[2, 0], [0, 2], [1, 1]])
    >>> Static(table).encode(["the cat", "no idea"])
    array([[1.5, 0.5],
           [0. , 0. ]], dtype=float32)
    """

    together = 1 << 20

    def __init__(
        self,
        table: EmbeddingTable,
        *,
        tokenizer: Any = "auto",
        weights: str | ArrayLike | None = None,
        components: ArrayLike | None = None,
        normalize: bool | None = None,
        length: int | None = None,
    ) -> None:
        if length is not None and length < 1:
            message = f"length must be at least 1; seen {length}"
            raise ArgumentError(message)
        self.table, self.length = table, length
        self.cutter = _cutter(table, tokenizer)
        self.weights = _weights(table.n, weights)
        self.components = None if components is None else np.atleast_2d(np.asarray(components, dtype=np.float64))
        if self.components is not None and (self.components.ndim != 2 or self.components.shape[1] != table.d):  # noqa: PLR2004
            message = f"components must be of shape (c, {table.d}); seen {self.components.shape}"
            raise ShapeError(message)
        self.normalize = _normalizes(table.source) if normalize is None else bool(normalize)
        self._bags = Bags(self.cutter)

    def __repr__(self) -> str:
        """Show what it is made of."""
        return f"Static({self.table!r}, {type(self.cutter).__name__})"

    @property
    def d(self) -> int:
        """Numbers a vector."""
        return self.table.d

    def counted(self, texts: Iterable[str], *, threads: int | None = None) -> Means:
        """Return the vectors of texts, and how many tokens each is the mean of; as `Encoder.counted`."""
        count = local.thread_count(threads)
        blocks = (joined(some, first) for first, some in _slices(texts))
        found = list(self._means(((block, TEXT_END, "the texts", 1) for block in blocks), count))
        if not found:
            return np.empty((0, self.d), dtype=np.float32), np.empty(0, dtype=np.int64)
        rows, counts = (np.concatenate(column) if len(column) > 1 else column[0] for column in zip(*found, strict=True))
        return rows, counts

    def blocks(self, blocks: Iterable[tuple[bytes, int]], name: str, *, threads: int | None = None) -> Iterator[Means]:
        """Yield vectors and numbers of tokens for blocks of whole lines; as `Encoder.blocks`."""
        yield from self._means(((block, LINE_END, name, first) for block, first in blocks), local.thread_count(threads))

    def fitted(self, texts: Iterable[str], *, components: int = 1) -> Self:
        """Return the same, less the directions that some texts share most.

        Parameters
        ----------
        texts : iterable of str
            At best those that will be encoded, some thousand.
        components : int, default 1

        Returns
        -------
        Static

        Raises
        ------
        ArgumentError
            If components is not in 0..d.

        Examples
        --------
        >>> from tokenspace import EmbeddingTable
        >>> table = EmbeddingTable(["a", "b"], [[9, 1], [9, -1]])
        >>> Static(table).fitted(["a", "b"]).encode("a").round(3) + 0
        array([0., 1.], dtype=float32)
        """
        plain = self._like(components=None, normalize=False)
        moment = np.zeros((self.d, self.d))
        for _, some in _slices(texts):
            rows = plain.encode(some).astype(np.float64)
            moment += rows.T @ rows
        return self._like(components=common_components(moment, components), normalize=self.normalize)

    def fingerprint(self) -> str:
        """Return what tells this encoder from another, for work that is taken up again."""
        digest = hashlib.blake2b(digest_size=12)
        told = [self.table.shape, str(self.table.dtype), type(self.cutter).__name__, self.length, self.normalize]
        digest.update(json.dumps(told).encode())
        digest.update(self.table.matrix[:1].tobytes() + self.table.matrix[-1:].tobytes())
        for array in (self.weights, self.components):
            digest.update(b"" if array is None else array.tobytes())
        return digest.hexdigest()

    def _like(self, *, components: NDArray[np.float64] | None, normalize: bool) -> Self:
        return type(self)(
            self.table, tokenizer=self.cutter, weights=self.weights, components=components, normalize=normalize, length=self.length
        )

    def _means(self, blocks: Iterable[tuple[bytes, bytes, str, int]], threads: int) -> Iterator[Means]:
        """Cut blocks in this thread, whose interpreter lock is free while it hashes, and take the means in others."""
        parts = (self._bags.of(data, end, name=name, first=first) for data, end, name, first in blocks)
        yield from local.stream(self._mean, parts, threads=threads)

    def _mean(self, part: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[Any] | None]) -> Means:
        words, begins, pieces, more = part
        factors = self.weights
        if factors is not None and more is not None:
            factors = np.concatenate([factors, np.ones(len(more))])
        rows, counts = native.bag_means(self.table.matrix, words, begins, pieces, factors=factors, more=more, most=self.length)
        rows = without(rows, self.components)
        return unit(rows) if self.normalize else rows, counts


def joined(texts: Sequence[str], first: int = 0) -> bytes:
    """Return texts as bytes, each with `TEXT_END` behind it.

    Raises
    ------
    TokenError
        If something is no string, or a string that UTF-8 cannot hold; its place is named.
    """
    try:
        return TEXT_END.join([*map(str.encode, texts), b""])
    except (TypeError, UnicodeEncodeError):
        for place, text in enumerate(texts, first):
            if not isinstance(text, str):
                message = f"a text must be a string; seen the {type(text).__name__} {text!r:.60} at {place:,}"
                raise TokenError(message) from None
            try:
                text.encode()
            except UnicodeEncodeError as error:
                message = f"a text must be a string that UTF-8 can hold; seen {text[error.start]!r} in text {place:,}"
                raise TokenError(message) from None
        raise


def _slices(texts: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield texts, some thousand at a time, with the place of the first."""
    if isinstance(texts, (str, bytes)):
        message = f"a list of texts is expected; seen the {type(texts).__name__} {texts!r:.60}"
        raise TokenError(message)
    listed = texts if isinstance(texts, list) else list(texts)
    for start in range(0, len(listed), TOGETHER):
        yield start, listed[start : start + TOGETHER]


def _cutter(table: EmbeddingTable, tokenizer: Any) -> Cutter:
    if tokenizer == "auto":
        file = Path(table.source) / "tokenizer.json"
        return HuggingFace.of(file, table.vocabulary) if table.source and file.is_file() else Whitespace(table)
    if isinstance(tokenizer, str) and tokenizer in CUTTERS:
        return CUTTERS[tokenizer](table)
    if hasattr(tokenizer, "cut") and hasattr(tokenizer, "blanks"):
        cutter: Cutter = tokenizer
        return cutter
    return HuggingFace.of(tokenizer, table.vocabulary)


def _weights(n: int, weights: str | ArrayLike | None) -> NDArray[np.float64] | None:
    if weights is None:
        return None
    if isinstance(weights, str):
        if weights != "sif":
            message = f"weights must be 'sif' or one number a row; seen {weights!r}"
            raise ArgumentError(message)
        return sif_weights(n)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (n,) or not np.isfinite(given).all():
        message = f"weights must be {n:,} finite numbers, one a row; seen shape {given.shape}"
        raise ShapeError(message)
    return given


def _normalizes(source: str) -> bool:
    """Whether a table comes from a model2vec folder that says so."""
    config = Path(source) / "config.json"
    if not source or not config.is_file():
        return False
    told = json.loads(config.read_text(encoding="utf-8"))
    return told.get("model_type") == "model2vec" and bool(told.get("normalize"))
