"""tokenizer.json, read where it matters and rewritten in one place: its list of added tokens.

Such a file may have 30 MB and a million strings. Parsed by `json` it takes ten times that in memory; here it is mapped and walked in
place, what has been passed is given back, and the rewritten file differs from the old one by the new entries and by nothing else.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import re
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np

from tokenspace import native
from tokenspace.checkpoint.streams.pieces import Stretch
from tokenspace.errors import FileContentError, HeaderError, TokenizerMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.checkpoint.streams.pieces import Piece

Text: TypeAlias = Union[bytes, mmap.mmap]  # noqa: UP007 - evaluated when the module is loaded

STRING = rb'"(?:[^"\\]++|\\.)*+"'
SPACE = re.compile(rb"[ \t\r\n]*+")
SCALAR = re.compile(rb"(?:" + STRING + rb"|[-+0-9.eE]++|true|false|null)", re.DOTALL)
KEY = re.compile(rb"(" + STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+", re.DOTALL)
STEP = 1 << 20
"""Bytes of a value that are gone through before they are given back."""

NUMBERED, SCORED, MERGED = native.NUMBERED, native.SCORED, native.MERGED
"""Forms of the model's lists: ``"token": 12``, ``["token", -3.25]``, and merges."""

ORDER = ("id", "content", "single_word", "lstrip", "rstrip", "normalized", "special")
"""The fields of an added token, in the order in which the tokenizers library writes them."""


@dataclass(frozen=True)
class TokenizerJson:
    """A tokenizer.json: where its parts lie, and which ids its tokens have.

    Attributes
    ----------
    path : Path
    tail, end : int
        Where in the file new entries of the list of added tokens go, and where the list ends.
    added : list of dict
        The tokens in that list.
    has_list : bool
        Whether there is such a list.
    pretty : bool
        Whether it is written on lines of its own.
    model_size : int
        Tokens of the model itself: pieces of words.
    next_id : int
        The id that the tokenizers library would give to the next token added.
    known : dict of str to int
        Ids of those of the tokens asked for that are there already.
    spans : dict of str to (int, int)
        Where the values lie, as `members` says.
    """

    path: Path
    tail: int
    end: int
    added: list[dict[str, Any]]
    has_list: bool
    pretty: bool
    model_size: int
    next_id: int
    known: dict[str, int]
    spans: dict[str, tuple[int, int]]

    @property
    def text(self) -> bytes:
        """The file's content."""
        return self.path.read_bytes()

    def mapped(self) -> contextlib.AbstractContextManager[Text]:
        """Return the file's content, mapped, for ``with``."""
        return mapped(self.path)

    def with_added(self, entries: list[dict[str, Any]]) -> tuple[Piece, ...]:
        """Return the file's content, in pieces, with more tokens at the end of its list, in its own style of writing."""
        ordered = [{key: entry[key] for key in ORDER} for entry in entries]
        if self.pretty:
            lines = json.dumps(ordered, indent=2, ensure_ascii=False)[1:-2].replace("\n", "\n  ")
            close = "\n  ]"
        else:
            lines = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False)[1:-1]
            close = "]"
        middle = f"{',' if self.added else ''}{lines}{close}" if self.has_list else f'"added_tokens":[{lines}{close},'
        size = self.path.stat().st_size
        inserted = np.frombuffer(middle.encode(), dtype=np.uint8)
        return Stretch(self.path, 0, self.tail), inserted, Stretch(self.path, self.end, size - self.end)


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[Text]:
    """Map a file for as long as the block lasts; an empty one, which cannot be mapped, is no bytes."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            yield text


def give_back(text: Text, begin: int, end: int) -> None:
    """Let go of the pages of a map that have been passed: they would count as this process's memory. Read again, they come again."""
    if isinstance(text, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        begin -= begin % mmap.PAGESIZE
        text.madvise(mmap.MADV_DONTNEED, begin, end - begin)


def read(path: Path, wanted: set[str]) -> TokenizerJson:
    """Read a tokenizer.json.

    Parameters
    ----------
    path : Path
    wanted : set of str
        Tokens to look for.

    Returns
    -------
    TokenizerJson

    Raises
    ------
    HeaderError
        If it is not such a file.
    TokenizerMismatchError
        If ids have holes or do not follow one another, so that the id of an added token cannot be foretold.

    Notes
    -----
    O(bytes); 256,000 tokens with their merges, 21 MB, in about 0.06 CPU seconds.
    """
    with mapped(path) as text:
        return _read(path, text, wanted)


def _read(path: Path, text: Text, wanted: set[str]) -> TokenizerJson:
    try:
        top = members(text, blank(text, 0), "model")
        begin, end = top.get("added_tokens", (0, 0))
        added = json.loads(text[begin:end]) if end else []
        if not isinstance(added, list) or not all(_is_added(entry) for entry in added):
            raise HeaderError(path, f"expected added_tokens with id and content, seen {added!r:.80}")
        size, largest, known = _scan(path, text, top, wanted | {entry["content"] for entry in added})
        if end:
            tail = begin + len(text[begin : end - 1].rstrip())
        else:  # a list of its own, before the key of the model
            tail = end = text.rfind(b'"model"', 0, top["model"][0])
        pretty = b"\n" in text[begin:end] if added else b"\n" in text[: top["model"][0]]
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, HeaderError | TokenizerMismatchError):
            raise
        raise HeaderError(path, f"expected the JSON of a fast tokenizer: {error!s:.80}") from None
    following = _follow(path, added, size, known)
    if largest >= following:
        problem = f"{size:,} tokens have ids up to {largest:,}: with holes between them a new token would get an id that is taken"
        raise TokenizerMismatchError(path, problem, hint="this tokenizer cannot be extended safely")
    known |= {entry["content"]: entry["id"] for entry in added}
    found = {token: known[token] for token in wanted if token in known}
    return TokenizerJson(path, tail, end, added, "added_tokens" in top, pretty, size, following, found, top)


