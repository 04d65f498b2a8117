"""The native format: one safetensors file with the matrix, the tokens and their hash index, mapped and not read.

Byte by byte in docs/reference/format.md. Any safetensors reader can read the tensors; this one reads the header and nothing else, so
that opening takes as long for 20,000,000 rows as for 400.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from tokenspace import progress
from tokenspace.errors import ArgumentError, ChecksumError, DuplicateRowError, DuplicateTokenError, FileContentError, HeaderError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats import subword_file
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.replacement import replacing
from tokenspace.formats.safetensors_header import ITEM_SIZES, NAMES, TYPES, Header, read_header
from tokenspace.rows import float_type
from tokenspace.table import EmbeddingTable
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

VERSION = "1"
HASH = "fnv1a64-folded"
"""FNV-1a of the token's bytes in 64 bits, h ^ (h >> 32), linear probing: what native/token_index.c does."""

PAGE = 4096
"""The tensors begin at a multiple of this: a page on x86 and most ARM systems, and a disk's block."""

ALIGNMENT = 64
"""Each tensor begins at a multiple of this, a cache line, within the data; the gaps are tensors of zeros named padding.N."""

LONGEST_HEADER = 1 << 20
"""Ours has 4 kB; a longer one is refused before it is parsed."""

PARTS = {"vocab.offsets": ("I64", "<i8"), "vocab.index": ("U32", "<u4"), "vocab.bytes": ("U8", "u1")}


def _sniff(head: Head) -> bool:
    start = head.start[:PAGE]
    return start[8:10] == b'{"' and b'"tokenspace"' in start


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    header = checked_header(head)
    with head.path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    vocabulary, embedding = read_vocabulary(head.path, header, whole), _array(whole, header, "embedding")
    matrix = rows.as_type(head.path, embedding, reading.dtype, lambda _row: {})
    return subword_file.attached(EmbeddingTable.mapped(vocabulary, matrix, source=str(head.path)), head.path, embedding)


def read_vocabulary(path: Path, header: Header, whole: mmap.mmap) -> Vocabulary:
    """Return the vocabulary of a mapped file whose tensors' types and shapes have been checked."""
    offsets, index, data = (_array(whole, header, name) for name in PARTS)
    if int(offsets[0]) != 0 or int(offsets[-1]) != len(data):
        problem = f"vocab.offsets must go from 0 to {len(data):,}, seen {int(offsets[0]):,} to {int(offsets[-1]):,}"
        raise HeaderError(path, problem, offset=header.tensors["vocab.offsets"].offset)
    known = header.metadata.get("hash") == HASH  # another hash, a later version's say: the index is built anew
    try:
        return Vocabulary.from_arrays(data, offsets, index if known else None)
    except (ArgumentError, DuplicateTokenError) as error:
        kind = DuplicateRowError if isinstance(error, DuplicateTokenError) else HeaderError
        raise kind(path, error.message, offset=header.tensors["vocab.offsets"].offset) from None


def checked_header(head: Head) -> Header:
    """Read the header and hold the tensors' types and shapes against each other."""
    header = read_header(head.path, head.start, head.size, longest=LONGEST_HEADER)
    tensors, metadata = header.tensors, header.metadata
    if metadata.get("format") != "tokenspace" or metadata.get("version") != VERSION:
        seen = f"{metadata.get('format')!r:.40} version {metadata.get('version')!r:.40}"
        raise HeaderError(head.path, f"expected format 'tokenspace' version '{VERSION}', seen {seen}", offset=8, hint="upgrade tokenspace")
    missing = [name for name in ("embedding", *PARTS) if name not in tensors]
    if missing:
        raise HeaderError(head.path, f"expected the tensors embedding, {', '.join(PARTS)}; {missing[0]} is missing", offset=8)
    shape = tensors["embedding"].shape
    if tensors["embedding"].dtype not in TYPES or len(shape) != 2 or shape[1] < 1:  # noqa: PLR2004 - a matrix has two axes
        raise HeaderError(head.path, f"expected an embedding (n, d) in {', '.join(TYPES)}, seen {tensors['embedding']}", offset=8)
    n = shape[0]
    check_vocabulary(head.path, header, n)
    if tensors["embedding"].offset % ITEM_SIZES[tensors["embedding"].dtype]:
        seen = f"{tensors['embedding'].offset:,}"
        raise HeaderError(head.path, f"expected embedding aligned to its elements, seen byte {seen}", offset=8)
    if (metadata.get("rows"), metadata.get("dims")) != (str(n), str(shape[1])):
        seen = f"{metadata.get('rows')!r:.20} x {metadata.get('dims')!r:.20}"
        raise HeaderError(head.path, f"the metadata promises {seen}, the embedding is {n:,} x {shape[1]:,}", offset=8)
    return header


