"""The header of a safetensors file: 8 bytes of length, that much JSON, then tensors without holes.

Read here and not by the safetensors package, which takes the last of two equal keys and does not say where an error is.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from tokenspace.errors import FileContentError, HeaderError, TrailingBytesError, TruncatedFileError

if TYPE_CHECKING:
    from pathlib import Path

ITEM_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1}
ITEM_SIZES |= {"U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1}
ITEM_SIZES |= {"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8}
"""Bytes an element takes, by the format's own names of types."""

TYPES = {"F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16"}
"""Element types that rows may have, by the format's names and by NumPy's."""

NAMES = {name: code for code, name in TYPES.items()}

LONGEST = 100_000_000
"""Bytes a header may have; the safetensors package's own limit."""

MOST_AXES = 8
"""Axes a tensor may have; with more, the product of a hostile shape would take minutes to work out."""


@dataclass(frozen=True)
class Tensor:
    """One tensor: its type, its shape, and its first byte in the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.count * ITEM_SIZES[self.dtype]


@dataclass(frozen=True)
class Header:
    """What a file says of itself: its tensors by name, and its metadata."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def plausible(start: bytes, size: int) -> bool:
    """Return whether a file of `size` bytes that begins so may be safetensors."""
    return len(start) > 8 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") < max(size, LONGEST)  # noqa: PLR2004


def read_header(path: Path, start: bytes, size: int, *, longest: int = LONGEST) -> Header:
    """Read and check a header.

    Parameters
    ----------
    path : Path
        The file; read again only where the header is longer than `start`.
    start : bytes
        The file's beginning.
    size : int
        The file's size.
    longest : int
        Bytes the header may have.

    Returns
    -------
    Header

    Raises
    ------
    HeaderError
        If it is not JSON, names a key twice, or its tensors overlap, leave holes or do not have the size of their shape.
    TruncatedFileError, TrailingBytesError
        If the file ends before its last tensor, or goes on after it.
    """
    length = int.from_bytes(start[:8], "little")
    if len(start) < 8 or length > longest:  # noqa: PLR2004 - the length itself
        raise HeaderError(path, f"expected a header of at most {longest:,} bytes, seen a length of {length:,}", offset=0)
    if 8 + length > size:
        raise TruncatedFileError(path, f"expected a header of {length:,} bytes, seen {size - 8:,} to the end", offset=size)
    text = start[8 : 8 + length]
    if len(text) < length:
        with path.open("rb") as file:
            file.seek(8)
            text = file.read(length)
    entries = _json(path, text)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderError(path, f"expected metadata of strings, seen {metadata!r:.60}", offset=8)
    tensors = {name: _tensor(path, name, entry, 8 + length) for name, entry in entries.items()}
    _check_cover(path, tensors, 8 + length, size)
    return Header({name: tensor for name, (tensor, _) in tensors.items()}, metadata)


def _hooks(path: Path) -> dict[str, Any]:
    """Return what refuses, while JSON is parsed, that other readers refuse or read otherwise."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise HeaderError(path, f"the header names {twice!r:.60} twice; expected every key once", offset=8)
        return entries

    def refused(word: str) -> NoReturn:
        raise HeaderError(path, f"expected whole numbers, seen {word}", offset=8)

    def whole(word: str) -> int:  # -0 is 0 for Python, and no whole number for others
        if word == "-0":
            refused(word)
        return int(word)

    return {"object_pairs_hook": once, "parse_constant": refused, "parse_int": whole}


def _json(path: Path, text: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(text.decode(), **_hooks(path))
        if b"\\u" in text:  # half a surrogate, which other readers refuse
            json.dumps(entries, ensure_ascii=False).encode()
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else error.pos
        raise HeaderError(path, f"expected JSON, seen {text[at : at + 20]!r}", offset=8 + at) from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, FileContentError):
            raise
        raise HeaderError(path, f"expected JSON within reason: {error!s:.80}", offset=8) from None
    if not isinstance(entries, dict):
        raise HeaderError(path, f"expected a JSON object, seen {text[:20]!r}", offset=8)
    return entries


def _tensor(path: Path, name: str, entry: object, base: int) -> tuple[Tensor, int]:
    """Return a tensor and the byte after its last."""
    fields = entry if isinstance(entry, dict) else {}
    dtype: Any = fields.get("dtype")
    shape: Any = fields.get("shape")
    bounds: Any = fields.get("data_offsets")
    if set(fields) != {"dtype", "shape", "data_offsets"} or not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise HeaderError(path, f"expected dtype, shape and data_offsets for {name!r:.60}, seen {entry!r:.80}", offset=8)
    if not _whole_numbers(shape) or not _whole_numbers(bounds) or len(bounds) != 2 or bounds[0] > bounds[1]:  # noqa: PLR2004
        raise HeaderError(path, f"expected a shape and two rising offsets for {name!r:.60}, seen {entry!r:.80}", offset=8)
    tensor = Tensor(dtype, tuple(shape), base + bounds[0])
    if tensor.size != bounds[1] - bounds[0]:
        problem = f"{name!r:.60} of shape {shape} in {dtype} takes {tensor.size:,} bytes; its offsets leave {bounds[1] - bounds[0]:,}"
        raise HeaderError(path, problem, offset=8)
    return tensor, base + bounds[1]


def _whole_numbers(value: object) -> bool:
    return isinstance(value, list) and len(value) <= MOST_AXES and all(type(item) is int and 0 <= item < 1 << 63 for item in value)


def _check_cover(path: Path, tensors: dict[str, tuple[Tensor, int]], begin: int, size: int) -> None:
    """Hold the tensors against each other and the file: one after the other, from the header to the end."""
    at = begin
    for name, (tensor, end) in sorted(tensors.items(), key=lambda item: (item[1][0].offset, item[1][1])):
        if tensor.offset != at:
            kind = "overlaps the tensor before it" if tensor.offset < at else "leaves a hole in front of it"
            raise HeaderError(path, f"{name!r:.60} {kind}: expected it at byte {at:,}, seen {tensor.offset:,}", offset=8)
        at = end
    if at > size:
        raise TruncatedFileError(path, f"expected {at:,} bytes, seen {size:,}", offset=size, hint="was a download or a copy cut off?")
    if at < size:
        raise TrailingBytesError(path, f"expected {at:,} bytes, seen {size:,}", offset=at)
