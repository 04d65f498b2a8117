"""N-grams beside a native file: ``TABLE.subwords``, a safetensors file of their rows, mapped and not read.

Tensors: ``rows`` (buckets, d) in F32 or another float type and, for a pruned model, ``kept`` I64, the buckets that have one. The metadata
holds least and most characters, the number of buckets, and a digest of the matrix they belong to, so that another table's are not used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, HeaderError, ShapeError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.codes import matrix_digest
from tokenspace.formats.format import Head
from tokenspace.formats.replacement import replacing
from tokenspace.formats.safetensors_header import NAMES, TYPES, read_header
from tokenspace.rows import float_type
from tokenspace.subwords import Subwords, SubwordTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.formats.safetensors_header import Tensor
    from tokenspace.table import EmbeddingTable

SUFFIX, VERSION = ".subwords", "1"
NUMBERS = ("min_n", "max_n", "buckets")


def path_of(table: Path) -> Path:
    """Return where the n-grams of a native file stand: beside it, its name with ``.subwords`` behind."""
    return Path(f"{table}{SUFFIX}")


def keep(table: EmbeddingTable, path: Path) -> None:
    """Write the n-grams of a table beside its file; remove those of a former table where it has none.

    Parameters
    ----------
    table : EmbeddingTable
    path : Path
        The native file, which is written already.
    """
    beside = path_of(path)
    if not isinstance(table, SubwordTable):
        remove(path)
        return
    grams = table.subwords
    parts: dict[str, tuple[str, Any]] = {"rows": (NAMES[grams.matrix.dtype.name], grams.matrix)}
    if grams.kept is not None:
        parts["kept"] = ("I64", grams.kept.reshape(-1, 1))
    metadata = {"format": "tokenspace-subwords", "version": VERSION, "of": matrix_digest(table.matrix)}
    metadata |= {name: str(getattr(grams, name)) for name in NUMBERS}
    entries: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for name, (code, array) in parts.items():
        shape = list(array.shape) if name == "rows" else [len(array)]
        entries[name] = {"dtype": code, "shape": shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    header = json.dumps(entries).encode()
    header += b" " * (-(len(header) + 8) % 4096)
    with replacing(beside) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for _, array in parts.values():
            for start, stop in rows.blocks(array):
                file.write(np.ascontiguousarray(array[start:stop]).view(np.uint8).data)


def remove(path: Path) -> None:
    """Remove the n-grams beside a native file, which are those of a table that was there before."""
    path_of(path).unlink(missing_ok=True)


def attached(table: EmbeddingTable, path: Path, stored: NDArray[Any]) -> EmbeddingTable:
    """Return a table that was read from a native file with the n-grams beside that file, if they are there and belong to it.

    Parameters
    ----------
    table : EmbeddingTable
    path : Path
        The native file.
    stored : array of shape (n, d)
        Its matrix as it is there, before it was brought to another type.

    Raises
    ------
    FileContentError
        In one of its kinds, if there are some and they are damaged.
    """
    beside = path_of(path)
    if not beside.is_file():
        return table
    head = Head.of(beside)
    header = read_header(beside, head.start, head.size)
    metadata = header.metadata
    if metadata.get("format") != "tokenspace-subwords" or metadata.get("version") != VERSION:
        seen = f"{metadata.get('format')!r:.40} version {metadata.get('version')!r:.40}"
        raise HeaderError(beside, f"expected n-grams, format 'tokenspace-subwords' version '{VERSION}', seen {seen}", offset=8)
    if metadata.get("of") != matrix_digest(stored):
        return table  # of the table that was here before
    grams, kept = header.tensors.get("rows"), header.tensors.get("kept")
    numbers = [metadata.get(name, "") for name in NUMBERS]
    if grams is None or grams.dtype not in TYPES or len(grams.shape) != 2 or not all(map(str.isdecimal, numbers)):  # noqa: PLR2004
        raise HeaderError(beside, f"expected rows of n-grams, and {', '.join(NUMBERS)}; seen {grams} and {numbers!r:.60}", offset=8)
    matrix = rows.mapped_matrix(beside, float_type(TYPES[grams.dtype]), grams.shape, grams.offset)
    least, most, buckets = map(int, numbers)
    try:
        subwords = Subwords(matrix, min_n=least, max_n=most, kept=None if kept is None else _kept(beside, kept), buckets=buckets)
        return SubwordTable.of(table.vocabulary, table.matrix, subwords, source=table.source)
    except (ArgumentError, ShapeError) as error:
        raise HeaderError(beside, error.message, offset=8, hint="make it anew: save the table again") from None


def _kept(path: Path, tensor: Tensor) -> Any:
    if tensor.dtype != "I64" or len(tensor.shape) != 1:
        raise HeaderError(path, f"expected kept as a list in I64, seen {tensor}", offset=8)
    return rows.mapped_matrix(path, np.dtype("<i8"), tensor.shape, tensor.offset)
