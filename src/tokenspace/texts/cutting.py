"""Cutters: what turns a word or a line into the rows of a table that stand for it.

A cutter says at which bytes a text may be divided without changing what becomes of its parts; so each different part is cut once, however
often it stands in a text. Where a tokenizer's blanks matter to it, the parts are whole lines.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tokenspace.errors import ArgumentError, MissingExtraError, TableNotFoundError
from tokenspace.subwords import SubwordTable

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tokenspace.table import EmbeddingTable
    from tokenspace.vocabulary import Vocabulary

ASCII_BLANKS = b" \t\n\r\v\f"
TOKENIZER_BLANKS = b" \t\n\r"
"""Bytes that every tokenizer which cuts at blanks takes for one: BERT's drops \\v and \\f as control letters, and joins what they part."""

CUTTING = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
"""Pre-tokenizers that cut at every blank and drop it."""

LOCAL = {"Punctuation", "Digits", "Split", "ByteLevel", "UnicodeScripts", "CharDelimiterSplit", *CUTTING}
"""Pre-tokenizers that may come after one of those: they look at one piece at a time."""

BY_LETTER = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Nmt", "ByteLevel"}
"""Normalizers that treat a letter, with its accents, whatever stands beyond the next blank."""

TOGETHER = 64
"""Words that go through a tokenizer as one text."""

MARK = "\U0010fffe|\U0010fffe"
"""Stands between them: a token of its own, of letters that are none."""

WORDS_OR_MARKS = re.compile(r"\w+|[^\w\s]")


class Cutter(Protocol):
    """Cuts parts of texts into rows.

    Attributes
    ----------
    blanks : bytes
        The bytes at which a text may be divided; the parts between them are cut one by one.
    more : array of shape (e, d) or None
        Rows behind those of the table, for what has none there; it grows as texts go by.
    """

    blanks: bytes
    more: NDArray[Any] | None

    def cut(self, parts: Sequence[str]) -> list[list[int]]:
        """Return the rows of each part."""
        ...


class Whitespace:
    """Takes what stands between blanks for a word, as it is spelt; words without a row are left out.

    Parameters
    ----------
    table : EmbeddingTable
        Where it makes vectors for words without a row (a `SubwordTable`), they have one.

    Examples
    --------
    >>> from tokenspace import EmbeddingTable
    >>> Whitespace(EmbeddingTable(["a", "cat"], [[1], [2]])).cut(["cat", "The"])
    [[1], []]
    """

    blanks = ASCII_BLANKS

    def __init__(self, table: EmbeddingTable) -> None:
        self.vocabulary: Vocabulary = table.vocabulary
        self.subwords = table.subwords if isinstance(table, SubwordTable) else None
        self.more: NDArray[Any] | None = None if self.subwords is None else np.empty((0, table.d), table.dtype)
        self.made = 0

    def cut(self, parts: Sequence[str]) -> list[list[int]]:
        """Return the rows of each part, which may hold blanks that ASCII lacks."""
        words = [part.split() for part in parts]
        found = iter(self._rows([word for some in words for word in some]))
        return [[row for row in (next(found) for _ in some) if row >= 0] for some in words]

    def _rows(self, words: list[str]) -> list[int]:
        rows: list[int] = self.vocabulary.find(words).tolist()
        if self.subwords is None or self.more is None:
            return rows
        made: list[NDArray[Any]] = []
        for at, (word, row) in enumerate(zip(words, rows, strict=True)):
            if row < 0 and len(self.subwords.ids(word)):
                rows[at] = len(self.vocabulary) + self.made + len(made)
                made.append(self.subwords.vector(word).astype(self.more.dtype))
        if made:
            if self.made + len(made) > len(self.more):
                room = np.empty((2 * (self.made + len(made)), self.more.shape[1]), self.more.dtype)
                room[: self.made] = self.more[: self.made]
                self.more = room
            self.more[self.made : self.made + len(made)] = made
            self.made += len(made)
        return rows


