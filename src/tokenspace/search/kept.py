"""Searches of one matrix that does not change, kept from one call to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenspace.engines import local
from tokenspace.search.exact import Exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.measures import Measure


class Kept:
    """At most one search for each measure, made when it is first asked for.

    Parameters
    ----------
    matrix : array of shape (n, d)
        Must never change.

    Notes
    -----
    Threads may share it: two that ask for a new search at once may each make one, of which one is kept. Memory: what `Exact` keeps, but
    the codes, d + 2 bytes a row, are the same for all measures.
    """

    __slots__ = ("_matrix", "_searches")

    def __init__(self, matrix: NDArray[Any]) -> None:
        self._matrix = matrix
        self._searches: dict[Measure, Exact] = {}

    def search(self, measure: Measure, threads: int | None) -> Exact:
        """Return the search for a measure; one for another number of threads takes its place.

        Raises
        ------
        NotFiniteError, ArgumentError
            As `Exact`.
        """
        one, others = self._searches.get(measure), list(self._searches.values())
        codes = next((other.codes for other in others if other.codes is not None), None)
        if one is None or one.threads != local.thread_count(threads) or (one.codes is None and codes is not None):
            one = self._searches[measure] = Exact(self._matrix, measure, threads=threads, codes=codes)
        return one
