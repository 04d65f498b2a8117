"""Each format read once more, slowly and plainly: a table that was accepted has to be the one that these find.

Nothing here is shared with the readers. A reading is given the files and the table; what differs is an AssertionError.
"""

from __future__ import annotations

import io
import json
import zipfile
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy

if TYPE_CHECKING:
    import tokenspace as ts

    Files = dict[str, bytes]


def same(table: ts.EmbeddingTable, tokens: list[bytes], rows: list[list[float]] | np.ndarray[Any, Any]) -> None:
    """Hold tokens as bytes and numbers as bits against a table."""
    data, offsets = table.vocabulary.data, table.vocabulary.offsets.tolist()
    assert [data[begin:end].tobytes() for begin, end in pairwise(offsets)] == tokens
    with np.errstate(over="ignore"):
        expected = np.ascontiguousarray(rows).astype(table.dtype, copy=False)
    assert np.asarray(table.matrix).tobytes() == expected.tobytes()


def sound(_files: Files, table: ts.EmbeddingTable) -> None:
    """Ask of a table what must be true of any: finite, every token found in its own row."""
    table.verify()
    assert table.vocabulary.ids(list(table)).tolist() == list(range(len(table)))


def text(files: Files, table: ts.EmbeddingTable, *, header: bool = False) -> None:
    """Compare with lines at 0x0A, fields at 0x20, the last d are numbers: float32(str)."""
    lines = files["table"].removeprefix(b"\xef\xbb\xbf").split(b"\n")
    while not lines[-1].removesuffix(b"\r").rstrip(b" "):
        lines.pop()
    if header:
        n, d = map(int, lines.pop(0).split())
        assert (n, d) == table.shape
    fields = [line.removesuffix(b"\r").rstrip(b" ").rsplit(b" ", table.d) for line in lines]
    assert not any(b"_" in number for row in fields for number in row[1:])
    same(table, [row[0] for row in fields], [[float(number) for number in row[1:]] for row in fields])


def word2vec_text(files: Files, table: ts.EmbeddingTable) -> None:
    """Compare with the same under a line with rows and dimension."""
    text(files, table, header=True)


def word2vec_binary(files: Files, table: ts.EmbeddingTable) -> None:
    """Compare with a token up to 0x20, then d little-endian numbers; a 0x0A before a token is no part of it."""
    content = files["table"]
    first, _, rest = content.partition(b"\n")
    n, d = map(int, first.split())
    tokens, rows = [], []
    for _ in range(n):
        token, _, rest = rest.removeprefix(b"\n").partition(b" ")
        tokens.append(token)
        rows.append(rest[: 4 * d])
        rest = rest[4 * d :]
    assert rest in {b"", b"\n"}
    same(table, tokens, np.frombuffer(b"".join(rows), "<f4").reshape(n, d))


def lines(content: bytes) -> list[bytes]:
    """Split tokens, one a line; 0x0D goes where it stands before every 0x0A."""
    tokens = content.removesuffix(b"\n").split(b"\n")
    ended = tokens if content.endswith(b"\n") else tokens[:-1]
    if ended and all(token.endswith(b"\r") for token in ended):
        tokens = [token[:-1] for token in ended] + tokens[len(ended) :]
    return tokens


def npy(files: Files, table: ts.EmbeddingTable) -> None:
    """Compare with NumPy's own reading, without pickles."""
    matrix = np.load(io.BytesIO(files["table.npy"]), allow_pickle=False)
    same(table, lines(files["table.tokens"]), matrix.reshape(table.shape))


KNOWN = ("matrix", "embedding", "embeddings", "vectors", "tokens", "vocab", "words")


def npz(files: Files, table: ts.EmbeddingTable) -> None:
    """Compare with NumPy's reading of an archive's members."""
    with zipfile.ZipFile(io.BytesIO(files["table.npz"])) as archive:
        members = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
    arrays = {name: np.lib.format.read_array(io.BytesIO(content), allow_pickle=False) for name, content in members.items() if name in KNOWN}
    matrix = next(arrays[name] for name in KNOWN[:4] if name in arrays)
    words = next(arrays[name] for name in KNOWN[4:] if name in arrays).tolist()
    tokens = [word if isinstance(word, bytes) else word.encode("utf-8", "surrogateescape") for word in words]
    same(table, tokens, matrix.reshape(table.shape))


def native(files: Files, table: ts.EmbeddingTable) -> None:
    """Compare with the safetensors package's reading; opening checks no offset, so lookups may refuse, and must not go outside."""
    arrays = safetensors.numpy.load(files["table.safetensors"])
    assert np.asarray(table.matrix).tobytes() == arrays["embedding"].tobytes()
    assert table.vocabulary.data.tobytes() == arrays["vocab.bytes"].tobytes()
    assert table.vocabulary.offsets.tobytes() == arrays["vocab.offsets"].tobytes()
    expected = dict.fromkeys(["absent", "the"])
    for wanted in expected:
        table.vocabulary.find([wanted])
    list(table)
    table.vocabulary.verify()
    sound(files, table)


def codes(files: Files, found: Any) -> None:
    """Compare with the safetensors package's reading of the codes beside a table."""
    arrays = safetensors.numpy.load(files["table.codes"])
    rows, middle = found
    for name, array in rows.arrays().items():
        assert array.tobytes() == arrays[name].tobytes()
    assert middle.astype(np.float32).tobytes() == arrays["middle"].tobytes()


def tokenizer(files: Files, tokens: list[str]) -> None:
    """Compare with the json module's reading of a tokenizer."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        twice.extend([""] * (len(pairs) - len(members)))
        return members

    twice: list[str] = []
    try:
        document = json.loads(files["tokenizer.json"], object_pairs_hook=once)
    except ValueError:  # tokenizer_json looks at two members of a document of 30 MB, and passes over the others unchecked
        return
    if twice:  # of equal keys json keeps the last and says nothing
        return
    vocabulary = document["model"]["vocab"]
    pairs = (
        enumerate(entry[0] for entry in vocabulary) if isinstance(vocabulary, list) else ((row, token) for token, row in vocabulary.items())
    )
    names = dict(pairs) | {entry["id"]: entry["content"] for entry in document.get("added_tokens") or []}
    assert tokens == [names[row] for row in range(len(names))]


def checkpoint(files: Files, weights: Any) -> None:
    """Compare with the json module's reading of an index of shards, the safetensors package's of the shards."""
    document = json.loads(files["model/model.safetensors.index.json"])
    for tensor, place in document["weight_map"].items():
        array = safetensors.numpy.load(files[f"model/{place}"])[tensor]
        assert weights.tensors[tensor].shape == array.shape


def expression(files: Files, found: tuple[list[str], list[float]]) -> None:
    """Demand that tokens and signs are as many, and nothing but signs and blanks was lost."""
    tokens, signs = found
    assert len(tokens) == len(signs) > 0
    assert set(signs) <= {1.0, -1.0}
    letters = "".join(files["expression"].decode("utf-8", "surrogateescape").split())
    kept = "".join("".join(token.split()) for token in tokens)
    assert len(letters) - len(signs) <= len(kept) <= len(letters)


def token_lines(files: Files, vocabulary: ts.Vocabulary) -> None:
    """Compare with the lines of a file of tokens."""
    assert [token.encode("utf-8", "surrogateescape") for token in vocabulary] == lines(files["tokens"])