class Words(Whitespace):
    """Takes a word as it is spelt, else in lower case, else its runs of letters and its marks, each as it is or in lower case.

    For tables of words without a tokenizer of their own: "(Cats," has the rows of "(", "cats" and ",".

    Parameters
    ----------
    table : EmbeddingTable

    Examples
    --------
    >>> from tokenspace import EmbeddingTable
    >>> Words(EmbeddingTable(["(", "cats"], [[1], [2]])).cut(["(Cats,"])
    [[0, 1]]
    """

    def _rows(self, words: list[str]) -> list[int]:
        return self._known(words)

    def cut(self, parts: Sequence[str]) -> list[list[int]]:
        """Return the rows of each part."""
        words = [word for part in parts for word in part.split()]
        rows = dict(zip(words, self._known(words), strict=True))
        smaller = [piece for word, row in rows.items() if row < 0 for piece in WORDS_OR_MARKS.findall(word)]
        pieces = dict(zip(smaller, self._known(smaller), strict=True))
        whole = {word: [row] if row >= 0 else [pieces[piece] for piece in WORDS_OR_MARKS.findall(word)] for word, row in rows.items()}
        missing = [word for word, found in whole.items() if not any(row >= 0 for row in found)] if self.subwords is not None else []
        whole |= {word: [row] for word, row in zip(missing, super()._rows(missing), strict=True)}
        return [[row for word in part.split() for row in whole[word] if row >= 0] for part in parts]

    def _known(self, words: list[str]) -> list[int]:
        rows = self.vocabulary.find(words)
        lower = self.vocabulary.find([word.lower() for word in words])
        return [int(row) for row in np.where(rows >= 0, rows, lower)]


CUTTERS: dict[str, type[Whitespace]] = {"whitespace": Whitespace, "words": Words}
"""Cutters that need no tokenizer, by name."""


class HuggingFace:
    """Cuts as a tokenizer of the tokenizers library does, without special tokens; its unknown token is left out.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Its truncation and padding are turned off, and a token is added to it.
    rows : array of shape (t,), int64
        The row of each of its ids, or -1.

    Notes
    -----
    Where its settings show that it cuts at every blank and that no step looks beyond one, words are cut one by one, and so each only
    once; else lines are.
    """

    more: NDArray[Any] | None = None

    def __init__(self, tokenizer: Any, rows: NDArray[np.int64]) -> None:
        import json  # noqa: PLC0415 - of this class alone

        self.tokenizer = tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()
        settings = json.loads(tokenizer.to_str())
        self.blanks = TOKENIZER_BLANKS if _cuts_at_blanks(settings) else b""
        unknown = _unknown(settings)
        self.rows = np.array(rows, dtype=np.int64)
        if unknown is not None and 0 <= unknown < len(self.rows):
            self.rows[unknown] = -1
        self.mark = -1
        if self.blanks:  # else a tokenizer may treat a text's beginning otherwise than what follows a token
            from tokenizers import AddedToken  # noqa: PLC0415 - it is there, since a tokenizer is

            tokenizer.add_special_tokens([AddedToken(MARK, special=True, normalized=False)])
            self.mark = int(tokenizer.token_to_id(MARK))
            self.rows = np.append(self.rows, np.full(max(0, self.mark + 1 - len(self.rows)), -1))

    @classmethod
    def of(cls, tokenizer: Any, vocabulary: Vocabulary) -> HuggingFace:
        """Return the cutter for a table's rows, found by the tokens' spelling.

        Parameters
        ----------
        tokenizer : tokenizers.Tokenizer, or path of a tokenizer.json
        vocabulary : Vocabulary

        Raises
        ------
        MissingExtraError
            If the tokenizers library is not installed.
        TableNotFoundError
            If it cannot read the file.
        ArgumentError
            If the table has none of the tokenizer's tokens.
        """
        given = isinstance(tokenizer, (str, Path))
        known = open_tokenizer(tokenizer) if given else type(tokenizer).from_str(tokenizer.to_str())  # the caller's stays as it is
        size = known.get_vocab_size(with_added_tokens=True)
        names = dict.fromkeys(range(size), "") | {number: token for token, number in known.get_vocab(with_added_tokens=True).items()}
        rows = vocabulary.find([names[number] for number in range(max(names) + 1)])
        if not (rows >= 0).any():
            message = f"the table has none of the {size:,} tokens of this tokenizer"
            raise ArgumentError(message, hint="give the tokenizer that the table's tokens come from")
        return cls(known, rows)

    def cut(self, parts: Sequence[str]) -> list[list[int]]:
        """Return the rows of each part."""
        rows = self.rows.tolist()
        return [[row for number in ids if (row := rows[number]) >= 0] for ids in self._ids(list(parts))]

    def _ids(self, parts: list[str]) -> list[list[int]]:
        """Return the ids of each part; short ones go through the library together, with a mark between them, in a third of the time."""
        if self.mark >= 0 and not any(MARK in part for part in parts):
            texts = [MARK.join([*parts[start : start + TOGETHER], ""]) for start in range(0, len(parts), TOGETHER)]
            ids = [number for one in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False) for number in one.ids]
            ends = [place for place, number in enumerate(ids) if number == self.mark]
            if len(ends) == len(parts):
                return [ids[start + 1 : end] for start, end in pairwise([-1, *ends])]
        return [one.ids for one in self.tokenizer.encode_batch_fast(parts, add_special_tokens=False)]


