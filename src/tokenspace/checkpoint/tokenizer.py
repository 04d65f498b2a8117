"""The tokenizer of a model folder: which tokens and ids it has, and its files with more of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint import config, tokenizer_json
from tokenspace.checkpoint.folder import Folder, needed, read_json
from tokenspace.checkpoint.safetensors_file import raw
from tokenspace.errors import (
    DuplicateTokenError,
    MissingExtraError,
    MissingPartError,
    ModelFolderError,
    SlowTokenizerError,
    TokenError,
    TokenizerMismatchError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenspace.checkpoint.streaming import Piece
    from tokenspace.checkpoint.tokenizer_json import TokenizerJson

FAST, SETTINGS, LEGACY = "tokenizer.json", "tokenizer_config.json", "added_tokens.json"
SLOW = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "spm.model")
"""Files that tokenizers in Python read. They stay as they are: such a tokenizer learns of added tokens from `SETTINGS` or `LEGACY`."""


@dataclass(frozen=True)
class NewToken:
    """A token to be added.

    Attributes
    ----------
    content : str
    single_word : bool
        Whether it is found only where it stands alone: ``covid`` in ``covid-19`` but not in ``covidiot``.
    lstrip, rstrip : bool
        Whether blanks to its left or right belong to it.
    normalized : bool
        Whether it is looked for in the text as the tokenizer has normalised it (lower case, for an uncased model).
    special : bool
        Whether decoding may leave it out, as it does ``[SEP]``.
    """

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False

    def entry(self, number: int) -> dict[str, Any]:
        """Return it as tokenizer.json lists it, with its id."""
        return {"id": number, **{name: getattr(self, name) for name in tokenizer_json.ORDER[1:]}}

    @classmethod
    def of(cls, entry: dict[str, Any]) -> NewToken:
        """Return the token that tokenizer.json lists so."""
        return cls(entry["content"], **{name: bool(entry.get(name)) for name in tokenizer_json.ORDER[2:]})


def as_new_tokens(tokens: Iterable[str | NewToken]) -> list[NewToken]:
    """Check tokens that are to be added.

    Raises
    ------
    TokenError
        If one is no text, is empty or blank, or has no UTF-8.
    DuplicateTokenError
        If one is given twice; its `rows` are the two places in the list.
    """
    listed = [NewToken(tokens)] if isinstance(tokens, str) else [NewToken(t) if isinstance(t, str) else t for t in tokens]
    seen: dict[str, int] = {}
    for place, token in enumerate(listed):
        if not isinstance(token, NewToken):
            message = f"a new token must be a str or a NewToken; seen {type(token).__name__} as number {place + 1:,}"
            raise TokenError(message)
        if (
            not isinstance(token.content, str)
            or not token.content.strip()
            or any("\ud800" <= letter <= "\udfff" for letter in token.content)
        ):
            message = f"a new token must hold a letter that is no blank, in UTF-8; seen {token.content!r:.60} as number {place + 1:,}"
            raise TokenError(message, hint="leave it out")
        if token.content in seen:
            message = f"the token {token.content!r:.60} is given twice, as numbers {seen[token.content] + 1:,} and {place + 1:,}"
            error = DuplicateTokenError(message, hint="give each token once")
            error.rows = (seen[token.content], place)
            raise error
        seen[token.content] = place
    if not listed:
        message = "there is no token to add"
        raise TokenError(message, hint="name at least one")
    return listed


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
        for place, token in enumerate(tokens):
            number = self.fast.known.get(token.content)
            if number is not None:
                message = f"the token {token.content!r:.60} is in the tokenizer already, as {number:,}"
                error = DuplicateTokenError(message, hint="leave it out: it has a row")
                error.rows = (number, place)
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
        try:
            import tokenizers  # noqa: PLC0415 - an extra
        except ImportError:
            message = "cutting a new token into old ones needs the package tokenizers, which is not installed"
            raise MissingExtraError(message, hint="pip install 'tokenspace[transformers]', or start the rows with init='mean'") from None
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(self.fast.path))
        except Exception as error:  # noqa: BLE001 - the library raises plain Exception
            raise ModelFolderError(self.fast.path, f"the tokenizers library cannot read it: {error!s:.120}") from None
        tokenizer.no_padding()
        tokenizer.no_truncation()
        unknown = getattr(tokenizer.model, "unk_token", None)
        left_out = tokenizer.token_to_id(unknown) if isinstance(unknown, str) else None
        encoded = (tokenizer.encode(text, add_special_tokens=False).ids for text in texts)
        return [[number for number in ids if number != left_out] for ids in encoded]

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
