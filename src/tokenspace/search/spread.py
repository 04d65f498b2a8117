"""Exact search in parts: each part's own best rows, found wherever an engine runs, and put together to those of the whole.

The whole's ids and scores come out bit for bit. A part sends the keys by which rows are ordered (squared distances, say, whose roots
could tie where they do not), each key depends on its query and row alone, and ties go to the lower id in the parts as in the whole.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tokenspace.errors import ArgumentError
from tokenspace.measures import Measure, is_extreme, norms
from tokenspace.search.best import NO_COSINE, Best, Keys, merged, scores
from tokenspace.search.exact import Exact
from tokenspace.search.found import Certificate, Found
from tokenspace.search.plan import PATHS
from tokenspace.search.ranges import Within, rows_within
from tokenspace.shards import Shard, shards_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tokenspace.engines import Engine
    from tokenspace.search.plan import PathName

    Arrays = dict[str, NDArray[Any]]
    Part = tuple[Shard | NDArray[Any], int]

PIECE = 64 << 20
"""Bytes of a matrix in memory that go to a worker at a time."""


MAPPED = 128 << 20
"""Bytes of a shard that a worker goes through at a time. A search keeps 86 bytes a row of d = 64 (codes, lengths) beside the row's own 256,
so a worker needs less than its shard where that is large."""


@dataclass(frozen=True)
class Asked:
    """What every part is asked.

    Attributes
    ----------
    queries : array of shape (q, d), any float type
    k : int
    measure : str
    path : str
        As `Exact` takes it.
    scaled : bool
        Whether pairs are measured one by one in scaled float64, as some part's numbers leave the range of squares.
    threshold : float
        For `within`.
    """

    queries: NDArray[Any]
    k: int
    measure: Measure
    path: str
    scaled: bool = False
    threshold: float = 0.0


def parts_of(matrix: NDArray[Any], workers: int) -> list[Part]:
    """Return a matrix as parts, each with the id of its first row: its shards, or ranges of rows where it is in memory."""
    shards = shards_of(matrix)
    if shards is not None:
        return [(shard, shard.start - shards[0].start) for shard in shards]
    n, width = len(matrix), max(1, matrix.shape[1] * matrix.itemsize)
    count = max(1, min(n, max(workers, -(-n * width // PIECE))))
    return [(matrix[a:b], a) for a, b in pairwise(n * i // count for i in range(count + 1))]


def rows_of(source: Shard | NDArray[Any]) -> NDArray[Any]:
    """Return the rows of a part: those of a shard mapped, once its file has been held against its digest."""
    return source.matrix() if isinstance(source, Shard) else source


def best_rows(part: Part, asked: Asked) -> Arrays:
    """Return a part's k best rows of each query, with their keys: what a worker does for a search, wherever it runs.

    Parameters
    ----------
    part : (Shard or array of shape (m, d), int)
        The rows, and the id of the first one. A large shard is gone through piece by piece, each mapped only meanwhile.
    asked : Asked

    Returns
    -------
    dict of str to array
        ids and keys, of shape (q, min(k, m)); finished, bound and error of the `Certificate`, of shape (q,); paths; and whether this part
        needed to be measured in scaled float64.
    """
    source, first = part
    step = max(1, MAPPED // source.width) if isinstance(source, Shard) else len(source)
    n = source.rows if isinstance(source, Shard) else len(source)
    found = Parts(asked, -(-n // step))
    for number, start in enumerate(range(0, n, step)):
        piece = source.cut(source.start + start, source.start + start + step) if isinstance(source, Shard) else source
        found.take(number, _best_of(rows_of(piece), first + start, asked))
    if found.mixed():
        return best_rows(part, replace(asked, scaled=True))
    return found.result()


def _best_of(rows: NDArray[Any], first: int, asked: Asked) -> Arrays:
    """Return the k best rows of a matrix whose first row has the id `first`."""
    search = Exact(rows, asked.measure, threads=1, path=asked.path)
    k = min(asked.k, len(rows))
    scaled = search._known.extreme or asked.scaled  # noqa: SLF001 - the two are one package's
    if scaled:
        found = search._by_definition(asked.queries, k)  # noqa: SLF001
        keys = np.where(np.isnan(found.scores), NO_COSINE, found.scores if asked.measure != "euclidean" else -found.scores)
    else:
        found = search.search(asked.queries, k, certificate=True)
        query = np.repeat(np.arange(len(asked.queries)), k)
        lengths = np.zeros(len(rows))
        touched = np.unique(found.ids)
        lengths[touched] = norms(rows, touched)
        wide = asked.queries.astype(np.float64, copy=False)
        keys = Keys(rows, lengths if asked.measure == "cosine" else None, wide, asked.measure).of(query, found.ids.ravel())
        keys = keys.reshape(found.ids.shape)
    proof = cast("Certificate", found.certificate)
    about = {"finished": proof.finished, "bound": proof.bound, "error": proof.error, "paths": np.array([proof.path])}
    return {"ids": found.ids + first, "keys": keys, **about, "scaled": np.array(scaled)}


class Parts:
    """What the parts so far come to: the best of their rows.

    Parameters
    ----------
    asked : Asked
    count : int
        Parts there will be.
    """

    def __init__(self, asked: Asked, count: int) -> None:
        self.asked, self.scaled = asked, np.zeros(count, dtype=np.bool_)
        q = len(asked.queries)
        self.best: Best = Best(q, 0)
        self.finished, self.error = np.zeros(q, dtype=np.int64), np.zeros(q)
        self.bound = np.full(q, np.nan)
        self.paths: set[str] = set()

    def take(self, place: int, result: Arrays) -> None:
        """Add one part's rows."""
        part = Best(len(result["ids"]), 0)
        part.ids, part.keys = result["ids"], result["keys"]
        self.best = merged([self.best, part], self.asked.k)
        self.scaled[place] = bool(result["scaled"])
        self.finished = self.finished + result["finished"]
        self.error = np.maximum(self.error, result["error"])
        better = np.fmin if self.asked.measure == "euclidean" else np.fmax
        self.bound = better(self.bound, result["bound"])
        self.paths |= set(result["paths"].tolist())

    def mixed(self) -> bool:
        """Return whether some parts had to be measured in scaled float64 and others not, so that their keys cannot be compared."""
        return bool(self.scaled.any() and not self.scaled.all())

    def result(self) -> Arrays:
        """Return them as one part's result."""
        about = {"finished": self.finished, "bound": self.bound, "error": self.error, "paths": np.array(sorted(self.paths))}
        return {"ids": self.best.ids, "keys": self.best.keys, **about, "scaled": np.array(self.scaled.any())}


