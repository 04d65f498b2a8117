"""GGUF, the models of llama.cpp: the token embedding, mapped where it is floats, dequantised where it is not; tokens of the metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import EmptyFileError, HeaderError
from tokenspace.formats import gguf_header
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.choice import chosen_part
from tokenspace.formats.extras import needed
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.gguf_header import TOKENS, TYPES, Header, Strings, Tensor
from tokenspace.formats.npy import read_tokens, tokens_beside
from tokenspace.rows import float_type
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.vocabulary import Vocabulary

EMBEDDING = "token_embd.weight"
FLOATS = {"F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16"}
WHOLE = {"I8", "I16", "I32", "I64"}
"""Types of numbers that are no embedding."""


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    data = rows.mapped(head.path)
    header = gguf_header.read_header(head.path, data)
    able = {name: str(tensor) for name, tensor in header.tensors.items() if _is_matrix(tensor)}
    others = {name: str(tensor) for name, tensor in header.tensors.items()}
    name = chosen_part(head.path, able, reading.part or (EMBEDDING if EMBEDDING in others else None), kind="tensor", others=others)
    tensor = header.tensors[name]
    if not tensor.shape[0]:
        raise EmptyFileError(head.path, f"expected a row, seen {name!r:.60} of shape {list(tensor.shape)}", offset=tensor.offset)
    vocabulary = _tokens(head, header, data, tensor.shape[0], reading)
    matrix = _matrix(head, tensor, len(vocabulary), reading)
    return EmbeddingTable.mapped(vocabulary, matrix, source=str(head.path))


def _is_matrix(tensor: Tensor) -> bool:
    return tensor.kind in TYPES and TYPES[tensor.kind][0] not in WHOLE and len(tensor.shape) == 2 and tensor.shape[1] > 0  # noqa: PLR2004


def _tokens(head: Head, header: Header, data: NDArray[np.uint8], n: int, reading: Reading) -> Vocabulary:
    """Return the tokens; rows after the last are padding, and left out."""
    listed = header.metadata.get(TOKENS)
    if reading.tokens is not None or not isinstance(listed, Strings):
        return read_tokens(reading.tokens or tokens_beside(head.path), n, matrix_path=head.path, errors=reading.errors)
    if len(listed.starts) > n:
        raise HeaderError(head.path, f"the metadata holds {len(listed.starts):,} tokens, the embedding {n:,} rows", offset=0)
    return rows.vocabulary_of(
        head.path, data, listed.starts, listed.lengths, place=lambda row: {"offset": int(listed.starts[row])}, errors=reading.errors
    )


def _matrix(head: Head, tensor: Tensor, n: int, reading: Reading) -> NDArray[Any]:
    name, numbers, width = TYPES[tensor.kind]
    d = tensor.shape[1]
    row_bytes = d // numbers * width

    def place(row: int) -> dict[str, int]:
        return {"offset": tensor.offset + row * row_bytes}

    if name in FLOATS:
        matrix = rows.mapped_matrix(head.path, float_type(FLOATS[name]), (n, d), tensor.offset)
    else:
        matrix = _dequantised(head, tensor, (n, d), row_bytes, reading.dtype or np.dtype(np.float32))
    rows.check_rows(head.path, matrix, place)
    return rows.as_type(head.path, matrix, reading.dtype, place)


def _dequantised(head: Head, tensor: Tensor, shape: tuple[int, int], row_bytes: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the rows of a quantised tensor as floats, some megabytes at a time, by the gguf package's own arithmetic."""
    name = TYPES[tensor.kind][0]
    why = f"dequantising {name}"
    quants = needed("gguf.quants", extra="gguf", why=why)
    kind = needed("gguf.constants", extra="gguf", why=why).GGMLQuantizationType(tensor.kind)
    packed = rows.mapped(head.path)[tensor.offset : tensor.offset + shape[0] * row_bytes].reshape(shape[0], row_bytes)
    out = np.empty(shape, dtype=dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # a scale of infinity is found when the rows are checked
        for start, stop in rows.blocks(out):
            try:
                out[start:stop] = quants.dequantize(packed[start:stop], kind)
            except NotImplementedError:
                hint = "requantise the embedding: llama-quantize --token-embedding-type f16"
                raise HeaderError(head.path, f"the gguf package cannot dequantise {name}", offset=tensor.offset, hint=hint) from None
    return out


WAYS = Ways(lambda head: head.start.startswith(gguf_header.MAGIC), _read)
