"""A table in LanceDB, searched there: approximately, with filters, on disk; what it proposes is measured here, in float64.

The store holds its own copy of the rows and an index over them, both in files, so that tables larger than memory can be served. It is
filled by `tokenspace.sinks.fill`, with ``measure``. As with `tokenspace.search.Approximate`, scores are those of exact search, and only
the choice of rows may miss some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, ChecksumError, MissingExtraError, ShapeError, StoreError, TableNotFoundError, ZeroVectorError
from tokenspace.measures import check_measure
from tokenspace.rows import as_matrix, check_finite, checked_rows
from tokenspace.search.approximate import ranked
from tokenspace.sinks.address import Address
from tokenspace.sinks.lance import FAILURES, METRICS, SCHEMES, connected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.measures import Measure
    from tokenspace.search import Found
    from tokenspace.table import EmbeddingTable

SAMPLE = 16
"""Rows, spread over the table, that are held against the store's when it is opened."""


class Stored:
    """Nearest rows of a table that LanceDB holds.

    Parameters
    ----------
    address : str
        As `tokenspace.sinks.fill` takes: ``lancedb://FOLDER`` and the like.
    into : str
        The name of the table in the store.
    table : EmbeddingTable
        The same table, usually memory-mapped: what is proposed is measured with its rows.
    measure : "euclidean", "inner_product" or "cosine", default "cosine"
        The one that the store was filled for, if its index is to be used.
    probes : int, default 20
        Parts of the index that a search looks into: more find more, and take time.
    breadth : int, default 128
        Rows kept in sight within each.
    refine : int, default 4
        Times k rows of the index are measured by the store with their full numbers.

    Raises
    ------
    MissingExtraError
        If LanceDB is not installed.
    TableNotFoundError
        If the store has no such table.
    ChecksumError
        If it holds another table's rows.
    StoreError
        If the store fails.
    ArgumentError
        If the address is no LanceDB's, the measure unknown or a number not positive.

    See Also
    --------
    tokenspace.search.recall : how many rows it misses.

    Notes
    -----
    The vice is that of all approximate search: nobody sees what it misses; and a filter that leaves few rows makes it look through many
    parts in vain.
    """

    engine = "lancedb"

    def __init__(
        self,
        address: str,
        into: str,
        table: EmbeddingTable,
        measure: Measure = "cosine",
        *,
        probes: int = 20,
        breadth: int = 128,
        refine: int = 4,
    ) -> None:
        check_measure(measure)
        for name, value in (("probes", probes), ("breadth", breadth), ("refine", refine)):
            if value < 1:
                message = f"{name} must be at least 1; seen {value}"
                raise ArgumentError(message)
        self.place = Address.of(address)
        if self.place.scheme not in SCHEMES:
            message = f"expected an address that begins with one of {', '.join(SCHEMES)}, seen {self.place.shown}"
            raise ArgumentError(message)
        self.matrix, self.measure = table.matrix, measure
        self.probes, self.breadth, self.refine = probes, breadth, refine
        try:
            database = connected(self.place)
            self._table = self._opened(database, into)
            self._check(table)
        except FAILURES as error:
            raise self._failed(error) from None

    def _opened(self, database: Any, into: str) -> Any:
        try:
            return database.open_table(into)
        except FAILURES as error:
            if isinstance(error, (MissingExtraError, StoreError)):
                raise
            message = f"{self.place.shown} has no table {into!r:.80}"
            raise TableNotFoundError(message, hint=f"fill it: tokenspace convert TABLE {self.place.shown} --into {into}") from None

    def _check(self, table: EmbeddingTable) -> None:
        """Hold size and some rows of the store against the table's."""
        some = np.unique(np.linspace(0, table.n - 1, SAMPLE).astype(np.int64))
        asked = self._table.search().where(f"id IN ({', '.join(map(str, some))})").select(["id", "token", "vector"])
        seen = sorted((row["id"], row["token"], row["vector"]) for row in asked.limit(len(some)).to_list())
        mine = zip(some.tolist(), table.vocabulary.tokens_of(some), table.matrix[some].astype(np.float64), strict=True)
        same = self._table.count_rows() == table.n and len(seen) == len(some)
        for (row, token, numbers), (own, word, vector) in zip(seen, mine, strict=False):
            same = same and (row, token, len(numbers)) == (own, word, table.d) and np.allclose(numbers, vector, rtol=1e-3, atol=1e-6)
        if not same:
            problem = f"expected the {table.n:,} rows of the table given, seen {self._table.count_rows():,} rows of another"
            raise ChecksumError(self.place.shown, problem, hint="name the right table, or fill the store anew with --force")

    def search(self, queries: ArrayLike, k: int = 10, *, exclude: Sequence[Any] | None = None, where: str | None = None) -> Found:
        """Return k close rows of each query, most likely the closest of those that a filter lets through.

        Parameters
        ----------
        queries : array of shape (q, d) or (d,), any float type or integers
        k : int, default 10
        exclude : sequence, optional
            Row ids to leave out: for one query a sequence of ids, for q queries a sequence of q such sequences.
        where : str, optional
            A condition in SQL on ``id`` and ``token``, ``"token LIKE 'ma%' AND id < 10000"`` say; applied before rows are chosen.

        Returns
        -------
        Found
            As `tokenspace.search.Approximate.search`: -1 and NaN where fewer rows were found.

        Raises
        ------
        ShapeError, NotFiniteError, RowIdError, ArgumentError
            As `tokenspace.search.Exact.search`.
        ZeroVectorError
            If the measure is the cosine and a query is zero.
        StoreError
            If the store fails, or does not understand the condition.
        """
        single = np.ndim(queries) == 1
        q = as_matrix(np.asarray(queries)[None, :] if single else queries, "queries")
        n, d = self.matrix.shape
        if q.shape[1] != d:
            message = f"search(queries of shape {np.shape(queries)}) in a table of shape {(n, d)}: a query must have {d} numbers"
            raise ShapeError(message, hint="did you mix two tables?")
        if k < 1:
            message = f"k must be at least 1; seen {k}"
            raise ArgumentError(message)
        check_finite(q, "queries")
        if self.measure == "cosine" and not q.astype(bool).any(axis=1).all():
            message = "a query is the zero vector, for which the cosine is not defined (Definition 5.3)"
            raise ZeroVectorError(message, hint="use measure='euclidean'")
        without = [exclude] if single and exclude is not None else exclude
        if without is not None and len(without) != len(q):
            message = f"exclude must hold one sequence of row ids for each of the {len(q)} queries; seen {len(without)}"
            raise ShapeError(message)
        drop = [] if without is None else [checked_rows(rows, n) for rows in without]
        wanted = min(n, k + max(map(len, drop), default=0))
        ids = np.full((len(q), wanted), -1)
        for line, query in zip(ids, q.astype(np.float32), strict=True):
            proposed = self._proposed(query, wanted, where)
            line[: len(proposed)] = proposed
        for line, rows in zip(ids, drop, strict=False):
            line[np.isin(line, rows)] = -1
        found = ranked(self.matrix, self.measure, q, ids, min(k, n))
        return type(found)(found.ids[0], found.scores[0]) if single else found

    def _proposed(self, query: NDArray[np.float32], wanted: int, where: str | None) -> NDArray[np.int64]:
        """Ask the store for one query's rows."""
        try:
            asked = self._table.search(query, vector_column_name="vector").distance_type(METRICS[self.measure])
            asked = asked.nprobes(self.probes).ef(max(self.breadth, wanted)).refine_factor(self.refine).limit(wanted)
            asked = asked.select(["id", "_distance"])  # without the distance it warns at every query
            if where is not None:
                asked = asked.where(where, prefilter=True)
            found: NDArray[np.int64] = asked.to_arrow()["id"].to_numpy()
        except FAILURES as error:
            raise self._failed(error) from None
        return found

    def _failed(self, error: Exception) -> Exception:
        if isinstance(error, (StoreError, TableNotFoundError, ChecksumError, ArgumentError)):
            return error
        message = f"{self.place.shown}: LanceDB says: {self.place.scrubbed(error):.500}"
        return StoreError(message, hint="is the condition right? it knows id and token")