def near_rows(part: Part, asked: Asked) -> Arrays:
    """Return all of a part's rows within a threshold, as (query, id, key) in three arrays of shape (m,).

    Raises
    ------
    ArgumentError
        If its numbers are too large or too small to be squared.
    """
    source, first = part
    rows = rows_of(source)
    search = Exact(rows, asked.measure, threads=1)
    if search._known.extreme:  # noqa: SLF001 - the two are one package's
        message = "a range search needs numbers whose squares float64 can hold"
        raise ArgumentError(message, hint="scale the table and the queries by one factor")
    keys = Keys(rows, search._known.lengths, asked.queries.astype(np.float64, copy=False), asked.measure)  # noqa: SLF001
    query, row, key = rows_within(rows, keys, asked.threshold, 0, len(rows), single=search._known.single)  # noqa: SLF001
    return {"query": query, "ids": row + first, "keys": key}


class Spread:
    """The parts of a matrix and the engine that goes through them; what `Exact` hands a search to where it has an engine.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    measure : str
    engine : Engine
    path : str
        As `Exact` takes it, for every part.
    """

    def __init__(self, matrix: NDArray[Any], measure: Measure, engine: Engine, path: str) -> None:
        self.matrix, self.measure, self.engine, self.path = matrix, measure, engine, path

    def search(self, queries: NDArray[Any], k: int, progress: Callable[[int, int], object] | None = None) -> Found:
        """Return the k best rows of each query; `progress` hears of parts done, and of how many there are."""
        asked = Asked(queries, k, self.measure, self.path, is_extreme(queries))
        parts = parts_of(self.matrix, self.engine.workers())
        whole = self._merged(parts, asked, progress)
        if whole.mixed():  # keys of different kinds: those of the others are made anew
            whole = self._merged(parts, replace(asked, scaled=True), progress)
        found = whole.result()
        score = scores(found["keys"], self.measure) if not found["scaled"] or self.measure != "euclidean" else -found["keys"]
        last, error = score[:, -1], found["error"]
        if self.measure != "inner_product":
            error = np.full(len(queries), (self.matrix.shape[1] + 8) * 2.0**-53)
            error = error * np.nan_to_num(last) if self.measure == "euclidean" else error
        path = cast("PathName", "+".join(found["paths"].tolist()))
        return Found(found["ids"], score, Certificate(path, len(self.matrix), found["finished"], last, found["bound"], error))

    def within(self, queries: NDArray[Any], threshold: float) -> Within:
        """Return all rows within a threshold of each query."""
        asked = Asked(queries, 0, self.measure, self.path, threshold=threshold)
        found = [result for _, result in self._mapped(near_rows, parts_of(self.matrix, self.engine.workers()), asked)]
        query, row, key = (np.concatenate([part[name] for part in found]) for name in ("query", "ids", "keys"))
        order = np.lexsort((row, -key, query))
        offsets = np.searchsorted(query[order], np.arange(len(queries) + 1))
        return Within(offsets, row[order], scores(key[order], self.measure))

    def _mapped(self, function: Callable[[Part, Asked], Arrays], parts: list[Part], asked: Asked) -> Iterator[tuple[int, Arrays]]:
        return self.engine.map(function, parts, asked, job=lambda: digest_of(function.__name__, parts, asked))

    def _merged(self, parts: list[Part], asked: Asked, progress: Callable[[int, int], object] | None) -> Parts:
        """Put results together as they come, so that only one of them waits."""
        whole = Parts(asked, len(parts))
        for done, (place, result) in enumerate(self._mapped(best_rows, parts, asked), start=1):
            whole.take(place, result)
            if progress is not None:
                progress(done, len(parts))
        return whole


