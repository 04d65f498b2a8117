"""Vocabulary extension (4.5): new rows under a matrix, where they start, and the proof that the old ones are what they were.

To add a token type the lecture adds an input node, and so a column to W; here a row to the matrix. The old rows are copied byte for
byte, which `proof` shows. `initialisers` start rows from the matrix itself, `donors` from another table that has the tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.extension.donors import Donor, start_at_neighbours, start_by_omp
from tokenspace.extension.initialisers import (
    SPREAD,
    Request,
    start_as_copies,
    start_at_mean,
    start_at_subtokens,
    start_at_zero,
    start_by_description,
    start_by_sample,
)
from tokenspace.extension.proofs import Proof, digest, proof
from tokenspace.rows import as_matrix, check_finite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["HEAD", "INITIALISERS", "SPREAD", "Donor", "Proof", "digest", "new_rows", "proof"]

INITIALISERS: dict[str, Callable[[Request], NDArray[Any]]] = {
    "mean": start_at_mean,
    "sample": start_by_sample,
    "subtoken-mean": start_at_subtokens,
    "copy": start_as_copies,
    "description": start_by_description,
    "neighbours": start_at_neighbours,
    "omp": start_by_omp,
    "zeros": start_at_zero,
}
"""The ways in which new rows can start, by the names that ``init=`` takes."""

HEAD = {"subtoken-mean": "mean", "description": "mean"}
"""What an output head's new rows start with where the input's start with the key. A head row says how likely its token is: the mean
of the pieces' rows would make a rare word as likely as its frequent pieces. Names not listed serve both."""


def new_rows(
    matrix: NDArray[Any],
    m: int,
    *,
    init: str | ArrayLike = "mean",
    parts: Sequence[Sequence[int]] | None = None,
    donor: Donor | None = None,
    terms: int | None = None,
    seed: int = 0,
) -> NDArray[Any]:
    """Return m rows to stand under a matrix.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
        The old rows; read, never written.
    m : int
        How many.
    init : str or array of shape (m, d), default "mean"
        The rows themselves, or how they start:

        - ``"mean"``: the mean of all rows, the same for each new one;
        - ``"sample"``: around the mean, by a random sum of the rows' deviations: the law of a normal distribution with 1e-9 of the
          rows' covariance, without that (d, d) matrix being formed;
        - ``"subtoken-mean"``: the mean of the rows in `parts`; where a token has none, the mean of all;
        - ``"copy"``: the one row in `parts`, bit for bit;
        - ``"description"``: the mean of the rows in `parts`, there those of a text that describes the token; each needs some;
        - ``"neighbours"``: from a `donor` that has the tokens: the shared tokens nearest to a token there, weighted by the
          sparsemax of their cosines, give its row here (FOCUS); the mean of all where the donor lacks the token;
        - ``"omp"``: from a `donor`: orthogonal matching pursuit writes the token's row there as a sum of at most `terms` rows of
          shared tokens, and the same sum is taken here; the mean of all where the donor lacks the token;
        - ``"zeros"``: zero, for which the cosine is not defined.
    parts : sequence of m sequences of int, optional
        For "subtoken-mean", "copy" and "description": ids of the rows each new token starts from.
    donor : Donor, optional
        For "neighbours" and "omp".
    terms : int, optional
        For "omp": at least 1. Left out, 64 or, where that is fewer, a quarter of the donor's d: with as many terms as dimensions
        the fit is exact and says nothing.
    seed : int, default 0
        For "sample".

    Returns
    -------
    array of shape (m, d), of the matrix's element type

    Raises
    ------
    ArgumentError
        If the name is unknown, or what it needs is missing or of another number.
    ShapeError
        If an array has another shape.
    RowIdError
        If an id is outside.
    NotFiniteError
        If an array holds NaN or infinity.

    Notes
    -----
    Sums are taken in float64, in blocks, on one thread; beyond the rows themselves at most about 100 MB. "mean" and "sample" read the
    matrix once and twice, "subtoken-mean", "copy" and "description" only the rows in `parts`.

    "mean" gives equal rows, and so do "subtoken-mean" and "description" for equal parts: the embedding is not injective (Remark 4.1)
    until they are trained apart. "sample" gives rows that differ, in every element type: its numbers are rounded up or down at
    random, so that their expectation is the number before rounding. (Rounded to nearest, bfloat16 rows collapse: the draws differ
    by 3e-5 of the rows' spread.) Rows that still coincide, as few short ones may, are drawn twice as far from the mean, again until
    they differ. Only of old rows without any spread are the draws equal.

    References
    ----------
    The mean and its sample: J. Hewitt, "Initializing New Word Embeddings for Pretrained Language Models", 2021. Neighbours: K. Dobler,
    G. de Melo, "FOCUS", EMNLP 2023. OMP: C. Goddard, F. Fernandes Neto, "Training-Free Tokenizer Transplantation via Orthogonal
    Matching Pursuit", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> old = np.float32([[1, 2], [3, 4]])
    >>> new_rows(old, 1, init="mean")
    array([[2., 3.]], dtype=float32)
    >>> new_rows(old, 2, init="copy", parts=[[1], [0]])
    array([[3., 4.],
           [1., 2.]], dtype=float32)
    """
    matrix = as_matrix(matrix, "matrix")
    if m < 0:
        message = f"m must be the number of new rows, 0 or more; seen {m}"
        raise ArgumentError(message)
    if not isinstance(init, str):
        rows = as_matrix(init, "init")
        if rows.shape != (m, matrix.shape[1]):
            message = f"init must be of shape {(m, matrix.shape[1])}, one row for each new token; seen {rows.shape}"
            raise ShapeError(message)
        check_finite(rows, "init")
        return rows.astype(matrix.dtype)
    if init not in INITIALISERS:
        message = f"init must be an array of shape ({m}, {matrix.shape[1]}) or one of {', '.join(INITIALISERS)}; seen {init!r}"
        raise ArgumentError(message)
    if init != "zeros" and not len(matrix):
        message = f"init={init!r} needs old rows to start from, and there are none"
        raise ArgumentError(message, hint="pass the rows themselves as init")
    return INITIALISERS[init](Request(matrix, m, init, parts, donor, terms, seed)).astype(matrix.dtype, copy=False)
