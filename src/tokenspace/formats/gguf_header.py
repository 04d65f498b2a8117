"""The header of a GGUF file: metadata, then where each tensor lies; walked over a map, each count held against the bytes left.

Read here and not by the gguf package, which makes several Python objects a token and answers a hostile count with an IndexError.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tokenspace.errors import HeaderError, TruncatedFileError
from tokenspace.formats.walk import Walk

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"GGUF"
VERSIONS = (2, 3)
"""Version 1 had counts of 32 bits and was in use for a month of 2023."""

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
"""Types of a metadata value, by the format's numbers."""

TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}
"""Element types: the format's number, the name, numbers a block, bytes a block."""

MOST_AXES = 4
"""What ggml allows."""

LONGEST_NAME = 1 << 16
"""Bytes of a key or a tensor's name; the format allows 65,535 for keys, 64 for tensors."""

DEEPEST = 4
"""Arrays within arrays."""

MOST_ENTRIES = 1 << 16
"""Tensors, and metadata entries, that a file may have: the largest models have some thousand."""

TOKENS = "tokenizer.ggml.tokens"
"""The metadata entry that lists the tokens."""


@dataclass(frozen=True)
class Tensor:
    """A tensor: its type by the format's number, its shape with rows first, its first byte in the file."""

    kind: int
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        _, numbers, width = TYPES[self.kind]
        return math.prod(self.shape) // numbers * width

    def __str__(self) -> str:
        """Give type and shape."""
        name = TYPES[self.kind][0] if self.kind in TYPES else f"type {self.kind}"
        return f"{name} {list(self.shape)}"


@dataclass(frozen=True)
class Strings:
    """A list of strings where they stand in the file: where each begins, and its bytes."""

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


@dataclass
class Header:
    """What the file says of itself. Of the metadata numbers and the list of tokens are kept."""

    metadata: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)


def _name(walk: Walk, what: str) -> str:
    """Read a name."""
    length = walk.count(f"bytes of {what}", 1)
    if length > LONGEST_NAME:
        raise walk.wrong(8, f"expected {what} of at most {LONGEST_NAME:,} bytes, seen {length:,}")
    return walk.take(length, what).tobytes().decode("utf-8", "backslashreplace")


def _value(walk: Walk, kind: int, depth: int = 0) -> Any:
    """Read a metadata value; lists of numbers are passed over."""
    if kind in SCALARS:
        return walk.number(SCALARS[kind], "a metadata value")
    if kind == STRING:
        walk.take(walk.count("bytes of a metadata value", 1), "a metadata value")
        return None
    if kind != ARRAY or depth >= DEEPEST:
        raise walk.wrong(0, f"expected a metadata value of type 0 to 12, lists at most {DEEPEST} deep; seen type {kind} {depth} deep")
    inner = walk.number("<I", "a list's type")
    least = struct.calcsize(SCALARS[inner]) if inner in SCALARS else {STRING: 8, ARRAY: 12}.get(inner, 1)
    count = walk.count("entries of a list", least)
    if inner == STRING:
        return Strings(*walk.strings(count))
    if inner in SCALARS:
        walk.take(count * least, "a list")
    else:
        for _ in range(count):
            _value(walk, inner, depth + 1)
    return None


def read_header(path: Path, data: NDArray[np.uint8]) -> Header:
    """Read and check a header.

    Parameters
    ----------
    path : Path
        For the message.
    data : array of shape (size,), uint8
        The file, mapped.

    Raises
    ------
    HeaderError, TruncatedFileError
        If a count, a size or a place is not what the file can hold, or a name stands twice; with the byte.
    """
    walk = Walk(path, data)
    if (magic := walk.take(len(MAGIC), "the magic number").tobytes()) != MAGIC:
        raise walk.wrong(4, f"expected a file that begins with {MAGIC!r}, seen {magic!r}")
    version = walk.number("<I", "the version")
    if version not in VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in VERSIONS
        hint = "it was written for a big-endian machine: convert it with gguf-convert-endian" if swapped else ""
        raise walk.wrong(4, f"expected GGUF version {' or '.join(map(str, VERSIONS))}, seen {version}", hint=hint)
    tensors, pairs = walk.count("tensors", 24), walk.count("metadata entries", 13)
    if max(tensors, pairs) > MOST_ENTRIES:
        raise walk.wrong(16, f"expected at most {MOST_ENTRIES:,} tensors and metadata entries, seen {tensors:,} and {pairs:,}")
    header = Header()
    for _ in range(pairs):
        at, key = walk.at, _name(walk, "a key")
        value = _value(walk, walk.number("<I", "a value's type"))
        if key in header.metadata:
            raise HeaderError(path, f"the key {key!r:.60} stands twice", offset=at)
        header.metadata[key] = None if isinstance(value, Strings) and key != TOKENS else value
    for _ in range(tensors):
        at, name = walk.at, _name(walk, "a tensor's name")
        if name in header.tensors:
            raise HeaderError(path, f"the tensor {name!r:.60} stands twice", offset=at)
        axes = walk.number("<I", "the number of axes")
        if not 1 <= axes <= MOST_AXES:
            raise HeaderError(path, f"expected 1 to {MOST_AXES} axes for {name!r:.60}, seen {axes:,}", offset=at)
        shape = tuple(walk.number("<Q", "an axis") for _ in range(axes))[::-1]  # written with the innermost first
        header.tensors[name] = Tensor(walk.number("<I", "a type"), shape, walk.number("<Q", "a place"))
    _place(walk, header)
    return header


def _place(walk: Walk, header: Header) -> None:
    """Count the tensors' places from the file's beginning; hold them against each other and the file."""
    alignment = header.metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 1 <= alignment <= 1 << 20 or alignment & (alignment - 1):
        raise HeaderError(walk.path, f"expected an alignment that is a power of two, seen {alignment!r:.40}", offset=0)
    base = -(-walk.at // alignment) * alignment
    end = 0
    for name, tensor in sorted(header.tensors.items(), key=lambda item: item[1].offset):
        if tensor.kind not in TYPES:
            continue  # a type of a later day; its size is not known
        _, numbers, _ = TYPES[tensor.kind]
        if tensor.shape[-1] % numbers or tensor.offset % alignment:
            problem = f"expected {name!r:.60} in whole blocks of {numbers} at a multiple of {alignment}, seen {tensor} at {tensor.offset:,}"
            raise HeaderError(walk.path, problem, offset=base)
        if tensor.offset < end:
            raise HeaderError(walk.path, f"{name!r:.60} overlaps the tensor before it", offset=base + tensor.offset)
        end = tensor.offset + tensor.size
        if base + end > len(walk.data):
            problem = f"{name!r:.60} ({tensor}) ends at byte {base + end:,}, the file at {len(walk.data):,}"
            raise TruncatedFileError(walk.path, problem, offset=len(walk.data), hint="was a download or a copy cut off?")
    header.tensors = {name: Tensor(tensor.kind, tensor.shape, base + tensor.offset) for name, tensor in header.tensors.items()}
