"""Tokens as bytes end to end: the hash index from one to its row, and which of them are text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenspace.native import reference
from tokenspace.native.door import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray


def hash_tokens(data: NDArray[np.uint8], offsets: NDArray[np.int64], slots: NDArray[np.uint32]) -> tuple[int, int] | None:
    """Fill an open-addressing index with the rows of n tokens.

    Parameters
    ----------
    data : array of shape (b,), uint8
        The tokens' bytes.
    offsets : array of shape (n + 1,), int64
        Where each begins; must rise from 0 to b (the caller has checked).
    slots : array of shape (2^j,), uint32, zeroed, more than n long
        Filled with row id + 1.

    Returns
    -------
    pair of int or None
        The first two rows that hold one token, the earlier first; the index is then of no use.
    """
    compiled = kernel("hash_tokens")
    if compiled is None:
        return reference.hash_tokens(data, offsets, slots)
    earlier = np.zeros(1, dtype=np.int64)
    row = compiled(data, offsets, len(offsets) - 1, slots, len(slots) - 1, earlier)
    return None if row < 0 else (int(earlier[0]), int(row))


def find_tokens(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    slots: NDArray[np.uint32],
    wanted: NDArray[np.uint8],
    wanted_offsets: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Look up m tokens in an index that may come from an unchecked file.

    Parameters
    ----------
    data, offsets, slots : arrays as `hash_tokens` takes and fills them
    wanted : array of shape (c,), uint8
        The bytes of the tokens looked for.
    wanted_offsets : array of shape (m + 1,), int64
        Where each of them begins.

    Returns
    -------
    array of shape (m,), int64
        The row of each; -1 where there is none; -2 where the index or an offset points outside the table.

    Notes
    -----
    About 0.1 µs a token while the index is in the cache, 0.5 µs from memory.
    """
    compiled = kernel("find_tokens")
    if compiled is None:
        return reference.find_tokens(data, offsets, slots, wanted, wanted_offsets)
    out = np.empty(len(wanted_offsets) - 1, dtype=np.int64)
    compiled(data, len(data), offsets, len(offsets) - 1, slots, len(slots) - 1, wanted, wanted_offsets, len(out), out)
    return out


def undecodable_token(data: NDArray[np.uint8], offsets: NDArray[np.int64], begin: int = 0) -> int:
    """Return the first of the tokens begin..n-1 that is not UTF-8, or n where all are.

    Parameters
    ----------
    data : array of shape (b,), uint8
        The tokens' bytes.
    offsets : array of shape (n + 1,), int64
        Where each begins; one that points outside counts as a token that is not UTF-8.
    begin : int
        In 0..n.

    Notes
    -----
    About 4 ns a token.
    """
    compiled = kernel("utf8_tokens")
    if compiled is None:
        return reference.utf8_tokens(data, offsets, begin)
    return int(compiled(data, len(data), offsets, begin, len(offsets) - 1))
