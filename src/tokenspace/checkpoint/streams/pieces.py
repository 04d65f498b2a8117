"""Bytes to be written: a stretch of a file, or an array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - as above
from typing import TypeAlias, Union

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some bytes of a file."""

    path: Path
    offset: int
    size: int


Piece: TypeAlias = Union[Stretch, NDArray[np.uint8]]  # noqa: UP007 - evaluated when the module is loaded
"""Bytes to be written: a stretch of a file, or an array of bytes."""


def raw(text: bytes) -> NDArray[np.uint8]:
    """Return bytes as an array of them."""
    return np.frombuffer(text, dtype=np.uint8)
