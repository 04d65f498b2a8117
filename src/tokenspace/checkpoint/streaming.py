"""Bytes from file to file without passing through this process: the kernel copies, memory stays as it is."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from tokenspace import progress
from tokenspace.errors import TruncatedFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

CHUNK = 1 << 26
"""Bytes asked of the kernel at a time, 64 MB: some 20 ms, after which Ctrl-C and the progress have their turn."""

BUFFER = 1 << 20
"""Bytes read and written at a time where the kernel does not copy."""

NOT_HERE = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF, errno.ETXTBSY}
"""Answers that mean "not between these two files" rather than "it failed"."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some bytes of a file."""

    path: Path
    offset: int
    size: int


Piece: TypeAlias = Union[Stretch, NDArray[np.uint8]]  # noqa: UP007 - evaluated when the module is loaded
"""Bytes to be written: a stretch of a file, or an array of bytes."""


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
    ``copy_file_range`` where the system has it: no byte enters this process, and file systems that share blocks (XFS, Btrfs) copy
    nothing at all. Else 1 MB at a time.
    """
    total = sum(piece.size for piece in pieces)
    done = 0
    with target.open("xb", buffering=0) as file:
        for piece in _joined(pieces):
            if isinstance(piece, Stretch):
                with piece.path.open("rb", buffering=0) as source:
                    for count in _copy(source.fileno(), file.fileno(), piece):
                        done += count
                        progress.report(what, done, total)
            else:
                _write_all(file.fileno(), np.ascontiguousarray(piece).data.cast("B"))
                done += piece.size
        os.fsync(file.fileno())


def copy(source: Path, target: Path) -> None:
    """Copy a whole file to a new one, and force it to disk."""
    write(target, [Stretch(source, 0, source.stat().st_size)], what="copying")


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


def _copy(source: int, target: int, stretch: Stretch) -> Iterator[int]:
    """Append a stretch of one open file to another; yield how many bytes each step took."""
    at, end = stretch.offset, stretch.offset + stretch.size
    by_kernel = hasattr(os, "copy_file_range")
    while at < end:
        count = 0
        if by_kernel:
            try:
                count = os.copy_file_range(source, target, min(CHUNK, end - at), at)
            except OSError as error:
                if error.errno not in NOT_HERE:
                    raise
            by_kernel = count > 0  # some file systems copy nothing and call it success
        if not count:
            data = os.pread(source, min(BUFFER, end - at), at)
            _write_all(target, memoryview(data))
            count = len(data)
        if not count:
            raise TruncatedFileError(stretch.path, f"expected {end:,} bytes, seen {at:,}", offset=at, hint="did it change meanwhile?")
        at += count
        yield count


def _write_all(target: int, data: memoryview) -> None:
    while data:
        data = data[os.write(target, data[:CHUNK]) :]
