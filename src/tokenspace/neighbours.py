"""Neighbours: how a table is asked for the nearest tokens, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ShapeError, ZeroVectorError
from tokenspace.rows import as_float_array, checked_rows
from tokenspace.search import neighbour_graph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tokenspace.measures import Measure
    from tokenspace.search import Found
    from tokenspace.search.kept import Kept


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest rows of a query, or of several, with their tokens; iterates as (token, score).

    Attributes
    ----------
    ids : array of shape (k,) or, for a batch, (q, k), int64
        Row ids, the closest first; -1 where leaving the query's words out left fewer than k.
    tokens : list of str, or list of q such lists
        Their tokens; shorter than k where ids are -1.
    scores : array of the shape of ids, float64
        The measure itself: distances rise, similarities fall. NaN for a cosine with a zero row, which ranks last.
    measure : str
        Which of the three.
    """

    ids: NDArray[np.int64]
    tokens: list[Any]
    scores: NDArray[np.float64]
    measure: Measure

    def __len__(self) -> int:
        """Return the number of neighbours, or of queries for a batch."""
        return len(self.tokens)

    def __iter__(self) -> Iterator[Any]:
        """Yield (token, score), or for a batch one `Neighbours` a query."""
        if self.ids.ndim == 1:
            yield from zip(self.tokens, self.scores.tolist(), strict=False)
        else:
            for ids, tokens, scores in zip(self.ids, self.tokens, self.scores, strict=True):
                yield Neighbours(ids, tokens, scores, self.measure)

    def __repr__(self) -> str:
        """Show tokens and scores."""
        if self.ids.ndim == 1:
            return f"Neighbours({self.measure}: {', '.join(f'{token} {score:.4f}' for token, score in self)})"
        return f"Neighbours({self.measure}: {len(self)} queries of {self.ids.shape[1]})"

    def _repr_html_(self) -> str:
        """Show tokens and scores in a notebook; of a batch the first queries."""
        from tokenspace.display import SHOWN, table_html  # noqa: PLC0415 - only a notebook asks

        if self.ids.ndim == 1:
            rows = [(token, float(score), int(row)) for (token, score), row in zip(self, self.ids, strict=False)]
            return table_html(("token", self.measure, "row"), rows, f"{len(rows)} nearest rows by {self.measure}")
        rest = f" of {len(self)} queries; the first {SHOWN} follow" if len(self) > SHOWN else ""
        shown = [one._repr_html_() for _, one in zip(range(SHOWN), self, strict=False)]
        return (f"<p>Nearest rows{rest}</p>" if rest else "") + "".join(shown)


class Answering:
    """What a table is asked for by nearness; it has `vocabulary`, `matrix`, their rows and expressions, and the searches it keeps."""

    __slots__ = ()

    _kept: Kept

    def nearest(
        self,
        query: Any,
        k: int = 10,
        measure: Measure = "cosine",
        *,
        include_query: bool = False,
        threads: int | None = None,
    ) -> Neighbours:
        """Return the k nearest rows of a query, exactly: the ids of a float64 exhaustive search, ties to the lower id.

        Parameters
        ----------
        query : str, int, array of shape (d,), or a batch: sequence of str and int, integer array (q,), array (q, d)
            A token, an expression as `vector` takes, a row id, or a vector.
        k : int, default 10
            At least 1; where it is larger than the table, all rows come back.
        measure : "euclidean", "inner_product" or "cosine", default "cosine"
        include_query : bool, default False
            Whether the query's own words may be among the answers.
        threads : int, optional
            Default: as many as CPUs this process may use. The answer is the same for any number.

        Returns
        -------
        Neighbours
            Iterates as (token, score); a batch gives ids of shape (q, k) and a list of lists of tokens.

        Raises
        ------
        UnknownTokenError, RowIdError
            If the query is not in the table.
        ZeroVectorError
            If one query's vector is zero and the measure is the cosine. In a batch its scores are NaN.
        ShapeError, NotFiniteError, ArgumentError
            As `tokenspace.search.Exact.search`.

        Notes
        -----
        O(n·d) a query. The first call for a measure reads the whole table. What is learnt stays with the table: where calls are many
        enough to pay for it, d + 2 bytes a row for all measures, and up to 20 for each.

        Examples
        --------
        >>> from tokenspace import EmbeddingTable
        >>> table = EmbeddingTable(["man", "woman", "king", "queen"], [[1, 0], [1, 2], [3, 0], [3, 2]])
        >>> [token for token, score in table.nearest("king - man + woman", k=1)]
        ['queen']
        """
        table: Any = self
        vectors, own, single = self._queries(query)
        if single and measure == "cosine" and not np.any(vectors):
            message = f"the query {query!r:.80} is the zero vector, for which the cosine is not defined (Definition 5.3)"
            raise ZeroVectorError(message, hint="use measure='euclidean'")
        found = self._kept.search(measure, threads).search(vectors, k, exclude=None if include_query or own is None else own)
        tokens = [table.vocabulary.tokens_of(ids[ids >= 0]) for ids in found.ids]
        if single:
            return Neighbours(found.ids[0], tokens[0], found.scores[0], measure)
        return Neighbours(found.ids, tokens, found.scores, measure)

    def neighbour_graph(self, k: int = 10, measure: Measure = "cosine", **how: Any) -> Found:
        """Return the k nearest other rows of every row; ``out``, ``engine`` and more as `tokenspace.search.neighbour_graph` takes.

        Returns
        -------
        Found
            `ids` and `scores` of shape (n, min(k, n - 1)).
        """
        table: Any = self
        return neighbour_graph(table.matrix, k, measure, **how)

    def _queries(self, query: Any) -> tuple[NDArray[Any], list[NDArray[np.int64]] | None, bool]:
        """Return vectors (q, d), the row ids each query is made of (None for plain vectors), and whether it was one query."""
        table: Any = self
        if isinstance(query, str):
            return table.vector(query)[None, :], [table.terms(query)[0]], True
        if isinstance(query, (list, tuple)) and any(isinstance(item, str) for item in query):
            rows = [table.terms(item)[0] if isinstance(item, str) else np.array([table.rows(item)]) for item in query]
            each = [table.vector(item) if isinstance(item, str) else table.matrix[table.rows(item)] for item in query]
            return np.stack(each), rows, False
        array = np.asarray(query)
        if array.dtype.kind in "US":
            return self._queries(array.tolist())
        if array.dtype.kind in "iu" and array.ndim <= 1:
            ids = np.atleast_1d(checked_rows(array, table.n))
            return table.matrix[ids], [ids[i : i + 1] for i in range(len(ids))], array.ndim == 0
        vectors = as_float_array(array, "query")
        if vectors.ndim not in {1, 2} or vectors.shape[-1] != table.d:
            message = f"a query vector must be of shape ({table.d},) or (q, {table.d}); seen {vectors.shape}"
            raise ShapeError(message)
        return vectors.reshape(-1, table.d), None, vectors.ndim == 1
