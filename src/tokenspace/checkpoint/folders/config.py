"""What a model's configuration says of its vocabulary, and its new content when that has grown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tokenspace.errors import TokenizerMismatchError, UnknownArchitectureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = "vocab_size"


def vocabulary_sizes(settings: dict[str, Any]) -> tuple[int, ...]:
    """Return every ``vocab_size``, the outermost first, then those of nested parts such as ``text_config``; each once.

    Examples
    --------
    >>> vocabulary_sizes({"text_config": {"vocab_size": 9}, "vocab_size": 8})
    (8, 9)
    """
    sizes = [part[SIZE] for part in _parts(settings) if isinstance(part.get(SIZE), int)]
    return tuple(dict.fromkeys(sizes))


def check_size(path: Path, settings: dict[str, Any]) -> None:
    """Raise where the outermost ``vocab_size`` is there and no whole number: nothing would bring it up to date.

    Raises
    ------
    UnknownArchitectureError
        With what it is.
    """
    size = settings.get(SIZE)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
        raise UnknownArchitectureError(path, f"expected a whole number as {SIZE}, seen {size!r:.60}")


def ties(settings: dict[str, Any]) -> bool | None:
    """Return whether the head is the embedding; None where the configuration leaves it to the architecture."""
    said = [part["tie_word_embeddings"] for part in _parts(settings) if isinstance(part.get("tie_word_embeddings"), bool)]
    return said[0] if said else None


def resized(settings: dict[str, Any], old: int, new: int) -> dict[str, Any]:
    """Return a configuration in which every ``vocab_size`` that was `old` is `new`.

    Examples
    --------
    >>> resized({"vocab_size": 8, "text_config": {"vocab_size": 8}, "vision_config": {"vocab_size": 5}}, 8, 9)
    {'vocab_size': 9, 'text_config': {'vocab_size': 9}, 'vision_config': {'vocab_size': 5}}
    """
    renewed = {key: resized(value, old, new) if isinstance(value, dict) else value for key, value in settings.items()}
    if renewed.get(SIZE) == old:
        renewed[SIZE] = new
    return renewed


def written(settings: dict[str, Any]) -> bytes:
    """Return a configuration as transformers writes it: indented by two."""
    return (json.dumps(settings, indent=2, ensure_ascii=False) + "\n").encode()


def check_special_ids(path: Path, settings: dict[str, Any], first: int, end: int) -> None:
    """Raise where a special token's id is a row that a new token is about to take.

    Raises
    ------
    TokenizerMismatchError
        For a pad_token_id of 32000 in a table of 32000 rows, say: out of range so far, and the first new token next.
    """
    for part in _parts(settings):
        for key, value in part.items():
            ids = value if isinstance(value, list) else [value]
            taken = [number for number in ids if isinstance(number, int) and not isinstance(number, bool) and first <= number < end]
            if key.endswith(("_token_id", "_token_ids", "suppress_tokens")) and taken:
                problem = f"{key} is {taken[0]}, which no token has yet and a new one would take"
                raise TokenizerMismatchError(path, problem, hint=f"set {key} to the id of a token, or to null")


def _parts(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the configuration and every one nested in it, outermost first."""
    yield settings
    for value in settings.values():
        if isinstance(value, dict):
            yield from _parts(value)
