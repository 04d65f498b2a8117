"""Rows that a search is kept to, or that are left out of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ShapeError
from tokenspace.rows import checked_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def rows_among(among: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return the row ids that `among` names, each once and rising, so that ties still go to the lower id."""
    named = np.asarray(among)
    if named.dtype == bool:
        if named.shape != (n,):
            message = f"among as a mask must be of shape ({n},); seen {named.shape}"
            raise ShapeError(message)
        return np.flatnonzero(named)
    return np.unique(checked_rows(named, n))


def checked_exclusions(exclude: Sequence[Any] | None, q: int, n: int) -> list[NDArray[np.int64]]:
    """Return the row ids to leave out of each of q queries' answers; an empty list where there are none at all."""
    if exclude is None:
        return []
    if len(exclude) != q:
        message = f"exclude must hold one sequence of row ids for each of the {q} queries; seen {len(exclude)}"
        raise ShapeError(message)
    return [np.unique(checked_rows(rows, n)) for rows in exclude]


def left_out(
    ids: NDArray[np.int64], score: NDArray[np.float64], without: list[NDArray[np.int64]], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Drop excluded rows and close the gaps; -1 and NaN where too few are left."""
    if not without:
        return ids, score
    drop = np.stack([np.isin(line, rows) for line, rows in zip(ids, without, strict=True)])
    order = np.argsort(drop, axis=1, kind="stable")[:, :k]
    gone = np.take_along_axis(drop, order, axis=1)
    kept, kept_score = np.take_along_axis(ids, order, axis=1), np.take_along_axis(score, order, axis=1)
    return np.where(gone, -1, kept), np.where(gone, np.nan, kept_score)
