"""Neighbour overlap: how alike two tables' neighbourhoods are, whatever their axes and scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.analysis import correlation
from tokenspace.errors import ArgumentError
from tokenspace.search import Exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.analysis.correlation import Estimate
    from tokenspace.measures import Measure
    from tokenspace.table import EmbeddingTable


@dataclass(frozen=True, slots=True)
class Overlap:
    """Which share of a token's neighbours two tables have in common.

    Attributes
    ----------
    mean : Estimate
        Mean over the tokens of the share of their k neighbours that both tables name, 0..1, with its interval.
    shares : array of shape (m,), float64
        Of each token.
    tokens : tuple of str
        The tokens asked for.
    shared : int
        Tokens that both tables have: the rows searched.
    k : int
    """

    mean: Estimate
    shares: NDArray[np.float64]
    tokens: tuple[str, ...]
    shared: int
    k: int

    def __str__(self) -> str:
        """Say it in one line."""
        return f"of {self.k} neighbours {self.mean} % are the same, for {len(self.tokens):,} of {self.shared:,} shared tokens"


def shared_rows(first: EmbeddingTable, second: EmbeddingTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that two tables have for the same tokens, in the first one's order.

    Raises
    ------
    ArgumentError
        If they share no token.
    """
    theirs = second.vocabulary.find(list(first.vocabulary))
    mine = np.flatnonzero(theirs >= 0)
    if not len(mine):
        message = f"the tables share no token: {first!r} and {second!r}"
        raise ArgumentError(message)
    return mine, theirs[mine]


def neighbour_overlap(
    first: EmbeddingTable,
    second: EmbeddingTable,
    *,
    k: int = 10,
    sample: int | None = 1000,
    measure: Measure = "cosine",
    seed: int = 0,
    threads: int | None = None,
) -> Overlap:
    """Compare the k nearest tokens of the same token in two tables.

    Parameters
    ----------
    first, second : EmbeddingTable
        Of any widths; only tokens that both have are looked at.
    k : int, default 10
    sample : int or None, default 1000
        How many tokens are asked for, drawn without repetition; None: all.
    measure : "euclidean", "inner_product" or "cosine", default "cosine"
    seed : int, default 0
        Of the draw.
    threads : int, optional

    Returns
    -------
    Overlap

    Raises
    ------
    ArgumentError
        If the tables share no more than k tokens, or k or `sample` is not positive.

    Notes
    -----
    Two trainings of the same method on the same text with other seeds do not agree fully either: measure that first, and compare with it.

    Examples
    --------
    >>> from tokenspace import EmbeddingTable
    >>> table = EmbeddingTable(["a", "b", "c"], [[1, 0], [1, 1], [0, 3]])
    >>> turned = EmbeddingTable(["c", "b", "a"], [[6, 0], [2, 2], [0, 2]])
    >>> neighbour_overlap(table, turned, k=1).mean.value
    1.0
    """
    mine, theirs = shared_rows(first, second)
    if not 1 <= k < len(mine):
        message = f"k must be in 1..{len(mine) - 1}, below the number of shared tokens; seen {k}"
        raise ArgumentError(message)
    if sample is not None and sample < 1:
        message = f"sample must be at least 1; seen {sample}"
        raise ArgumentError(message)
    count = len(mine) if sample is None else min(sample, len(mine))
    asked = np.sort(np.random.default_rng(seed).choice(len(mine), count, replace=False))
    found = []
    for table, rows in ((first, mine), (second, theirs)):
        matrix = table.matrix[rows]
        found.append(Exact(matrix, measure, threads=threads).search(matrix[asked], k, exclude=list(asked[:, None])).ids)
    shares = np.array([len(np.intersect1d(one, other)) / k for one, other in zip(*found, strict=True)])
    tokens = tuple(first.vocabulary.tokens_of(mine[asked]))
    return Overlap(correlation.mean(shares), shares, tokens, len(mine), k)
