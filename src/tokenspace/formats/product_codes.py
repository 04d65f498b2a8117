"""Rows stored as product-quantised codes: each stretch of a row is the number of a centroid, 256 of them a stretch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import HeaderError
from tokenspace.formats import rows_in_files as rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MOST_EXPANSION = 128
"""Times the size of the file that its rows may take once decoded; codes of one byte for 8 float32 are 32."""


def decoded(
    path: Path, codes: NDArray[np.uint8], centroids: Sequence[NDArray[np.float32]], norms: NDArray[Any] | None, *, size: int
) -> NDArray[np.float32]:
    """Return the rows that codes stand for.

    Parameters
    ----------
    path : Path
        For the message.
    codes : array of shape (n, s), uint8
    centroids : sequence of s arrays of shape (256, width)
    norms : array of shape (n,), or None
        What each row is multiplied by.
    size : int
        Bytes of the file.

    Raises
    ------
    HeaderError
        If the rows would take more than `MOST_EXPANSION` times the file, or a code names no centroid.
    """
    d = sum(each.shape[1] for each in centroids)
    if len(codes) * d * 4 > MOST_EXPANSION * size:
        problem = f"its codes stand for {len(codes):,} rows of {d:,} numbers, more than {MOST_EXPANSION} times a file of {size:,} bytes"
        raise HeaderError(path, problem, hint="the header cannot be right")
    least = min(len(each) for each in centroids)
    out = np.empty((len(codes), d), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # found when the rows are checked
        for start, stop in rows.blocks(out):
            block = codes[start:stop]
            if int(block.max(initial=0)) >= least:
                raise HeaderError(path, f"expected codes below {least}, seen {int(block.max()):,} between rows {start + 1:,} and {stop:,}")
            at = 0
            for place, each in enumerate(centroids):
                out[start:stop, at : at + each.shape[1]] = each[block[:, place]]
                at += each.shape[1]
            if norms is not None:
                out[start:stop] *= norms[start:stop, None]
    return out
