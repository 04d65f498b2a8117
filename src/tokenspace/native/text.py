"""Rows of text tables and of word2vec binary files: found, read, copied, written.

None of these functions explains a bad row: each stops in front of it and says where that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.native import reference_text
from tokenspace.native.door import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOM = 4096
"""Hard numbers noted before Python is asked to read them; 100 kB of notes."""

WIDEST = 24
"""Bytes that a float32 number takes in text at most, its space included; the same figure stands in text_write.c."""


def parse_text(
    data: NDArray[np.uint8],
    begin: int,
    end: int,
    out: NDArray[Any],
    span: tuple[int, int],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    *,
    bare: bool = False,
) -> tuple[int, int]:
    """Read rows of a text table: a token and d numbers a line, fields split at 0x20, rows at 0x0A, the last d fields the vector.

    Parameters
    ----------
    data : array of shape (b,), uint8
        The file's bytes, usually mapped.
    begin, end : int
        The bytes to read, 0 <= begin <= end <= b; whole lines.
    out : array of shape (n, d), float32 or float64
        Takes the numbers; float32 holds ``numpy.float32(float(text))``.
    span : pair of int
        First row to fill, and the one after the last.
    starts, lengths : arrays of shape (n,), int64
        Take where each token begins in `data`, and its bytes.
    bare : bool
        Whether a row is d numbers split at 0x09, without a token.

    Returns
    -------
    row : int
        ``span[1]``, or the first row that breaks a rule: too few numbers, one too many, a word, a number that is not finite in
        `out`, a token above 64 KiB, a line that is not there.
    stop : int
        The byte at which that row begins, or reading ended.

    Notes
    -----
    About 0.9 ns a byte of text and thread (GloVe). The interpreter lock is free meanwhile, so threads may read other lines of the
    same file. The vice: a number beyond 19 digits or 10^±27 goes through Python's ``float`` and costs a microsecond.
    """
    compiled = kernel("text_rows")
    if compiled is None:
        return reference_text.text_rows(data, begin, end, out, span, starts, lengths, bare=bare)
    row, last = span
    d = out.shape[1]
    notes = np.empty((max(ROOM, d), 3), dtype=np.int64)
    state = np.zeros(2, dtype=np.int64)
    wide = out.dtype == np.float64
    while True:
        row = compiled(data, begin, end, d, row, last, wide, bare, out, starts, lengths, notes, len(notes), state)
        begin, noted = state.tolist()
        bad = _read_hard(data, notes[:noted], out)
        if bad >= 0:
            return bad // d, int(starts[bad // d]) if bad // d < row else begin
        if row == last or noted + d <= len(notes):
            return row, begin


def _read_hard(data: NDArray[np.uint8], notes: NDArray[np.int64], out: NDArray[Any]) -> int:
    """Read the noted numbers with Python's float; return the first entry of `out` that is not finite, or -1."""
    flat = out.reshape(-1)
    with np.errstate(over="ignore"):
        for entry, start, stop in notes.tolist():
            flat[entry] = float(data[start:stop].tobytes())
            if not np.isfinite(flat[entry]):
                return int(entry)
    return -1


def count_lines(data: NDArray[np.uint8], begin: int, end: int) -> int:
    """Return how many line breaks (0x0A) there are in ``data[begin:end]``."""
    compiled = kernel("count_lines")
    return int(compiled(data, begin, end)) if compiled else reference_text.count_lines(data, begin, end)


def scan_word2vec(data: NDArray[np.uint8], at: int, d: int, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Find the rows of a word2vec binary table: a token, 0x20, d float32; with or without 0x0A in front of the token.

    Parameters
    ----------
    data : array of shape (b,), uint8
        The file's bytes.
    at : int
        Where the first row begins.
    d : int
        Numbers a row, at least 1.
    rows : int
        Rows to look for; the caller has held it against b.

    Returns
    -------
    starts, lengths : arrays of shape (found,), int64
        Where each token begins and how many bytes it has; fewer than `rows` if the next one does not fit or its token is longer
        than 64 KiB.
    stop : int
        The first byte after the last row found.
    """
    starts, lengths = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
    compiled = kernel("word2vec_rows")
    if compiled is None:
        found, stop = reference_text.word2vec_rows(data, at, d, starts, lengths)
    else:
        state = np.zeros(1, dtype=np.int64)
        found = int(compiled(data, len(data), at, d, rows, starts, lengths, state))
        stop = int(state[0])
    return starts[:found], lengths[:found], stop


def copy_word2vec(
    data: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    span: tuple[int, int],
    out: NDArray[np.float32],
) -> int:
    """Copy the numbers of rows span[0]..span[1]-1, as `scan_word2vec` found them, into `out` of shape (n, d).

    Returns
    -------
    int
        The first of these rows that holds NaN or infinity, or ``span[1]``.
    """
    compiled = kernel("word2vec_copy")
    if compiled is None:
        return reference_text.word2vec_copy(data, starts, lengths, *span, out)
    return int(compiled(data, starts, lengths, out.shape[1], *span, out))


def gather(data: NDArray[np.uint8], starts: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return n pieces of `data`, which begin at `starts`, end to end: piece i fills ``offsets[i]:offsets[i + 1]``."""
    out = np.empty(int(offsets[-1]), dtype=np.uint8)
    compiled = kernel("gather")
    if compiled is None:
        reference_text.gather(data, starts, offsets, out)
    else:
        compiled(data, starts, offsets, len(starts), out)
    return out


def spell_rows(matrix: NDArray[Any], data: NDArray[np.uint8], offsets: NDArray[np.int64], span: tuple[int, int]) -> bytes:
    """Return rows span[0]..span[1]-1 as text, a line each: the token, then each number with as few digits as read back to it.

    Parameters
    ----------
    matrix : array of shape (n, d), float32 or float64
        The numbers; finite.
    data, offsets : arrays as `Vocabulary` holds them
        The tokens.
    span : pair of int
        The rows; about 1 MB of text at a time is best.

    Notes
    -----
    About 90 ns a float32 number, 300 ns a float64.
    """
    begin, end = span
    compiled = kernel("text_write")
    if compiled is None or matrix.dtype != np.float32:
        return reference_text.text_write(matrix, data, offsets, begin, end)
    n, d = end - begin, matrix.shape[1]
    out = np.empty(int(offsets[end] - offsets[begin]) + n * (1 + d * WIDEST), dtype=np.uint8)
    state = np.zeros(1, dtype=np.int64)
    parts = []
    while begin < end:
        stop = compiled(matrix, matrix.strides[0], d, data, offsets, begin, end, out, len(out), state)
        parts.append(out[: state[0]].tobytes())
        begin = int(stop)
        if begin < end:  # a number out of the kernel's reach; where there is one there often are more
            after = min(begin + 64, end)
            parts.append(reference_text.text_write(matrix, data, offsets, begin, after))
            begin = after
    return b"".join(parts)