def check_vocabulary(path: Path, header: Header, n: int) -> None:
    """Hold the types, shapes and places of the vocabulary's tensors against the number of rows."""
    tensors = header.tensors
    slots = tensors["vocab.index"].count
    shapes = {"vocab.offsets": (n + 1,), "vocab.index": (slots,), "vocab.bytes": (tensors["vocab.bytes"].count,)}
    for name, (dtype, _) in PARTS.items():
        if tensors[name].dtype != dtype or tensors[name].shape != shapes[name]:
            seen = f"{tensors[name].dtype} {list(tensors[name].shape)}"
            raise HeaderError(path, f"expected {name} as {dtype} {list(shapes[name])} for {n:,} rows, seen {seen}", offset=8)
        if tensors[name].offset % ITEM_SIZES[dtype]:
            raise HeaderError(path, f"expected {name} aligned to its elements, seen byte {tensors[name].offset:,}", offset=8)
    if slots <= n or slots & (slots - 1):
        raise HeaderError(path, f"expected a power of two above {n:,} slots in vocab.index, seen {slots:,}", offset=8)


def _array(whole: mmap.mmap, header: Header, name: str) -> NDArray[Any]:
    """Return a tensor as a view of the map."""
    tensor = header.tensors[name]
    dtype = float_type(TYPES[tensor.dtype]) if name == "embedding" else np.dtype(PARTS[name][1])
    flat = np.frombuffer(whole, dtype, tensor.count, tensor.offset) if tensor.count else np.empty(0, dtype)
    return flat.reshape(tensor.shape)


def write(table: EmbeddingTable, path: Path) -> None:
    """Write a table in the native format."""
    if len(table):
        rows.check_writable(table, path, "native")
    with replacing(path) as file:
        writer = Writer(file)
        writer.begin(table.d, table.dtype, table.n)
        for start, stop in rows.blocks(table.matrix):
            writer.add(table.matrix[start:stop])
            progress.report(f"writing {path.name}", stop * table.d * table.dtype.itemsize, table.matrix.nbytes)
        writer.finish(Vocabulary.from_arrays(table.vocabulary.data, table.vocabulary.offsets))  # checks offsets, finds duplicates
    subword_file.keep(table, path)


class Writer:
    """Writes a file row by row: room for the header, the rows as they come, then the vocabulary, and the header last.

    Parameters
    ----------
    file : binary file
        Open for writing, at its beginning.
    room : int, default 4096
        The byte at which the rows begin, at least 4096.
    """

    def __init__(self, file: IO[bytes], room: int = PAGE) -> None:
        self.file, self.room = file, room
        self.n = self.d = 0
        self.digest = hashlib.sha256()

    def begin(self, d: int, dtype: np.dtype[Any], expected: int) -> None:
        """Hear of what will come; how many rows does not matter here."""
        del expected
        self.d, self.dtype = d, dtype
        self.file.write(bytes(self.room))

    def reserve(self, m: int) -> None:
        """Rows are handed over, as a file is written in order."""

    def add(self, block: NDArray[Any]) -> None:
        """Write rows, shape (m, d), whatever their order in memory."""
        for part in _stored(block):
            self.file.write(part.data)
            self.digest.update(part.data)
        self.n += len(block)

    def finish(self, vocabulary: Vocabulary, **more: str) -> None:
        """Write the vocabulary, and the header with further metadata."""
        code, size = NAMES[self.dtype.name], self.n * self.d * self.dtype.itemsize
        entries = {"embedding": _entry(code, (self.n, self.d), 0, size)}
        digests = {"sha256.embedding": self.digest.hexdigest()}
        digests |= write_vocabulary(self.file, vocabulary, entries, self.room, size)
        metadata = {
            "format": "tokenspace",
            "version": VERSION,
            "rows": str(self.n),
            "dims": str(self.d),
            "hash": HASH,
            "tokens": "utf-8" if rows.undecodable(vocabulary.data, vocabulary.offsets) is None else "bytes",
            "finite": "true",
        }
        self.file.seek(0)
        self.file.write(header_bytes({**metadata, **more, **digests}, entries, self.room))


