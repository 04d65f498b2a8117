"""Exact search: the k closest rows, with the ids that a float64 exhaustive search gives, ties to the lower id.

Four paths lead there (`plan` chooses): each row *finished* as it is read, that is, its key computed from the definition in float64 and
one fixed order of summation; or a matrix product or a screen first, whose proven bounds leave only few rows to finish. The answer
depends neither on the path, nor on how many queries come together, nor on the number of threads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.engines import engine_of, local
from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.measures import Measure, check_measure, is_extreme, norms
from tokenspace.native import CodedRows, Nearest
from tokenspace.rows import as_matrix, check_finite
from tokenspace.search import every, product
from tokenspace.search.alone import Alone
from tokenspace.search.best import NO_COSINE, Best, Keys, merged, scores
from tokenspace.search.found import Certificate, Found
from tokenspace.search.known import Known
from tokenspace.search.plan import PATHS, PathName, Plan, choose
from tokenspace.search.ranges import Within, least_key, rows_within
from tokenspace.search.screen import TOGETHER, Screener
from tokenspace.search.subset import checked_exclusions, left_out, rows_among

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.engines import Engine
    from tokenspace.search.spread import Spread

SHARE = 12
"""Queries, a multiple of which each thread gets where there are many: so many the kernels take at once, on the widest level."""


class Exact:
    """Exact nearest rows of one matrix under one measure.

    Parameters
    ----------
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
        Used in place, also when memory-mapped; must not change while the search is in use.
    measure : "euclidean", "inner_product" or "cosine", default "cosine"
    threads : int, optional
        Default: as many as CPUs this process may use. The answer is the same for any number.
    path : "auto", "every", "product", "floats" or "bytes", default "auto"
        How rows are gone through; "auto" chooses for each search (`explain` says what). A path that cannot serve the matrix, for want of
        compiled kernels or because its numbers leave float32's range, is refused.
    codes : CodedRows, optional
        The rows' codes, made before by `code` of another search of the same matrix; saves coding them.
    lengths : array of shape (n,), float64, optional
        The rows' norms, as `tokenspace.measures.norms` gives them; saves measuring them.
    engine : "local", "ray" or tokenspace.engines.Engine, optional
        Where the work runs, a shard at a time: in threads here, or on a Ray cluster. Ids and scores are the same. Left out, threads
        go through the matrix as a whole. With an engine nothing is kept from one search to the next, so ask many queries at once.

    Raises
    ------
    ShapeError
        If the matrix does not have two axes.
    NotFiniteError
        If a row holds NaN or infinity; the first is named.
    ArgumentError
        If the measure or path is unknown or cannot serve, or threads is not positive.

    Notes
    -----
    Building reads the matrix once; the cosine keeps 8 bytes a row (the norms). The byte screen keeps d + 2 bytes a row and up to 12 for
    the measure, made when its savings are worth it. Zero rows have no cosine: their score is NaN and they rank after all others.
    The vice of exactness: each search goes through every row.

    References
    ----------
    Lecture "Embedding Layer and Distances/Similarities", equations (9) to (12).

    Examples
    --------
    >>> rows = np.float32([[1, 0], [0, 2], [3, 3]])
    >>> ids, scores = Exact(rows, measure="inner_product").search([1, 0], k=2)
    >>> ids, scores
    (array([2, 0]), array([3., 1.]))
    """

    __slots__ = ("_known", "_missed", "_path", "_single", "_spread", "matrix", "measure", "threads")

    def __init__(
        self,
        matrix: ArrayLike,
        measure: Measure = "cosine",
        *,
        threads: int | None = None,
        path: PathName | str = "auto",
        codes: tuple[CodedRows, NDArray[np.float64]] | None = None,
        lengths: NDArray[np.float64] | None = None,
        engine: str | Engine | None = None,
    ) -> None:
        check_measure(measure)
        self.matrix = as_matrix(matrix, "matrix")
        self.measure = measure
        self.threads = local.thread_count(threads)
        self._spread: Spread | None = None
        if engine is not None:
            from tokenspace.search.spread import spread_of  # noqa: PLC0415 - it searches each part with what stands here

            self._spread = spread_of(self.matrix, measure, engine_of(engine, threads=threads), path, codes)
            return
        self._known = Known(self.matrix, measure, self.threads, codes, lengths)
        if path != "auto" and path not in self._known.usable:
            message = f"path must be auto or one of {', '.join(self._known.usable)} for this matrix here; seen {path!r}"
            raise ArgumentError(message, hint="" if path in PATHS else f"the paths are {', '.join(PATHS)}")
        self._path = path
        self._single: Alone | None = None
        self._missed = 0.0

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        exclude: Sequence[Any] | None = None,
        among: ArrayLike | None = None,
        certificate: bool = False,
        progress: Callable[[int, int], object] | None = None,
    ) -> Found:
        """Return the k closest rows of each query.

        Parameters
        ----------
        queries : array of shape (q, d) or (d,), any float type or integers
        k : int, default 10
            At least 1; where it is larger than n, n rows come back.
        exclude : sequence, optional
            Row ids to leave out: for one query a sequence of ids, for q queries a sequence of q such sequences.
        among : array of shape (m,), integers, or (n,), bool, optional
            The rows to search, by id or as a mask; left out, all. They are copied: m·d numbers.
        certificate : bool, default False
            Whether the answer comes with its `Certificate`.
        progress : callable, optional
            Called with (queries done, q) after every 512 queries; with an engine, with (shards done, shards) after each.

        Returns
        -------
        Found
            `ids` and `scores` of shape (q, min(k, n)), or (min(k, n),) for a single query.

        Raises
        ------
        ShapeError
            If the queries have another d, or `exclude` another length.
        NotFiniteError
            If a query holds NaN or infinity.
        RowIdError
            If an id to leave out is not in 0..n-1.
        ArgumentError
            If k is not positive.

        Notes
        -----
        Time O(q·n·d); extra memory a few MB a thread plus the result, never q·n. Rows whose float64 keys are equal to the last bit are
        ties, and the lower id comes first.
        """
        if k < 1:
            message = f"k must be at least 1; seen {k}"
            raise ArgumentError(message)
        plain = self._spread is None and among is None and progress is None and not certificate
        if plain and (quick := self._quickly(queries, k, exclude)) is not None:
            return quick
        q, single = self._checked(queries)
        n = len(self.matrix)
        if among is not None:
            return self._among(rows_among(among, n), q, k, exclude, single=single, certificate=certificate)
        without = checked_exclusions([exclude] if single and exclude is not None else exclude, len(q), n)
        wanted = min(n, k + max(map(len, without), default=0))
        if not wanted:  # there are no rows
            empty = Found(np.empty((len(q), 0), dtype=np.int64), np.empty((len(q), 0)))
            return Found(empty.ids[0], empty.scores[0]) if single else empty
        if self._spread is not None:
            found = self._spread.search(q, wanted, progress)
        elif self._known.extreme or (q.dtype == np.float64 and is_extreme(q)):
            found = self._by_definition(q, wanted)
        else:
            found = self._by_blocks(q, wanted, progress)
        ids, score = left_out(found.ids, found.scores, without, min(k, n))
        proof = found.certificate if certificate else None
        return Found(ids[0], score[0], proof) if single else Found(ids, score, proof)

    def within(self, queries: ArrayLike, threshold: float) -> Within:
        """Return all rows within a distance of each query, or at least as similar.

        Parameters
        ----------
        queries : array of shape (q, d) or (d,), any float type or integers
        threshold : float
            The largest distance, or the least inner product or cosine; rows at exactly the threshold are within.

        Returns
        -------
        Within
            Ragged: query i has ``ids[offsets[i]:offsets[i + 1]]``, the closest first. Rows without a cosine are never within.

        Raises
        ------
        ShapeError, NotFiniteError
            As `search`.
        ArgumentError
            If the threshold is NaN or a negative distance, or float64 numbers here are too large or small to be squared.

        Notes
        -----
        Time O(q·n·d) at matrix-product speed; memory that of the result, which the threshold decides.

        Examples
        --------
        >>> found = Exact(np.float32([[0, 1], [0, 3], [2, 0]]), "euclidean").within([[0, 0], [0, 2]], 1.0)
        >>> [ids.tolist() for ids, scores in found]
        [[0], [0, 1]]
        """
        q, _ = self._checked(queries)
        q = q.astype(np.float64)
        if is_extreme(q) or (self._spread is None and self._known.extreme):
            message = "a range search needs numbers whose squares float64 can hold"
            raise ArgumentError(message, hint="scale the table and the queries by one factor")
        least_key(threshold, self.measure)
        if self._spread is not None:
            return self._spread.within(q, float(threshold))
        keys = Keys(self.matrix, self._known.lengths, q, self.measure)
        parts = self._known.run(lambda part: rows_within(self.matrix, keys, float(threshold), *part, single=self._known.single))
        query, row, key = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((row, -key, query))
        offsets = np.searchsorted(query[order], np.arange(len(q) + 1))
        return Within(offsets, row[order], scores(key[order], self.measure))

    def explain(self, q: int, k: int = 10) -> Plan:
        """Say which path a search of q queries for k rows would take now, and why; costs nothing and changes nothing.

        Parameters
        ----------
        q, k : int

        Returns
        -------
        Plan
            ``print`` shows it.

        Raises
        ------
        ArgumentError
            If there is an engine.
        """
        self._alone_only("explain")
        plan = self._planned(q, k)
        return replace(plan, seconds=dict(plan.seconds))

    def _planned(self, q: int, k: int) -> Plan:
        """Return what `explain` does, but the plan is shared with other searches."""
        n, d = self.matrix.shape
        usable = self._known.usable if self._path == "auto" else (self._path,)
        # Codes are worth their making only for rows that may be left out unseen; with k near n every row is finished anyway.
        usable = tuple(name for name in usable if name in {"every", "product"} or 4 * k <= n) or ("product",)
        return choose(q, n, d, k, usable=usable, ready=self._known.ready(self._missed))

    def code(self) -> tuple[CodedRows, NDArray[np.float64]]:
        """Return the rows' codes and the point they are seen from, making them where there are none yet.

        Returns
        -------
        CodedRows, array of shape (d,), float64
            What `codes` of another `Exact` over the same matrix takes.

        Raises
        ------
        ArgumentError
            If the matrix cannot be coded: its numbers leave float32's range, or no compiled kernel is there; or if there is an engine.
        """
        self._alone_only("code")
        return self._known.coded()

    @property
    def codes(self) -> tuple[CodedRows, NDArray[np.float64]] | None:
        """What `code` returns, where it is there already."""
        return None if self._spread is not None else self._known.codes

    def _alone_only(self, name: str) -> None:
        if self._spread is not None:
            message = f"{name}() is for a search without an engine: each shard chooses its own path, where it is searched"
            raise ArgumentError(message, hint="leave engine out")

    def _checked(self, queries: ArrayLike) -> tuple[NDArray[Any], bool]:
        """Return the queries as a matrix, and whether there was one query."""
        single = np.ndim(queries) == 1
        q = as_matrix(np.asarray(queries)[None, :] if single else queries, "queries")
        n, d = self.matrix.shape
        if q.shape[1] != d:
            message = f"search(queries of shape {np.shape(queries)}) in a matrix of shape {(n, d)}: a query must have {d} numbers"
            raise ShapeError(message, hint="did you mix two tables?")
        check_finite(q, "queries")
        return q, single

    def _among(
        self, rows: NDArray[np.int64], queries: NDArray[Any], k: int, exclude: Sequence[Any] | None, *, single: bool, certificate: bool
    ) -> Found:
        """Search some rows only, as a matrix of their own; ids stay those of the whole."""
        without = checked_exclusions([exclude] if single and exclude is not None else exclude, len(queries), len(self.matrix))
        inner = [np.flatnonzero(np.isin(rows, ids)) for ids in without] or None
        path = "auto" if self._spread is not None or self._path not in {"every", "product"} else self._path
        part = Exact(self.matrix[rows], self.measure, threads=self.threads, path=path)
        found = part.search(queries, k, exclude=inner, certificate=certificate)
        ids = np.where(found.ids >= 0, rows[found.ids], -1) if len(rows) else found.ids
        return Found(ids[0], found.scores[0], found.certificate) if single else Found(ids, found.scores, found.certificate)

    def _by_blocks(self, queries: NDArray[Any], k: int, progress: Callable[[int, int], object] | None = None) -> Found:
        plan = self._planned(len(queries), k)
        if plan.path in {"floats", "bytes"} and not self._known.within_reach(queries):
            plan = replace(plan, path="product", coding=0.0)
        if len(queries) == 1 and plan.path == "bytes" and queries.any():
            keys, ids, finished, bound = self._alone()(queries[0], k, plan.seconds["bytes"])
            if progress is not None:
                progress(1, 1)
            return self._found(queries, "bytes", ids[None], keys[None], finished, bound)
        if plan.coding and plan.path != "bytes" and "bytes" in plan.seconds:
            self._missed += max(0.0, plan.seconds[plan.path] - plan.seconds["bytes"])
        outcomes = []
        for at in range(0, max(1, len(queries)), TOGETHER):
            outcomes.append(self._searched(queries[at : at + TOGETHER].astype(np.float64), k, plan.path))
            if progress is not None:
                progress(min(at + TOGETHER, len(queries)), len(queries))
        ids, keys, finished, bound = (np.concatenate(column) for column in zip(*outcomes, strict=True))
        return self._found(queries, plan.path, ids, keys, finished, bound)

    def _found(
        self,
        queries: NDArray[Any],
        path: PathName,
        ids: NDArray[np.int64],
        keys: NDArray[np.float64],
        finished: NDArray[np.int64],
        bound: NDArray[np.float64],
    ) -> Found:
        """Return ids and scores with their certificate."""
        terms = norms(queries) * self._known.most if self.measure == "inner_product" else np.ones(len(queries))
        error = (self.matrix.shape[1] + 8) * 2.0**-53 * terms
        score, last = scores(keys, self.measure), scores(keys[:, -1:], self.measure)[:, 0]
        if self.measure == "euclidean":
            error = error * np.nan_to_num(last)
        proof = Certificate(path, len(self.matrix), finished, last, np.where(np.isnan(bound), bound, scores(bound, self.measure)), error)
        return Found(ids, score, proof)

    def _shared(self, queries: NDArray[np.float64], k: int) -> tuple[Best, NDArray[np.int64], NDArray[np.float64]]:
        """Give each thread some queries and all rows: had it some of the rows, it would have to find k of its own among them."""
        codes, middle = self.code()
        frame = self._known.framed(middle)

        def search(part: tuple[int, int]) -> tuple[Best, NDArray[np.int64], NDArray[np.float64]]:
            keys = Keys(self.matrix, self._known.lengths, queries[part[0] * SHARE : part[1] * SHARE], self.measure)
            return Screener(self.matrix, keys, frame, self._known.most).by_bytes(codes, k, 0, len(self.matrix))

        found = local.run(search, local.ranges(-(-len(queries) // SHARE), self.threads), threads=self.threads)
        best = Best.of(*(np.concatenate([getattr(part[0], name) for part in found]) for name in ("ids", "keys")))
        return best, np.concatenate([part[1] for part in found]), np.concatenate([part[2] for part in found])

    def _alone(self) -> Alone:
        """Return what searches for single queries, making it where it is not there yet."""
        if self._single is None:
            codes, middle = self.code()
            frame = self._known.framed(middle)
            nearest = Nearest(codes, frame.terms, self.matrix, self.measure, self._known.lengths, self._known.most, middle)
            self._single = Alone(nearest, len(self.matrix), self._known.reach(), self.threads)
        return self._single

    def _quickly(self, queries: ArrayLike, k: int, exclude: Sequence[Any] | None) -> Found | None:
        """Answer one ordinary query by codes that are there, or return None: to prepare for all that may come takes longer than this."""
        query = None if self._single is None else self._single.asked(queries, self.matrix.shape[1])
        if self._single is None or query is None:
            return None
        n, single = len(self.matrix), np.ndim(queries) == 1
        without = checked_exclusions([exclude] if single and exclude is not None else exclude, 1, n)
        wanted = min(n, k + max(map(len, without), default=0))
        plan = self._planned(1, wanted)
        if plan.path != "bytes":
            return None
        keys, ids, _, _ = self._single(query, wanted, plan.seconds["bytes"])
        score = scores(keys, self.measure)
        if without:
            (ids,), (score,) = left_out(ids[None], score[None], without, min(k, n))
        return Found(ids, score) if single else Found(ids[None], score[None])

    def _searched(
        self, queries: NDArray[np.float64], k: int, path: PathName
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """Return ids and keys, of shape (q, k), rows finished and the highest key of a row that was not, of some queries."""
        keys = Keys(self.matrix, self._known.lengths, queries, self.measure)
        unseen = np.full(len(queries), np.nan)
        if path == "every":
            parts = [(*found, unseen) for found in self._known.run(lambda part: every.search_rows(keys, k, *part))]
        elif path == "product":
            found = self._known.run(lambda part: product.search_rows(self.matrix, keys, k, *part, single=self._known.single))
            parts = [(*part, unseen) for part in found]
        elif path == "bytes" and self.threads > 1 and len(queries) >= 2 * SHARE and not len(self.matrix) >> 30:
            parts = [self._shared(queries, k)]
        else:
            codes = self.code() if path == "bytes" else None
            screener = Screener(self.matrix, keys, self._known.framed(None if codes is None else codes[1]), self._known.most)
            if codes is None:
                parts = self._known.run(lambda part: screener.by_floats(k, *part))
            else:
                parts = self._known.run(lambda part: screener.by_bytes(codes[0], k, *part))
        best = merged([part[0] for part in parts], k)
        if self.measure == "cosine":  # a zero query has no cosine with any row: all tie, and the lowest ids come first
            zero = keys.query_lengths == 0
            best.ids[zero], best.keys[zero] = np.arange(k), NO_COSINE
        return best.ids, best.keys, sum(part[1] for part in parts), np.max([part[2] for part in parts], axis=0)

    def _by_definition(self, queries: NDArray[Any], k: int) -> Found:
        """Measure every pair in scaled float64: slow, and right where squares leave float64's range."""
        n, q = len(self.matrix), len(queries)
        ids, found = np.empty((q, k), dtype=np.int64), np.empty((q, k))

        def fill(query: int) -> None:
            ids[query], found[query] = every.measured(self.matrix, queries[query], self.measure, k)

        local.run(fill, range(q), threads=self.threads if q else 1)
        unit = (self.matrix.shape[1] + 8) * 2.0**-53
        terms = norms(queries) * self._known.most if self.measure == "inner_product" else np.abs(found).max(axis=1, initial=0)
        return Found(ids, found, Certificate("every", n, np.full(q, n), found[:, -1], np.full(q, np.nan), unit * terms))
