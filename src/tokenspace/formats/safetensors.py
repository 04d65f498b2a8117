"""Safetensors of any maker: one tensor of two axes in a file of many, mapped; its tokens in the metadata or in a file beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import EmptyFileError, HeaderError, TableNotFoundError, UnwritableError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats import safetensors_header
from tokenspace.formats.choice import chosen_part
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.npy import read_tokens, tokens_beside
from tokenspace.formats.replacement import replacing
from tokenspace.formats.safetensors_header import NAMES, TYPES
from tokenspace.rows import float_type
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from pathlib import Path

    from tokenspace.formats.safetensors_header import Header, Tensor
    from tokenspace.vocabulary import Vocabulary

KEY = "tokens"
"""The entry of the metadata that holds the tokens as a JSON list of strings; the format's metadata are strings only."""


def _sniff(head: Head) -> bool:
    return head.start[8:10] == b'{"' and safetensors_header.plausible(head.start, head.size)


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    header = safetensors_header.read_header(head.path, head.start, head.size)
    name = chosen_part(
        head.path,
        {name: _written(tensor) for name, tensor in header.tensors.items() if _is_matrix(tensor)},
        reading.part,
        kind="tensor",
        others={name: _written(tensor) for name, tensor in header.tensors.items()},
    )
    tensor = header.tensors[name]
    if not tensor.count:
        raise EmptyFileError(head.path, f"expected a row, seen {name!r:.60} of shape {list(tensor.shape)}", offset=8)
    matrix = rows.mapped_matrix(head.path, float_type(TYPES[tensor.dtype]), tensor.shape, tensor.offset)

    def place(row: int) -> dict[str, int]:
        return {"offset": tensor.offset + row * tensor.shape[1] * matrix.itemsize}

    rows.check_rows(head.path, matrix, place)
    vocabulary = _tokens(head, header, tensor.shape[0], reading)
    return EmbeddingTable.mapped(vocabulary, rows.as_type(head.path, matrix, reading.dtype, place), source=str(head.path))


def _is_matrix(tensor: Tensor) -> bool:
    return tensor.dtype in TYPES and len(tensor.shape) == 2 and tensor.shape[1] > 0  # noqa: PLR2004 - a matrix has two axes


def _written(tensor: Tensor) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}"


def _tokens(head: Head, header: Header, n: int, reading: Reading) -> Vocabulary:
    """Return the tokens: of the file named, else of the metadata, else of the file beside."""
    if reading.tokens is None and KEY in header.metadata:
        tokens = _listed(head.path, header.metadata[KEY])
        if len(tokens) != n:
            raise HeaderError(head.path, f"the metadata holds {len(tokens):,} tokens, expected {n:,}, one a row", offset=8)
        return rows.vocabulary_of_list(head.path, tokens, errors=reading.errors)
    if reading.tokens is None and (head.path.parent / "tokenizer.json").is_file():
        message = f"{head.path} holds a matrix and no tokens; they are in the tokenizer.json beside it"
        raise TableNotFoundError(message, hint=f"open the folder: {head.path.parent}")
    path = reading.tokens or tokens_beside(head.path)
    return read_tokens(path, n, matrix_path=head.path, errors=reading.errors)


def _listed(path: Path, text: str) -> list[str]:
    try:
        tokens: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HeaderError(path, f"expected the tokens in the metadata as JSON: {error!s:.80}", offset=8) from None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise HeaderError(path, f"expected the tokens in the metadata as a list of strings, seen {text!r:.60}", offset=8)
    return tokens


def _write(table: EmbeddingTable, path: Path) -> None:
    rows.check_writable(table, path, "safetensors")
    tensor = {"dtype": NAMES[table.dtype.name], "shape": list(table.shape), "data_offsets": [0, table.matrix.nbytes]}
    tokens = json.dumps(list(table.vocabulary), separators=(",", ":"))
    header = {"__metadata__": {KEY: tokens}, "embedding": tensor}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > safetensors_header.LONGEST:
        problem = f"not written: with {table.n:,} tokens its header takes {len(text):,} bytes, and may take {safetensors_header.LONGEST:,}"
        raise UnwritableError(path, problem, hint="save it in the native format, whose tokens are a tensor")
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for start, stop in rows.blocks(table.matrix):
            file.write(np.ascontiguousarray(table.matrix[start:stop]).view(np.uint8).data)


WAYS = Ways(_sniff, _read, _write)
