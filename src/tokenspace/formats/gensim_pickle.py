"""gensim's .kv and .model, with the .npy files beside them: read only where the format is named, and never unpickled.

Such a file is a pickle, and a pickle is a program. Nothing tells it from one that was made to do harm, so content alone never opens it;
named, it is read as data by `tokenspace.formats.pickle_data`, which calls nothing and imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import EmptyFileError, HeaderError, MissingPartError, UnknownFormatError
from tokenspace.formats import pickle_data
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.npy import in_rows, stored_matrix
from tokenspace.formats.pickle_data import Pairs, Record
from tokenspace.subwords import LONGEST, Subwords, SubwordTable, composed
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ALLOWED = (
    "gensim.models.*",
    "gensim.utils.*",
    "gensim.corpora.dictionary.*",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.core.multiarray.*",
    "numpy._core.multiarray.*",
    "numpy.core.numeric._frombuffer",
    "numpy._core.numeric._frombuffer",
    "numpy.random.*",
    "collections.OrderedDict",
    "collections.defaultdict",
    "builtins.hash",
    "builtins.frozenset",
    "builtins.set",
    "builtins.int",
    "builtins.range",
    "__builtin__.frozenset",
    "__builtin__.hash",
    "__builtin__.set",
    "__builtin__.int",
    "__builtin__.long",
    "_codecs.encode",
    "copy_reg._reconstructor",
    "copyreg._reconstructor",
    "__builtin__.object",
    "builtins.object",
)
"""Names that gensim's files mention. None is imported: each is only written down."""

VECTORS, KEYS = ("vectors", "syn0"), ("index_to_key", "index2word", "index2entity")
"""Attributes that hold the rows and the tokens, since gensim 4 and before."""

RECONSTRUCTED = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
BUFFERED = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
FLOATS = ("f2", "f4", "f8")


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    if head.start[:1] != b"\x80":
        raise UnknownFormatError(head.path, f"expected a pickle that gensim wrote, seen {head.start[:20]!r}")
    root = pickle_data.read(head.path, rows.mapped(head.path).data, ALLOWED)
    attributes = _state(head.path, root)
    prefix = ""
    if isinstance(attributes.get("wv"), Record):
        attributes, prefix = _state(head.path, attributes["wv"]), ".wv"
    elif "wv" in attributes or not any(name in attributes for name in KEYS):
        named = root.name if isinstance(root, Record) else type(root).__name__
        raise UnknownFormatError(head.path, f"expected word vectors, seen {named!r:.80} without them")
    keys = next((attributes[name] for name in KEYS if name in attributes), None)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise HeaderError(head.path, f"expected a list of words as {' or '.join(KEYS)}, seen {type(keys).__name__}")
    vocabulary = rows.vocabulary_of_list(head.path, keys, errors=reading.errors)
    grams = _subwords(head.path, attributes, prefix)
    matrix = _either(head.path, attributes, prefix, VECTORS)
    if matrix is None:
        own = _array(head.path, attributes, prefix, "vectors_vocab")
        if own is None or grams is None:
            raise MissingPartError(head.path, f"expected the rows as {' or '.join(VECTORS)}, seen none")
        _check_size(head.path, own, len(keys))
        matrix = composed(own, grams, vocabulary)
    _check_size(head.path, matrix, len(keys))
    rows.check_rows(head.path, matrix, lambda _row: {})
    table = rows.as_type(head.path, in_rows(matrix), reading.dtype, lambda _row: {})
    if grams is None:
        return EmbeddingTable.mapped(vocabulary, table, source=str(head.path))
    return SubwordTable.of(vocabulary, table, grams, source=str(head.path))


def _check_size(path: Path, matrix: NDArray[Any], n: int) -> None:
    if not n:
        raise EmptyFileError(path, "expected a word, seen none")
    if len(matrix) != n:
        raise HeaderError(
            path, f"expected one row a word, seen {n:,} words and {len(matrix):,} rows", hint="are the .npy files of this model?"
        )


def _state(path: Path, record: Any) -> dict[str, Any]:
    state = record.state if isinstance(record, Record) else None
    if not isinstance(record, Record) or not record.name.startswith("gensim.") or not isinstance(state, Pairs):
        raise UnknownFormatError(path, f"expected an object of gensim, seen {getattr(record, 'name', type(record).__name__)!r:.80}")
    return state.named()


