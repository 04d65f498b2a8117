"""The header of a .npy file: magic, version, length, and a Python dictionary with type, order and shape.

Read here and not by `numpy.lib.format`, whose errors name neither file nor byte, and which believes a shape before it looks at the file.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import HeaderError

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"\x93NUMPY"

LONGEST = 1 << 16
"""Bytes a header may have; NumPy writes 118 for an array and refuses to read above 10,000 itself."""

LENGTHS = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
"""Bytes that hold the header's length, by version."""


@dataclass(frozen=True)
class Array:
    """What the header says: element type, shape, order, and where the data begins."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    offset: int

    @property
    def size(self) -> int:
        """Bytes of the data, in Python's integers, which do not overflow."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(path: Path, start: bytes, *, name: str = "") -> Array:
    """Read a header from a file's beginning.

    Parameters
    ----------
    path : Path
        For the message.
    start : bytes
        At least the header, where it is sound.
    name : str
        A member of an archive, for the message.

    Raises
    ------
    HeaderError
        If it is not a header, or the array's elements are Python objects, which only a pickle can restore.
    """
    label = f"{name}: " if name else ""
    version = tuple(start[6:8])
    if start[:6] != MAGIC or version not in LENGTHS:
        raise HeaderError(path, f"{label}expected a .npy file of version 1, 2 or 3, seen {start[:8]!r}", offset=0)
    begin = 8 + LENGTHS[version]
    length = int.from_bytes(start[8:begin], "little")
    if length > LONGEST or begin + length > len(start):
        raise HeaderError(path, f"{label}expected a header of at most {LONGEST:,} bytes within the file, seen {length:,}", offset=8)
    text = start[begin : begin + length]
    try:
        fields = ast.literal_eval(text.decode("latin-1" if version < (3, 0) else "utf-8").strip(" \n"))
        if set(fields) != {"descr", "fortran_order", "shape"} or type(fields["fortran_order"]) is not bool:
            raise ValueError(sorted(fields))  # noqa: TRY301 - one message for whatever is wrong with the dictionary
        shape, descr = fields["shape"], fields["descr"]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, UnicodeDecodeError):
        problem = f"{label}expected a dictionary of descr, fortran_order and shape, seen {text[:60]!r}"
        raise HeaderError(path, problem, offset=begin) from None
    if not isinstance(shape, tuple) or len(shape) > 2 or not all(type(axis) is int and 0 <= axis < 1 << 62 for axis in shape):  # noqa: PLR2004
        raise HeaderError(path, f"{label}expected a shape of one or two whole numbers, seen {shape!r:.60}", offset=begin)
    try:
        dtype = np.dtype(descr) if isinstance(descr, str) else np.dtype("O")
    except (TypeError, ValueError, SyntaxError):  # the last from NumPy's own parser of types
        raise HeaderError(path, f"{label}expected an element type, seen {descr!r:.40}", offset=begin) from None
    if dtype.hasobject:
        problem = f"{label}expected numbers, seen elements of type {descr!r:.40}, which could only be unpickled"
        raise HeaderError(path, problem, offset=begin, hint="pickles run code; save the array with a number type instead")
    return Array(dtype, shape, fields["fortran_order"], begin + length)


def check_matrix(path: Path, array: Array, *, name: str = "") -> None:
    """Hold an array against what a table's matrix can be.

    Raises
    ------
    HeaderError
        If it has not two axes, or is not of float16, float32 or float64.
    """
    label = f"{name}: " if name else ""
    if len(array.shape) != 2 or array.shape[1] < 1:  # noqa: PLR2004 - a matrix has two axes
        raise HeaderError(path, f"{label}expected a matrix of shape (rows, d), seen shape {array.shape}", offset=10)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:  # noqa: PLR2004 - float64
        hint = "is this bfloat16? .npy has no name for it: convert it to float32 first" if array.dtype.kind == "V" else ""
        problem = f"{label}expected float16, float32 or float64, seen {array.dtype}"
        raise HeaderError(path, problem, offset=10, hint=hint or "convert it with .astype(numpy.float32)")


def header_bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of an array in C order, padded to 64 bytes as NumPy does."""
    text = repr({"descr": dtype.str, "fortran_order": False, "shape": shape})
    padding = -(len(MAGIC) + 4 + len(text) + 1) % 64
    body = (text + " " * padding + "\n").encode()
    return MAGIC + b"\x01\x00" + len(body).to_bytes(2, "little") + body
