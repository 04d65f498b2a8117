"""Columns for the map, as the bytes that a graphics card takes: 16 bits a coordinate, 8 bits a colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.analysis.clusters import clusters
from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.explorer.opened import Opened

STEPS = 65_535
GROUPS = 12
"""Clusters asked for: as many as colours that can be told apart."""


@dataclass(frozen=True, slots=True)
class Column:
    """Bytes for all rows, and what they mean.

    Attributes
    ----------
    data : bytes
        Little-endian.
    header : dict
        ``kind``, and the ends of the scale.
    """

    data: bytes
    header: dict[str, Any]


def placed(coordinates: NDArray[Any]) -> Column:
    """Return coordinates of shape (n, 2) as 16-bit steps of their extent, one scale for both axes: 1/65,535 is below any pixel."""
    low, high = (coordinates.min(axis=0), coordinates.max(axis=0)) if len(coordinates) else (np.zeros(2), np.zeros(2))
    low, high = low.astype(np.float64), high.astype(np.float64)
    side = float(max(*(high - low), np.finfo(np.float32).tiny))
    origin = (low + high - side) / 2
    steps = np.rint((coordinates - origin) * (STEPS / side)).clip(0, STEPS).astype("<u2")
    return Column(steps.tobytes(), {"kind": "xy", "origin": origin.tolist(), "side": side})


def coloured(opened: Opened, name: str) -> Column:
    """Return a column as colours: 255 steps of a scale, or the numbers of groups.

    Parameters
    ----------
    opened : Opened
    name : str
        "norm", "order" (the row id, by powers of ten: the rank of frequency in most tables), "cluster", or a column of the user's.

    Returns
    -------
    Column
        255 stands where there is no number.

    Raises
    ------
    ArgumentError
        If there is no such column.
    """
    if name == "cluster":
        found = opened.keep(("column", name), lambda: clusters(opened.table.matrix, GROUPS, threads=opened.threads))
        return Column(found.astype(np.uint8).tobytes(), {"kind": "groups", "count": int(found.max(initial=-1)) + 1})
    if name == "norm":
        return _scaled(opened.lengths)
    if name == "order":
        return _scaled(np.log10(1 + np.arange(opened.table.n)), whole=True) if opened.table.n else _scaled(np.empty(0))
    if name in opened.columns:
        return _scaled(opened.columns[name])
    message = f"no column {name!r:.60}; there are norm, order, cluster{''.join(', ' + title for title in opened.columns)}"
    raise ArgumentError(message)


def _scaled(values: NDArray[np.float64], *, whole: bool = False) -> Column:
    """Scale numbers to 0..254, between the first and the last hundredth of them unless the whole range is wanted."""
    known = np.isfinite(values)
    some = values[known]
    low, high = np.quantile(some, (0, 1) if whole else (0.01, 0.99)) if some.size else (0.0, 0.0)
    steps = np.full(len(values), 255, dtype=np.uint8)
    steps[known] = np.rint((some - low) * (254 / ((high - low) or 1.0))).clip(0, 254).astype(np.uint8)
    return Column(steps.tobytes(), {"kind": "scale", "low": float(low), "high": float(high)})