def tokens(path: Path) -> list[str]:
    """Return every token in the order of its id.

    Raises
    ------
    HeaderError, TokenizerMismatchError
        As `read`; and if an id has no token.
    """
    size = read(path, set()).next_id
    names = identified(path)
    holes = [number for number in range(size) if number not in names]
    if holes:
        raise TokenizerMismatchError(path, f"no token has the id {holes[0]:,}; expected one for every id below {size:,}")
    return [names[number] for number in range(size)]


def identified(path: Path) -> dict[int, str]:
    """Return every token by its id; ids may have holes.

    Raises
    ------
    HeaderError
        If it is not such a file.
    TokenizerMismatchError
        If two tokens of the model have one id.
    """
    names: dict[int, str] = {}
    try:
        with mapped(path) as text:
            top = members(text, blank(text, 0), "model")
            for some, numbers in entries(text, top["model.vocab"]):
                fresh = dict(zip(numbers.tolist(), some.strings(), strict=True))
                if len(fresh) < len(numbers) or not names.keys().isdisjoint(fresh):
                    raise TokenizerMismatchError(path, "two tokens of the model have one id", hint="one of the two has no row of its own")
                names |= fresh
            begin, end = top.get("added_tokens", (0, 0))
            added = json.loads(text[begin:end]) if end else []
    except (AttributeError, IndexError, KeyError, RecursionError, ValueError) as error:
        if isinstance(error, FileContentError):
            raise
        raise HeaderError(path, f"expected a tokenizer in JSON: {error!s:.120}") from None
    if not isinstance(added, list) or not all(_is_added(entry) for entry in added):
        raise HeaderError(path, f"expected added_tokens with id and content, seen {added!r:.80}")
    return names | {entry["id"]: entry["content"] for entry in added}


def members(text: Text, at: int, inner: str | None = None) -> dict[str, tuple[int, int]]:
    """Return where the values of a JSON object's members lie, by key; those of its member `inner` as ``inner.key``."""
    spans: dict[str, tuple[int, int]] = {}
    at = _after(text, at, b"{")
    while text[at : at + 1] != b"}":
        key = KEY.match(text, at)
        if key is None:
            raise ValueError(_seen(text, at, "a key"))
        name, begin = json.loads(key[1]), key.end()
        if name == inner and text[begin : begin + 1] == b"{":
            within = members(text, begin)
            spans |= {f"{name}.{key}": span for key, span in within.items()}
            last = max((end for _, end in within.values()), default=begin + 1)
            end = blank(text, last) + 1
        else:
            end = skip(text, begin)
        spans[name] = (begin, end)
        at = blank(text, end)
        if text[at : at + 1] == b",":
            at = _after(text, at, b",")
        elif text[at : at + 1] != b"}":
            raise ValueError(_seen(text, at, "a comma or }"))
    return spans


def skip(text: Text, at: int) -> int:
    """Return where the JSON value that begins here ends."""
    if text[at : at + 1] not in {b"{", b"["}:
        scalar = SCALAR.match(text, at)
        if scalar is None:
            raise ValueError(_seen(text, at, "a value"))
        return scalar.end()
    depth = 0
    while True:
        end, depth = native.json_skip(np.frombuffer(text, dtype=np.uint8), at, min(at + STEP, len(text)), depth)
        if end < 0 or (depth and end == len(text)):
            raise ValueError(_seen(text, at, "a value with an end"))
        give_back(text, at, end)
        if not depth:
            return end
        at = end


