"""Tokens of the files that tokenizers in Python read: lists of words, JSON, SentencePiece. Enough to name rows, not to cut text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint.folders.contents import read_json
from tokenspace.checkpoint.tokenizers import tokenizer_json
from tokenspace.errors import EncodingError, HeaderError, MissingPartError, SlowTokenizerError, TokenizerMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tokenspace.checkpoint.folders.contents import Folder

SHIFTED = "sentencepiece.bpe.model"
"""The name under which models of XLM-R's kin keep a SentencePiece model whose ids their code shifts by one."""

PIECE, TEXT = 1, 1
"""Fields of SentencePiece's ModelProto and of its pieces, https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto."""

VARINT, LONG, BYTES, SHORT = 0, 1, 2, 5
"""Kinds of fields on the wire, https://protobuf.dev/programming-guides/encoding/."""


def identified(folder: Folder) -> dict[int, str]:
    """Return the tokens of a model folder by id, of whichever tokenizer files there are; ids may have holes.

    Parameters
    ----------
    folder : Folder

    Raises
    ------
    MissingPartError
        If there is no tokenizer.
    SlowTokenizerError
        If only the model's own code knows its ids.
    HeaderError, EncodingError, TokenizerMismatchError
        If a file is not what its name says, or two tokens have one id.
    """
    for name, read in READERS.items():
        if (path := folder.find(name)) is not None:
            names = read(path)
            return names if name == "tokenizer.json" else _with_added(folder, path, names)
    if (path := folder.find(SHIFTED)) is not None:
        hint = "make a tokenizer.json: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        raise SlowTokenizerError(path, "its ids are those of the pieces shifted by the model's own code", hint=hint)
    seen = folder.root / folder.home
    hint = 'name a file with one token a line: open(folder, tokens="words.txt")'
    raise MissingPartError(seen, f"expected a tokenizer: {', '.join(READERS)}; there is none", hint=hint)


def _with_added(folder: Folder, path: Path, names: dict[int, str]) -> dict[int, str]:
    """Add the tokens that such a tokenizer keeps in files of their own."""
    legacy = folder.json("added_tokens.json") or {}
    listed = (folder.json("tokenizer_config.json") or {}).get("added_tokens_decoder") or {}
    if not isinstance(listed, dict):
        raise HeaderError(path.with_name("tokenizer_config.json"), f"expected added_tokens_decoder as an object, seen {listed!r:.60}")
    more: list[tuple[Any, Any]] = [(number, token) for token, number in legacy.items()]
    more += [
        (int(key) if key.isdecimal() else key, entry.get("content") if isinstance(entry, dict) else entry) for key, entry in listed.items()
    ]
    for number, token in more:
        if type(number) is not int or number < 0 or not isinstance(token, str):
            raise HeaderError(path.parent, f"expected an added token and its id, seen {token!r:.60} and {number!r:.20}")
        if names.setdefault(number, token) != token:
            raise TokenizerMismatchError(path, f"the id {number:,} has the token {names[number]!r:.60} and the added token {token!r:.60}")
    return names


def _lines(path: Path) -> dict[int, str]:
    """Read a token a line: vocab.txt of BERT and its kin."""
    lines = _text(path).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return {number: line.removesuffix("\r") for number, line in enumerate(lines)}


def _text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"expected tokens in UTF-8, seen byte 0x{raw[error.start]:02X}"
        raise EncodingError(path, problem, line=raw.count(b"\n", 0, error.start) + 1, offset=error.start) from None


def _json(path: Path) -> dict[int, str]:
    """Read tokens and their ids: vocab.json of GPT-2 and its kin."""
    listed = read_json(path)
    names: dict[int, str] = {}
    for token, number in listed.items():
        if type(number) is not int or number < 0:
            raise HeaderError(path, f"expected an id for {token!r:.60}, seen {number!r:.40}")
        if names.setdefault(number, token) != token:
            raise TokenizerMismatchError(path, f"{names[number]!r:.60} and {token!r:.60} have one id, {number:,}")
    return names


def _pieces(path: Path) -> dict[int, str]:
    """Read the pieces of a SentencePiece model, whose ids are their places."""
    data = memoryview(path.read_bytes())
    texts = [_piece(path, data, begin, end) for number, begin, end in _fields(path, data, 0, len(data)) if number == PIECE]
    if not texts:
        raise HeaderError(path, "expected a SentencePiece model, seen no piece")
    return dict(enumerate(texts))


def _piece(path: Path, data: memoryview, begin: int, end: int) -> str:
    for number, first, last in _fields(path, data, begin, end):
        if number == TEXT:
            try:
                return bytes(data[first:last]).decode()
            except UnicodeDecodeError:
                raise EncodingError(path, f"expected a piece in UTF-8, seen {bytes(data[first:last])!r:.60}", offset=first) from None
    raise HeaderError(path, "expected the text of a piece, seen none", offset=begin)


def _fields(path: Path, data: memoryview, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each field of a message, and where its bytes begin and end; those that hold no bytes are passed over."""
    while at < end:
        begin = at
        tag, at = _varint(path, data, at, end)
        kind = tag & 7
        if kind == VARINT:
            _, at = _varint(path, data, at, end)
            continue
        if kind == BYTES:
            size, at = _varint(path, data, at, end)
        elif kind in {LONG, SHORT}:
            size = 8 if kind == LONG else 4
        else:
            raise HeaderError(path, f"expected a SentencePiece model, seen a field of kind {kind}", offset=begin)
        if size > end - at:
            raise HeaderError(path, f"a field of {size:,} bytes where {end - at:,} are left", offset=begin, hint="was a copy cut off?")
        if kind == BYTES:
            yield tag >> 3, at, at + size
        at += size


def _varint(path: Path, data: memoryview, at: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(at, min(at + 10, end)):
        value |= (data[place] & 0x7F) << 7 * (place - at)
        if data[place] < 0x80:  # noqa: PLR2004 - the last byte of the number
            return value, place + 1
    raise HeaderError(path, "expected a SentencePiece model, seen a number without an end", offset=at)


READERS: dict[str, Callable[[Path], dict[int, str]]] = {
    "tokenizer.json": tokenizer_json.identified,
    "vocab.txt": _lines,
    "vocab.json": _json,
    "tokenizer.model": _pieces,
    "spiece.model": _pieces,
}
"""Files with tokens, the one to be believed first: where a folder has several, tokenizer.json is what its model was trained with."""