def write_vocabulary(
    file: IO[bytes], vocabulary: Vocabulary, entries: dict[str, dict[str, object]], room: int, at: int = 0
) -> dict[str, str]:
    """Write the three arrays of a vocabulary, `at` bytes of data being there; add their entries, and return their digests."""
    digests = {}
    arrays: tuple[NDArray[Any], ...] = (vocabulary.offsets, vocabulary.index, vocabulary.data)
    for name, array in zip(PARTS, arrays, strict=True):
        if gap := -(room + at) % ALIGNMENT:
            entries[f"padding.{len(entries)}"] = _entry("U8", (gap,), at, gap)
            file.write(bytes(gap))
            at += gap
        entries[name] = _entry(PARTS[name][0], array.shape, at, array.nbytes)
        digests[f"sha256.{name}"] = _write_array(file, array)
        at += array.nbytes
    return digests


def _entry(dtype: str, shape: tuple[int, ...], begin: int, size: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, begin + size]}


def header_bytes(metadata: dict[str, str], entries: dict[str, dict[str, object]], room: int = PAGE) -> bytes:
    """Return the header, filled up to the rows: two kilobytes at the most, as every entry has its bounds."""
    text = json.dumps({"__metadata__": metadata, **entries}, separators=(",", ":")).encode()
    text += b" " * (room - 8 - len(text))
    return len(text).to_bytes(8, "little") + text


def _stored(array: NDArray[Any]) -> Iterator[NDArray[np.uint8]]:
    """Yield an array's bytes as they are stored: C order, little-endian, a block at a time, whatever its order in memory."""
    flat = array.reshape(-1, 1) if array.ndim == 1 else array
    for start, stop in rows.blocks(flat):
        part = np.ascontiguousarray(flat[start:stop])
        yield (part if part.dtype.byteorder != ">" else part.astype(part.dtype.newbyteorder("<"))).view(np.uint8).reshape(-1)


def _write_array(file: IO[bytes], array: NDArray[Any]) -> str:
    """Write an array; return its SHA-256."""
    digest = hashlib.sha256()
    for block in _stored(array):
        file.write(block.data)
        digest.update(block.data)
    return digest.hexdigest()


def verify(path: Path) -> None:
    """Read a native file whole and check what opening does not.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ChecksumError
        If a tensor's bytes are not those of its recorded SHA-256.
    HeaderError
        If there is no such record.
    FileContentError
        If the tokens' offsets or the hash index are wrong.
    NotFiniteRowError
        If a number is NaN or infinite.

    Notes
    -----
    O(n·d): reads every byte once or twice, about 1 s a GB where the processor has instructions for SHA-256.
    """
    head = Head.of(path)
    header = checked_header(head)
    table = _read(head, Reading())
    vocabulary = table.vocabulary
    arrays: tuple[NDArray[Any], ...] = (table.matrix, vocabulary.offsets, vocabulary.index, vocabulary.data)
    for name, array in zip(("embedding", *PARTS), arrays, strict=True):
        recorded, digest, at = header.metadata.get(f"sha256.{name}"), hashlib.sha256(), header.tensors[name].offset
        if recorded is None:
            raise HeaderError(path, f"expected the SHA-256 of {name} in the metadata, seen none", offset=8)
        for block in _stored(array):
            digest.update(block.data)
        if digest.hexdigest() != recorded:
            problem = f"{name} has the SHA-256 {digest.hexdigest()[:16]}..., {recorded[:16]!r}... is recorded"
            raise ChecksumError(path, problem, offset=at, hint="the file was changed or damaged: make it anew")
    rows.check_rows(path, table.matrix, lambda row: {"offset": header.tensors["embedding"].offset + row * table.d * table.dtype.itemsize})
    try:
        vocabulary.verify()
    except ArgumentError as error:
        raise FileContentError(path, error.message, offset=header.tensors["vocab.offsets"].offset, hint="make it anew") from None


WAYS = Ways(_sniff, _read, write)
