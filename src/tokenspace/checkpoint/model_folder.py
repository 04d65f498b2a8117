"""Model folders of Hugging Face and sentence-transformers as a format: the input embedding, mapped, and the tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.checkpoint.table import rows_of
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.npy import read_tokens
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tokenspace.checkpoint.table import Rows
    from tokenspace.vocabulary import Vocabulary

SIGNS = (
    "config.json",
    "modules.json",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "tokenizer.json",
    "adapter_config.json",
)
"""Files of which a model folder has one."""


def _sniff(head: Head) -> bool:
    return any((head.path / name).is_file() for name in SIGNS)


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    found = rows_of(head.path, tensor=reading.part)
    vocabulary, matrix = with_tokens(head.path, found, found.matrix, reading)
    return EmbeddingTable.mapped(vocabulary, rows.as_type(head.path, matrix, reading.dtype, lambda _row: {}), source=str(head.path))


def with_tokens(path: Path, found: Rows, matrix: NDArray[Any], reading: Reading) -> tuple[Vocabulary, NDArray[Any]]:
    """Return the tokens, and their rows: mapped where the ids have no holes, as rows behind the last are left out.

    Raises
    ------
    FileContentError
        In one of its kinds, of what is wrong with the tokenizer, or with the file of tokens named.
    """
    if reading.tokens is not None:
        return read_tokens(reading.tokens, len(matrix), matrix_path=path, errors=reading.errors), matrix
    tokens, ids = found.tokens(len(matrix))
    vocabulary = rows.vocabulary_of_list(path, tokens, errors=reading.errors)
    return vocabulary, matrix[: len(ids)] if int(ids[-1]) == len(ids) - 1 else np.asarray(matrix)[ids]


WAYS = Ways(_sniff, _read)
