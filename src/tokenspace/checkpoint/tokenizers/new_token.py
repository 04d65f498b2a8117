"""A token to be added, and what is checked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint.tokenizers import tokenizer_json
from tokenspace.errors import DuplicateTokenError, TokenError

if TYPE_CHECKING:
    from collections.abc import Iterable


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