def _either(path: Path, attributes: dict[str, Any], prefix: str, names: tuple[str, ...]) -> NDArray[Any] | None:
    found = (_array(path, attributes, prefix, name) for name in names)
    return next((array for array in found if array is not None), None)


def _array(path: Path, attributes: dict[str, Any], prefix: str, name: str) -> NDArray[Any] | None:
    """Return a matrix: from the pickle, or from the .npy beside it where gensim has put it."""
    value = attributes.get(name)
    if isinstance(value, Record):
        return _from_record(path, name, value)
    apart = attributes.get("__numpys")
    if value is not None or not isinstance(apart, list) or name not in apart:
        return None
    beside = path.with_name(f"{path.name}{prefix}.{name}.npy")
    if not beside.is_file():
        raise MissingPartError(beside, "expected this file, there is none", hint="gensim writes several files: copy all of them")
    return in_rows(stored_matrix(Head.of(beside))[1])


def _from_record(path: Path, name: str, record: Record) -> NDArray[Any]:
    """Return the matrix that a record of NumPy's reconstruction stands for, its sizes held against its bytes."""
    if record.name in RECONSTRUCTED and isinstance(record.state, tuple) and len(record.state) == 5:  # noqa: PLR2004 - version, shape, type, order, bytes
        _, shape, dtype, fortran, raw = record.state
    elif record.name in BUFFERED and isinstance(record.arguments, tuple) and len(record.arguments) == 4:  # noqa: PLR2004 - bytes, type, shape, order
        raw, dtype, shape, order = record.arguments
        fortran = order == "F"
    else:
        raise HeaderError(path, f"expected an array as {name}, seen {record.name!r:.80}")
    if isinstance(raw, Record) and raw.name == "_codecs.encode" and raw.arguments and isinstance(raw.arguments[0], str):
        raw = _latin(path, name, raw.arguments[0])
    code = dtype.arguments[0] if isinstance(dtype, Record) and dtype.name == "numpy.dtype" and dtype.arguments else None
    if code not in FLOATS or not isinstance(raw, memoryview):
        raise HeaderError(path, f"expected floats in {name}, seen elements {code!r:.40} in {type(raw).__name__}")
    if not isinstance(shape, tuple) or len(shape) != 2 or not all(type(axis) is int and axis >= 0 for axis in shape):  # noqa: PLR2004
        raise HeaderError(path, f"expected {name} of shape (rows, d), seen {shape!r:.60}")
    kind = np.dtype(str(code)).newbyteorder(">" if _is_big(dtype) else "<")
    if shape[0] * shape[1] * kind.itemsize != len(raw) or not shape[1]:
        raise HeaderError(path, f"{name} of shape {shape} in {code} does not take the {len(raw):,} bytes it has")
    flat = np.frombuffer(raw, kind)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _latin(path: Path, name: str, text: str) -> memoryview:
    """Return the bytes that protocol 2, which has none, keeps as text."""
    try:
        return memoryview(text.encode("latin-1"))
    except UnicodeEncodeError:
        raise HeaderError(path, f"expected bytes in {name}, seen text") from None


def _is_big(dtype: Record) -> bool:
    return isinstance(dtype.state, tuple) and len(dtype.state) > 1 and dtype.state[1] == ">"


def _subwords(path: Path, attributes: dict[str, Any], prefix: str) -> Subwords | None:
    """Return the n-grams of a fastText model; None where there are none."""
    matrix = _array(path, attributes, prefix, "vectors_ngrams")
    least, most, buckets = (attributes.get(name) for name in ("min_n", "max_n", "bucket"))
    if matrix is None or not len(matrix) or not most:
        return None
    if type(least) is not int or type(most) is not int or not 1 <= least <= most <= LONGEST or buckets != len(matrix):
        problem = (
            f"expected n-grams of 1 <= min_n <= max_n <= {LONGEST} in {len(matrix):,} buckets, seen {least!r}, {most!r}, {buckets!r:.20}"
        )
        raise HeaderError(path, problem)
    rows.check_rows(path, matrix, lambda _row: {})
    return Subwords(matrix, min_n=least, max_n=most)


WAYS = Ways(lambda _head: False, _read)
