"""Safetensors files: where each tensor lies, and new files made of stretches of old ones."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.checkpoint.streams import comparing, copying
from tokenspace.checkpoint.streams.pieces import Piece, Stretch
from tokenspace.formats.format import Head
from tokenspace.formats.safetensors_header import ITEM_SIZES, read_header
from tokenspace.rows import float_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FLOATS = {"F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16"}
"""The element types that rows may have, by the format's names."""

CODES = {name: code for code, name in FLOATS.items()}


@dataclass(frozen=True)
class Stored:
    """A tensor where it lies: in a file, or (read from a .bin) in memory.

    Attributes
    ----------
    name, dtype, shape
        As the header has them; the dtype by the format's name, ``"BF16"``.
    path : Path
        The file.
    offset : int
        Its first byte in the file.
    data : array of bytes or None
        The bytes, where they do not lie in the file as they are.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int
    data: NDArray[np.uint8] | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Number of bytes."""
        return math.prod(self.shape) * ITEM_SIZES[self.dtype]

    @property
    def rows(self) -> int:
        """Rows of a matrix, entries of a bias; a bias of shape (1, n) has n."""
        return self.shape[1] if self.is_bias and len(self.shape) > 1 else self.shape[0]

    @property
    def is_bias(self) -> bool:
        """Whether there is one number an entry."""
        return len(self.shape) == 1 or (len(self.shape) == 2 and self.shape[0] == 1 and self.name.endswith("bias"))  # noqa: PLR2004

    @property
    def row_size(self) -> int:
        """Bytes a row."""
        return self.size // max(1, self.rows)

    def piece(self, begin: int = 0, end: int | None = None) -> Piece:
        """Return the bytes of rows begin..end-1."""
        end = self.rows if end is None else end
        if not self.shape:
            return self._bytes(0, self.size)
        return self._bytes(begin * self.row_size, end * self.row_size) if self.rows else self._bytes(0, 0)

    def _bytes(self, begin: int, end: int) -> Piece:
        if self.data is not None:
            return self.data[begin:end]
        return Stretch(self.path, self.offset + begin, end - begin)

    def whole(self) -> Piece:
        """Return all its bytes."""
        return self._bytes(0, self.size)

    def matrix(self) -> NDArray[Any]:
        """Return its rows as a read-only array of shape (n, d), mapped and not read; a bias has d = 1."""
        dtype = np.dtype(np.int8) if self.dtype == "I8" else float_type(FLOATS[self.dtype])
        raw: NDArray[Any]
        if self.data is not None:
            raw = self.data
        elif not self.size:
            raw = np.empty(0, dtype=np.uint8)
        else:
            raw = np.memmap(self.path, dtype=np.uint8, mode="r", offset=self.offset, shape=(self.size,))
        rows = np.asarray(raw).view(dtype).reshape(self.rows, -1)
        rows.flags.writeable = False
        return rows

    def gather(self, ids: Sequence[int]) -> NDArray[Any]:
        """Return some rows as an array of shape (m, d).

        Read one by one: a touched row of a map brings the 64 kB around it into memory.
        """
        dtype = float_type(FLOATS[self.dtype])
        rows = np.empty((len(ids), self.row_size // dtype.itemsize), dtype=dtype)
        with self.path.open("rb", buffering=0) as file:
            for row, number in zip(rows.view(np.uint8), ids, strict=True):
                piece = self.piece(number, number + 1)
                if isinstance(piece, Stretch):
                    file.seek(piece.offset)
                    row[:] = np.frombuffer(file.read(piece.size), dtype=np.uint8)
                else:
                    row[:] = piece
        return rows

    def row_blocks(self, count: int) -> Iterator[NDArray[Any]]:
        """Yield the first `count` rows, about 1 MB at a time; the next block overwrites the last."""
        dtype = float_type(FLOATS[self.dtype])
        size = max(1, comparing.BLOCK // self.row_size) * self.row_size
        for block in comparing.blocks(self.piece(0, count), size=size):
            yield block.view(dtype).reshape(-1, self.row_size // dtype.itemsize)


@dataclass(frozen=True)
class TensorFile:
    """A safetensors file: its tensors in the header's order, and its metadata."""

    path: Path
    tensors: dict[str, Stored]
    metadata: dict[str, str]


@dataclass(frozen=True)
class Planned:
    """A tensor to be written: what it will be, and where its bytes come from."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]

    @classmethod
    def unchanged(cls, stored: Stored) -> Planned:
        """Plan a tensor as it is."""
        return cls(stored.name, stored.dtype, stored.shape, (stored.whole(),))

    @property
    def size(self) -> int:
        """Number of bytes."""
        return math.prod(self.shape) * ITEM_SIZES[self.dtype]


def read(path: Path) -> TensorFile:
    """Read the header of a file.

    Raises
    ------
    FileContentError
        In one of its kinds, as `tokenspace.formats.safetensors_header.read_header`.
    """
    head = Head.of(path)
    header = read_header(path, head.start, head.size)
    tensors = {name: Stored(name, tensor.dtype, tensor.shape, path, tensor.offset) for name, tensor in header.tensors.items()}
    return TensorFile(path, tensors, header.metadata)


def write(path: Path, tensors: Sequence[Planned], *, metadata: dict[str, str], order: Iterable[str] = ()) -> None:
    """Write a new file.

    Parameters
    ----------
    path : Path
        Must not be there.
    tensors : sequence of Planned
        In the order in which their bytes are to lie.
    metadata : dict of str
        What stands in ``__metadata__``; left out where empty.
    order : iterable of str
        The names in the header's order; those left out follow in the bytes' order.
    """
    entries: dict[str, Any] = {}
    at = 0
    for tensor in tensors:
        entries[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [at, at + tensor.size]}
        at += tensor.size
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    header |= {name: entries[name] for name in order if name in entries}
    header |= {name: entry for name, entry in entries.items() if name not in header}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    start = np.frombuffer(len(text).to_bytes(8, "little") + text, dtype=np.uint8)
    copying.write(path, [start, *(piece for tensor in tensors for piece in tensor.pieces)])


def as_bytes(rows: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an array's bytes as they are stored: C order, little-endian."""
    little = rows if rows.dtype.byteorder != ">" else rows.astype(rows.dtype.newbyteorder("<"))
    return np.ascontiguousarray(little).reshape(-1).view(np.uint8)
