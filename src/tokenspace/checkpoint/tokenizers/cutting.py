"""New tokens cut into old ones by the tokenizers library, which is given only those old tokens that can come into it.

A whole tokenizer of 256,000 tokens takes that library 0.8 CPU seconds and 200 MB to load. What a word is cut into depends on the tokens
that are part of the word, on the order of the merges between them, and on nothing else; so the library first says what words the model
is asked about, then gets a tokenizer of the parts of those words.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.checkpoint.tokenizers import tokenizer_json
from tokenspace.checkpoint.tokenizers.tokenizer_json import MERGED, Sought, Text, TokenizerJson
from tokenspace.errors import FileContentError, HeaderError, MissingExtraError, ModelFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST = 48
"""Bytes of a token up to which it must be part of a word to be kept; longer ones, some hundred in a vocabulary, are all kept."""

MOST = 200_000
"""Parts of words up to which it is worth it: 20 MB. Longer descriptions go to the whole tokenizer."""

BYTES = {f"<0x{byte:02X}>" for byte in range(256)}
"""Tokens that stand for one byte of a letter without a token."""


def pieces(file: TokenizerJson, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids that each text is cut into, unknown ones left out.

    Raises
    ------
    MissingExtraError
        If the package tokenizers is not installed.
    HeaderError
        If the file is damaged where `read` does not look.
    ModelFolderError
        If it cannot read the file.

    Notes
    -----
    O(bytes of the file): 0.1 CPU seconds for 256,000 tokens with their merges, in some MB.
    """
    with _library(file) as library:
        return [[number for number in ids if number is not None] for ids, _ in _cut(library, file, texts)]


def alone(file: TokenizerJson, texts: Sequence[str]) -> list[int | None]:
    """Return the id of each text that is one token as it is, whatever letters that has; None for the others. Raises as `pieces`."""
    with _library(file) as library:
        return [ids[0] if len(ids) == 1 and whole else None for ids, whole in _cut(library, file, texts)]


def normal_forms(file: TokenizerJson, texts: Sequence[str]) -> list[str]:
    """Return what the tokenizer makes of each text before it cuts it: lower case, for an uncased model. Raises as `pieces`."""
    with _library(file) as library, file.mapped() as text:
        begin, end = file.spans.get("normalizer", (0, 0))
        normalizer = _echo(library, {"normalizer": json.loads(text[begin:end])} if end else {}, "\U0010ffff").normalizer
    return [normalizer.normalize_str(one) for one in texts] if normalizer else list(texts)


def is_installed() -> bool:
    """Whether the package tokenizers is there."""
    return importlib.util.find_spec("tokenizers") is not None


@contextlib.contextmanager
def _library(file: TokenizerJson) -> Iterator[Any]:
    """Yield the library's class for a tokenizer; what it says of the file becomes our errors."""
    try:
        import tokenizers  # noqa: PLC0415 - an extra
    except ImportError:
        message = "cutting a new token into old ones needs the package tokenizers, which is not installed"
        raise MissingExtraError(message, hint='pip install "tokenspace[transformers]", or start the rows with init="mean"') from None
    try:
        yield tokenizers.Tokenizer
    except (KeyError, RecursionError, ValueError) as error:
        if isinstance(error, FileContentError):
            raise
        raise HeaderError(file.path, f"expected the JSON of a fast tokenizer: {error!s:.80}") from None
    except Exception as error:
        if type(error) is not Exception:  # the library raises plain Exception
            raise
        raise ModelFolderError(file.path, f"the tokenizers library cannot read it: {error!s:.120}") from None


def _cut(library: Any, file: TokenizerJson, texts: Sequence[str]) -> list[tuple[list[int | None], bool]]:
    """Return the ids that each text is cut into, None for what is unknown, and whether they cover it."""
    with file.mapped() as text:
        spans = file.spans
        values = {key: json.loads(text[begin:end]) for key, (begin, end) in spans.items() if key not in LARGE}
        model = {key.removeprefix("model."): value for key, value in values.items() if key.startswith("model.")}
        shell = {key: value for key, value in values.items() if "." not in key} | dict.fromkeys(UNUSED)
        parts = _parts(_words(library, shell, texts), model) if model.get("type") in SMALLER else None
        if parts is None:
            small = library.from_file(str(file.path))
            small.no_truncation()
            small.no_padding()
            numbers = None
        else:
            listed = _listed(text, spans["model.vocab"], parts | {entry["content"] for entry in file.added}, model)
            names = {token: number for token, number, _ in listed} | {entry["content"]: entry["id"] for entry in file.added}
            small = _built(library, shell, SMALLER[model["type"]](text, spans, listed, model))
            numbers = {small.token_to_id(token): number for token, number in names.items()}
    unknown = model.get("unk_id")
    if unknown is None and isinstance(model.get("unk_token"), str):
        unknown = small.token_to_id(model["unk_token"])
        unknown = numbers.get(unknown) if numbers else unknown
    found = []
    for one in texts:
        cut = small.encode(one, add_special_tokens=False)
        ids = [numbers[number] for number in cut.ids] if numbers else cut.ids
        covers = one[slice(cut.offsets[0][0], cut.offsets[-1][1])].strip() == one.strip() if ids else False
        found.append(([None if number == unknown else number for number in ids], covers))
    return found


