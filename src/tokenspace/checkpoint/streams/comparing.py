"""Bytes held against bytes, a block at a time, wherever they lie."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from tokenspace import progress
from tokenspace.checkpoint.streams.pieces import Piece, Stretch
from tokenspace.checkpoint.streams.source import Source
from tokenspace.errors import TruncatedFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

BLOCK = 1 << 20
"""Bytes compared at a time: two blocks stay in the cache between reading and comparing."""

STEP = 1 << 26
"""Bytes between two reports of progress."""


def equal(one: Piece, other: Piece) -> bool:
    """Return whether two pieces hold the same bytes; stops at the first that differs."""
    return first_difference(one, other) is None


def first_difference(one: Piece, other: Piece) -> int | None:
    """Return the first byte, from 0, at which two pieces differ; the shorter one's end where it begins the longer."""
    if isinstance(one, Stretch) and one == other:
        return None
    at = 0
    for left, right in zip(blocks(one), blocks(other), strict=False):
        shorter = min(len(left), len(right))
        differs = left[:shorter] != right[:shorter]
        if differs.any():
            return at + int(np.argmax(differs))
        at += shorter
    return None if one.size == other.size else at


def sha256(piece: Piece) -> str:
    """Return the SHA-256 of a piece, in hexadecimal digits."""
    digest = hashlib.sha256()
    for block in blocks(piece):
        digest.update(block.data)
    return digest.hexdigest()


def whole(path: Path) -> Stretch:
    """Return a file as one piece."""
    return Stretch(path, 0, path.stat().st_size)


def blocks(piece: Piece, *, size: int = BLOCK) -> Iterator[NDArray[np.uint8]]:
    """Yield a piece's bytes, a block of at most `size` at a time; the next block overwrites the last.

    Read and not mapped: mapped pages would count as this process's memory.
    """
    if not isinstance(piece, Stretch):
        for start in range(0, piece.size, size):
            yield piece[start : start + size]
        return
    room = np.empty(min(size, piece.size), dtype=np.uint8)
    done = 0
    with Source(piece.path, piece.size) as file:
        while done < piece.size:
            wanted, count = min(size, piece.size - done), 0
            while count < wanted and (more := file.read(room.data[count:wanted], piece.offset + done + count)):
                count += more
            if count < wanted:
                raise TruncatedFileError(piece.path, "the file ended while it was read", offset=piece.offset + done + count)
            yield room[:count]
            done += count
            if done // STEP != (done - count) // STEP:
                progress.report("reading", done, piece.size)
