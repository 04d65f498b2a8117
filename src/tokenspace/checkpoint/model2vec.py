"""model2vec folders: a static model, which is a tokenizer and a table; written so that model2vec opens them too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.checkpoint.model_folder import with_tokens
from tokenspace.checkpoint.table import rows_of
from tokenspace.errors import HeaderError, UnwritableError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.replacement import replacing_folder
from tokenspace.formats.rows_in_files import blocks
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


WEIGHTS, CONFIG, TOKENIZER, MODULES = "model.safetensors", "config.json", "tokenizer.json", "modules.json"
EMBEDDINGS, FACTORS, MAPPING = "embeddings", "weights", "mapping"
"""Tensors: rows; what each token's row is multiplied by; which row each token has. The last two are there in some models only."""

CODES = {"float32": "F32", "float16": "F16", "float64": "F64"}
"""Element types that model2vec, which reads with NumPy, can open."""

UNKNOWN = ("[UNK]", "<unk>")
"""Tokens that stand for unknown words, if the table has one. model2vec leaves them out when it encodes."""

ADDED = "unknown_added_by_tokenspace"
"""The key in the configuration that says that the last token is none of the table's: a tokenizer of words needs one for unknown words."""

LEAST_HEADER = 1 << 16


def _sniff(head: Head) -> bool:
    weights = head.path / WEIGHTS
    if not (weights.is_file() and (head.path / CONFIG).is_file() and (head.path / TOKENIZER).is_file()):
        return False
    with weights.open("rb") as file:
        return f'"{EMBEDDINGS}":'.encode() in file.read(LEAST_HEADER).replace(b'": ', b'":')


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    found = rows_of(head.path, tensor=EMBEDDINGS, dtypes=(*CODES.values(), "BF16", "I8"))
    matrix, mapping, factors = found.matrix, found.numbers(MAPPING, ("I64", "I32")), found.numbers(FACTORS, ("F32", "F64", "F16"))
    if mapping is not None:
        if mapping.size and not 0 <= int(mapping.min()) <= int(mapping.max()) < len(matrix):
            raise HeaderError(head.path / WEIGHTS, f"expected a mapping to rows below {len(matrix):,}, seen {int(mapping.max()):,}")
        matrix = matrix[mapping]
    if factors is not None and len(factors) != len(matrix):
        raise HeaderError(head.path / WEIGHTS, f"expected a weight for each of {len(matrix):,} tokens, seen {len(factors):,}")
    if matrix.dtype == np.int8:
        matrix = matrix.astype(np.float32)
    if factors is not None:
        matrix = (matrix * factors[:, None]).astype(np.float32 if matrix.dtype == np.float16 else matrix.dtype)
    vocabulary, matrix = with_tokens(head.path, found, matrix, reading)
    if (found.folder.json(CONFIG) or {}).get(ADDED) is True and len(vocabulary) > 1:
        end = int(vocabulary.offsets[-2])
        vocabulary = type(vocabulary).from_arrays(vocabulary.data[:end], vocabulary.offsets[:-1])
        matrix = matrix[:-1]
    rows.check_rows(head.path, matrix, lambda _row: {})
    return EmbeddingTable.mapped(vocabulary, rows.as_type(head.path, matrix, reading.dtype, lambda _row: {}), source=str(head.path))


def _write(table: EmbeddingTable, path: Path) -> None:
    rows.check_writable(table, path, "model2vec")
    if table.dtype.name not in CODES:
        raise UnwritableError(
            path, f"not written: model2vec cannot open {table.dtype.name}", hint='open the table with dtype="float32" first'
        )
    if wrong := rows.undecodable(table.vocabulary.data, table.vocabulary.offsets):
        raise rows.refuse(table, path, wrong[0], "is not UTF-8, which JSON must be")
    tokens = {token: row for row, token in enumerate(table.vocabulary)}
    unknown = next((token for token in UNKNOWN if token in tokens), None)
    config: dict[str, Any] = {"normalize": False, ADDED: unknown is None}
    if unknown is None:
        unknown = UNKNOWN[0]
        tokens[unknown] = len(tokens)
    write_folder(path, table.matrix, _tokenizer(tokens, unknown), config, rows=len(tokens))


def write_folder(path: Path, matrix: NDArray[Any], tokenizer: dict[str, Any], config: dict[str, Any], *, rows: int | None = None) -> None:
    """Write a static model that model2vec and sentence-transformers open.

    Parameters
    ----------
    path : Path
        Replaced where it is such a folder already.
    matrix : array of shape (n, d), float32, float16 or float64
    tokenizer : dict
        A tokenizer.json.
    config : dict
        More for the configuration.
    rows : int, optional
        Rows wanted; those behind the matrix's are zero.

    Raises
    ------
    OutputError, OSError
        If it cannot be written.
    """
    n, d = rows or len(matrix), matrix.shape[1]
    size = n * d * matrix.dtype.itemsize
    text = json.dumps({EMBEDDINGS: {"dtype": CODES[matrix.dtype.name], "shape": [n, d], "data_offsets": [0, size]}}).encode()
    text += b" " * (-len(text) % 8)
    kind = {"model_type": "model2vec", "architectures": ["StaticModel"], "hidden_dim": d, "embedding_dtype": matrix.dtype.name}
    with replacing_folder(path, ours=lambda folder: _sniff(Head.of(folder, folders=True))) as folder:
        with (folder / WEIGHTS).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for start, stop in blocks(matrix):
                file.write(np.ascontiguousarray(matrix[start:stop]).view(np.uint8).data)
            file.write(bytes(size - matrix.nbytes))
        (folder / TOKENIZER).write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
        (folder / CONFIG).write_text(json.dumps(kind | config, indent=4), encoding="utf-8")
        (folder / MODULES).write_text(json.dumps(modules(normalize=bool(config.get("normalize"))), indent=4), encoding="utf-8")


def modules(*, normalize: bool) -> list[dict[str, Any]]:
    """Return what sentence-transformers is told that a folder is made of."""
    kinds = ["StaticEmbedding", "Normalize"][: 1 + normalize]
    paths = [".", "1_Normalize"]
    named = zip(kinds, paths, strict=False)
    return [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"} for at, (kind, path) in enumerate(named)
    ]


def _tokenizer(tokens: dict[str, int], unknown: str) -> dict[str, Any]:
    """Return a tokenizer that takes words and marks as they stand, cut at blanks and between letters and marks."""
    whole = {"type": "WordLevel", "vocab": tokens, "unk_token": unknown}
    parts = dict.fromkeys(("truncation", "padding", "normalizer", "post_processor", "decoder"))
    return {"version": "1.0", **parts, "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": whole}


WAYS = Ways(_sniff, _read, _write)
