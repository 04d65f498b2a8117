"""Every parser that is handed files by strangers: good examples to be broken, the call that reads, the slow reading to agree with.

A format of `tokenspace.formats.FORMATS` is here by itself: what its writer writes is the example, and an accepted table must be sound.
More is one line each: `SLOW` names its slow reading, `NAMES` the file that it wants, `WORDS` what is worth inserting, `SEEDS` other
examples. A format that is only read takes those of tests/files/foreign that it reads. Parsers that are no formats stand in `OTHERS`.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slow
from safetensors.numpy import save as save_safetensors

import tokenspace as ts
from tokenspace import expressions
from tokenspace.checkpoint.folders import contents
from tokenspace.checkpoint.tensors import weights
from tokenspace.checkpoint.tokenizers import tokenizer_json
from tokenspace.formats import codes, npy
from tokenspace.formats.packed import zstd_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenspace.formats import Format

    Files = dict[str, bytes]

TABLES = (
    ts.EmbeddingTable(["the", "of", "new york", "é"], np.array([[0.5, -1.5], [2.5, 3e-5], [4.5, 1e30], [0, -0.0]], np.float32)),
    ts.EmbeddingTable([f"w{row}" for row in range(40)], np.random.default_rng(2).standard_normal((40, 7)).astype(np.float32)),
    ts.EmbeddingTable(["a", "", "x" * 300], np.array([[1], [2], [3]], np.float32)),
)
MATRIX = TABLES[1].matrix


@dataclass(frozen=True)
class Parser:
    """What is tried.

    Attributes
    ----------
    name : str
    seeds : callable
        Makes good examples, each a dictionary of files by name, in a folder that it may use.
    read : callable
        Reads the example that was written into a folder.
    slow : callable
        Holds what was read against the files.
    words : tuple of bytes
        What is worth inserting.
    named : bool
        Whether errors must name the file.
    """

    name: str
    seeds: Callable[[Path], list[Files]]
    read: Callable[[Path], Any]
    slow: Callable[[Files, Any], None]
    words: tuple[bytes, ...] = ()
    named: bool = True


SLOW: dict[str, Callable[[Files, Any], None]] = {
    "native": slow.native,
    "npy": slow.npy,
    "npz": slow.npz,
    "glove": slow.text,
    "word2vec-text": slow.word2vec_text,
    "word2vec-binary": slow.word2vec_binary,
}
NAMES = {"native": "table.safetensors", "npy": "table.npy", "npz": "table.npz"}
WORDS: dict[str, tuple[bytes, ...]] = {
    "glove": (b"\nx 1 2\n", b" 1 2", b"\n. . . 1 2\n", b" 0.1", b"1.5e-3", b"\t", b","),
    "word2vec-text": (b"\nx 1 2\n", b" 1 2", b"4 2\n", b"3 1\n", b" 0.1"),
    "word2vec-binary": (b"\nx \0\0\0\0\0\0\0\0", b" \0\0\x80\x7f", b"\0\0\xc0\x7f", b"4 2\n", b"40 7\n"),
    "npy": (b"'shape': (2, 3), ", b"'fortran_order': True, ", b"'descr': '|O', ", b"\x93NUMPY\x02\0", b"(4, 2)", b"<f8"),
    "npz": (b"PK\x01\x02", b"PK\x05\x06", b"matrix.npy"),
}


def written(name: str) -> Callable[[Path], list[Files]]:
    """Make the examples of a format with its own writer."""

    def seeds(scratch: Path) -> list[Files]:
        found = []
        for number, table in enumerate(TABLES):
            place = scratch / str(number)
            place.mkdir()
            try:
                ts.save(table, place / NAMES.get(name, "table"), format=name)
            except ts.errors.UnwritableError:
                continue
            found.append({str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()})
        return found

    return seeds


def _tokenizers(_scratch: Path) -> list[Files]:
    added = [{"id": 4, "content": "<x>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}]
    words = {"a": 0, "b\\n": 1, "é": 2, '"': 3}
    scored = [["a", -1.5], ["b", 0.0], ["é", -2], ["\n", 1e-5]]
    models: list[dict[str, Any]] = [{"type": "BPE", "vocab": words, "merges": [["a", "é"]]}, {"type": "Unigram", "vocab": scored}]
    documents = [{"version": "1.0", "added_tokens": added, "model": model} for model in models]
    return [{"tokenizer.json": json.dumps(document, indent=indent).encode()} for document in documents for indent in (None, 2)]


def _model_folder(scratch: Path) -> list[Files]:
    config = json.dumps({"model_type": "llama", "vocab_size": 5, "hidden_size": 2, "tie_word_embeddings": True}).encode()
    weights_ = save_safetensors({"model.embed_tokens.weight": np.ones((5, 2), np.float32)})
    parts = {"table/config.json": config, "table/model.safetensors": weights_}
    return [parts | {f"table/{name}": content for name, content in files.items()} for files in _tokenizers(scratch)]


SEEDS: dict[str, Callable[[Path], list[Files]]] = {"model-folder": _model_folder}

FOREIGN = Path(__file__).parents[1] / "files" / "foreign"
"""Files that other libraries wrote."""


def foreign(name: str) -> Callable[[Path], list[Files]]:
    """Take for examples the files and folders of `FOREIGN` that the format reads, with what stands beside them under their names."""

    def seeds(_scratch: Path) -> list[Files]:
        found = []
        for path in sorted(FOREIGN.iterdir()):
            try:
                ts.open(path, format=name, threads=1)
            except ts.errors.MissingExtraError:
                raise
            except ts.TokenspaceError:
                continue
            table = NAMES.get(name, "table")
            parts = [part for part in path.rglob("*") if part.is_file()] if path.is_dir() else []
            files = {f"{table}/{part.relative_to(path)}": part.read_bytes() for part in parts}
            beside = [part for part in FOREIGN.glob(f"{path.name}*") if part.is_file()]
            found.append(files | {table + part.name.removeprefix(path.name): part.read_bytes() for part in beside})
        return found

    return seeds


def of_format(known: Format) -> Parser:
    """Return the parser of a format."""
    name = known.name
    examples = written(name) if known.write else foreign(name)

    def read(place: Path) -> ts.EmbeddingTable:
        return ts.open(place / NAMES.get(name, "table"), format=name, threads=1, errors="surrogateescape", cache=False)

    return Parser(name, SEEDS.get(name, examples), read, SLOW.get(name, slow.sound), WORDS.get(name, ()))


def _sniffed(scratch: Path) -> list[Files]:
    """Make the examples of all formats that are one file, to be told by content."""
    found = []
    for known in ts.formats.FORMATS:
        place = scratch / known.name
        place.mkdir()
        with contextlib.suppress(ts.errors.MissingExtraError):
            examples = written(known.name)(place) if known.write else []
            found += [{"table": content} for files in examples if len(files) == 1 for content in files.values()]
    return found


def _packed(scratch: Path) -> list[Files]:
    """Make the examples of packed tables: text and word2vec binary, by each packing that is here."""
    packings = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": _zipped}
    with contextlib.suppress(ts.errors.MissingExtraError):
        packings[".zst"] = zstd_module().compress
    found = []
    for name in ("glove", "word2vec-binary"):
        place = scratch / name
        place.mkdir()
        found += [{f"table{ending}": pack(files["table"])} for files in written(name)(place) for ending, pack in packings.items()]
    return found


def _zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table", content)
    return file.getvalue()


def _codes(scratch: Path) -> list[Files]:
    coded = ts.search.Exact(MATRIX, "inner_product", threads=1).code()
    codes.save_codes(scratch / "table.codes", MATRIX, *coded)
    return [{"table.codes": (scratch / "table.codes").read_bytes()}]


def _shards(_scratch: Path) -> list[Files]:
    parts = [{"wte.weight": np.ones((4, 2), np.float32)}, {"a": np.zeros(3, np.float32), "b": np.zeros((2, 2), np.float16)}]
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    places = {tensor: name for name, part in zip(names, parts, strict=True) for tensor in part}
    index = json.dumps({"metadata": {"total_size": 52}, "weight_map": places}).encode()
    files = {f"model/{name}": save_safetensors(part) for name, part in zip(names, parts, strict=True)}
    return [{"model/model.safetensors.index.json": index, "model/config.json": b'{"vocab_size": 4}', **files}]


def _expressions(_scratch: Path) -> list[Files]:
    return [{"expression": text} for text in (b"king - man + woman", b"a", b"- a + b", b"new york + a - x-ray", b"+ - +")]


def _tokens(_scratch: Path) -> list[Files]:
    return [{"tokens": b"the\nof\nnew york\n"}, {"tokens": b"the\r\nof\r\nx\r\n"}, {"tokens": "é\n\n👑".encode()}]


VOCABULARY = ts.Vocabulary(["king", "man", "a - b", "x-ray", "new york"])
OTHERS = (
    Parser("sniffed", _sniffed, lambda place: ts.open(place / "table", threads=1, cache=False), slow.sound),
    Parser("packed", _packed, lambda place: ts.open(next(place.iterdir()), threads=1, cache=False), slow.sound),
    Parser("codes", _codes, lambda place: codes.open_codes(place / "table.codes", MATRIX), slow.codes),
    Parser("tokenizer-json", _tokenizers, lambda place: tokenizer_json.tokens(place / "tokenizer.json"), slow.tokenizer),
    Parser("checkpoint-index", _shards, lambda place: weights.open_weights(contents.open_folder(place / "model")), slow.checkpoint),
    Parser(
        "expressions",
        _expressions,
        lambda place: expressions.split((place / "expression").read_text(encoding="utf-8", errors="surrogateescape"), VOCABULARY),
        slow.expression,
        (b" + ", b" - ", b"+ ", b" -", b"a - b"),
        named=False,
    ),
    Parser(
        "tokens",
        _tokens,
        lambda place: npy.read_tokens(place / "tokens", 3, matrix_path=place / "x.npy", errors="surrogateescape"),
        slow.token_lines,
    ),
)

PARSERS = {parser.name: parser for parser in (*map(of_format, ts.formats.FORMATS), *OTHERS)}
"""Every parser by name."""

KERNELS = ("glove", "word2vec-text", "word2vec-binary", "native", "sniffed", "packed", "codes", "tokenizer-json", "model-folder")
"""Those in front of C: what `make asan` tries."""
