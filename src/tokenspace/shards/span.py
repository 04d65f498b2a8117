"""Several files as one matrix: their rows mapped one after the other into one range of addresses, so that everything sees one array.

A page of memory comes from one file. Where one shard ends and the next begins within a page, that page is memory of its own, filled
from both; all others are mapped and read when they are looked at. For this a row must stand at the same place of its page in the
file as in the range, which is how shards are written; rows that do not are read into memory instead, and so is everything where the
system has no `mmap` (Windows).
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ShardNotFoundError
from tokenspace.rows import float_type
from tokenspace.shards.shard import check_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tokenspace.shards.shard import Shard

READ, WRITE = 1, 2
"""PROT_READ and PROT_WRITE."""

PRIVATE, FIXED = 0x02, 0x10
"""MAP_PRIVATE and MAP_FIXED, the same numbers on Linux, macOS and the BSDs."""

ANONYMOUS = 0x20 if sys.platform.startswith("linux") else 0x1000
NO_RESERVE = 0x4000 if sys.platform.startswith("linux") else 0
"""MAP_NORESERVE: the range is no promise of memory, as almost all of it comes from files."""


class Span:
    """A range of addresses with shards in it; what the arrays that look into it hold on to, and let go in the end.

    Parameters
    ----------
    shards : sequence of Shard
        Adjacent, of one type and width.
    address : int
        Where the range begins.
    room : object
        What gives the range back when it is gone.
    """

    def __init__(self, shards: Sequence[Shard], address: int, room: object) -> None:
        self.shards, self.address, self._room = tuple(shards), address, room
        self.width, self.first = shards[0].width, shards[0].start
        size = (shards[-1].stop - self.first) * self.width
        self.__array_interface__ = {"data": (address, True), "shape": (size,), "typestr": "|u1", "version": 3}


def spanned(shards: Sequence[Shard]) -> NDArray[Any]:
    """Return adjacent shards as one matrix.

    Parameters
    ----------
    shards : sequence of Shard
        In order, each beginning where the one before ends.

    Returns
    -------
    array of shape (n, d), read-only
        Mapped; a page is read when it is looked at.

    Raises
    ------
    ShardNotFoundError
        If a file is not there; it is named.
    TruncatedFileError
        If one has another size than recorded.

    Notes
    -----
    Time and memory O(shards), one page each, whatever their size. The bytes are not looked at: `Shard.check` does that.
    """
    size = (shards[-1].stop - shards[0].start) * shards[0].width
    room: Any = _Range(size) if hasattr(os, "pread") else _Memory(size)
    at = 0
    for shard in shards:
        length = shard.rows * shard.width
        try:
            descriptor = os.open(shard.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            message = f"the shard with rows {shard.start:,} to {shard.stop - 1:,} is not there: {shard.path}"
            raise ShardNotFoundError(message, hint="put it back, or write the table anew") from None
        try:
            check_size(shard, os.fstat(descriptor).st_size)
            room.put(at, length, descriptor, shard.offset)
        finally:
            os.close(descriptor)
        at += length
    room.close()
    flat = np.asarray(Span(shards, room.address, room))
    return flat.view(float_type(shards[0].dtype)).reshape(-1, shards[0].d)


def shards_of(matrix: NDArray[Any]) -> list[Shard] | None:
    """Return the shards that a matrix, or adjacent whole rows of one, is made of; None where it is not made of shards."""
    owner: Any = matrix
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if not isinstance(owner, Span) or matrix.ndim != 2 or not len(matrix):  # noqa: PLR2004 - a matrix has two axes
        return None
    row, rest = divmod(matrix.ctypes.data - owner.address, owner.width)
    if rest or matrix.strides != (owner.width, matrix.itemsize) or matrix.shape[1] != owner.shards[0].d:
        return None
    start = owner.first + row
    return [shard.cut(start, start + len(matrix)) for shard in owner.shards if shard.start < start + len(matrix) and shard.stop > start]


class _Range:
    """Addresses from the system, files laid into them."""

    def __init__(self, size: int) -> None:
        self._size = size + mmap.PAGESIZE
        self.address = _map(None, self._size, READ | WRITE, PRIVATE | ANONYMOUS | NO_RESERVE, -1, 0)
        weakref.finalize(self, _libc().munmap, self.address, self._size).atexit = False  # somebody may still look at it then

    def put(self, at: int, length: int, descriptor: int, offset: int) -> None:
        """Lay bytes of a file at a place: whole pages mapped where they fit, the rest copied."""
        page = mmap.PAGESIZE
        begin, end = -(-at // page) * page, (at + length) // page * page
        if (at - offset) % page or begin >= end:
            begin = end = at
        if begin < end:
            _map(self.address + begin, end - begin, READ, PRIVATE | FIXED, descriptor, offset + begin - at)
        for first, last in ((at, begin), (end, at + length)):
            self._copy(first, last, descriptor, offset + first - at)

    def _copy(self, first: int, last: int, descriptor: int, offset: int) -> None:
        room = (ctypes.c_char * (last - first)).from_address(self.address + first)
        _read_into(memoryview(room).cast("B"), descriptor, offset)

    def close(self) -> None:
        """Make the whole of it read-only."""
        _libc().mprotect(self.address, self._size, READ)


class _Memory:
    """The same without `mmap`: all bytes are read."""

    def __init__(self, size: int) -> None:
        self._bytes = np.empty(size, dtype=np.uint8)
        self.address = int(self._bytes.ctypes.data)

    def put(self, at: int, length: int, descriptor: int, offset: int) -> None:
        """Read bytes of a file into their place."""
        _read_into(memoryview(self._bytes[at : at + length].data), descriptor, offset)

    def close(self) -> None:
        """Make it read-only."""
        self._bytes.flags.writeable = False


def _read_into(room: memoryview, descriptor: int, offset: int) -> None:
    """Fill a place from a file, whose size is known."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
        while len(room):
            got = file.readinto(room)
            if not got:
                message = f"a file became shorter while it was read: {len(room):,} bytes were still to come"
                raise OSError(message)
            room = room[got:]


@functools.cache
def _libc() -> Any:
    """Return the C library with the signatures of what is called."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return libc


def _map(address: int | None, size: int, protection: int, flags: int, descriptor: int, offset: int) -> int:
    """Call mmap.

    Raises
    ------
    OSError
        If the system refuses.
    """
    found: int = _libc().mmap(address, size, protection, flags, descriptor, offset)
    if found == ctypes.c_void_p(-1).value:
        error = ctypes.get_errno()
        raise OSError(error, f"mapping {size:,} bytes: {os.strerror(error)}")
    return found
