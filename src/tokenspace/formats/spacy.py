"""spaCy's vectors, as a pipeline or a vocabulary is saved to disk: rows, which row each word's hash has, and the words.

Read without spaCy: the rows are a .npy, the hashes a map of whole numbers in MessagePack, the words a list in JSON. Several words may
have one row; each gets a row of its own here, as a table has one row a token.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import EmptyFileError, HeaderError, MissingPartError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.murmur import murmur64
from tokenspace.formats.npy import in_rows, stored_matrix
from tokenspace.formats.walk import Walk
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VECTORS, ROWS, WORDS, SETTINGS = "vectors", "key2row", "strings.json", "vectors.cfg"
SEED = 1
"""spaCy's seed for MurmurHash."""

MOST_EXPANSION = 64
"""Times the file that the table may be: en_core_web_md has 684,830 words for 20,000 rows, which makes 27."""

FEW, MANY = {0xDE: ">H", 0xDF: ">I"}, 0x80
"""MessagePack's marks of a map: with a count of two or four bytes; below 16 entries 0x80 and the count in one."""

WHOLE = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
"""Its marks of whole numbers that are larger than 127."""


def _home(folder: Path) -> Path | None:
    """Return where the vectors lie: in the folder of a vocabulary, or in that of a pipeline."""
    for home in (folder / "vocab", folder):
        if (home / VECTORS).is_file() and (home / ROWS).is_file():
            return home
    return None


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    home = _home(head.path)
    if home is None:
        raise MissingPartError(head.path, f"expected {VECTORS} and {ROWS}, in it or in its vocab, there are none")
    _check_mode(home)
    matrix, size = _matrix(home / VECTORS)
    keys, places = _rows_of_keys(home / ROWS, len(matrix))
    data, starts, lengths = _words(home / WORDS, keys)
    order = np.argsort(places, kind="stable")
    starts, lengths, places = starts[order], lengths[order], places[order]
    if not np.array_equal(places, np.arange(len(matrix))):
        size += (home / ROWS).stat().st_size
        if len(places) * matrix.shape[1] * matrix.itemsize > MOST_EXPANSION * size:
            problem = f"{len(places):,} words share {len(matrix):,} rows of {matrix.shape[1]:,} numbers"
            raise HeaderError(home / ROWS, f"{problem}; a row for each would take more than {MOST_EXPANSION} times the file")
        matrix = matrix[places]
    vocabulary = rows.vocabulary_of(home / WORDS, data, starts, lengths, place=lambda _row: {}, errors=reading.errors)
    return EmbeddingTable.mapped(vocabulary, rows.as_type(home / VECTORS, matrix, reading.dtype, lambda _row: {}), source=str(head.path))


def _check_mode(home: Path) -> None:
    """Refuse floret's vectors, which have no row a word but some for each of its n-grams."""
    if not (home / SETTINGS).is_file():
        return
    settings = _json(home / SETTINGS)
    mode = settings.get("mode", "default") if isinstance(settings, dict) else settings
    if mode != "default":
        hint = "write the words that you need as text, one nlp.vocab[word].vector after the other"
        raise HeaderError(home / SETTINGS, f"expected vectors of the mode 'default', seen {mode!r:.40}", hint=hint)


def _matrix(path: Path) -> tuple[NDArray[Any], int]:
    head = Head.of(path)
    matrix = in_rows(stored_matrix(head)[1])
    rows.check_rows(path, matrix, lambda _row: {})
    return matrix, head.size


def _rows_of_keys(path: Path, n: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Read a map of whole numbers: words' hashes, and their rows."""
    head = Head.of(path)
    walk = Walk(path, rows.mapped(path))
    mark = walk.number(">B", "a map")
    if mark in FEW:
        count = walk.count("entries", 2, FEW[mark])
    elif MANY <= mark < MANY + 16:
        count = mark - MANY
    else:
        raise walk.wrong(1, f"expected a map in MessagePack, seen 0x{mark:02X}")
    data, at = walk.data.tobytes(), walk.at
    numbers = np.empty(2 * count, np.uint64)
    for place in range(2 * count):
        if at >= head.size:
            walk.at = at
            walk.take(1, f"entry {place // 2 + 1:,} of {count:,}")
        mark = data[at]
        width = _width(walk, mark, at)
        if at + 1 + width > head.size:
            walk.at = at
            walk.take(1 + width, f"entry {place // 2 + 1:,} of {count:,}")
        numbers[place] = int.from_bytes(data[at + 1 : at + 1 + width], "big") if width else mark
        at += 1 + width
    walk.at = at
    if walk.left:
        raise walk.wrong(0, f"expected {at:,} bytes, seen {head.size:,}")
    keys, places = numbers[::2], numbers[1::2]
    if not count:
        raise EmptyFileError(path, "expected a word, seen none", offset=0)
    if int(places.max()) >= n:
        raise HeaderError(path, f"expected rows below {n:,}, seen {int(places.max()):,}", hint="is it the file of other vectors?")
    return keys, places.astype(np.int64)


def _width(walk: Walk, mark: int, at: int) -> int:
    """Return how many bytes a whole number has behind its mark; negative ones are refused."""
    if mark < MANY:
        return 0
    if mark not in WHOLE or mark >= 0xD0:  # noqa: PLR2004 - from here on signed
        raise HeaderError(walk.path, f"expected a whole number in MessagePack, seen 0x{mark:02X}", offset=at)
    return 1 << (mark - 0xCC)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError):
        raise MissingPartError(path, "expected this file, there is none", hint="save the whole pipeline: nlp.to_disk(folder)") from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise HeaderError(path, f"expected JSON: {error!s:.80}") from None


def _words(path: Path, keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Return the words with these hashes, as bytes, beginnings and lengths."""
    listed = _json(path)
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise HeaderError(path, "expected a list of strings")
    data, starts, lengths = rows.joined(listed)
    hashes = murmur64(data, starts, lengths, seed=SEED)
    hashes[lengths == 0] = 0  # spaCy's own rule
    order = np.argsort(hashes)
    found = np.searchsorted(hashes, keys, sorter=order)
    found[found == len(order)] = 0
    at = order[found] if len(order) else np.zeros(len(keys), np.int64)
    unknown = np.flatnonzero(hashes[at] != keys) if len(order) else np.arange(len(keys))
    if unknown.size:
        problem = f"{unknown.size:,} of {len(keys):,} words with a row are not in the list, the first with the hash {int(keys[unknown[0]])}"
        raise HeaderError(path, problem, hint="is it the file of another pipeline?")
    return data, starts[at], lengths[at]


WAYS = Ways(lambda head: _home(head.path) is not None, _read)
