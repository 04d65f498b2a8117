"""A new file, written in order and forced to disk; past the kernel's cache where it is large and the system can."""

from __future__ import annotations

import errno
import mmap
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tokenspace.checkpoint.streams.source import Source

ROOM = 1 << 22
"""Bytes gathered before they are written, 4 MB: at 1 MB a write the disk waits, at 16 MB nothing is gained."""

LARGE = 1 << 26
"""Bytes from which a file passes the kernel's cache by. Below it the program that reads the file next finds it in memory."""

BLOCK = 4096
"""What is written directly begins and ends at multiples of this, in memory and in the file; every disk in use accepts it."""


class NewFile:
    """A file that grows at its end.

    Parameters
    ----------
    path : Path
        Must not be there.
    direct : bool
        Whether to ask for O_DIRECT: the bytes go from memory of this process to the disk. Where the system refuses, it is written
        as any other file.

    Attributes
    ----------
    direct : bool
        Whether bytes are gathered here on their way to the disk.
    """

    def __init__(self, path: Path, *, direct: bool) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self.direct = direct and hasattr(os, "O_DIRECT")
        if self.direct:
            try:
                self._file = os.open(path, flags | os.O_DIRECT, 0o666)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                path.unlink(missing_ok=True)  # Linux makes the file before it refuses the flag
                self.direct = False
        if not self.direct:
            self._file = os.open(path, flags, 0o666)
        self._room = mmap.mmap(-1, ROOM) if self.direct else None  # which begins at a page
        self._filled, self._refused = 0, False

    def __enter__(self) -> NewFile:  # noqa: PYI034 - final in all but name
        """Return it."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Write what is left and force it to disk, unless something went wrong; close."""
        try:
            if kind is None:
                self._finish()
                os.fsync(self._file)
        finally:
            os.close(self._file)
            if self._room is not None:
                self._room.close()

    def fileno(self) -> int:
        """Return the system's number of the file."""
        return self._file

    def write(self, data: memoryview) -> None:
        """Append bytes."""
        if self._room is None:
            _write_all(self._file, data)
            return
        while data:
            count = min(len(data), ROOM - self._filled)
            self._room[self._filled : self._filled + count] = data[:count]
            self._add(count)
            data = data[count:]

    def take(self, source: Source, at: int, size: int) -> int:
        """Append up to `size` bytes of another file from a place in it; return how many there were."""
        if self._room is None:
            data = memoryview(bytearray(size))
            count = source.read(data, at)
            _write_all(self._file, data[:count])
            return count
        with memoryview(self._room) as room, room[self._filled : min(ROOM, self._filled + size)] as free:
            count = source.read(free, at)
        self._add(count)
        return count

    def _add(self, count: int) -> None:
        self._filled += count
        if self._filled == ROOM:
            self._flush(ROOM)
            self._filled = 0

    def _flush(self, size: int) -> None:
        """Write the first bytes gathered; as to any other file from where the system does not go on directly."""
        with memoryview(self._room) as room, room[:size] as data:  # type: ignore[arg-type]
            done = 0
            while done < size:
                try:
                    done += os.write(self._file, data[done:])
                except OSError as error:
                    if error.errno != errno.EINVAL or self._refused:
                        raise
                    self._go_through_cache()

    def _go_through_cache(self) -> None:
        import fcntl  # noqa: PLC0415 - not on Windows, which has no O_DIRECT either

        self._refused = True
        fcntl.fcntl(self._file, fcntl.F_SETFL, fcntl.fcntl(self._file, fcntl.F_GETFL) & ~os.O_DIRECT)

    def _finish(self) -> None:
        """Write the rest: whole blocks directly, what is beyond them in the usual way."""
        if self._room is None or not self._filled:
            return
        whole = self._filled - self._filled % BLOCK
        if whole:
            self._flush(whole)
        if self._filled > whole:
            if not self._refused:
                self._go_through_cache()
            _write_all(self._file, memoryview(self._room[whole : self._filled]))


def _write_all(target: int, data: memoryview) -> None:
    while data:
        data = data[os.write(target, data) :]
