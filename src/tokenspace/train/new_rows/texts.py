"""Texts with new tokens in them, cut twice: with the new tokens, and as the model cut them before it had those."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, MissingExtraError, ModelFolderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.checkpoint import Model

TOGETHER = 1000
"""Texts cut at a time."""

SHARE = 3
"""A new token is wanted in up to so many times its share of the texts: rare ones get theirs before frequent ones fill the room."""


BLOCK = 1 << 16
"""Bytes of a file that are read in a row."""


@dataclass(frozen=True)
class Cut:
    """A text as token ids.

    Attributes
    ----------
    ids : array of shape (l,), int64
    ends : array of shape (l,), int64
        The character after each token; 0 for a token that stands for no text.
    """

    ids: NDArray[np.int64]
    ends: NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """A text in both cuts."""

    old: Cut
    new: Cut

    def boundaries(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places, in the old and the new cut, of tokens that end at the same character: there both have read the same."""
        old, new = ({end: place for place, end in enumerate(cut.ends.tolist()) if end} for cut in (self.old, self.new))
        both = [end for end in old if end in new]
        return np.array([old[end] for end in both], dtype=np.int64), np.array([new[end] for end in both], dtype=np.int64)


class Cutter:
    """The tokenizer of a model folder, with some of its tokens and without them.

    Parameters
    ----------
    model : Model
    ids : array of shape (m,), int64
        The new tokens' ids.

    Raises
    ------
    MissingExtraError
        If the package tokenizers is not installed.
    ArgumentError
        If one of the ids is no token that was added, so that it cannot be taken away again.
    """

    def __init__(self, model: Model, ids: NDArray[np.int64]) -> None:
        try:
            import tokenizers  # noqa: PLC0415 - an extra
        except ImportError:
            message = "training new rows needs the package tokenizers, which is not installed"
            raise MissingExtraError(message, hint='pip install "tokenspace[transformers]"') from None
        wanted = set(ids.tolist())
        document = json.loads(model.tokenizer.fast.text)
        added = document.get("added_tokens") or []
        self.tokens = [entry["content"] for entry in added if entry["id"] in wanted]
        if len(self.tokens) != len(wanted):
            message = f"{len(wanted) - len(self.tokens)} of the {len(wanted)} tokens are the tokenizer's own and were not added to it"
            raise ArgumentError(message, hint="name tokens that `tokenspace extend` has added")
        document["added_tokens"] = [entry for entry in added if entry["id"] not in wanted]
        try:
            self._new = tokenizers.Tokenizer.from_buffer(model.tokenizer.fast.text)
            self._old = tokenizers.Tokenizer.from_str(json.dumps(document, ensure_ascii=False))
        except Exception as error:  # noqa: BLE001 - the library raises plain Exception
            raise ModelFolderError(model.tokenizer.fast.path, f"the tokenizers library cannot read it: {error!s:.120}") from None
        for tokenizer in (self._new, self._old):
            tokenizer.no_padding()
            tokenizer.no_truncation()
        self._ids = ids
        self._hint = re.compile("|".join(re.escape(token.strip()) for token in self.tokens), re.IGNORECASE)

    def cut(self, texts: Sequence[str], length: int) -> Iterator[Example]:
        """Yield the texts in which a new token stands, and which the old cut keeps within a length."""
        likely = [text for text in texts if self._hint.search(text)]
        found = [
            (text, cut)
            for text, cut in zip(likely, self._new.encode_batch_fast(likely, add_special_tokens=True), strict=True)
            if np.isin(cut.ids, self._ids).any()
        ]
        some = [text for text, _ in found]
        old = self._old.encode_batch(some)
        new = self._new.encode_batch(some)  # again, with offsets, which few need
        for one, other in zip(old, new, strict=True):
            if len(one.ids) <= length:
                yield Example(_cut(one), _cut(other))

    def gather(self, lines: Iterable[str], count: int, length: int) -> list[Example]:
        """Return up to `count` texts with new tokens, with no more than its share of any one token where there are others.

        Parameters
        ----------
        lines : iterable of str
            One text each; read until there are enough.
        count : int
        length : int
            The longest text, in old tokens.

        Raises
        ------
        ArgumentError
            If no text has a new token.
        """
        most = max(8, -(-SHARE * count // len(self._ids)))
        seen = dict.fromkeys(self._ids.tolist(), 0)
        chosen: list[Example] = []
        spare: list[Example] = []
        source = (line.strip() for line in lines)
        while len(chosen) < count and (texts := list(islice(source, TOGETHER))):
            for example in self.cut([text for text in texts if text], length):
                present = np.intersect1d(example.new.ids, self._ids).tolist()
                if any(seen[token] < most for token in present):
                    for token in present:
                        seen[token] += 1
                    chosen.append(example)
                elif len(spare) < count:
                    spare.append(example)
        chosen = (chosen + spare)[:count]
        if not chosen:
            message = f"none of the texts holds one of the {len(self._ids)} new tokens, as {self.tokens[0]!r:.40}"
            raise ArgumentError(message, hint="the corpus is to have one text a line, with the new tokens in some of them")
        return chosen


def scattered(path: Path, seed: int) -> Iterator[str]:
    """Yield the lines of a UTF-8 file, block by block in an order of the seed's: some thousand lines stand for all of it.

    A corpus is often sorted, a chapter or a source after another, and its beginning is not what it is about. What has no size, a pipe,
    is read from the front.
    """
    if not path.is_file():
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from lines
        return
    with path.open("rb") as file:
        for block in np.random.default_rng([seed, 2]).permutation(-(-path.stat().st_size // BLOCK)).tolist():
            file.seek(max(0, block * BLOCK - 1))
            if block:
                file.readline()  # it began in the block before
            while file.tell() < (block + 1) * BLOCK and (line := file.readline()):
                yield line.decode("utf-8", "replace")


def _cut(encoding: Any) -> Cut:
    special = np.array(encoding.special_tokens_mask, dtype=bool)
    ends = np.array([end for _, end in encoding.offsets], dtype=np.int64)
    return Cut(np.array(encoding.ids, dtype=np.int64), np.where(special, 0, ends))
