"""A matrix in a .npy file and its tokens in a text file beside it, one a line."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import EmptyFileError, HeaderError, TableNotFoundError, UnwritableError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.npy_header import MAGIC, Array, check_matrix, header_bytes, read_header
from tokenspace.formats.promises import broken_promise
from tokenspace.formats.replacement import replacing
from tokenspace.native.reference_text import MAX_TOKEN
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.vocabulary import Vocabulary

TOKEN_SUFFIXES = (".tokens", ".vocab", ".txt")
"""Where tokens are looked for, in this order: x.npy has x.tokens. Written is the first, which no other format claims."""


def _sniff(head: Head) -> bool:
    return head.start.startswith(MAGIC)


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    array, stored = stored_matrix(head)
    matrix, (n, d) = in_rows(stored), array.shape

    def place(row: int) -> dict[str, int]:
        return {"offset": array.offset + (row if array.fortran else row * d) * array.dtype.itemsize}

    rows.check_rows(head.path, matrix, place)
    tokens = reading.tokens or tokens_beside(head.path)
    vocabulary = read_tokens(tokens, n, matrix_path=head.path, errors=reading.errors)
    return EmbeddingTable.mapped(vocabulary, rows.as_type(head.path, matrix, reading.dtype, place), source=str(head.path))


def stored_matrix(head: Head) -> tuple[Array, NDArray[Any]]:
    """Return the header of a .npy file and its matrix of shape (n, d), n >= 1: mapped as it is, perhaps by columns, byte order kept.

    Raises
    ------
    FileContentError
        In one of its kinds, if it is no matrix of floats or its size is not what its header promises.
    """
    array = read_header(head.path, head.start)
    check_matrix(head.path, array)
    what = f"an array of shape {array.shape} in {array.dtype}"
    if broken := broken_promise(head.path, what, array.size, head.size - array.offset, offset=array.offset):
        raise broken
    n, d = array.shape
    if not n:
        raise EmptyFileError(head.path, f"expected a row, seen shape {array.shape}", offset=10)
    flat = rows.mapped_matrix(head.path, array.dtype, (n * d,), array.offset)
    return array, flat.reshape(d, n).T if array.fortran else flat.reshape(n, d)


def in_rows(matrix: NDArray[Any]) -> NDArray[Any]:
    """Return a matrix with adjacent rows in the machine's byte order; copied, block by block, only where it is not so already."""
    if matrix.flags.c_contiguous and matrix.dtype.isnative:
        return matrix
    out = np.empty(matrix.shape, dtype=matrix.dtype.newbyteorder("="))
    for start, stop in rows.blocks(out):
        out[start:stop] = matrix[start:stop]
    return out


def tokens_beside(path: Path) -> Path:
    """Return the file of tokens beside a matrix.

    Raises
    ------
    TableNotFoundError
        If there is none; the places looked at are named.
    """
    candidates = [path.with_suffix(suffix) for suffix in TOKEN_SUFFIXES if suffix != path.suffix]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    names = ", ".join(candidate.name for candidate in candidates)
    message = f"{path} holds a matrix and no tokens; expected them beside it, in {names}"
    raise TableNotFoundError(message, hint='put one token a line into such a file, or name it: open(path, tokens="words.txt")')


def read_tokens(path: Path, n: int, *, matrix_path: Path, errors: str) -> Vocabulary:
    """Read n tokens, one a line, lines split at 0x0A only; where 0x0D stands before every 0x0A, it is dropped.

    Raises
    ------
    HeaderError
        If there are not n lines.
    EncodingError, DuplicateRowError
        As everywhere.
    """
    head = Head.of(path)
    data = rows.mapped(head.path)
    breaks = [start + np.flatnonzero(data[start : start + rows.BLOCK] == ord("\n")) for start in range(0, len(data), rows.BLOCK)]
    ends = np.concatenate(breaks).astype(np.int64)
    carriage = ends > 0
    carriage[carriage] = data[ends[carriage] - 1] == ord("\r")
    if not ends.size or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
    if len(ends) != n:
        problem = f"expected {n:,} tokens, one a line, for the {n:,} rows of {matrix_path.name}; seen {len(ends):,}"
        raise HeaderError(path, problem, hint="are these the tokens of another table?")
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
    lengths = ends - starts
    if carriage.size and carriage.all():
        lengths[: len(carriage)] -= 1
    long = np.flatnonzero(lengths > MAX_TOKEN)
    if long.size:
        row = int(long[0])
        problem = f"expected a token of at most {MAX_TOKEN:,} bytes, seen {int(lengths[row]):,}"
        raise HeaderError(path, problem, line=row + 1, offset=int(starts[row]))
    return rows.vocabulary_of(path, data, starts, lengths, place=lambda row: {"line": row + 1, "offset": int(starts[row])}, errors=errors)


def _write(table: EmbeddingTable, path: Path) -> None:
    rows.check_writable(table, path, "npy")
    check_dtype(table, path)
    check_line_tokens(table, path)
    offsets, data = table.vocabulary.offsets, table.vocabulary.data
    tokens = path.with_suffix(TOKEN_SUFFIXES[path.suffix == TOKEN_SUFFIXES[0]])
    with replacing(path) as file, replacing(tokens) as beside:
        file.write(header_bytes(table.dtype, table.shape))
        for start, stop in rows.blocks(table.matrix):
            file.write(np.ascontiguousarray(table.matrix[start:stop]).view(np.uint8).data)
        step = 1 << 16
        for start in range(0, len(table), step):
            bounds = offsets[start : start + step + 1].tolist()
            beside.writelines(data[begin:end].tobytes() + b"\n" for begin, end in pairwise(bounds))


def check_dtype(table: EmbeddingTable, path: Path) -> None:
    """Refuse bfloat16, which NumPy's own files have no name for.

    Raises
    ------
    UnwritableError
    """
    if table.dtype.kind != "f":
        problem = f"not written: NumPy's files have no name for {table.dtype.name}, and would be read back as raw bytes"
        raise UnwritableError(path, problem, hint='save it in the native format, or open it with dtype="float32" first')


def check_line_tokens(table: EmbeddingTable, path: Path) -> None:
    """Hold every token against what a file with one a line can hold.

    Raises
    ------
    UnwritableError
        Naming the first that cannot be read back.
    """
    offsets, data = table.vocabulary.offsets, table.vocabulary.data
    for row in rows.rows_with(table, b"\n").tolist():
        raise rows.refuse(table, path, row, "holds a line break, and a token is a line")
    lengths = np.diff(offsets)
    if lengths.min() > 0 and np.all(data[offsets[1:] - 1] == ord("\r")):
        raise rows.refuse(table, path, 0, "and every other one end in a carriage return, which a reader drops")
    long = np.flatnonzero(lengths > MAX_TOKEN)
    if long.size:
        raise rows.refuse(table, path, int(long[0]), f"has more than {MAX_TOKEN:,} bytes")


WAYS = Ways(_sniff, _read, _write)
