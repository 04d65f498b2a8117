"""Orthogonal alignment: the rotation that lays one table on another (Procrustes), and the proof that it is one.

Two trainings find the same geometry in other coordinates. Distances, inner products and cosines do not see a rotation, so a table may
be turned until its rows lie closest to those of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.analysis.overlap import shared_rows
from tokenspace.errors import ArgumentError, ProofError, ShapeError
from tokenspace.rows import wide_type
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

BLOCK = 1 << 20
"""Numbers lifted to float64 at a time."""

UNIT = 2.0**-53
"""Rounding of float64."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """An orthogonal matrix Q that takes rows of one table to those of another, x -> x Q.

    Attributes
    ----------
    rotation : array of shape (d, d), float64
        Q; a rotation, or a rotation and a reflection.
    tokens : int
        Shared tokens it was found from.
    before, after : float
        Relative residual ``|X - Y| / |Y|`` and ``|X Q - Y| / |Y|`` over them, in Frobenius norms.
    error : float
        The largest number of ``|QᵀQ - I|``, measured.
    allowed : float
        What rounding of float64 explains: 8·d·2^-53.
    """

    rotation: NDArray[np.float64]
    tokens: int
    before: float
    after: float
    error: float
    allowed: float

    def __bool__(self) -> bool:
        """Return whether Q is orthogonal to rounding."""
        return self.error <= self.allowed

    def __str__(self) -> str:
        """Say it in one line."""
        proved = "orthogonal" if self else "NOT orthogonal"
        residual = f"residual {self.before:.4f} -> {self.after:.4f} over {self.tokens:,} shared tokens"
        return f"{residual}; {proved}: |QᵀQ - I| <= {self.error:.1e} (rounding allows {self.allowed:.1e})"

    def apply(self, table: EmbeddingTable) -> EmbeddingTable:
        """Return the table turned by Q: its tokens, with rows x Q.

        Parameters
        ----------
        table : EmbeddingTable
            Of n rows of d numbers.

        Returns
        -------
        EmbeddingTable
            In float32, or float64 where the table is; distances, inner products and cosines among its rows are those of `table`, up
            to that type's rounding.

        Raises
        ------
        ShapeError
            If its rows are of another width.
        ProofError
            If Q is not orthogonal.
        """
        if table.d != len(self.rotation):
            message = f"apply(table of shape {table.shape}): the rotation is of shape {self.rotation.shape}"
            raise ShapeError(message)
        if not self:
            message = f"the rotation is not orthogonal: |QᵀQ - I| is {self.error:.1e}, and rounding allows {self.allowed:.1e}"
            raise ProofError(message)
        out = np.empty(table.shape, dtype=wide_type(table.dtype))
        for part in _parts(len(out), table.d):
            out[part] = table.matrix[part].astype(np.float64) @ self.rotation
        out.flags.writeable = False
        return EmbeddingTable.mapped(table.vocabulary, out)


def align(
    table: EmbeddingTable,
    target: EmbeddingTable,
    *,
    tokens: Iterable[str] | None = None,
) -> Alignment:
    """Find the orthogonal matrix that lays a table's rows closest to another's.

    Parameters
    ----------
    table, target : EmbeddingTable
        Both of d numbers a row.
    tokens : iterable of str, optional
        The tokens to lay on one another, a dictionary's perhaps; both tables must have them. Left out, all they share.

    Returns
    -------
    Alignment
        Its `apply` turns the table; as a truth value it says whether Q is orthogonal, which was measured.

    Raises
    ------
    ShapeError
        If the rows are of different widths.
    ArgumentError
        If the tables share no token, or all shared rows are zero.
    UnknownTokenError
        If a table lacks one of `tokens`.

    Notes
    -----
    Q = U Vᵀ from the singular value decomposition of Xᵀ Y minimises ``|X Q - Y|`` over all orthogonal matrices. Products are summed in
    float64. Time O(m·d² + d³), memory O(d²). With fewer shared tokens than d the best Q is not unique: the rest of the space may turn
    freely. The scale of the table stays: it is not laid on the target's.

    References
    ----------
    P. Schönemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika 31, 1966.

    Examples
    --------
    >>> table = EmbeddingTable(["a", "b", "c"], [[1, 0], [1, 1], [0, 3]])
    >>> turned = EmbeddingTable(["a", "b", "c"], [[0, 1], [-1, 1], [-3, 0]])
    >>> found = align(table, turned)
    >>> bool(found), found.after < 1e-12
    (True, True)
    >>> found.apply(table).nearest([-3.0, 0.0], k=1).tokens
    ['c']
    """
    if table.d != target.d:
        message = f"align(table of shape {table.shape}, target of shape {target.shape}): both need one d"
        raise ShapeError(message)
    if tokens is None:
        mine, theirs = shared_rows(table, target)
    else:
        named = list(tokens)
        if not named:
            message = "align(tokens=[]): at least one token must be named"
            raise ArgumentError(message)
        mine, theirs = table.vocabulary.ids(named), target.vocabulary.ids(named)
    x, y = table.matrix, target.matrix
    product, length = np.zeros((table.d, table.d)), 0.0
    for part in _parts(len(mine), table.d):
        ours, other = x[mine[part]].astype(np.float64), y[theirs[part]].astype(np.float64)
        product += ours.T @ other
        length += float((other**2).sum())
    if not np.any(product):
        message = f"the {len(mine):,} shared rows say nothing of a rotation: their products are all zero"
        raise ArgumentError(message)
    u, _, v = np.linalg.svd(product)
    rotation = u @ v
    error = float(np.abs(rotation.T @ rotation - np.eye(table.d)).max())
    before, after = (_residual(x, y, mine, theirs, q) / length for q in (None, rotation))
    return Alignment(rotation, len(mine), float(np.sqrt(before)), float(np.sqrt(after)), error, 8 * table.d * UNIT)


def _residual(
    x: NDArray[Any], y: NDArray[Any], mine: NDArray[np.int64], theirs: NDArray[np.int64], rotation: NDArray[np.float64] | None
) -> float:
    total = 0.0
    for part in _parts(len(mine), x.shape[1]):
        rows = x[mine[part]].astype(np.float64)
        difference = (rows if rotation is None else rows @ rotation) - y[theirs[part]].astype(np.float64)
        total += float((difference**2).sum())
    return total


def _parts(m: int, d: int) -> list[slice]:
    step = max(1, BLOCK // d)
    return [slice(start, min(start + step, m)) for start in range(0, m, step)]
