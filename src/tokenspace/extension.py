"""Vocabulary extension (4.5): new rows under a matrix, where they start, and the proof that the old ones are what they were.

To add a token type the lecture adds an input node, and so a column to W; here a row to the matrix. The old rows are copied byte for
byte, which `proof` shows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, ProofError, ShapeError
from tokenspace.rows import as_matrix, check_finite, checked_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

BLOCK = 1 << 22
"""Bytes hashed or compared, and numbers averaged, at a time."""

SPREAD = 1e-9
"""Share of the rows' covariance that `sample` draws with; transformers' mean_resizing scales it alike (`epsilon`)."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a comparison of a table with its extension showed.

    Attributes
    ----------
    rows : int
        Old rows compared: n of the older table.
    added : int
        Rows after them.
    digest_old, digest_new : str
        SHA-256 of the old table's rows, and of the same number of first rows of the new one, as stored.
    first_difference : int or None
        The first row whose bytes differ; None if none does.
    """

    rows: int
    added: int
    digest_old: str
    digest_new: str
    first_difference: int | None

    def __bool__(self) -> bool:
        """Return whether all old rows are identical."""
        return self.digest_old == self.digest_new

    def require(self) -> Proof:
        """Return this proof, or raise where it failed.

        Raises
        ------
        ProofError
            Naming the first differing row.
        """
        if not self:
            message = f"row {self.first_difference} of {self.rows:,} old rows differs from what it was"
            raise ProofError(message, hint="the old rows must be kept as they are: train the new rows only")
        return self

    def __str__(self) -> str:
        """Say it in one line."""
        verdict = "identical" if self else f"DIFFERENT from row {self.first_difference} on"
        return f"{self.rows:,} old rows {verdict} (SHA-256 {self.digest_old[:16]}), {self.added:,} added"


def digest(matrix: NDArray[Any]) -> str:
    """Return the SHA-256 of a matrix's rows in row order, as their bytes stand in memory.

    Parameters
    ----------
    matrix : array of shape (n, d)
        Read in blocks; a memory-mapped one is never held whole.

    Returns
    -------
    str
        64 hexadecimal digits.

    Notes
    -----
    About 1 to 2 GB/s where the processor has SHA instructions, 0.4 GB/s where it has not.

    Examples
    --------
    >>> digest(np.zeros((2, 2), dtype=np.float32))[:8]
    '374708ff'
    """
    total = hashlib.sha256()
    for rows in _blocks(matrix):
        total.update(np.ascontiguousarray(rows).view(np.uint8).data)
    return total.hexdigest()


def proof(old: NDArray[Any], new: NDArray[Any]) -> Proof:
    """Show whether `new` begins with the rows of `old`, bit for bit.

    Parameters
    ----------
    old : array of shape (n, d)
    new : array of shape (n + m, d), of the same element type

    Returns
    -------
    Proof
        True where all n rows are identical.

    Raises
    ------
    ShapeError
        If `new` cannot hold `old`'s rows: fewer rows, another d, another element type.

    Notes
    -----
    Bytes are compared, not values: -0.0 for 0.0 is a difference. Time O(n·d): each table is read once.

    Examples
    --------
    >>> old = np.eye(2, dtype=np.float32)
    >>> bool(proof(old, np.vstack([old, old])))
    True
    """
    if len(new) < len(old) or old.shape[1] != new.shape[1] or old.dtype != new.dtype:
        message = f"proof(old of shape {old.shape} {old.dtype}, new of shape {new.shape} {new.dtype}): new must hold all old rows"
        raise ShapeError(message, hint="was the table truncated, or stored in another type?")
    head = new[: len(old)]
    first = None
    at = 0
    for a, b in zip(_blocks(old), _blocks(head), strict=True):
        same = (np.ascontiguousarray(a).view(np.uint8) == np.ascontiguousarray(b).view(np.uint8)).all(axis=1)
        if not same.all():
            first = at + int(np.argmin(same))
            break
        at += len(a)
    return Proof(len(old), len(new) - len(old), digest(old), digest(head), first)


def new_rows(
    matrix: NDArray[Any], m: int, *, init: str | ArrayLike = "mean", parts: Sequence[Sequence[int]] | None = None, seed: int = 0
) -> NDArray[Any]:
    """Return m rows to stand under a matrix.

    Parameters
    ----------
    matrix : array of shape (n, d)
        The old rows; read, never written.
    m : int
        How many.
    init : str or array of shape (m, d), default "mean"
        The rows themselves, or how they start:

        - ``"mean"``: the mean of all rows, the same for each new one;
        - ``"sample"``: around the mean, by a random sum of the rows' deviations: the law of a normal distribution with 1e-9 of the
          rows' covariance, without that (d, d) matrix being formed;
        - ``"subtoken-mean"``: the mean of the rows in `parts`; where a token has none, the mean of all;
        - ``"zeros"``: zero, for which the cosine is not defined.
    parts : sequence of m sequences of int, optional
        For "subtoken-mean": ids of the rows each new token is made of.
    seed : int, default 0
        For "sample".

    Returns
    -------
    array of shape (m, d), of the matrix's element type

    Raises
    ------
    ArgumentError
        If the name is unknown, or parts are missing or of another number.
    ShapeError
        If an array has another shape.
    NotFiniteError
        If an array holds NaN or infinity.

    Notes
    -----
    Sums are taken in float64, in blocks. "mean" gives equal rows, so the embedding is not injective (Remark 4.1) until they are
    trained apart. In bfloat16 a draw of "sample" may round to the mean itself.

    Examples
    --------
    >>> new_rows(np.float32([[1, 2], [3, 4]]), 1, init="mean")
    array([[2., 3.]], dtype=float32)
    """
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
    rows = INITIALISERS[init](matrix, m, parts, np.random.default_rng(seed))
    return rows.astype(matrix.dtype)


def _blocks(matrix: NDArray[Any]) -> list[NDArray[Any]]:
    step = max(1, BLOCK // max(1, matrix.shape[1] * matrix.itemsize))
    return [matrix[start : start + step] for start in range(0, len(matrix), step)]


def _mean(matrix: NDArray[Any]) -> NDArray[np.float64]:
    total = np.zeros(matrix.shape[1])
    for rows in _blocks(matrix):
        total += rows.astype(np.float64).sum(axis=0)
    return total / len(matrix)


def _start_at_mean(matrix: NDArray[Any], m: int, parts: object, random: np.random.Generator) -> NDArray[np.float64]:
    del parts, random
    return np.tile(_mean(matrix), (m, 1))


def _start_by_sample(matrix: NDArray[Any], m: int, parts: object, random: np.random.Generator) -> NDArray[np.float64]:
    del parts
    mean = _mean(matrix)
    deviation = np.zeros((m, matrix.shape[1]))
    for rows in _blocks(matrix):
        deviation += random.standard_normal((m, len(rows))) @ (rows.astype(np.float64) - mean)
    return mean + np.sqrt(SPREAD / len(matrix)) * deviation


def _start_at_zero(matrix: NDArray[Any], m: int, parts: object, random: np.random.Generator) -> NDArray[np.float64]:
    del parts, random
    return np.zeros((m, matrix.shape[1]))


def _start_at_subtokens(
    matrix: NDArray[Any], m: int, parts: Sequence[Sequence[int]] | None, random: np.random.Generator
) -> NDArray[np.float64]:
    del random
    if parts is None or len(parts) != m:
        message = f"init='subtoken-mean' needs parts: for each of the {m} new tokens the row ids it is made of"
        raise ArgumentError(message)
    ids = [checked_rows(part, len(matrix)) for part in parts]
    fallback = _mean(matrix) if any(not len(part) for part in ids) else np.zeros(matrix.shape[1])
    rows = np.empty((m, matrix.shape[1]))
    for row, part in zip(rows, ids, strict=True):
        row[:] = matrix[part].astype(np.float64).mean(axis=0) if len(part) else fallback
    return rows


INITIALISERS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "mean": _start_at_mean,
    "sample": _start_by_sample,
    "subtoken-mean": _start_at_subtokens,
    "zeros": _start_at_zero,
}
