"""A place in a file's bytes that goes forward and never past their end: what the readers of binary headers stand on."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import HeaderError, TruncatedFileError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class Walk:
    """A place in a file.

    Parameters
    ----------
    path : Path
        For the messages.
    data : array of shape (size,), uint8
        The file, mapped.
    at, end : int
        The first byte, and the byte after the last; by default the whole file.
    """

    def __init__(self, path: Path, data: NDArray[np.uint8], at: int = 0, end: int | None = None) -> None:
        self.path, self.data, self.at = path, data, at
        self.end = len(data) if end is None else end

    @property
    def left(self) -> int:
        """Bytes to the end."""
        return self.end - self.at

    def take(self, size: int, what: str) -> NDArray[np.uint8]:
        """Return the next bytes, mapped, and go on behind them.

        Raises
        ------
        TruncatedFileError
            If there are not as many.
        """
        if not 0 <= size <= self.left:
            problem = f"{what} takes {size:,} bytes, and {self.left:,} are left"
            raise TruncatedFileError(self.path, problem, offset=self.at, hint="was a download or a copy cut off?")
        self.at += size
        return self.data[self.at - size : self.at]

    def numbers(self, code: str, what: str) -> tuple[Any, ...]:
        """Return the next numbers by their `struct` code."""
        return struct.unpack(code, self.take(struct.calcsize(code), what).tobytes())

    def number(self, code: str, what: str) -> Any:
        """Return the next number by its `struct` code."""
        return self.numbers(code, what)[0]

    def count(self, what: str, least: int, code: str = "<Q") -> int:
        """Read how many things follow, each of at least so many bytes.

        Raises
        ------
        HeaderError
            If there is no room for them.
        """
        number: int = self.number(code, f"the number of {what}")
        if not 0 <= number * least <= self.left:
            problem = f"expected at most {self.left // least:,} {what}, for which there is room, seen {number:,}"
            raise self.wrong(struct.calcsize(code), problem, hint="the header cannot be right")
        return number

    def strings(self, count: int, code: str = "<Q", after: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pass over strings, each behind its length and before `after` other bytes; return where they begin and their lengths."""
        starts, lengths = np.empty(count, np.int64), np.empty(count, np.int64)
        unpack, width = struct.Struct(code).unpack_from, struct.calcsize(code)
        data, at, end = self.data.data, self.at, self.end
        for place in range(count):
            if at + width > end or (length := unpack(data, at)[0]) > end - at - width - after:
                problem = f"expected {count:,} strings, and there are bytes for {place:,}"
                raise TruncatedFileError(self.path, problem, offset=at, hint="was a download or a copy cut off?")
            starts[place], lengths[place] = at + width, length
            at += width + length + after
        self.at = at
        return starts, lengths

    def wrong(self, back: int, problem: str, *, hint: str = "") -> HeaderError:
        """Make the error for what was read `back` bytes ago."""
        return HeaderError(self.path, problem, offset=self.at - back, hint=hint)
