"""The tokenizer of a model folder: which tokens and ids it has, and its files with more of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenspace.checkpoint.folders import config
from tokenspace.checkpoint.folders.contents import Folder, needed, read_json
from tokenspace.checkpoint.streams.pieces import raw
from tokenspace.checkpoint.tokenizers import cutting, tokenizer_json
from tokenspace.errors import (
    DuplicateTokenError,
    MissingPartError,
    SlowTokenizerError,
    TokenError,
    TokenizerMismatchError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenspace.checkpoint.streams.pieces import Piece
    from tokenspace.checkpoint.tokenizers.new_token import NewToken
    from tokenspace.checkpoint.tokenizers.tokenizer_json import TokenizerJson

FAST, SETTINGS, LEGACY = "tokenizer.json", "tokenizer_config.json", "added_tokens.json"
SLOW = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "spm.model")
"""Files that tokenizers in Python read. They stay as they are: such a tokenizer learns of added tokens from `SETTINGS` or `LEGACY`."""

SHOWN = 20
"""Tokens that a message names."""


@dataclass(frozen=True)
class Tokenizer:
    """The tokenizer files of a model folder.

    Attributes
    ----------
    folder : Folder
    fast : TokenizerJson
        What is in tokenizer.json.
    """

    folder: Folder
    fast: TokenizerJson

    @property
    def next_id(self) -> int:
        """The id of the next token added; as many ids are taken."""
        return self.fast.next_id

    def check_absent(self, tokens: Sequence[NewToken]) -> None:
        """Raise where a token is there already.

        Raises
        ------
        DuplicateTokenError
            Naming the first, its id and its place in the list as `rows`.
        """
        there = [place for place, token in enumerate(tokens) if token.content in self.fast.known]
        if there:
            content = tokens[there[0]].content
            number = self.fast.known[content]
            message = f"the token {content!r:.60} is in the tokenizer already, as {number:,}"
            error = DuplicateTokenError(message, hint=_leave_out([tokens[place].content for place in there[1:]]))
            error.rows = (number, there[0])
            raise error

    def check_told_apart(self, tokens: Sequence[NewToken]) -> None:
        """Raise where a token would be found in the text in the place of another: "KING" is "king" to an uncased model.

        Raises
        ------
        DuplicateTokenError
            Naming the first; its `rows` are the other's id, or place in the list, and its own place.
        TokenError
            If the tokenizer makes nothing of one.
        ModelFolderError
            If the tokenizers library cannot read the file.

        Notes
        -----
        Tokens that are not `normalized` are found as they are spelt, and are not looked at. Without the package tokenizers none is.
        """
        looked_for = {place: token.content for place, token in enumerate(tokens) if token.normalized}
        if not looked_for or not cutting.is_installed():
            return
        texts = list(looked_for.values())
        forms, ids = cutting.normal_forms(self.fast, texts), cutting.alone(self.fast, texts)
        known = [text for text, number in zip(texts, ids, strict=True) if number is not None]
        seen: dict[str, int] = {}
        for place, form, number in zip(looked_for, forms, ids, strict=True):
            content = tokens[place].content
            if not form.strip():
                message = f"nothing is left of the token {content!r:.60} when the tokenizer has normalised it"
                raise TokenError(message, hint="leave it out")
            other = seen.setdefault(form, place)
            if number is not None:
                message = f"the token {content!r:.60} is one token already, to this tokenizer: {form!r:.60}, {number:,}"
                error = DuplicateTokenError(message, hint=_leave_out(known[1:]))
                error.rows = (number, place)
                raise error
            if other != place:
                message = f"the tokens {tokens[other].content!r:.60} and {content!r:.60} are the same to this tokenizer: {form!r:.60}"
                error = DuplicateTokenError(message, hint="give one of them")
                error.rows = (other, place)
                raise error

    def check_rows(self, rows: int, table: str) -> None:
        """Raise where there are more ids than rows.

        Raises
        ------
        TokenizerMismatchError
        """
        if self.next_id > rows:
            problem = f"{self.next_id:,} ids are taken, but {table!r} has {rows:,} rows"
            raise TokenizerMismatchError(self.fast.path, problem, hint="this tokenizer belongs to another model, or lost its resized table")

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids that each text is cut into now, unknown ones left out.

        Raises
        ------
        MissingExtraError
            If the package tokenizers is not installed.
        ModelFolderError
            If it cannot read the file.
        """
        return cutting.pieces(self.fast, texts)

    def rewritten(self, tokens: Sequence[NewToken]) -> dict[str, tuple[Piece, ...]]:
        """Return the new content, in pieces, of every file that lists added tokens, by name.

        The new tokens get the ids `next_id` and following.
        """
        entries = [token.entry(self.next_id + place) for place, token in enumerate(tokens)]
        files: dict[str, tuple[Piece, ...]] = {FAST: self.fast.with_added(entries)}
        settings = self.folder.json(SETTINGS)
        listed = isinstance(settings, dict) and isinstance(settings.get("added_tokens_decoder"), dict)
        if settings is not None and listed:
            more = {str(entry["id"]): {key: entry[key] for key in entry if key != "id"} for entry in entries}
            settings["added_tokens_decoder"] |= more
            files[SETTINGS] = (raw(config.written(settings)),)
        legacy = self.folder.json(LEGACY)
        if legacy is not None or (not listed and any(self.folder.find(name) for name in SLOW)):
            files[LEGACY] = (raw(config.written((legacy or {}) | {entry["content"]: entry["id"] for entry in entries})),)
        return files


def _leave_out(others: list[str]) -> str:
    """Say what to do about a token that has a row, and about others that have one."""
    if not others:
        return "leave it out: it has a row"
    more = f" and {len(others) - SHOWN:,} more" if len(others) > SHOWN else ""
    return f"leave it out: it has a row; so have {', '.join(f'{one!r:.60}' for one in others[:SHOWN])}{more}"


def open_tokenizer(folder: Folder, wanted: Iterable[str] = ()) -> Tokenizer:
    """Read the tokenizer of a model folder.

    Parameters
    ----------
    folder : Folder
    wanted : iterable of str
        Tokens to look for.

    Raises
    ------
    SlowTokenizerError
        If there are only files that a tokenizer in Python reads.
    MissingPartError
        If there is no tokenizer at all.
    TokenizerMismatchError
        If added_tokens.json disagrees with tokenizer.json, or ids have holes.
    """
    if folder.find(FAST) is None:
        slow = [name for name in SLOW if folder.find(name)]
        if slow:
            problem = f"seen {', '.join(slow)}, the files of a slow tokenizer; expected {FAST}"
            hint = "make one: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            raise SlowTokenizerError(folder.root / folder.home, problem, hint=hint)
        raise MissingPartError(folder.root / folder.within(FAST), "expected a tokenizer, there is none", hint="copy it beside the weights")
    legacy_path = folder.find(LEGACY)
    legacy = read_json(legacy_path) if legacy_path else {}
    fast = tokenizer_json.read(needed(folder, FAST), set(wanted) | set(legacy))
    for content, number in legacy.items():
        if fast.known.get(content) != number:
            problem = f"{content!r:.60} is {number!r}, in {FAST} it is {fast.known.get(content)}"
            raise TokenizerMismatchError(legacy_path or folder.root, problem, hint="save the tokenizer anew with transformers")
    return Tokenizer(folder, fast)
