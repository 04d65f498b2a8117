"""The kernel of ranks once more, in NumPy: the oracle of its tests, and what runs where no compiled library could be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.native import reference

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_COSINE = -3.0
"""Key of a row without a cosine: below every cosine."""


def rank_counts(
    query: NDArray[np.float64],
    rows: NDArray[Any],
    zero: int,
    lengths: NDArray[np.float64],
    own: float,
    limits: NDArray[np.float64],
    ids: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Count, for each measure and each b > 0, the rows that come before just b of the wanted ones."""
    vector = query[None, :]
    product = reference.pair_sums(False, vector, rows, None, None)  # noqa: FBT003 - mirrors the kernel's argument list
    both = lengths * own
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.where(both > 0, np.clip(product / both, -1, 1), NO_COSINE)
    every = (-reference.pair_sums(True, vector, rows, None, None), product, cosine)  # noqa: FBT003
    found = np.zeros(limits.shape, dtype=np.int64)
    for measure, keys in enumerate(every):
        beaten = np.searchsorted(limits[measure], keys)
        for i in np.flatnonzero(np.isin(keys, limits[measure])):  # of equal keys the lower id comes first
            tied = limits[measure] == keys[i]
            beaten[i] += int((ids[measure][tied] > zero + i).sum())
        found[measure] = np.bincount(beaten, minlength=limits.shape[1] + 1)[1:]
    return found
