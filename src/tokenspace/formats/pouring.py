"""Rows read a block at a time: several threads read the blocks, one takes what they read in order, checks it and passes it on.

Only the tokens stay in memory; the numbers go to a `Place` at once. A flaw is found by whoever reads the block, who does not know how
many rows and lines came before it: it becomes an error here.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native, progress
from tokenspace.errors import CompressionError, EncodingError, FileContentError, TruncatedFileError
from tokenspace.formats import rows_in_files as rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.formats.format import Reading
    from tokenspace.formats.places import Place
    from tokenspace.formats.streams import Stream
    from tokenspace.vocabulary import Vocabulary

    Flaw = Callable[["Base"], FileContentError]

HOPELESS = 1000
"""Broken rows beyond the number of sound ones at which mending is given up: the file is no table then."""


@dataclass(frozen=True)
class Base:
    """What came before a block: rows, counted from 0, and lines, counted from 1."""

    row: int
    line: int


@dataclass
class Part:
    """What one block gave.

    Attributes
    ----------
    matrix : array of shape (m, d)
    tokens, offsets : arrays of shape (b,) and (m + 1,)
    starts : array of shape (m,), int64
        The byte of the file at which each row begins.
    index : array of shape (m,), int64
        Which of the block's lines, or rows of the file, each row is.
    count : int
        How many of them there were, bad ones included.
    flaws : list of (int, callable)
        Which of them, and what makes the error once it is known what came before.
    """

    matrix: NDArray[Any]
    tokens: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    starts: NDArray[np.int64]
    index: NDArray[np.int64]
    count: int
    flaws: list[tuple[int, Flaw]] = field(default_factory=list)

    def keep(self, wanted: NDArray[np.bool_]) -> None:
        """Drop the rows that are not wanted."""
        if wanted.all():
            return
        lengths = np.diff(self.offsets)[wanted]
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        self.tokens = native.gather(self.tokens, self.offsets[:-1][wanted], offsets)
        self.matrix, self.starts, self.index, self.offsets = self.matrix[wanted], self.starts[wanted], self.index[wanted], offsets


def sift(part: Part, path: Path, reading: Reading, dtype: np.dtype[Any], *, by_line: bool) -> Part:
    """Hold a block's rows against the rules that are the same for every format: UTF-8, the type wanted, the tokens wanted."""
    bad = np.zeros(len(part.matrix), dtype=bool)
    if reading.errors == "strict":
        for row, at in _undecodable(part, every=reading.mended is not None):
            bad[row] = True
            part.flaws.append((int(part.index[row]), _not_utf_8(part, path, row, at, by_line=by_line)))
    if part.matrix.dtype != dtype:
        with np.errstate(over="ignore", invalid="ignore"):
            wide, part.matrix = part.matrix, part.matrix.astype(dtype)
        finite = rows.finite_numbers(part.matrix)
        for row in np.flatnonzero(~finite.all(axis=1)).tolist():
            bad[row] = True
            column = int(np.argmin(finite[row]))
            part.flaws.append((int(part.index[row]), _too_large(part, path, row, column, wide[row, column], by_line=by_line)))
    if reading.mended is not None:
        part.keep(~bad)
    if reading.only is not None:
        only = reading.only
        part.keep(native.find_tokens(only.data, only.offsets, only.index, part.tokens, part.offsets) >= 0)
    part.flaws.sort(key=lambda flaw: flaw[0])
    return part


def _undecodable(part: Part, *, every: bool) -> Iterator[tuple[int, int]]:
    """Yield rows whose token is not UTF-8, and the byte in it; the first alone, or every one."""
    begin = 0
    while (wrong := rows.undecodable(part.tokens, part.offsets, begin)) is not None:
        yield wrong
        if not every:
            return
        begin = wrong[0] + 1


def _not_utf_8(part: Part, path: Path, row: int, at: int, *, by_line: bool) -> Flaw:
    token = part.tokens[part.offsets[row] : part.offsets[row + 1]].tobytes()
    start, index = int(part.starts[row]), int(part.index[row])

    def flaw(base: Base) -> EncodingError:
        return rows.not_utf_8(path, token, at, {"offset": start} | ({"line": base.line + index} if by_line else {}))

    return flaw


def _too_large(part: Part, path: Path, row: int, column: int, value: object, *, by_line: bool) -> Flaw:
    start, index = int(part.starts[row]), int(part.index[row])

    def flaw(base: Base) -> FileContentError:
        place = {"offset": start} | ({"line": base.line + index} if by_line else {})
        return rows.not_finite(path, base.row + index, column, value, **place)

    return flaw


