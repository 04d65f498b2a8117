"""Approximate search: a neighbour graph of FAISS or usearch proposes rows, and what it proposes is measured here, in float64.

The scores are therefore those of `Exact`; only the choice of rows may miss some. How many it misses, `recall` tells. Nothing in
tokenspace searches approximately unless asked to.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.engines import local
from tokenspace.errors import ArgumentError, ChecksumError, HeaderError, ShapeError, TruncatedFileError
from tokenspace.measures import MEASURES, Measure, check_measure, listed_pairs
from tokenspace.rows import as_matrix, check_finite, checked_rows
from tokenspace.search import ann
from tokenspace.search.found import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

BLOCK = 1 << 14
"""Rows prepared for the graph at a time: 50 MB of float64 for d = 384."""

PIECE = 1 << 16
"""Pairs measured at a time."""

LARGEST = 1e15
"""Numbers of a prepared query are held below this: their squares summed stay in float32's range for any d up to 10^8."""

MAGIC = b"tokenspace-graph 1\n"


class Approximate:
    """Nearest rows of one matrix under one measure, found by walking a graph (HNSW) that links each row to near ones.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
        Must not change while the search is in use.
    measure : "euclidean", "inner_product" or "cosine", default "cosine"
    engine : "faiss" or "usearch", default "faiss"
        The library; extra ``[ann]`` installs both. usearch builds on one thread whatever `threads` says, because of a fault of its own.
    links : int, default 16
        Links a row keeps: more find more, and take memory and time.
    effort : int, default 128
        Rows looked at to find a new row's links.
    breadth : int, default 128
        Rows kept in sight during a search: the knob between speed and recall.
    threads : int, optional
        Default: as many as CPUs this process may use. One thread builds the same graph every time, several do not.

    Raises
    ------
    MissingExtraError
        If the library is not installed; the hint has the command.
    ShapeError
        If the matrix does not have two axes.
    NotFiniteError
        If a row holds NaN or infinity.
    ArgumentError
        If measure or engine is unknown, or a number is not positive.

    See Also
    --------
    tokenspace.search.Exact : the same call, and never a row missed.
    tokenspace.search.recall : how many rows this one misses.

    Notes
    -----
    The graph keeps its own copy of the vectors, as float16 where the matrix has 16 bits a number and as float32 otherwise, and some
    8·links bytes of links a row. Twice k of its rows are measured in float64, so that its rounding does not choose between the last.

    The vices. Building is slow, and pays only for many searches of large tables: on two busy cores FAISS built the graph of GloVe's
    400,000 rows of d = 50 in 292 s and then answered 1.5 times as fast as exact search in a batch of 200; on the 30,522 token rows
    of all-MiniLM-L6-v2 (d = 384, built in 28 s) it was the slower of the two. And recall depends on the data in ways that nobody
    sees: with these defaults it was 0.98 there under cosine and inner product, and 0.50 under Euclidean distance. A thousand short
    rows of hardly used tokens hold 58 % of all places among those nearest, and the walk seems to lose its way among them. Measure
    before use, with `recall`.

    References
    ----------
    Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World graphs",
    IEEE TPAMI 42 (2020); lecture, equations (9) to (12).

    Examples
    --------
    >>> rows = np.float32([[1, 0], [0, 2], [3, 3]])
    >>> ids, scores = Approximate(rows, measure="inner_product").search([1, 0], k=2)  # doctest: +SKIP
    >>> ids, scores  # doctest: +SKIP
    (array([2, 0]), array([3., 1.]))
    """

    __slots__ = ("_graph", "_middle", "_rows", "_scale", "_zeros", "breadth", "effort", "engine", "links", "matrix", "measure", "threads")

    def __init__(
        self,
        matrix: ArrayLike,
        measure: Measure = "cosine",
        *,
        engine: ann.Engine = "faiss",
        links: int = 16,
        effort: int = 128,
        breadth: int = 128,
        threads: int | None = None,
    ) -> None:
        make = ann.engine_class(engine)
        for name, value in (("links", links), ("effort", effort), ("breadth", breadth)):
            if value < 1 + (name == "links"):
                message = f"{name} must be at least {1 + (name == 'links')}; seen {value}"
                raise ArgumentError(message)
        self._take(matrix, measure)
        self.engine, self.links, self.effort, self.breadth = engine, links, effort, breadth
        self.threads = local.thread_count(threads)
        metric: ann.Metric = "product" if measure == "inner_product" else "distance"  # unit vectors: the distance ranks as the cosine
        half = self.matrix.dtype.itemsize == 2  # noqa: PLR2004 - float16, bfloat16
        self._graph: ann.Graph = make(self.matrix.shape[1], metric, half=half, links=links, effort=effort)
        ann.build(self._graph, self._blocks(), self.threads)

    def search(self, queries: ArrayLike, k: int = 10, *, exclude: Sequence[Any] | None = None, breadth: int | None = None) -> Found:
        """Return k close rows of each query, most likely the closest.

        Parameters
        ----------
        queries : array of shape (q, d) or (d,), any float type or integers
        k : int, default 10
            At least 1; where it is larger than n, n places come back.
        exclude : sequence, optional
            Row ids to leave out: for one query a sequence of ids, for q queries a sequence of q such sequences.
        breadth : int, optional
            For this search; left out, the one given when the graph was built.

        Returns
        -------
        Found
            As `Exact.search`: ids and scores of shape (q, min(k, n)), or (min(k, n),) for a single query, ordered by the scores, ties
            to the lower id. Ids are -1, and scores NaN, where the walk found fewer rows than asked for. Rows without a cosine stand
            behind all others, and only where there are fewer than k others.

        Raises
        ------
        ShapeError, NotFiniteError, RowIdError, ArgumentError
            As `Exact.search`.

        Notes
        -----
        Time about O(q·breadth·links·d), hardly growing with n. The graph is asked for 2k rows and as many as are left out.
        """
        single = np.ndim(queries) == 1
        q = as_matrix(np.asarray(queries)[None, :] if single else queries, "queries")
        n, d = self.matrix.shape
        if q.shape[1] != d:
            message = f"search(queries of shape {np.shape(queries)}) in a matrix of shape {(n, d)}: a query must have {d} numbers"
            raise ShapeError(message, hint="did you mix two tables?")
        for name, value in (("k", k), ("breadth", self.breadth if breadth is None else breadth)):
            if value < 1:
                message = f"{name} must be at least 1; seen {value}"
                raise ArgumentError(message)
        check_finite(q, "queries")
        without = [exclude] if single and exclude is not None else exclude
        if without is not None and len(without) != len(q):
            message = f"exclude must hold one sequence of row ids for each of the {len(q)} queries; seen {len(without)}"
            raise ShapeError(message)
        drop = [] if without is None else [checked_rows(rows, n) for rows in without]
        wanted = min(n, k + max(map(len, drop), default=0))
        ids = self._proposed(q, wanted, self.breadth if breadth is None else breadth)
        for line, rows in zip(ids, drop, strict=False):
            line[np.isin(line, rows)] = -1
        found = ranked(self.matrix, self.measure, q, ids, min(k, n))
        return Found(found.ids[0], found.scores[0]) if single else found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph into a file, so that it need not be built again; the matrix stays where it is.

        Parameters
        ----------
        path : str or path
            Replaced whole when the new file is complete.
        """
        payload = self._graph.tobytes()
        header = {
            "engine": self.engine,
            "measure": self.measure,
            "shape": self.matrix.shape,
            "settings": {name: getattr(self, name) for name in ("links", "effort", "breadth")},
            "matrix": _digest(self.matrix),
            "bytes": len(payload),
            "graph": hashlib.sha256(payload).hexdigest(),
        }
        target = Path(path)
        beside = target.with_name(f".{target.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}.new")
        try:
            with beside.open("xb") as file:
                file.write(MAGIC + json.dumps(header).encode() + b"\n")
                file.write(payload)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str], matrix: ArrayLike, *, threads: int | None = None) -> Approximate:
        """Take up a graph that `save` wrote, for the same matrix.

        Parameters
        ----------
        path : str or path
        matrix : array of shape (n, d)
            The matrix it was built for, bit by bit.
        threads : int, optional
            As in the constructor.

        Returns
        -------
        Approximate

        Raises
        ------
        HeaderError
            If the file is no such graph.
        TruncatedFileError
            If it ends too early.
        ChecksumError
            If its bytes are not those that were written, or the matrix is not the one it was built for.
        MissingExtraError
            If the library is not installed.

        Notes
        -----
        Reads file and matrix once. The vice: the digests find damage, not malice. The libraries trust the bytes of a graph: load only
        what you saved yourself.
        """
        with Path(path).open("rb") as file:
            header = _header(path, file.readline(len(MAGIC)), file.readline(1 << 16))
            payload = file.read()
        if len(payload) < header["bytes"]:
            raise TruncatedFileError(path, f"expected {header['bytes']:,} bytes of graph, seen {len(payload):,}")
        if hashlib.sha256(payload).hexdigest() != header["graph"]:
            raise ChecksumError(path, "the graph's bytes differ from their recorded digest", hint="build and save it anew")
        self = cls.__new__(cls)
        self._take(matrix, header["measure"])
        if _digest(self.matrix) != header["matrix"]:
            problem = f"the graph was built for another matrix of shape {tuple(header['shape'])}; given one of shape {self.matrix.shape}"
            raise ChecksumError(path, problem, hint="give the same matrix, or build the graph anew")
        self.engine, self.threads = header["engine"], local.thread_count(threads)
        for name, value in header["settings"].items():
            setattr(self, name, value)
        self._graph = ann.engine_class(self.engine).frombytes(payload)
        return self

    def _take(self, matrix: ArrayLike, measure: Measure) -> None:
        """Look over the matrix: what is finite, how large it is, which rows have no cosine."""
        check_measure(measure)
        self.matrix, self.measure = as_matrix(matrix, "matrix"), measure
        check_finite(self.matrix, "matrix")
        sizes = np.zeros(len(self.matrix))
        for start in range(0, len(sizes), BLOCK):
            sizes[start : start + BLOCK] = np.abs(self.matrix[start : start + BLOCK]).max(axis=1)
        self._zeros = np.flatnonzero(sizes == 0) if measure == "cosine" else np.empty(0, np.int64)
        self._rows = np.delete(np.arange(len(sizes)), self._zeros)
        self._scale = float(sizes.max(initial=0)) or 1.0
        near = measure == "euclidean" and len(sizes) > 0
        # float32 keeps its digits for what lies near the origin, and distances do not change when all points move together
        self._middle = self.matrix[:BLOCK].astype(np.float64).mean(axis=0) / self._scale if near else np.zeros(self.matrix.shape[1])

    def _blocks(self) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(self._rows), BLOCK):
            yield self._prepared(self.matrix[self._rows[start : start + BLOCK]], self.measure == "cosine")

    def _prepared(self, vectors: NDArray[Any], to_unit: bool) -> NDArray[np.float32]:  # noqa: FBT001 - rows and queries differ in it
        """Return vectors as float32: moved and scaled into its range, or brought to length 1."""
        wide = vectors.astype(np.float64)
        if to_unit:
            size = np.abs(wide).max(axis=1, keepdims=True)
            wide /= np.where(size > 0, size, 1)
            length = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
            wide /= np.where(length > 0, length, 1)
        else:
            wide /= self._scale
            wide -= self._middle
        return np.clip(wide, -LARGEST, LARGEST, out=wide).astype(np.float32)

    def _proposed(self, queries: NDArray[Any], wanted: int, breadth: int) -> NDArray[np.int64]:
        """Return row ids, of shape (q, c) with c >= wanted, in no order; -1 where there are fewer."""
        held, fill = len(self._rows), max(0, wanted - len(self._rows))
        ask = min(held, 2 * wanted)
        ids = np.full((len(queries), max(ask + fill, wanted)), -1)
        if ask and len(queries):
            to_unit = self.measure != "euclidean"  # a query's length does not change who is nearest
            places = self._graph.nearest(self._prepared(queries, to_unit), ask, max(breadth, ask), self.threads)
            ids[:, :ask] = np.where(places >= 0, self._rows[places], -1)
        ids[:, ask : ask + fill] = self._zeros[:fill]
        if self.measure == "cosine":
            aimless = ~queries.astype(bool).any(axis=1)  # a zero query has no cosine with any row: as for Exact, the first ids
            ids[aimless] = -1
            ids[aimless, :wanted] = np.arange(wanted)
        return ids


def ranked(matrix: NDArray[Any], measure: Measure, queries: NDArray[Any], ids: NDArray[np.int64], k: int) -> Found:
    """Measure proposed rows and return the k best.

    Parameters
    ----------
    matrix : array of shape (n, d), any float type
    measure : "euclidean", "inner_product" or "cosine"
    queries : array of shape (q, d), any float type
    ids : array of shape (q, c), int64
        What is proposed, in any order, none twice; -1 for nothing.
    k : int
        At most c.

    Returns
    -------
    Found
        Of shape (q, k): by score, ties to the lower id; rows without a cosine behind all others, then -1.
    """
    query, place = np.nonzero(ids >= 0)
    scores = np.full(ids.shape, np.nan)
    for start in range(0, len(query), PIECE):
        a, b = query[start : start + PIECE], place[start : start + PIECE]
        scores[a, b] = listed_pairs(measure, queries, matrix, a, ids[a, b])
    worse = scores if measure == "euclidean" else -scores
    order = np.lexsort((ids, np.where(np.isnan(worse), np.inf, worse), ids < 0), axis=-1)[:, :k]
    return Found(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))


def _digest(matrix: NDArray[Any]) -> str:
    """Return the SHA-256 of a matrix: its type, its shape and its numbers' bytes."""
    digest = hashlib.sha256(f"{matrix.dtype.name} {matrix.shape}".encode())
    for start in range(0, len(matrix), BLOCK):
        digest.update(np.ascontiguousarray(matrix[start : start + BLOCK]).tobytes())
    return digest.hexdigest()


def _header(path: str | os.PathLike[str], magic: bytes, line: bytes) -> dict[str, Any]:
    """Read the line that says what follows, and hold it against what `save` writes."""
    if magic != MAGIC:
        raise HeaderError(path, f"expected a graph that begins with {MAGIC!r}, seen {magic!r}")
    try:
        header = json.loads(line)
        known = header["engine"] in ann.ENGINES and header["measure"] in MEASURES
        numbers = (*header["shape"], *(header["settings"][name] for name in ("links", "effort", "breadth")), header["bytes"])
        sound = known and len(header["settings"]) == 3 and all(type(number) is int and number >= 0 for number in numbers)  # noqa: PLR2004
        sound = sound and all(isinstance(header[name], str) for name in ("matrix", "graph"))
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise HeaderError(path, f"expected engine, measure, shape, settings and digests of a graph, seen {line!r:.80}")
    return dict(header)