def spread_of(matrix: NDArray[Any], measure: Measure, engine: Engine, path: str, codes: object) -> Spread:
    """Return what goes through the parts of a matrix for `Exact`.

    Raises
    ------
    ArgumentError
        If there are codes, or the path is unknown.
    """
    if codes is not None or path not in {"auto", *PATHS}:
        message = f"with an engine, path must be auto or one of {', '.join(PATHS)}, and codes are made where they are used; seen {path!r}"
        raise ArgumentError(message)
    return Spread(matrix, measure, engine, path)


def digest_of(name: str, parts: list[Part], asked: Any) -> str:
    """Return what a job is known by: all that its results depend on, the numbers of shards through their digests."""
    told = hashlib.sha256(name.encode())
    for field in fields(asked):
        value = getattr(asked, field.name)
        told.update(f" {field.name} ".encode())
        told.update(_bytes_of(value) if isinstance(value, np.ndarray) else repr(value).encode())
    for source, first in parts:
        told.update(f" {first} {source.sha256} {source.offset} {source.rows}".encode() if isinstance(source, Shard) else _bytes_of(source))
    return told.hexdigest()[:32]


def _bytes_of(array: NDArray[Any]) -> bytes:
    return f"{array.dtype.name} {array.shape}".encode() + np.ascontiguousarray(array).tobytes()