def open_tokenizer(path: str | os.PathLike[str]) -> Any:
    """Open a tokenizer.json.

    Parameters
    ----------
    path : path
        The file, or a folder that has one.

    Returns
    -------
    tokenizers.Tokenizer

    Raises
    ------
    MissingExtraError
        If the tokenizers library is not installed.
    TableNotFoundError
        If it is no such file, or it cannot be read.
    """
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - an extra
    except ImportError:
        message = "a tokenizer.json is read with the package tokenizers, which is not installed"
        raise MissingExtraError(message, hint="pip install 'tokenspace[transformers]'") from None
    file = Path(path)
    try:
        return Tokenizer.from_file(str(file / "tokenizer.json" if file.is_dir() else file))
    except Exception as error:  # noqa: BLE001 - the package raises Exception itself
        message = f"no tokenizer could be read from {path}: {error!s:.120}"
        raise TableNotFoundError(message, hint="name the tokenizer.json of a model folder") from None


def _cuts_at_blanks(settings: dict[str, Any]) -> bool:
    """Whether every text may be divided at blanks: what becomes of a word does not depend on what stands beyond them."""
    steps = _steps(settings.get("pre_tokenizer"), "pretokenizers")
    if not steps or steps[0]["type"] not in CUTTING or any(step["type"] not in LOCAL for step in steps):
        return False
    if any(step["type"] not in BY_LETTER for step in _steps(settings.get("normalizer"), "normalizers")):
        return False
    if any(re.search(r"\s", token["content"]) for token in settings.get("added_tokens") or []):
        return False
    return not (settings.get("model") or {}).get("dropout")


def _steps(part: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """Return the steps of a sequence, sequences within it too."""
    if part is None:
        return []
    if part.get("type") != "Sequence":
        return [part]
    return [step for inner in part[name] for step in _steps(inner, name)]


def _unknown(settings: dict[str, Any]) -> int | None:
    """Return the id of the token that stands for what a tokenizer does not know."""
    model = settings.get("model") or {}
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    name = model.get("unk_token")
    if name is None:
        return None
    listed = model.get("vocab")
    number = listed.get(name) if isinstance(listed, dict) else None
    added = [token["id"] for token in settings.get("added_tokens") or [] if token["content"] == name]
    return number if number is not None else next(iter(added), None)