def items(text: Text, span: tuple[int, int], form: int) -> Iterator[native.JsonItems]:
    """Yield the items of a list of the model, some thousand at a time.

    Raises
    ------
    ValueError
        Where one is not of the form.
    """
    at, end = span[0] + 1, span[1]
    while True:
        some, after = native.json_items(np.frombuffer(text, dtype=np.uint8), at, end, form)
        if not len(some.values):
            break
        yield some
        give_back(text, at, after)
        at = after
    if blank(text, at) != end - 1:
        raise ValueError(_seen(text, at, EXPECTED[form]))


EXPECTED = {NUMBERED: "a token and its id", SCORED: "a token and its score", MERGED: "a merge of two tokens"}


def entries(text: Text, span: tuple[int, int]) -> Iterator[tuple[native.JsonItems, NDArray[np.int64]]]:
    """Yield the tokens of the model's vocabulary with their ids: some thousand at a time. Raises as `items`."""
    scored, number = text[span[0] : span[0] + 1] == b"[", 0
    for some in items(text, span, SCORED if scored else NUMBERED):
        count = len(some.values)
        yield some, np.arange(number, number + count) if scored else some.values.astype(np.int64)
        number += count


class Sought:
    """Tokens to be found among many.

    Parameters
    ----------
    tokens : iterable of str

    Attributes
    ----------
    tokens : list of str
        Each once.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = list(dict.fromkeys(tokens))
        self._places = {token: place for place, token in enumerate(self.tokens)}
        raw = [token.encode(errors="surrogatepass") for token in self.tokens]
        self._data = np.frombuffer(b"".join(raw), dtype=np.uint8)
        self._offsets = np.cumsum([0, *map(len, raw)], dtype=np.int64)
        self._slots = np.zeros(1 << (2 * len(raw) + 1).bit_length(), dtype=np.uint32)
        native.hash_tokens(self._data, self._offsets, self._slots)

    def places(self, some: native.JsonItems) -> NDArray[np.int64]:
        """Return for each string which of the tokens it is, -1 where it is none."""
        found = native.find_tokens(self._data, self._offsets, self._slots, some.data, some.offsets)
        for place in np.flatnonzero(some.escaped).tolist():
            found[place] = self._places.get(some.string(place), -1)
        return found


def _scan(path: Path, text: Text, top: dict[str, tuple[int, int]], wanted: set[str]) -> tuple[int, int, dict[str, int]]:
    """Return how many tokens the model has, their largest id, and the ids of those wanted."""
    known: dict[str, int] = {}
    sought, ids = Sought(wanted), array("q")
    for some, numbers in entries(text, top["model.vocab"]):
        ids.frombytes(numbers.tobytes())
        places = sought.places(some)
        known |= {sought.tokens[places[at]]: int(numbers[at]) for at in np.flatnonzero(places >= 0).tolist()}
    taken = np.frombuffer(ids, dtype=np.int64) if ids else np.empty(0, dtype=np.int64)
    largest = int(taken.max(initial=-1))
    if largest < 2 * len(ids):  # else there are holes, which the caller sees
        seen = np.zeros(largest + 1, dtype=bool)
        seen[taken] = True
        if int(seen.sum()) != len(ids):
            raise TokenizerMismatchError(path, "two tokens of the model have one id", hint="this tokenizer cannot be extended safely")
    return len(ids), largest, known


def _follow(path: Path, added: list[dict[str, Any]], size: int, known: dict[str, int]) -> int:
    """Give the added tokens their ids as the tokenizers library does on opening the file; return the next."""
    largest = -1
    for entry in added:
        content, number = entry["content"], entry["id"]
        expected = known.get(content, max(size, largest + 1))
        if number != expected:
            problem = f"the added token {content!r:.60} has the id {number:,}; read by the tokenizers library it gets {expected:,}"
            raise TokenizerMismatchError(path, problem, hint="ids of added tokens follow one another after those of the model")
        largest = max(largest, number)
    return max(size, largest + 1)


def _is_added(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("content"), str) and type(entry.get("id")) is int


def blank(text: Text, at: int) -> int:
    """Return where the blanks that begin here, if any, end."""
    found = SPACE.match(text, at)  # always: it matches nothing too
    return found.end() if found else at


def _after(text: Text, at: int, mark: bytes) -> int:
    if text[at : at + 1] != mark:
        raise ValueError(_seen(text, at, mark.decode()))
    return blank(text, at + 1)


def _seen(text: Text, at: int, expected: str) -> str:
    return f"expected {expected}, seen {text[at : at + 20]!r} at byte {at:,}"
