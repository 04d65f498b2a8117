"""Bytes from file to file without growing this process: copied by the kernel, or written past its cache."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

import numpy as np

from tokenspace import progress
from tokenspace.checkpoint.streams.direct import LARGE, NewFile
from tokenspace.checkpoint.streams.pieces import Piece, Stretch
from tokenspace.checkpoint.streams.source import Source
from tokenspace.errors import TruncatedFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

CHUNK = 1 << 26
"""Bytes copied between two reports, 64 MB: some 20 ms, after which Ctrl-C and the progress have their turn."""

BUFFER = 1 << 20
"""Bytes read and written at a time where the kernel does not copy."""

NOT_HERE = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF, errno.ETXTBSY, errno.ENOTTY}
"""Answers that mean "not between these two files" rather than "it failed"."""

FICLONE = 0x40049409
"""From Linux's fs.h: let one file share the blocks of another."""


def write(target: Path, pieces: Sequence[Piece], *, what: str = "writing") -> None:
    """Write a new file out of pieces, and force it to disk.

    Parameters
    ----------
    target : Path
        Must not be there.
    pieces : sequence of Stretch or array of bytes
        Written one after the other.
    what : str
        What `progress` is told.

    Raises
    ------
    TruncatedFileError
        If a file ends before a stretch does.
    OSError
        If the disk is full, say; what was written so far is left to the caller, who works in a folder of its own.

    Notes
    -----
    Small files: ``copy_file_range`` where the system has it, else 1 MB at a time. Large ones, as `NewFile`: 0.24 CPU seconds a GB,
    where the cache took 0.4, and 3.3 on a virtual machine that had not used that memory before. The vice: who reads the new file
    next reads it from disk.
    """
    total = sum(piece.size for piece in pieces)
    done = 0
    with NewFile(target, direct=total >= LARGE) as file:
        for piece in _joined(pieces):
            if isinstance(piece, Stretch):
                with Source(piece.path, piece.size) as source:
                    for count in _copy(source, file, piece):
                        progress.report(what, done + count, total)
            else:
                file.write(np.ascontiguousarray(piece).data.cast("B"))
            done += piece.size


def copy(source: Path, target: Path) -> None:
    """Copy a whole file to a new one, and force it to disk; file systems that share blocks (XFS, Btrfs) copy nothing."""
    if _shared(source, target):
        return
    write(target, [Stretch(source, 0, source.stat().st_size)], what="copying")


def _shared(source: Path, target: Path) -> bool:
    """Make a new file of the blocks of another; False, and no file, where the system cannot."""
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 - not on Windows

    with source.open("rb", buffering=0) as old, target.open("xb", buffering=0) as new:
        try:
            fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
            os.fsync(new.fileno())
        except OSError as error:
            target.unlink()
            if error.errno not in NOT_HERE:
                raise
            return False
    return True


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the pieces, neighbouring stretches of one file as one."""
    last: Stretch | None = None
    for piece in pieces:
        if not piece.size:
            continue
        if isinstance(piece, Stretch) and last and (last.path, last.offset + last.size) == (piece.path, piece.offset):
            last = Stretch(last.path, last.offset, last.size + piece.size)
            continue
        if last:
            yield last
        last = None
        if isinstance(piece, Stretch):
            last = piece
        else:
            yield piece
    if last:
        yield last


def _copy(source: Source, target: NewFile, stretch: Stretch) -> Iterator[int]:
    """Append a stretch of one open file to another; yield after each chunk how many bytes are done."""
    at, end = stretch.offset, stretch.offset + stretch.size
    by_kernel = not target.direct and hasattr(os, "copy_file_range")
    while at < end:
        stop, count = min(end, at + CHUNK), 0
        if by_kernel:
            try:
                count = os.copy_file_range(source.fileno(), target.fileno(), stop - at, at)
            except OSError as error:
                if error.errno not in NOT_HERE:
                    raise
            by_kernel = count > 0  # some file systems copy nothing and call it success
        at += count
        while not by_kernel and at < stop:
            count = target.take(source, at, min(BUFFER, stop - at))
            if not count:
                problem = f"expected {end:,} bytes, seen {at:,}"
                raise TruncatedFileError(stretch.path, problem, offset=at, hint="did it change meanwhile?")
            at += count
        yield at - stretch.offset
