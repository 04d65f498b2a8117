"""New rows from a donor: another table that has rows for the new tokens, and tokens in common with the matrix.

What is known of a new token is where it stands in the donor's space. It is written there as a sum over tokens that both tables have,
and the same sum over those tokens' rows here is its new row: the two spaces need neither d nor orientation in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.all_pairs import pairwise
from tokenspace.engines import local
from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.extension.initialisers import mean_row
from tokenspace.measures import norms
from tokenspace.rows import as_matrix, check_finite, checked_rows, wide_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.extension.initialisers import Request
    from tokenspace.vocabulary import Vocabulary

BLOCK = 1 << 22
"""Numbers of the donor, or of a result, held at a time."""

TERMS = 64
"""Terms of a pursuit at the most; the default of mergekit's tokensurgeon."""

FITTED = 1e-6
"""A pursuit ends where this share of a row's length is left, and drops a shared row of which no more than that is new to it."""


class Donor:
    """Another table's rows, where the new tokens stand in it, and which tokens it shares.

    Parameters
    ----------
    matrix : array of shape (n2, d2), any float type
        The donor's rows.
    new : array of shape (m,), integers
        The donor's row of each new token; -1 where it has none.
    shared : array of shape (s, 2), integers
        For each token of both tables its row here and its row in the donor; at least one.

    Raises
    ------
    ShapeError, RowIdError, ArgumentError
        If the arrays do not fit, an id is outside the donor, or nothing is shared.

    Examples
    --------
    >>> from tokenspace.vocabulary import Vocabulary
    >>> theirs = Vocabulary(["cat", "dog", "tomcat"])
    >>> donor = Donor.between(Vocabulary(["dog", "cat"]), ["tomcat"], theirs, np.float32([[1, 0], [0, 1], [2, 0]]))
    >>> donor.new, donor.shared
    (array([2]), array([[0, 1],
           [1, 0]]))
    """

    __slots__ = ("matrix", "new", "shared")

    def __init__(self, matrix: ArrayLike, new: ArrayLike, shared: ArrayLike) -> None:
        self.matrix = as_matrix(matrix, "the donor's matrix")
        n = len(self.matrix)
        ids = np.asarray(new)
        if ids.ndim != 1:
            message = f"new must be of shape (m,), one row of the donor for each new token; seen {ids.shape}"
            raise ShapeError(message)
        checked_rows(ids[ids != -1], n)
        self.new = ids.astype(np.int64)
        pairs = np.asarray(shared)
        if pairs.ndim != 2 or pairs.shape[1] != 2:  # noqa: PLR2004 - here and there
            message = f"shared must be of shape (s, 2), a row here and a row in the donor for each token of both; seen {pairs.shape}"
            raise ShapeError(message)
        if not len(pairs):
            message = "the donor shares no token with the table, so nothing leads from its space to this one"
            raise ArgumentError(message, hint="does it write its tokens in another way (case, a mark for spaces)?")
        checked_rows(pairs[:, 1], n)
        self.shared = pairs.astype(np.int64)

    @classmethod
    def between(cls, vocabulary: Vocabulary, tokens: Sequence[str], theirs: Vocabulary, matrix: ArrayLike) -> Donor:
        """Find the new tokens, and those of both tables, by their spelling.

        Parameters
        ----------
        vocabulary : Vocabulary
            Of the table to extend.
        tokens : sequence of m str
            The new tokens.
        theirs : Vocabulary
            The donor's.
        matrix : array of shape (n2, d2)
            The donor's rows.

        Returns
        -------
        Donor

        Raises
        ------
        ArgumentError
            If no token is shared.
        """
        there = theirs.find(list(vocabulary))
        here = np.flatnonzero(there >= 0)
        return cls(matrix, theirs.find(list(tokens)), np.column_stack([here, there[here]]))

    def shared_blocks(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield the shared tokens' rows in the donor, some at a time, with their places among the shared ones."""
        step = max(1, BLOCK // self.matrix.shape[1])
        for start in range(0, len(self.shared), step):
            part = slice(start, min(start + step, len(self.shared)))
            yield part, self.matrix[self.shared[part, 1]]


def start_at_neighbours(request: Request) -> NDArray[np.float64]:
    """Return each token's nearest shared tokens' rows, weighted by the sparsemax of their cosines in the donor."""
    donor, known = _opened(request)
    rows: dict[int, NDArray[np.float64]] = {}
    step = max(1, 2 * BLOCK // len(donor.shared))
    for start in range(0, len(known), step):
        places = known[start : start + step]
        new = donor.matrix[donor.new[places]]
        cosines = np.empty((len(places), len(donor.shared)))
        for part, block in donor.shared_blocks():
            cosines[:, part] = pairwise(new, block, measure="cosine", dtype=np.float64, threads=1)
        for place, line in zip(places.tolist(), cosines, strict=True):
            defined = np.flatnonzero(~np.isnan(line))  # a zero row has no cosine
            if defined.size:
                weights = sparsemax(line[defined])
                used = np.flatnonzero(weights)
                rows[place] = weights[used] @ request.matrix[donor.shared[defined[used], 0]].astype(np.float64)
    return _others_at_mean(request, rows)


def start_by_omp(request: Request) -> NDArray[np.float64]:
    """Return each token's sparse sum of shared tokens' rows, found by orthogonal matching pursuit in the donor."""
    donor, known = _opened(request)
    rows: dict[int, NDArray[np.float64]] = {}
    d = donor.matrix.shape[1]
    terms = request.terms if request.terms is not None else min(TERMS, max(1, d // 4))
    if terms < 1:
        message = f"terms must be at least 1; seen {terms}"
        raise ArgumentError(message)
    terms = min(terms, d, len(donor.shared))
    lengths = norms(donor.matrix, donor.shared[:, 1])
    step = max(1, 2 * BLOCK // (terms * d))
    for start in range(0, len(known), step):
        places = known[start : start + step]
        chosen, factors = _pursued(donor, donor.matrix[donor.new[places]].astype(np.float64), lengths, terms)
        for place, ids, line in zip(places.tolist(), chosen, factors, strict=True):
            used = ids >= 0
            if used.any():
                rows[place] = line[used] @ request.matrix[donor.shared[ids[used], 0]].astype(np.float64)
    return _others_at_mean(request, rows)


def sparsemax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the point of the probability simplex nearest to the scores: weights of which most are 0.

    Parameters
    ----------
    scores : array of shape (s,), float64

    Returns
    -------
    array of shape (s,), float64
        Not negative, with sum 1; max(score - tau, 0) for the one tau that makes it so.

    References
    ----------
    A. Martins, R. Astudillo, "From Softmax to Sparsemax", ICML 2016, algorithm 1.

    Examples
    --------
    >>> sparsemax(np.array([0.9, 0.7, -0.5]))
    array([0.6, 0.4, 0. ])
    """
    hopeful = -np.sort(-scores[scores > scores.max() - 1])  # tau is at least the largest score less 1
    sums = np.cumsum(hopeful) - 1
    counts = np.arange(1, len(hopeful) + 1)
    last = np.flatnonzero(hopeful * counts > sums)[-1]
    return np.maximum(scores - sums[last] / counts[last], 0)


def _opened(request: Request) -> tuple[Donor, NDArray[np.int64]]:
    """Check the donor; return it, and the new tokens it has a row for."""
    donor = request.donor
    if donor is None:
        message = f"init={request.init!r} needs donor: another table's rows for the new tokens"
        raise ArgumentError(message, hint="pass tokenspace.extension.Donor(matrix, new, shared)")
    if len(donor.new) != request.m:
        message = f"the donor has places for {len(donor.new)} new tokens; {request.m} rows were asked for"
        raise ShapeError(message)
    checked_rows(donor.shared[:, 0], len(request.matrix))
    known = np.flatnonzero(donor.new >= 0)
    check_finite(donor.matrix[donor.new[known]], "the donor's matrix")
    return donor, known


def _others_at_mean(request: Request, rows: dict[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return m rows: the mean of all where there is none; the whole matrix is read for it only where one is missing."""
    mean = mean_row(request.matrix) if len(rows) < request.m else np.empty(0)
    return np.stack([rows.get(place, mean) for place in range(request.m)]) if request.m else np.empty((0, request.matrix.shape[1]))


def _pursued(
    donor: Donor, targets: NDArray[np.float64], lengths: NDArray[np.float64], terms: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the shared places chosen for each target, (b, terms) with -1 for none, and their factors.

    Each round takes the shared row nearest in direction to what is left of the target, and takes out of that what the chosen rows
    together can say. The chosen rows are kept as an orthonormal basis and a triangle (Gram-Schmidt, done twice, which is enough).
    """
    b, d = targets.shape
    chosen = np.full((b, terms), -1)
    basis, triangle, along = np.zeros((b, terms, d)), np.zeros((b, terms, terms)), np.zeros((b, terms))
    left = targets.copy()
    goal = FITTED * np.sqrt(np.einsum("ij,ij->i", targets, targets))
    with local.one_blas_thread():
        for term in range(terms):
            open_ = np.flatnonzero(np.sqrt(np.einsum("ij,ij->i", left, left)) > goal)
            if not open_.size:
                break
            best = _nearest_in_direction(donor, left[open_], lengths, chosen[open_, :term])
            for place, row in zip(open_.tolist(), best.tolist(), strict=True):
                if row < 0:
                    goal[place] = np.inf
                    continue
                atom = donor.matrix[donor.shared[row, 1]].astype(np.float64)
                rest, known = atom.copy(), basis[place, :term]
                for _ in range(2):
                    part = known @ rest
                    triangle[place, :term, term] += part
                    rest -= part @ known
                length = float(np.sqrt(rest @ rest))
                if length <= FITTED * lengths[row]:  # nothing new can be said
                    goal[place] = np.inf
                    continue
                chosen[place, term], triangle[place, term, term] = row, length
                basis[place, term] = rest / length
                along[place, term] = basis[place, term] @ left[place]
                left[place] -= along[place, term] * basis[place, term]
    factors = np.zeros((b, terms))
    for place in range(b):
        count = int((chosen[place] >= 0).sum())
        if count:
            factors[place, :count] = np.linalg.solve(triangle[place, :count, :count], along[place, :count])
    return chosen, factors


def _nearest_in_direction(
    donor: Donor, left: NDArray[np.float64], lengths: NDArray[np.float64], chosen: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each remainder, (b, d), the shared row with the largest |cosine|, -1 where there is none."""
    best, most = np.full(len(left), -1), np.zeros(len(left))
    dtype = wide_type(donor.matrix.dtype)
    queries = (left / np.abs(left).max(axis=1, keepdims=True)).astype(dtype)
    own = np.arange(len(left))
    for part, block in donor.shared_blocks():
        scale = lengths[part]
        scores = np.abs(queries @ block.astype(dtype).T) / np.where(scale > 0, scale, np.inf)
        for line, ids in zip(scores, chosen, strict=True):
            line[ids[(ids >= part.start) & (ids < part.stop)] - part.start] = 0
        at = scores.argmax(axis=1)
        better = scores[own, at] > most
        best[better], most[better] = at[better] + part.start, scores[own, at][better]
    return best
