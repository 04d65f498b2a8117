"""Range search: all rows within a distance, or at least as similar as a threshold, however many they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError
from tokenspace.search.best import FINISH, Keys, scores
from tokenspace.search.product import TOGETHER, below, screens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tokenspace.measures import Measure


@dataclass(frozen=True, slots=True)
class Within:
    """The rows within a range of each query, the closest first, ties to the lower id.

    Attributes
    ----------
    offsets : array of shape (q + 1,), int64
        Query i has ``ids[offsets[i]:offsets[i + 1]]``.
    ids : array of shape (m,), int64
    scores : array of shape (m,), float64
        The measure itself.
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Yield each query's ids and scores."""
        for start, end in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            yield self.ids[start:end], self.scores[start:end]


def least_key(threshold: float, measure: Measure) -> float:
    """Return the key that a row needs: rows reach it whose distance is at most, or similarity at least, the threshold.

    Raises
    ------
    ArgumentError
        If the threshold is not a number, or a distance is negative.
    """
    if np.isnan(threshold) or (measure == "euclidean" and threshold < 0):
        message = f"the threshold must be a number{', 0 or more for a distance' if measure == 'euclidean' else ''}; seen {threshold}"
        raise ArgumentError(message)
    return -(threshold * threshold) if measure == "euclidean" else threshold


def rows_within(matrix: NDArray[Any], keys: Keys, threshold: float, start: int, stop: int, *, single: bool = False) -> list[NDArray[Any]]:
    """Return query, row and key, each of shape (m,), of all pairs in rows start..stop that are within the range.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    keys : Keys
        Of q queries with the matrix.
    threshold : float
        As `least_key` takes it.
    start, stop : int
    single : bool, default False
        As `tokenspace.search.product.search_rows` takes it.

    Returns
    -------
    list of three arrays

    Notes
    -----
    A matrix product with a proven error finds the pairs that may be in range; these are finished. A distance is held against the
    threshold as a distance, so that one of exactly the threshold is within.
    """
    least = least_key(threshold, keys.measure)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for first, screen in screens(matrix, keys, start, stop, single=single):
        for at in range(0, len(keys.queries), TOGETHER):
            value, error = screen.keys(slice(at, at + TOGETHER))
            query, row = np.nonzero(value >= below(least - np.abs(least) * 1e-15 - error, value.dtype)[:, None])
            for piece in range(0, len(query), FINISH):
                a, b = query[piece : piece + FINISH] + at, row[piece : piece + FINISH] + first
                key = keys.of(a, b)
                inside = scores(key, keys.measure) <= threshold if keys.measure == "euclidean" else key >= least
                found.append((a[inside], b[inside], key[inside]))
    empty = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    return [np.concatenate(column) for column in zip(*found, empty, strict=True)]
