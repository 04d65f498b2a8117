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

from tokenspace.checkpoint.streams.pieces import Stretch
from tokenspace.errors import HeaderError, TokenizerMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tokenspace.checkpoint.streams.pieces import Piece

Text: TypeAlias = Union[bytes, mmap.mmap]  # noqa: UP007 - evaluated when the module is loaded

STRING = rb'"(?:[^"\\]++|\\.)*+"'
SPACE = re.compile(rb"[ \t\r\n]*+")
LEAF = rb"\[(?:[^\"\[\]{}]++|" + STRING + rb")*+\]"
PLAIN = re.compile(rb"(?:[^\"\[\]{}]++|" + STRING + rb"|" + LEAF + rb"){0,16384}+", re.DOTALL)
"""Everything up to the next bracket that holds brackets, some 200 kB at a time; possessive, so that nothing is tried twice."""

SCALAR = re.compile(rb"(?:" + STRING + rb"|[-+0-9.eE]++|true|false|null)", re.DOTALL)
KEY = re.compile(rb"(" + STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+", re.DOTALL)
BLANK = rb"[ \t\r\n]*+"
ONE_ENTRY = BLANK + rb"(" + STRING + rb")" + BLANK + rb":" + BLANK + rb"(\d{1,12}+)" + BLANK + rb"(?:,|(?=}))"
ONE_SCORED = BLANK + rb"\[" + BLANK + rb"(" + STRING + rb")" + BLANK + rb",[^\"\[\]{}]++\]" + BLANK + rb"(?:,|(?=\]))"
MANY = rb"(?:%b){1,4096}+"
ENTRY, ENTRIES = re.compile(ONE_ENTRY, re.DOTALL), re.compile(MANY % ONE_ENTRY, re.DOTALL)
SCORED, MANY_SCORED = re.compile(ONE_SCORED, re.DOTALL), re.compile(MANY % ONE_SCORED, re.DOTALL)
"""A token and its id, or its score, and up to 4,096 of them: the loop over tokens is the regular expression's, not Python's."""

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
    O(bytes); 256,000 tokens in about 0.2 s.
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
    file = read(path, set())
    names: list[str | None] = [None] * file.next_id
    with file.mapped() as text:
        for quoted, numbers in entries(text, file.spans["model.vocab"]):
            for raw, number in zip(quoted, numbers, strict=True):
                names[number] = decoded(raw)
    for entry in file.added:
        names[entry["id"]] = entry["content"]
    holes = [number for number, name in enumerate(names) if name is None]
    if holes:
        raise TokenizerMismatchError(path, f"no token has the id {holes[0]:,}; expected one for every id below {len(names):,}")
    return [name for name in names if name is not None]


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
    depth, at = 1, at + 1
    while depth:
        end = PLAIN.match(text, at).end()  # type: ignore[union-attr]
        bracket = text[end : end + 1]
        if bracket in {b"{", b"["}:
            depth, end = depth + 1, end + 1
        elif bracket in {b"}", b"]"}:
            depth, end = depth - 1, end + 1
        if end == at:
            raise ValueError(_seen(text, at, "a closing bracket"))
        give_back(text, at, end)
        at = end
    return at


def entries(text: Text, span: tuple[int, int]) -> Iterator[tuple[list[bytes], list[int]]]:
    """Yield the tokens of the model's vocabulary, quoted as in the file, with their ids: some thousand at a time."""
    begin, end = span
    scored = text[begin : begin + 1] == b"["
    many = MANY_SCORED if scored else ENTRIES
    at, number = begin + 1, 0  # below, one byte more: the last token looks ahead for the closing bracket
    while found := many.match(text, at, end):
        if scored:
            quoted = SCORED.findall(text, at, found.end() + 1)
            yield quoted, list(range(number, number + len(quoted)))
        else:
            pairs = ENTRY.findall(text, at, found.end() + 1)
            quoted = [pair[0] for pair in pairs]
            yield quoted, [int(pair[1]) for pair in pairs]
        number += len(quoted)
        give_back(text, at, found.end())
        at = found.end()
    if blank(text, at) != end - 1:
        raise ValueError(_seen(text, at, "a token and its id"))


def _scan(path: Path, text: Text, top: dict[str, tuple[int, int]], wanted: set[str]) -> tuple[int, int, dict[str, int]]:
    """Return how many tokens the model has, their largest id, and the ids of those wanted."""
    known: dict[str, int] = {}
    plain = {f'"{token}"'.encode(errors="surrogatepass"): token for token in wanted}
    ids = array("q")
    for quoted, numbers in entries(text, top["model.vocab"]):
        ids.extend(numbers)
        if not plain.keys().isdisjoint(quoted):
            known |= {plain[raw]: number for raw, number in zip(quoted, numbers, strict=True) if raw in plain}
        known |= {token: numbers[at] for at, raw in enumerate(quoted) if b"\\" in raw and (token := decoded(raw)) in wanted}
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


def decoded(raw: bytes) -> str:
    """Return the token that stands quoted in the file."""
    if b"\\" in raw:
        token: str = json.loads(raw)
        return token
    return raw[1:-1].decode()


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
