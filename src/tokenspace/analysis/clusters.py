"""Clusters of rows by direction: spherical k-means, for colouring a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.engines import local
from tokenspace.errors import ArgumentError
from tokenspace.rows import as_matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SAMPLE = 20_000
"""Rows, evenly spread over the table, that the middles are learnt from."""

ROUNDS = 25
BLOCK = 1 << 20
"""Numbers at a time when all rows are assigned."""


def clusters(matrix: ArrayLike, k: int = 12, *, seed: int = 0, threads: int | None = None) -> NDArray[np.int16]:
    """Return the cluster of each row, by direction; the largest cluster is number 0.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
    k : int, default 12
        At least 1 and at most 1,000.
    seed : int, default 0
        Of the first middles.
    threads : int, optional
        Default: as many as CPUs this process may use.

    Returns
    -------
    array of shape (n,), int16
        In 0..k-1, or -1 for a zero row, which has no direction.

    Raises
    ------
    ArgumentError
        If k is outside 1..1000.

    Notes
    -----
    Lloyd's iterations on a sample of 20,000 rows of length 1, then one pass over all. The vice: k-means finds k clusters whether there
    are any or not. The colours help the eye; they prove nothing.

    Examples
    --------
    >>> clusters([[1, 0], [5, 1], [0, 1], [0, 0]], 2).tolist()
    [0, 0, 1, -1]
    """
    if not 1 <= k <= 1000:  # noqa: PLR2004 - what int16 and an eye can hold
        message = f"k must be in 1..1000; seen {k}"
        raise ArgumentError(message)
    rows = as_matrix(matrix, "matrix")
    sample = _directions(rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.int64)] if len(rows) else rows)
    sample = sample[sample.any(axis=1)]
    if not len(sample):
        return np.full(len(rows), -1, dtype=np.int16)
    middles = _first(sample, k, np.random.default_rng(seed))
    for _ in range(ROUNDS):
        own = (sample @ middles.T).argmax(axis=1)
        sums = np.zeros_like(middles)
        np.add.at(sums, own, sample)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        moved = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), middles)
        if np.allclose(moved, middles, atol=1e-6):
            break
        middles = moved
    step = max(1, BLOCK // rows.shape[1])
    parts = [(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]

    def assigned(part: tuple[int, int]) -> NDArray[np.int16]:
        block = _directions(rows[slice(*part)])
        return np.where(block.any(axis=1), (block @ middles.T).argmax(axis=1), -1).astype(np.int16)

    found = np.concatenate(local.run(assigned, parts, threads=local.thread_count(threads)))
    sizes = np.bincount(found[found >= 0], minlength=len(middles))
    place = np.empty(len(middles), dtype=np.int16)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(middles))
    return np.where(found >= 0, place[found], -1).astype(np.int16)


def _directions(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return rows of length 1, zero ones as they are."""
    wide = rows.astype(np.float64)
    wide /= np.maximum(np.abs(wide).max(axis=1, initial=0, keepdims=True), np.finfo(np.float64).tiny)
    return (wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), np.finfo(np.float64).tiny)).astype(np.float32)


def _first(sample: NDArray[np.float32], k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Choose first middles far from each other, as k-means++ does."""
    chosen = [sample[rng.integers(len(sample))]]
    far = np.full(len(sample), np.inf, dtype=np.float32)
    while len(chosen) < min(k, len(sample)):
        far = np.minimum(far, np.maximum(0, 1 - sample @ chosen[-1]))
        if not far.sum() > 0:
            break
        chosen.append(sample[rng.choice(len(sample), p=(far / far.sum(dtype=np.float64)).astype(np.float64))])
    return np.stack(chosen)
