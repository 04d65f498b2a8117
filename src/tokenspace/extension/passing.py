"""All rows of a matrix, one block after the other, a mapped file's pages given back behind each: they would count as our memory."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


def blocks(matrix: NDArray[Any], step: int) -> Iterator[NDArray[Any]]:
    """Yield `step` rows of a matrix at a time; a block is of no use once the next is asked for where its file is mapped."""
    behind = _map_under(matrix)
    for start in range(0, len(matrix), step):
        rows = matrix[start : start + step]
        yield rows
        if behind is not None:
            _give_back(*behind, rows)


def _map_under(matrix: NDArray[Any]) -> tuple[mmap.mmap, int] | None:
    """Return the read-only map in which a matrix lies and its first byte's address; None where it lies elsewhere, or cannot be told."""
    under: Any = matrix
    while isinstance(under, np.ndarray) and under.base is not None:
        under = under.base
    if not isinstance(under, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED") or not matrix.flags.c_contiguous or matrix.flags.writeable:
        return None  # of a map for writing of one's own (copy-on-write) what was written would be lost
    whole = np.frombuffer(under, dtype=np.uint8)
    return None if whole.flags.writeable else (under, whole.ctypes.data)


def _give_back(under: mmap.mmap, address: int, rows: NDArray[Any]) -> None:
    """Let go of the pages of some rows. Read again, they come again."""
    begin = rows.ctypes.data - address
    end = begin + rows.nbytes
    begin -= begin % mmap.PAGESIZE
    under.madvise(mmap.MADV_DONTNEED, begin, end - begin)