class Pouring:
    """Takes parts in order, and makes the vocabulary at the end.

    Parameters
    ----------
    path : Path
        For messages.
    reading : Reading
    place : Place
        Where the numbers go.
    stream : Stream
        Where they come from.
    first_line : int
        The number of the first row's line; 0 where a file has no lines.
    """

    def __init__(self, path: Path, reading: Reading, place: Place, stream: Stream, *, first_line: int = 0) -> None:
        self.path, self.reading, self.place, self.stream = path, reading, place, stream
        self.by_line = first_line > 0
        self.base = Base(0, first_line)
        self.taken = 0  # rows passed on
        self.sound = 0  # rows seen without a flaw, wanted or not
        self.parts: list[tuple[int, Base, NDArray[np.int64]]] = []  # first row passed on, what came before, which line each is
        self.tokens: list[NDArray[np.uint8]] = []
        self.lengths: list[NDArray[np.int64]] = []
        self.starts: list[NDArray[np.int64]] = []
        self.seen: dict[bytes, tuple[int, dict[str, int]]] = {}  # token -> first row and its place, where flaws are mended

    def take(self, part: Part) -> bool:
        """Take what one block gave; return whether more is wanted."""
        limit, count = self.reading.limit, len(part.matrix)
        if limit is not None and self.taken + count >= limit:
            last = int(part.index[limit - self.taken - 1])
            part.flaws = [flaw for flaw in part.flaws if flaw[0] <= last]  # what comes after is nobody's business
            part.keep(part.index <= last)
        for _, flaw in part.flaws:
            self.mend(flaw(self.base))
        if self.reading.mended is not None:
            self._drop_twice(part)
        self.parts.append((self.taken, self.base, part.index))
        self.tokens.append(part.tokens)
        self.lengths.append(np.diff(part.offsets))
        self.starts.append(part.starts)
        self.place.add(part.matrix)
        self.taken += len(part.matrix)
        self.sound += part.count - len(part.flaws)
        self.base = Base(self.base.row + part.count, self.base.line + part.count)
        progress.report(f"reading {self.path.name}", self.stream.taken, self.stream.total or 0)
        return limit is None or self.taken < limit

    def mend(self, error: FileContentError) -> None:
        """Count a flaw where flaws are mended; else raise it, or the damage to a packed file that is behind it."""
        mended = self.reading.mended
        if mended is None:
            self.refuse(error)
        else:
            mended.add(error)
            if sum(mended.counts.values()) > self.sound + HOPELESS:
                raise error

    def refuse(self, error: FileContentError) -> None:
        """Raise an error; of a packed file that is damaged, say that, as a flipped bit first shows as a number that is none."""
        if self.stream.packed:
            room = memoryview(bytearray(rows.BLOCK))
            try:
                while self.stream.fill(room) == len(room):
                    pass
            except (CompressionError, TruncatedFileError) as damage:
                raise damage from None
        raise error

    def where(self, row: int) -> dict[str, int]:
        """Return line and byte of a row that was passed on."""
        found = bisect_right(self.parts, row, key=lambda part: part[0]) - 1
        first, base, index = self.parts[found]
        line = {"line": base.line + int(index[row - first])} if self.by_line else {}
        return {**line, "offset": int(self.starts[found][row - first])}

    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary of the rows taken."""
        offsets = np.cumsum(np.concatenate([np.zeros(1, dtype=np.int64), *self.lengths]))
        tokens = np.concatenate([np.empty(0, dtype=np.uint8), *self.tokens])
        self.tokens, self.lengths = [], []
        return rows.unique(self.path, tokens, offsets, place=self.where)

    def _drop_twice(self, part: Part) -> None:
        """Drop the rows whose token an earlier row has; only where flaws are mended, as it takes a dict of all tokens."""
        whole, bounds = part.tokens.tobytes(), part.offsets.tolist()
        keep = np.ones(len(part.matrix), dtype=bool)
        for row in range(len(keep)):
            token = whole[bounds[row] : bounds[row + 1]]
            place = {"line": self.base.line + int(part.index[row])} if self.by_line else {}
            place["offset"] = int(part.starts[row])
            first = self.seen.setdefault(token, (self.base.row + row, place))
            if first[1] is not place:
                keep[row] = False
                there = {first[0]: first[1], self.base.row + row: place}
                self.mend(rows.twice(self.path, token, (first[0], self.base.row + row), there.__getitem__))
        part.keep(keep)
