"""A table as the explorer holds it: its searches, norms and columns, each made once, when first wanted."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Future
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import search
from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.formats.codes import codes_of
from tokenspace.measures import MEASURES, norms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.measures import Measure
    from tokenspace.native import CodedRows
    from tokenspace.table import EmbeddingTable


CODED = 1 << 20, 1 << 28
"""Numbers of a table whose rows are coded for all three searches: fewer are searched as quickly without; more take 256 MB."""

UNCODED = 4
"""Times that searches are asked for before the rows are coded: 400,000 of 50 numbers take 0.2 s, in which their first list is painted."""


class Opened:
    """One table and what is kept of it while the explorer runs.

    Parameters
    ----------
    table : EmbeddingTable
    name : str
        What the page calls it.
    argument : str
        What was typed to open it, for the commands that the page shows.
    columns : mapping of str to array of shape (n,), optional
        Numbers of the user's own, one a row, to colour the map by.
    threads : int, optional
        Of each search.

    Raises
    ------
    ArgumentError
        If the table has no rows.
    ShapeError
        If a column has not one number for each row.

    Notes
    -----
    The table never changes, so what is kept cannot go stale: 8 bytes a row for norms, the searches' codes (d + 2 bytes a row or so),
    and the tokens' bytes in lower case once somebody types.
    """

    def __init__(
        self,
        table: EmbeddingTable,
        name: str,
        *,
        argument: str = "",
        columns: Mapping[str, ArrayLike] | None = None,
        threads: int | None = None,
    ) -> None:
        if not table.n:
            message = f"expected a table with rows to explore; {name!r:.80} has none"
            raise ArgumentError(message)
        self.table, self.name, self.argument, self.threads = table, name, argument or name, threads
        self.columns = {title: _column(title, values, table.n) for title, values in (columns or {}).items()}
        self._lock = threading.RLock()
        self._searches: dict[Measure, search.Exact] = {}
        self._asked = 0
        self._kept: dict[Any, Future[Any]] = {}

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """The rows' norms, of shape (n,)."""
        return norms(self.table.matrix)

    @cached_property
    def opening(self) -> str:
        """What the page opens with: a word that most tables have, else the first row that is a word."""
        table = self.table
        known = [word for word in ("king", "water", "the") if word in table]
        first = table.vocabulary.tokens_of(np.arange(min(table.n, 2000)))
        words = [token for token, length in zip(first, norms(table.matrix[: len(first)]), strict=True) if token.isalpha() and length > 0]
        return [*known, *words, "#0"][0]

    def searches(self) -> dict[Measure, search.Exact]:
        """Return the exact search of each measure, over one set of codes once there have been a few."""
        with self._lock:
            if not self._searches:
                codes = codes_of(self.table)
                self._searches = self._over(codes, "every" if codes is None and self._worth_codes() else "auto")
            self._asked += 1
            due = self._asked > UNCODED
        if due:
            self.code()
        return self._searches

    def code(self) -> None:
        """Code the rows, where that is worth it and possible; meanwhile the searches go on without."""
        self.keep("codes", self._code)

    def _code(self) -> None:
        if codes_of(self.table) is not None or not self._worth_codes():
            return
        try:
            codes = self._over(None)["cosine"].code()
        except ArgumentError:  # rows that cannot be coded are searched as they are, by whichever path is quickest
            self._searches = self._over(None)
            return
        coded = self._over(codes)
        for one in coded.values():
            one.search(self.table.matrix[0], 1)  # what each measure needs of every row is worked out here, and not when asked
        self._searches = coded

    def _worth_codes(self) -> bool:
        return CODED[0] <= self.table.matrix.size <= CODED[1]

    def _over(self, codes: tuple[CodedRows, NDArray[np.float64]] | None, path: str = "auto") -> dict[Measure, search.Exact]:
        matrix, threads, lengths = self.table.matrix, self.threads, self.lengths
        return {one: search.Exact(matrix, one, threads=threads, path=path, codes=codes, lengths=lengths) for one in MEASURES}

    @cached_property
    def folded(self) -> bytes:
        """The tokens' bytes, ASCII letters in lower case: what is typed is looked for in them."""
        return np.asarray(self.table.vocabulary.data).tobytes().lower()

    @cached_property
    def version(self) -> str:
        """A short digest of the table's shape and of some of its rows, for caches."""
        matrix = self.table.matrix
        digest = hashlib.sha256(f"{matrix.shape} {matrix.dtype} {self.name}".encode())
        rows = np.linspace(0, len(matrix) - 1, min(64, len(matrix))).astype(np.int64)
        digest.update(np.ascontiguousarray(matrix[rows]).view(np.uint8).data)
        digest.update(np.ascontiguousarray(self.table.vocabulary.data[:4096]).data)
        return digest.hexdigest()[:16]

    def keep(self, key: Any, make: Any) -> Any:
        """Return what is kept under a key, making it when first asked for; whoever asks meanwhile waits for that one making."""
        with self._lock:
            promise = self._kept.get(key)
            mine = promise is None
            if promise is None:
                promise = self._kept[key] = Future()
        if mine:
            try:
                promise.set_result(make())
            except BaseException as error:  # noqa: BLE001 - raised again by whoever asks for the result
                with self._lock:
                    del self._kept[key]
                promise.set_exception(error)
        return promise.result()

    def document(self) -> dict[str, Any]:
        """Return what the page says of the table."""
        table, lengths = self.table, self.lengths
        return {
            "name": self.name,
            "argument": self.argument,
            "n": table.n,
            "d": table.d,
            "dtype": str(table.dtype),
            "norms": {"min": float(lengths.min()), "median": float(np.median(lengths)), "max": float(lengths.max())},
            "zero_rows": int((lengths == 0).sum()),
            "columns": ["norm", "order", "cluster", *self.columns],
            "opening": self.opening,
            "first": table.vocabulary.tokens_of(np.arange(min(table.n, 8))),
            "version": self.version,
        }


def _column(title: str, values: ArrayLike, n: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n,):
        message = f"column {title!r} must have one number for each of {n:,} rows; seen shape {array.shape}"
        raise ShapeError(message)
    return array


class Tables:
    """The tables that one explorer shows, by name; the first is the one it opens with."""

    def __init__(self, opened: Sequence[Opened]) -> None:
        self._by_name: dict[str, Opened] = {}
        for one in opened:
            name, count = one.name, 1
            while one.name in self._by_name:
                count += 1
                one.name = f"{name} ({count})"
            self._by_name[one.name] = one

    def __iter__(self) -> Any:
        """Yield the tables in order."""
        return iter(self._by_name.values())

    def __getitem__(self, name: str) -> Opened:
        """Return a table by name.

        Raises
        ------
        ArgumentError
            If the explorer was not started with it: names are looked up, never opened.
        """
        if not name:
            return next(iter(self))
        if name not in self._by_name:
            message = f"no table {name!r:.80} in this explorer; it shows {', '.join(map(repr, self._by_name))}"
            raise ArgumentError(message, hint="tables are given on the command line: tokenspace explore A B")
        return self._by_name[name]