LARGE = ("model", "model.vocab", "model.merges")
UNUSED = ("truncation", "padding", "post_processor", "decoder")
"""Parts of the file that are not read as a whole, and parts that have no say in how a text is cut."""


def _built(library: Any, shell: dict[str, Any], model: dict[str, Any]) -> Any:
    """Return a tokenizer with a model of ours and the rest of the file's."""
    return library.from_str(json.dumps(shell | {"model": model}))


def _echo(library: Any, shell: dict[str, Any], nothing: str) -> Any:
    """Return a tokenizer whose model knows a text that does not come, and nothing else."""
    return _built(library, shell, {"type": "Unigram", "unk_id": 0, "vocab": [[nothing, 0.0]], "byte_fallback": False})


def _words(library: Any, shell: dict[str, Any], texts: Sequence[str]) -> set[str]:
    """Return what a model is asked to cut: a model that knows nothing gives each word back as one unknown piece."""
    nothing = "\U0010ffff"
    while any(nothing in text for text in texts):
        nothing += "\U0010ffff"
    echo = _echo(library, shell, nothing)
    return {word for text in texts for word in echo.encode(text, add_special_tokens=False).tokens}


def _parts(words: set[str], model: dict[str, Any]) -> set[str] | None:
    """Return every part of the words, as it stands within and at the end of a word; None where there are too many."""
    if sum(len(word) * min(len(word), LONGEST) for word in words) > MOST:
        return None
    plain = {word[at : at + size] for word in words for size in range(1, LONGEST + 1) for at in range(len(word) - size + 1)}
    for prefix in {"", model.get("continuing_subword_prefix") or ""}:
        for suffix in {"", model.get("end_of_word_suffix") or ""}:
            plain |= {prefix + part + suffix for part in plain} if prefix or suffix else set()
    return plain


def _listed(text: Text, span: tuple[int, int], wanted: set[str], model: dict[str, Any]) -> list[tuple[str, int, float]]:
    """Return the tokens that may come into it, in the order of their ids, with the id and the score.

    Of a list with scores the least is kept too: from it Unigram takes that of letters it does not know.
    """
    sought = Sought(wanted | BYTES | {name for name in (model.get("unk_token"),) if isinstance(name, str)})
    scored = text[span[0] : span[0] + 1] == b"["
    unknown = model.get("unk_id") if scored else None
    listed: list[tuple[str, int, float]] = []
    least: tuple[str, int, float] | None = None
    for some, numbers in tokenizer_json.entries(text, span):
        kept = (sought.places(some) >= 0) | (np.diff(some.offsets) > LONGEST) | (numbers == unknown)
        listed += [(some.string(at), int(numbers[at]), float(some.values[at])) for at in np.flatnonzero(kept).tolist()]
        at = int(np.argmin(some.values))
        if scored and (least is None or some.values[at] < least[2]):
            least = some.string(at), int(numbers[at]), float(some.values[at])
    if least is not None and least not in listed:
        listed.append(least)
    return sorted(listed, key=lambda entry: entry[1])


def _of_scores(text: Text, spans: Any, listed: list[tuple[str, int, float]], model: dict[str, Any]) -> dict[str, Any]:
    """Return a Unigram model."""
    del text, spans
    place = {number: place for place, (_, number, _) in enumerate(listed)}
    return model | {"vocab": [[token, score] for token, _, score in listed], "unk_id": place.get(model.get("unk_id", -1))}


def _of_numbers(text: Text, spans: Any, listed: list[tuple[str, int, float]], model: dict[str, Any]) -> dict[str, Any]:
    """Return a WordPiece or WordLevel model."""
    del text, spans
    return model | {"vocab": {token: place for place, (token, _, _) in enumerate(listed)}}


def _of_merges(text: Text, spans: Any, listed: list[tuple[str, int, float]], model: dict[str, Any]) -> dict[str, Any]:
    """Return a BPE model: with the merges, in their order, whose two parts and whole are there."""
    sought = Sought(token for token, _, _ in listed)
    known, skipped = set(sought.tokens), len(model.get("continuing_subword_prefix") or "")
    merges = []
    for some in tokenizer_json.items(text, spans["model.merges"], MERGED):
        places = sought.places(some).reshape(-1, 2)
        for left, right in places[(places >= 0).all(1)].tolist():
            pair = sought.tokens[left], sought.tokens[right]
            if pair[0] + pair[1][skipped:] in known:
                merges.append(list(pair))
    return _of_numbers(text, spans, listed, model) | {"merges": merges, "dropout": None}


SMALLER = {"BPE": _of_merges, "WordPiece": _of_numbers, "WordLevel": _of_numbers, "Unigram": _of_scores}
"""How a model with fewer tokens is made of each kind."""
