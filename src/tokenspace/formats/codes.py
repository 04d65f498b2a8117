"""The byte screen's index beside a table: ``TABLE.codes``, a safetensors file of the rows' 7-bit codes, mapped and not read.

Tensors: ``high`` U8 (blocks, (groups + 1) // 2, 16, 4) and ``low`` U8 (16 blocks, groups // 2, 4), the two planes of the codes,
``scales`` and ``residuals`` U8 (16 blocks), ``coarse`` U8 (panels), ``middle`` F32 (d). The metadata holds what is needed to read them
(base, unit, rows) and a digest of the matrix they were made from, so that codes of another table are not used.
`tokenspace.native.CodedRows` says what the numbers mean.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ChecksumError, HeaderError
from tokenspace.formats.format import Head
from tokenspace.formats.replacement import replacing
from tokenspace.formats.rows_in_files import mapped
from tokenspace.formats.safetensors_header import read_header
from tokenspace.native import CodedRows

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from tokenspace.table import EmbeddingTable

SUFFIX = ".codes"
VERSION = "3"
SAMPLE = 64
"""Rows, spread over the matrix, whose bytes are digested with its shape: 0.2 ms, whatever the table's size."""


def codes_path(table: str | os.PathLike[str]) -> Path:
    """Return where the codes of a table's file stand: beside it, its name with ``.codes`` behind."""
    return Path(f"{table}{SUFFIX}")


def save_codes(path: str | os.PathLike[str], matrix: NDArray[Any], rows: CodedRows, middle: NDArray[np.float64]) -> None:
    """Write the codes of a matrix, as `tokenspace.search.Exact.code` returns them.

    Parameters
    ----------
    path : path
        Written beside and renamed into place.
    matrix : array of shape (n, d), any float type
        What they were made from.
    rows : CodedRows
    middle : array of shape (d,), float64

    Raises
    ------
    OSError
        If the file cannot be written.

    Notes
    -----
    n·(d + 2) bytes and one a panel, d rounded up to a multiple of four: 0.27 of a float32 table at d = 50, 0.25 at d = 384.
    """
    parts: dict[str, NDArray[Any]] = {**rows.arrays(), "middle": middle.astype("<f4")}
    metadata = {"format": "tokenspace-codes", "version": VERSION, "rows": str(rows.n), "base": str(rows.base)}
    metadata |= {"unit": float(rows.unit).hex(), "of": matrix_digest(matrix)}
    entries: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for name, array in parts.items():
        entries[name] = {"dtype": "F32" if name == "middle" else "U8", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    header = json.dumps(entries).encode()
    header += b" " * (-(len(header) + 8) % 4096)
    with replacing(Path(path)) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for array in parts.values():
            file.write(np.ascontiguousarray(array).data)


def open_codes(path: str | os.PathLike[str], matrix: NDArray[Any]) -> tuple[CodedRows, NDArray[np.float64]]:
    """Map the codes of a matrix, for `tokenspace.search.Exact`'s argument `codes`.

    Parameters
    ----------
    path : path
    matrix : array of shape (n, d), any float type

    Returns
    -------
    CodedRows, array of shape (d,), float64

    Raises
    ------
    HeaderError
        If the file does not hold codes, or of another shape.
    ChecksumError
        If they were made from another matrix.
    FileContentError
        If it is no safetensors file.

    Notes
    -----
    The digest is of some rows spread over the matrix: it tells tables apart, and does not prove that no byte was changed since.
    """
    head = Head.of(Path(path))
    header = read_header(head.path, head.start, head.size, longest=1 << 16)
    (n, d), metadata = matrix.shape, header.metadata
    shapes = CodedRows.shapes(n, d)
    if metadata.get("format") != "tokenspace-codes" or metadata.get("version") != VERSION:
        seen = f"{metadata.get('format')!r:.40} version {metadata.get('version')!r:.20}"
        hint = "make it anew with `tokenspace index`, or delete it"
        raise HeaderError(head.path, f"expected format 'tokenspace-codes' version '{VERSION}', seen {seen}", offset=8, hint=hint)
    for name, shape in {**shapes, "middle": (d,)}.items():
        tensor = header.tensors.get(name)
        if tensor is None or tensor.shape != shape or tensor.dtype != ("F32" if name == "middle" else "U8"):
            raise HeaderError(head.path, f"expected {name} of shape {shape} for a table {n:,} x {d:,}, seen {tensor}", offset=8)
    if metadata.get("of") != matrix_digest(matrix) or metadata.get("rows") != str(n):
        raise ChecksumError(head.path, "these are the codes of another matrix", hint="delete the file; it is made again")
    try:
        base, unit = int(metadata["base"]), float.fromhex(metadata["unit"])
    except (KeyError, ValueError, OverflowError):
        raise HeaderError(head.path, "expected base as a whole number and unit as a hexadecimal float", offset=8) from None
    if not (base >= 0x00800000 and base + (255 << 20) < 0x7F800000 and 0 < unit < np.inf):  # noqa: PLR2004 - normal float32 numbers
        raise HeaderError(head.path, f"base {base} and unit {unit} are no scales of float32", offset=8)
    whole = mapped(head.path)

    def part(name: str, dtype: str) -> NDArray[Any]:
        tensor = header.tensors[name]
        return np.frombuffer(whole, dtype, tensor.count, tensor.offset).reshape(tensor.shape)

    middle = part("middle", "<f4")
    if not np.isfinite(middle).all():
        raise HeaderError(head.path, "expected finite numbers in middle, seen NaN or infinity", offset=header.tensors["middle"].offset)
    return CodedRows.of({name: part(name, "u1") for name in shapes}, n, base, unit), middle.astype(np.float64)


def matrix_digest(matrix: NDArray[Any]) -> str:
    """Return what tells one matrix from another without reading it whole."""
    some = np.unique(np.linspace(0, max(len(matrix) - 1, 0), SAMPLE).astype(np.int64))[: len(matrix)]
    text = f"{matrix.shape} {matrix.dtype.name} ".encode()
    return hashlib.sha256(text + np.ascontiguousarray(matrix[some]).tobytes()).hexdigest()


def codes_of(table: EmbeddingTable) -> tuple[CodedRows, NDArray[np.float64]] | None:
    """Return the codes that stand beside a table's file, None where there are none.

    Parameters
    ----------
    table : EmbeddingTable
        As opened from a file.

    Returns
    -------
    CodedRows, array of shape (d,), float64, or None

    Raises
    ------
    FileContentError
        If a file is there that does not hold this table's codes.
    """
    path = codes_path(table.source)
    return open_codes(path, table.matrix) if table.source and path.is_file() else None
