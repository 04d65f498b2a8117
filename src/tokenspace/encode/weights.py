"""What a word counts for in its sentence, and the direction that all sentences share: smooth inverse frequency (SIF).

S. Arora, Y. Liang, T. Ma, "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017: the weight of a word of probability p
is a / (a + p), and from each sentence's weighted mean its projection on the first singular vector of all of them is taken away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenspace.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SMOOTH = 1e-3
"""The paper's a: it reports much the same for 1e-4 to 1e-3."""


def sif_weights(n: int, counts: ArrayLike | None = None, *, a: float = SMOOTH) -> NDArray[np.float64]:
    """Return the weight a / (a + p) of each of n rows.

    Parameters
    ----------
    n : int
    counts : array of shape (n,), optional
        How often each token stands in text; only ratios matter. Left out, Zipf's law stands in for them: row i, from 0, is taken to be
        as frequent as 1 / (i + 2), as model2vec has it.
    a : float, default 1e-3
        Above 0; the smaller, the less frequent words count.

    Returns
    -------
    array of shape (n,), float64
        In 0..1; 1 for a token that was never seen.

    Raises
    ------
    ShapeError, ArgumentError
        If there is not one count a row, none is above 0, one is negative, or a is not above 0.

    Notes
    -----
    The vice of Zipf's law here: it holds for tables whose rows stand in the order of frequency, as GloVe's and word2vec's do, and for
    others it weighs at random.

    Examples
    --------
    >>> sif_weights(3, [900, 90, 10], a=0.01).round(2)
    array([0.01, 0.1 , 0.5 ])
    """
    if not a > 0:
        message = f"a must be above 0; seen {a}"
        raise ArgumentError(message)
    seen = 1.0 / np.arange(2, n + 2) if counts is None else np.asarray(counts, dtype=np.float64)
    if seen.shape != (n,):
        message = f"counts must be of shape ({n},), one a row; seen {seen.shape}"
        raise ShapeError(message)
    total = float(seen.sum())
    if n and (not np.isfinite(total) or total <= 0 or seen.min() < 0):
        message = f"counts must be 0 or more, and one above 0; seen a sum of {total}"
        raise ArgumentError(message)
    weights: NDArray[np.float64] = a / (a + seen / total) if n else seen
    return weights


def common_components(moment: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the directions along which sentences are longest, all told: the first right singular vectors of their matrix.

    Parameters
    ----------
    moment : array of shape (d, d), float64
        X^T X of the matrix of sentence vectors: all that is needed of it.
    count : int
        How many.

    Returns
    -------
    array of shape (count, d), float64
        Orthonormal; of each pair of opposite directions, the one whose largest number is positive.
    """
    if not 0 <= count <= len(moment):
        message = f"components must be in 0..{len(moment)}; seen {count}"
        raise ArgumentError(message)
    _, vectors = np.linalg.eigh(moment)
    first = vectors[:, ::-1][:, :count].T
    signs = np.sign(first[np.arange(count), np.abs(first).argmax(axis=1)]) if count else np.ones(0)
    return np.ascontiguousarray(first * signs[:, None])


def without(rows: NDArray[np.float32], components: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """Return rows less their projections on orthonormal directions; in float64 on the way."""
    if components is None or not len(components):
        return rows
    wide = rows.astype(np.float64)
    return (wide - (wide @ components.T) @ components).astype(np.float32)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows brought to length 1; zero ones stay zero."""
    wide = rows.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return (wide / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)
