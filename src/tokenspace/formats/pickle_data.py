"""A pickle read as data: lists, dictionaries, text, numbers, and records of what it would call. Nothing is imported, nothing is called.

Python's own `pickle` is not used at all. Its program is walked here, instruction by instruction; a name that it would import must be on
the caller's list, and becomes a `Record` of that name. What a program can build is bounded by its length: numbers and text are of the
size of their instruction, dictionaries stay lists of pairs (whose keys are never hashed), and nothing is copied.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from tokenspace.errors import HeaderError, TruncatedFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

PROTOCOLS = (2, 3, 4, 5)
LONGEST_NUMBER = 64
"""Bytes of a whole number."""


@dataclass
class Pairs:
    """A dictionary: keys and values in turn."""

    flat: list[Any] = field(default_factory=list)

    def named(self) -> dict[str, Any]:
        """Return those entries whose key is a text, the later of two."""
        return {key: value for key, value in zip(self.flat[::2], self.flat[1::2], strict=True) if isinstance(key, str)}


@dataclass
class Record:
    """What would have been imported, or made by calling it.

    Attributes
    ----------
    name : str
        ``module.name``.
    arguments : tuple or None
        What it would have been called with; None for the name itself.
    state : object
        What would have been restored into the object made.
    items : list
        What would have been added to it.
    """

    name: str
    arguments: tuple[Any, ...] | None = None
    state: Any = None
    items: list[Any] = field(default_factory=list)


MARK = object()


def read(path: Path, data: bytes | memoryview, allowed: Sequence[str]) -> Any:
    """Read a pickle as data.

    Parameters
    ----------
    path : Path
        For the message.
    data : bytes
        The file.
    allowed : sequence of str
        Patterns of the names, ``module.name``, that it may mention.

    Returns
    -------
    object
        Made of lists, tuples, text, bytes, numbers, None, `Pairs` and `Record`.

    Raises
    ------
    HeaderError
        If it mentions another name, which is what an attack does, or is no pickle.
    TruncatedFileError
        If it ends too early.

    Notes
    -----
    About a million instructions a second; a word takes four.
    """
    return _Machine(path, memoryview(data), allowed).run()


class _Machine:
    def __init__(self, path: Path, data: memoryview, allowed: Sequence[str]) -> None:
        self.path, self.data, self.at, self.allowed = path, data, 0, allowed
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.checked: set[str] = set()

    def run(self) -> Any:
        end = len(self.data)
        while self.at < end:
            code = self.data[self.at]
            self.at += 1
            if code == STOP:
                if self.at != end:
                    raise self.wrong(1, f"it goes on for {end - self.at:,} bytes after its end")
                return self.pop()
            step = STEPS.get(code)
            if step is None:
                raise self.wrong(1, f"the instruction 0x{code:02X} is not among those that data needs")
            step(self)
        raise TruncatedFileError(self.path, "the pickle has no end", offset=end, hint="was a download or a copy cut off?")

    def wrong(self, back: int, problem: str) -> HeaderError:
        hint = "do not load it otherwise unless you trust whoever made it"
        return HeaderError(self.path, problem, offset=max(0, self.at - back), hint=hint)

    def take(self, size: int) -> memoryview:
        if size > len(self.data) - self.at:
            problem = f"a value takes {size:,} bytes, and {len(self.data) - self.at:,} are left"
            raise TruncatedFileError(self.path, problem, offset=self.at, hint="was a download or a copy cut off?")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, code: str) -> Any:
        return struct.unpack(code, self.take(struct.calcsize(code)))[0]

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is MARK:
            raise self.wrong(1, "it takes a value where there is none")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise self.wrong(1, f"expected a {kind.__name__.lower()} to add to")
        return self.stack[-1]

    def marked(self) -> list[Any]:
        place = len(self.stack) - 1
        while place >= 0 and self.stack[place] is not MARK:
            place -= 1
        if place < 0:
            raise self.wrong(1, "it takes values up to a mark where there is none")
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def text(self, size: int) -> str:
        raw = bytes(self.take(size))
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise self.wrong(1, f"expected text in UTF-8, seen {raw[:40]!r}") from None

    def line(self) -> str:
        end = bytes(self.data[self.at : self.at + 512]).find(b"\n")
        if end < 0:
            raise self.wrong(1, "expected a name of at most 512 bytes")
        text = self.text(end)
        self.at += 1
        return text

    def name(self, module: Any, name: Any) -> None:
        full = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else repr((module, name))[:80]
        if full not in self.checked:
            if not any(fnmatchcase(full, pattern) for pattern in self.allowed):
                raise self.wrong(1, f"it would import {full!r:.120}, which no table needs: it is an attack, or of another program")
            self.checked.add(full)
        self.stack.append(Record(full))

    def keep(self, number: int) -> None:
        if not self.stack or self.stack[-1] is MARK:
            raise self.wrong(1, "it keeps a value where there is none")
        self.memo[number] = self.stack[-1]

    def again(self, number: int) -> None:
        if number not in self.memo:
            raise self.wrong(1, f"it asks for value {number:,}, which it has not kept")
        self.stack.append(self.memo[number])

    def made(self, count: int) -> None:
        """Put a record of a call in the place of what is called and its arguments."""
        arguments = [self.pop() for _ in range(count)][::-1]
        called = self.pop()
        if not isinstance(called, Record) or called.arguments is not None or not isinstance(arguments[0], tuple):
            raise self.wrong(1, "it would call something that is not a name")
        self.stack.append(Record(called.name, arguments[0]))

    def build(self) -> None:
        state = self.pop()
        record = self.top(Record)
        if record.arguments is None or record.state is not None:
            raise self.wrong(1, "it would change something that it did not make, or twice")
        record.state = state

    def append(self, values: list[Any]) -> None:
        target = self.stack[-1] if self.stack else None
        if isinstance(target, Record) and target.arguments is not None:
            target.items.extend(values)
        else:
            self.top(list).extend(values)

    def set_items(self, flat: list[Any]) -> None:
        if len(flat) % 2:
            raise self.wrong(1, "a key lacks its value")
        target = self.stack[-1] if self.stack else None
        if isinstance(target, Record) and target.arguments is not None:
            target.items.extend(flat)
        else:
            self.top(Pairs).flat.extend(flat)

    def protocol(self) -> None:
        seen = self.number("<B")
        if seen not in PROTOCOLS:
            raise self.wrong(1, f"expected a pickle of protocol {PROTOCOLS[0]} to {PROTOCOLS[-1]}, seen {seen}")

    def whole(self, size: int) -> None:
        if size > LONGEST_NUMBER:
            raise self.wrong(1, f"expected a number of at most {LONGEST_NUMBER} bytes, seen {size:,}")
        self.stack.append(int.from_bytes(self.take(size), "little", signed=True))


def _push(make: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(make(machine))


def _last(machine: _Machine, count: int) -> tuple[Any, ...]:
    return tuple([machine.pop() for _ in range(count)][::-1])


def _pair(machine: _Machine) -> list[Any]:
    return list(_last(machine, 2))


STOP = ord(".")
STEPS: dict[int, Callable[[_Machine], Any]] = {
    0x80: _Machine.protocol,
    0x95: lambda m: m.number("<Q"),  # a frame's length, which only a reader of streams needs
    ord("("): lambda m: m.stack.append(MARK),
    ord("0"): lambda m: m.stack.pop() if m.stack else m.pop(),
    ord("1"): _Machine.marked,
    ord("N"): _push(lambda _: None),
    0x88: _push(lambda _: True),
    0x89: _push(lambda _: False),
    ord("J"): _push(lambda m: m.number("<i")),
    ord("K"): _push(lambda m: m.number("<B")),
    ord("M"): _push(lambda m: m.number("<H")),
    ord("G"): _push(lambda m: m.number(">d")),
    0x8A: lambda m: m.whole(m.number("<B")),
    0x8B: lambda m: m.whole(m.number("<I")),
    ord("X"): _push(lambda m: m.text(m.number("<I"))),
    0x8C: _push(lambda m: m.text(m.number("<B"))),
    0x8D: _push(lambda m: m.text(m.number("<Q"))),
    ord("B"): _push(lambda m: m.take(m.number("<I"))),
    ord("C"): _push(lambda m: m.take(m.number("<B"))),
    0x8E: _push(lambda m: m.take(m.number("<Q"))),
    0x96: _push(lambda m: m.take(m.number("<Q"))),
    ord("T"): _push(lambda m: m.take(m.number("<I"))),
    ord("U"): _push(lambda m: m.take(m.number("<B"))),
    ord("]"): _push(lambda _: []),
    ord("}"): _push(lambda _: Pairs()),
    0x8F: _push(lambda _: []),  # a set: its members in a list, unhashed
    ord(")"): _push(lambda _: ()),
    ord("t"): _push(lambda m: tuple(m.marked())),
    0x85: _push(lambda m: _last(m, 1)),
    0x86: _push(lambda m: _last(m, 2)),
    0x87: _push(lambda m: _last(m, 3)),
    ord("l"): _push(_Machine.marked),
    0x91: _push(_Machine.marked),
    ord("d"): _push(lambda m: Pairs(m.marked())),
    ord("a"): lambda m: m.append([m.pop()]),
    ord("e"): lambda m: m.append(m.marked()),
    0x90: lambda m: m.append(m.marked()),
    ord("s"): lambda m: m.set_items(_pair(m)),
    ord("u"): lambda m: m.set_items(m.marked()),
    ord("q"): lambda m: m.keep(m.number("<B")),
    ord("r"): lambda m: m.keep(m.number("<I")),
    0x94: lambda m: m.keep(len(m.memo)),
    ord("h"): lambda m: m.again(m.number("<B")),
    ord("j"): lambda m: m.again(m.number("<I")),
    ord("c"): lambda m: m.name(m.line(), m.line()),
    0x93: lambda m: m.name(*_last(m, 2)),
    ord("R"): lambda m: m.made(1),
    0x81: lambda m: m.made(1),
    0x92: lambda m: m.made(2),
    ord("b"): _Machine.build,
}
"""The instructions of protocols 2 to 5 that data is made of, by their bytes; those for persistent ids, extensions and buffers outside
the file are left out."""
