"""A file that is read: from the kernel's cache where it lies there, and past it where it does not and is large.

Bringing 1 GB into the cache cost 2.0 CPU seconds on a virtual machine that had not used that memory before, reading it past the cache
0.13, and a fifth of the time; and whatever else lay in the cache stays there.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.checkpoint.streams.direct import BLOCK, LARGE, ROOM

if TYPE_CHECKING:
    from pathlib import Path


class Source:
    """A file that is open for reading.

    Parameters
    ----------
    path : Path
    size : int
        Bytes that will be read of it.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._past = -1
        self._room: mmap.mmap | None = None
        self._begin = self._end = 0
        if size >= LARGE and hasattr(os, "O_DIRECT") and cached_share(self._file.fileno()) < 0.5:  # noqa: PLR2004 - most is not there
            try:
                self._past = os.open(path, os.O_RDONLY | os.O_DIRECT)
                self._room = mmap.mmap(-1, ROOM)  # which begins at a page
            except OSError as error:
                self._give_up(error)

    def __enter__(self) -> Source:  # noqa: PYI034 - final in all but name
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._file.close()
        self._leave()

    def fileno(self) -> int:
        """Return the system's number of the file."""
        return self._file.fileno()

    def read(self, room: memoryview, at: int) -> int:
        """Fill a room from byte `at` on, wholly or in part; return how many bytes there were, 0 at the file's end only."""
        if self._room is not None:
            try:
                return self._read_past(self._room, room, at)
            except OSError as error:
                self._give_up(error)
        self._file.seek(at)
        return self._file.readinto(room) or 0

    def _read_past(self, own: mmap.mmap, room: memoryview, at: int) -> int:
        """Serve from what was read last, or read what comes next: from a multiple of BLOCK on, as the disk has it."""
        if not self._begin <= at < self._end:
            self._begin = at - at % BLOCK
            self._end = self._begin + os.preadv(self._past, [own], self._begin)
        count, start = max(0, min(len(room), self._end - at)), at - self._begin
        with memoryview(own) as read:
            room[:count] = read[start : start + count]
        return count

    def _give_up(self, error: OSError) -> None:
        """Read as any other file from now on, where the file system refuses the other way."""
        self._leave()
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:
            self._file.close()
            raise error

    def _leave(self) -> None:
        if self._past >= 0:
            os.close(self._past)
        if self._room is not None:
            self._room.close()
        self._past, self._room = -1, None


def cached_share(file: int) -> float:
    """Return how much of an open file lies in the kernel's cache, in 0..1; 1 where the system does not say.

    Asked by a map that is never looked into, which costs no memory.
    """
    size = os.fstat(file).st_size
    if sys.platform != "linux" or not size:
        return 1.0
    pages = np.ones(-(-size // mmap.PAGESIZE), dtype=np.uint8)
    with mmap.mmap(file, size, access=mmap.ACCESS_READ) as mapped:
        begin = np.frombuffer(mapped, dtype=np.uint8)
        address, there = ctypes.c_void_p(begin.ctypes.data), ctypes.c_void_p(pages.ctypes.data)
        del begin  # a map that is still looked at does not close
        if ctypes.CDLL(None).mincore(address, ctypes.c_size_t(size), there):
            return 1.0
    return float((pages & 1).mean())
