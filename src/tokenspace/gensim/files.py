"""How KeyedVectors come from files and go to them: word2vec's formats, our own, and gensim's pickles read as data."""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from tokenspace import formats
from tokenspace.errors import ArgumentError, NumberError, UnknownFormatError
from tokenspace.formats.replacement import replacing
from tokenspace.table import EmbeddingTable
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    import os

    from numpy.typing import DTypeLike

    from tokenspace.gensim.keyed_vectors import KeyedVectors

ATTRIBUTES = ".attributes.npz"
"""What is added to a file's name for the keys' attributes."""


def load(kind: type[KeyedVectors], path: str | os.PathLike[str]) -> KeyedVectors:
    """Open a table of any format that is told by its content, else a gensim file; and the attributes beside it."""
    try:
        table = formats.open(path)
    except UnknownFormatError:
        table = formats.open(path, format="gensim")
    vectors = kind.from_table(table)
    beside = Path(f"{path}{ATTRIBUTES}")
    if beside.is_file():
        with np.load(beside, allow_pickle=False) as kept:
            vectors.expandos = {name: kept[name] for name in kept.files}
    return vectors


def save(vectors: KeyedVectors, path: str | os.PathLike[str]) -> None:
    """Write the table as a native file, and the attributes beside it."""
    objects = [name for name, values in vectors.expandos.items() if values.dtype.hasobject]
    if objects:
        message = f"attributes {objects} hold Python objects, which are kept in pickles alone; expected numbers or strings of fixed length"
        raise ArgumentError(message, hint="del vectors.expandos[name], or make it an array of one type")
    formats.save(vectors.table, path, format="native")
    beside = Path(f"{path}{ATTRIBUTES}")
    if not vectors.expandos:
        beside.unlink(missing_ok=True)
        return
    with replacing(beside) as file:
        np.savez(file, **vectors.expandos)  # type: ignore[arg-type] # its own option has a name that no attribute can take


def read_word2vec(
    kind: type[KeyedVectors],
    path: str | os.PathLike[str],
    counts: str | os.PathLike[str] | None,
    form: str,
    encoding: str,
    errors: str,
    limit: int | None,
    dtype: DTypeLike,
) -> KeyedVectors:
    """Read a file of word2vec; tokens are decoded as asked, and those that come out equal to an earlier one are left out and counted."""
    table = formats.open(path, format=form, errors="surrogateescape", limit=limit, cache=False)
    raw = [token.encode("utf-8", "surrogateescape") for token in table.vocabulary]
    words = [token.decode(encoding, errors) for token in raw]
    first = {word: row for row, word in reversed(list(enumerate(words)))}
    rows = np.array(sorted(first.values()), dtype=np.int64)
    if len(rows) < len(words):
        warnings.warn(f"{path}: {len(words) - len(rows)} words decode to earlier ones and are left out", stacklevel=4)
    matrix = np.asarray(table.matrix[rows] if len(rows) < len(words) else table.matrix).astype(np.dtype(dtype), copy=False)
    vocabulary = Vocabulary([words[row] for row in rows])
    vectors = kind.from_table(EmbeddingTable.mapped(vocabulary, matrix, source=str(path)))
    known = None if counts is None else _counts(Path(counts), encoding, errors)
    n = len(vocabulary)
    vectors.expandos["count"] = (
        np.arange(n, 0, -1) if known is None else np.array([known.get(word, 0) for word in vocabulary], dtype=np.int64)
    )
    return vectors


def _counts(path: Path, encoding: str, errors: str) -> dict[str, int]:
    """Read a file of words and how often each was seen, as word2vec's -save-vocab writes it."""
    counts: dict[str, int] = {}
    with path.open("rb") as file:
        for line_number, line in enumerate(file, 1):
            word, _, count = line.rstrip(b"\r\n").rpartition(b" ")
            if not word or not count.isdigit():
                raise NumberError(path, f"expected a word, a blank and a count, seen {line[:60]!r}", line=line_number)
            counts.setdefault(word.decode(encoding, errors), int(count))
    return counts


def write_word2vec(
    vectors: KeyedVectors,
    path: str | os.PathLike[str],
    counts: str | os.PathLike[str] | None,
    binary: bool,
    total: int | None,
    header: bool,
    prefix: str,
    append: bool,
    attribute: str,
) -> None:
    """Write a file of word2vec in the order of an attribute, the largest first."""
    if counts is not None and attribute not in vectors.expandos:
        message = f"expected the attribute {attribute!r} for the file of counts; the keys have {sorted(vectors.expandos)}"
        raise ArgumentError(message)
    order = np.arange(len(vectors))
    if attribute in vectors.expandos:
        order = np.argsort(-vectors.expandos[attribute].astype(np.float64), kind="stable")
    words = [prefix + word for word in vectors.table.vocabulary.tokens_of(order)]
    sorted_table = EmbeddingTable.mapped(Vocabulary(words), vectors.vectors[order].astype(np.float32, copy=False))
    with TemporaryDirectory(dir=Path(path).resolve().parent, prefix=".tokenspace-") as folder:
        made = Path(folder) / "vectors"
        formats.save(sorted_table, made, format="word2vec-binary" if binary else "word2vec-text")
        if not append and header and total in {None, len(vectors)}:
            made.replace(path)
        else:
            _copy_behind(
                made, Path(path), f"{len(vectors) if total is None else total} {vectors.vector_size}\n" if header else "", append=append
            )
    if counts is not None:
        values = vectors.expandos[attribute][order]
        with Path(counts).open("ab" if append else "wb") as file:
            file.writelines(f"{word} {value}\n".encode() for word, value in zip(words, values.tolist(), strict=True))


def _copy_behind(made: Path, path: Path, header: str, *, append: bool) -> None:
    """Copy the rows of a file behind another first line, or behind what a file has already."""
    with made.open("rb") as source, path.open("ab" if append else "wb") as target:
        source.readline()  # the header that it was written with
        target.write(header.encode())
        while block := source.read(1 << 20):
            target.write(block)
