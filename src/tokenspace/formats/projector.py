"""TensorBoard's projector: vectors.tsv, d numbers a line between tabs, and metadata.tsv, a token a line or columns under a header."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from tokenspace import native
from tokenspace.errors import EmptyFileError, FileContentError, HeaderError, NumberError, RowWidthError, TableNotFoundError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.npy import check_line_tokens, read_tokens
from tokenspace.formats.replacement import replacing
from tokenspace.native.reference_text import NONFINITE, NUMBER
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from pathlib import Path

    from tokenspace.vocabulary import Vocabulary

FIELD = rb"(?:%b|%b)" % (NUMBER.pattern, NONFINITE.pattern)
ROW = re.compile(rb"%b(?:\t%b)* *\r?" % (FIELD, FIELD), re.IGNORECASE)

LOOKED_AT = 100
"""Lines of the beginning that must all be rows."""

COLUMNS = (b"word", b"token", b"label", b"name", b"words", b"tokens", b"labels")
"""Names of the column that holds the tokens where there are several, the best first; else it is the first column."""

STEP = 1 << 12
"""Rows written at a time."""


def _sniff(head: Head) -> bool:
    lines = head.start.split(b"\n", LOOKED_AT)
    if len(lines) > 1:
        lines.pop()  # empty, or cut
    return all(map(ROW.fullmatch, lines))


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    data = rows.mapped(head.path)
    end = len(data)
    while end and data[end - 1] in b"\r\n":
        end -= 1
    if not end:
        raise EmptyFileError(head.path, "expected a table, seen empty lines only", offset=0)
    d = head.start.partition(b"\n")[0].count(b"\t") + 1
    n = native.count_lines(data, 0, end) + 1
    room = min(n, end // (2 * d) + 1)  # a digit and what separates it
    dtype = reading.dtype or np.dtype(np.float32)
    out = np.empty((room, d), dtype=np.float32 if dtype == np.float32 else np.float64)
    starts, lengths = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    row, stop = native.parse_text(data, 0, end, out, (0, room), starts, lengths, bare=True)
    if row < n:
        raise _fault(head.path, data[stop : min(end, stop + (1 << 20))].tobytes().partition(b"\n")[0], d, row, stop)
    beside = reading.tokens or _metadata_beside(head.path)
    vocabulary = read_metadata(beside, n, matrix_path=head.path, errors=reading.errors)

    def place(row: int) -> dict[str, int]:
        return {"line": row + 1, "offset": int(starts[row])}

    return EmbeddingTable.mapped(vocabulary, rows.as_type(head.path, out, dtype, place), source=str(head.path))


def _fault(path: Path, line: bytes, d: int, row: int, offset: int) -> FileContentError:
    """Explain why a line is not a row."""
    fields = line.removesuffix(b"\r").rstrip(b" ").split(b"\t")
    if len(fields) != d:
        problem = f"expected {d:,} numbers between tabs, as in line 1; seen {len(fields):,} fields in {line[:60]!r}"
        return RowWidthError(path, problem, line=row + 1, offset=offset)
    for column, field in enumerate(fields):
        if not NUMBER.fullmatch(field):
            if NONFINITE.fullmatch(field):
                return rows.not_finite(path, row, column, field.decode(), line=row + 1, offset=offset)
            return NumberError(path, f"expected a number as field {column + 1:,}, seen {field[:60]!r}", line=row + 1, offset=offset)
    return rows.not_finite(path, row, 0, "a number too large for its type", line=row + 1, offset=offset)


def metadata_path(path: Path) -> Path:
    """Return where the tokens of a file of vectors are written: metadata.tsv for vectors.tsv, else NAME_metadata.tsv."""
    stem = re.sub("vectors|tensors?", "metadata", path.stem, count=1)
    return path.with_name(f"{stem if stem != path.stem else path.stem + '_metadata'}.tsv")


def _metadata_beside(path: Path) -> Path:
    candidates = [metadata_path(path), path.with_name("metadata.tsv"), path.with_name(f"{path.stem}.metadata.tsv")]
    for candidate in candidates:
        if candidate.is_file() and candidate != path:
            return candidate
    message = f"{path} holds vectors and no tokens; expected them beside it, in {' or '.join(candidate.name for candidate in candidates)}"
    raise TableNotFoundError(message, hint='put one token a line into such a file, or name it: open(path, tokens="metadata.tsv")')


def read_metadata(path: Path, n: int, *, matrix_path: Path, errors: str) -> Vocabulary:
    """Read n tokens: one a line, or one column of several under a header.

    Raises
    ------
    HeaderError
        If there are not as many lines as the vectors ask for, or a line lacks the column.
    EncodingError, DuplicateRowError
        As everywhere.
    """
    head = Head.of(path)
    columns = head.start.partition(b"\n")[0].removesuffix(b"\r").split(b"\t")
    if len(columns) == 1:
        return read_tokens(path, n, matrix_path=matrix_path, errors=errors)
    names = [name.strip().lower() for name in columns]
    column = next((names.index(name) for name in COLUMNS if name in names), 0)
    data = rows.mapped(path)
    lines = data.tobytes().removesuffix(b"\n").split(b"\n")
    if len(lines) != n + 1:
        problem = f"expected a header and {n:,} lines for the {n:,} rows of {matrix_path.name}; seen {len(lines):,} lines"
        raise HeaderError(path, problem, hint="several columns stand under a header, one column stands alone")
    starts, lengths = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    at = len(lines[0]) + 1
    for row, line in enumerate(lines[1:]):
        fields = line.removesuffix(b"\r").split(b"\t")
        if len(fields) <= column:
            problem = f"expected a field for {columns[column].decode(errors='replace')!r}, seen {len(fields):,} fields"
            raise HeaderError(path, problem, line=row + 2, offset=at)
        starts[row] = at + sum(len(field) + 1 for field in fields[:column])
        lengths[row] = len(fields[column])
        at += len(line) + 1
    return rows.vocabulary_of(path, data, starts, lengths, place=lambda row: {"line": row + 2, "offset": int(starts[row])}, errors=errors)


def _write(table: EmbeddingTable, path: Path) -> None:
    rows.check_writable(table, path, "projector")
    check_line_tokens(table, path)
    for row in rows.rows_with(table, b"\t").tolist():
        raise rows.refuse(table, path, row, "holds a tab, which separates columns")
    offsets, data = table.vocabulary.offsets, table.vocabulary.data
    wide = np.float64 if table.dtype == np.float64 else np.float32
    none = np.empty(0, dtype=np.uint8)
    with replacing(path) as file, replacing(metadata_path(path)) as beside:
        for start in range(0, len(table), STEP):
            stop = min(start + STEP, len(table))
            part = np.ascontiguousarray(table.matrix[start:stop], dtype=wide)
            text = native.spell_rows(part, none, np.zeros(stop - start + 1, dtype=np.int64), (0, stop - start))
            file.write(text[1:].replace(b"\n ", b"\n").replace(b" ", b"\t"))  # an empty token and its space in front of each row
            bounds = offsets[start : stop + 1].tolist()
            beside.writelines(data[bounds[i] : bounds[i + 1]].tobytes() + b"\n" for i in range(stop - start))


WAYS = Ways(_sniff, _read, _write)
