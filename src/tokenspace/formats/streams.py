"""A table's bytes in the order in which they stand, from a file or a pipe; `packed` has those that have to be unpacked first."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKED_AT = 1 << 16
"""Bytes of a stream that can be looked at before it is read."""

PACKINGS = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),  # the first block's mark as well: a token may begin with BZh
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),  # the latter begins a frame to be skipped
    "zip": re.compile(rb"PK(?:\x03\x04|\x05\x06)"),  # the latter is an archive of nothing
}
"""How the files begin that hold others packed."""

LONGEST_SIGN = 10
"""Bytes that the longest of these takes."""


class Stream(Protocol):
    """Bytes in order.

    Attributes
    ----------
    size : int or None
        How many there are in all; None where only the end will tell.
    total : int or None
        Bytes of the file beneath, which `taken` goes up to; None for a pipe.
    taken : int
        How many of these have been read.
    packed : bool
        Whether they come out of a decompressor, which finds damage later than where it is.
    """

    size: int | None
    total: int | None
    packed: bool

    @property
    def taken(self) -> int: ...  # noqa: D102 - described above

    def fill(self, room: memoryview) -> int:
        """Fill `room`; fewer bytes than it holds only at the end."""
        ...

    def close(self) -> None:
        """Give the file back."""
        ...


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: memoryview, /) -> None: ...  # noqa: D102 - hashlib's own


class Plain:
    """The bytes of a file or a pipe as they are, shown to `digest` as they are read."""

    packed = False

    def __init__(self, file: IO[bytes], *, size: int | None, digest: Digest | None = None, close: bool = True) -> None:
        self.file, self.size, self.total, self.digest, self.owned = file, size, size, digest, close
        self.taken = 0
        # One call of the system at a time: a buffered reader makes many in a row, and hears of Ctrl-C after the last of them.
        self._read: Callable[[memoryview], int] = getattr(file, "readinto1", None) or file.readinto  # type: ignore[attr-defined]

    def fill(self, room: memoryview) -> int:
        """Fill `room` from the file."""
        at = 0
        while at < len(room) and (got := self._read(room[at:])):
            at += got
        if self.digest is not None:
            self.digest.update(room[:at])
        self.taken += at
        return at

    def close(self) -> None:
        """Close the file, unless it is somebody else's."""
        if self.owned:
            self.file.close()


class Peeked:
    """A stream whose first bytes have been looked at."""

    size: int | None = None

    def __init__(self, below: Stream) -> None:
        self.below, self.total, self.packed = below, below.total, below.packed
        room = bytearray(LOOKED_AT)
        self.first = memoryview(room)[: below.fill(memoryview(room))]
        self.start = bytes(self.first)

    @property
    def taken(self) -> int:
        """Bytes of the file that have been handed on; of a packed one, read."""
        return self.below.taken - (0 if self.packed else len(self.first))

    def fill(self, room: memoryview) -> int:
        """Fill `room`, with the bytes looked at first."""
        at = min(len(self.first), len(room))
        room[:at] = self.first[:at]
        self.first = self.first[at:]
        return at + self.below.fill(room[at:])

    def close(self) -> None:
        """Close what is beneath."""
        self.below.close()


def part_size(stream: Stream, size: int) -> int:
    """Return `size`, or less where a stream has less left: one byte more than that, so that its end is seen."""
    left = -1 if stream.size is None else stream.size - stream.taken  # below 0 also where a file grows while it is read
    return size if left < 0 else min(size, left + 1)


def packing_of(start: bytes) -> str:
    """Return what packed a file that begins so; empty if nothing did."""
    return next((name for name, sign in PACKINGS.items() if sign.match(start)), "")
