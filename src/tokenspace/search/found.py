"""What a search returns: ids and scores, and on request why they are exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tokenspace.search.plan import PathName


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why an answer is exact; made on request.

    Attributes
    ----------
    path : str
        How the rows were gone through.
    screened : int
        Rows whose bounds were looked at: all n.
    finished : array of shape (q,), int64
        Rows whose key was computed in float64, of each query.
    last : array of shape (q,), float64
        Score of each query's k-th row.
    bound : array of shape (q,), float64
        The best score that a row which was not finished can have; never better than `last`. NaN where every row was finished.
    error : array of shape (q,), float64
        The most by which a returned score can differ from the real number, through rounding in float64.
    """

    path: PathName
    screened: int
    finished: NDArray[np.int64]
    last: NDArray[np.float64]
    bound: NDArray[np.float64]
    error: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found; unpacks as ``ids, scores``.

    Attributes
    ----------
    ids : array of shape (q, k) or, for a single query, (k,), int64
        Row ids, the closest first; -1 where leaving rows out left fewer than k.
    scores : array of the same shape, float64
        The measure itself: distances rise along a row, similarities fall. NaN for a cosine with a zero vector, which ranks last,
        and where the id is -1.
    certificate : Certificate or None
        Where it was asked for.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    certificate: Certificate | None = None

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield ids, then scores."""
        yield self.ids
        yield self.scores
