"""Neighbour graphs (HNSW) by FAISS or usearch: what `Approximate` walks; knows float32 vectors, no measure and no table.

A graph is built once and answers with the places of vectors in the order in which they were added, -1 where it found too few.
"""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from tokenspace.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

Engine = Literal["faiss", "usearch"]
Metric = Literal["distance", "product"]


class Graph(Protocol):
    """What either library is asked for."""

    def add(self, vectors: NDArray[np.float32], threads: int) -> None:
        """Add vectors of shape (m, d) behind those that are there."""

    def nearest(self, queries: NDArray[np.float32], k: int, breadth: int, threads: int) -> NDArray[np.int64]:
        """Return the places, of shape (q, k), of the nearest vectors found; -1 where fewer were found."""

    def tobytes(self) -> bytes:
        """Return the graph with its vectors, in the library's own format."""


class Faiss:
    """`faiss.IndexHNSWFlat`, or with half-precision vectors `faiss.IndexHNSWSQ`."""

    package = "faiss-cpu"

    def __init__(self, d: int, metric: Metric, *, half: bool, links: int, effort: int) -> None:
        faiss = _library("faiss")
        kind = faiss.METRIC_L2 if metric == "distance" else faiss.METRIC_INNER_PRODUCT
        if half:
            self._index = faiss.IndexHNSWSQ(d, faiss.ScalarQuantizer.QT_fp16, links, kind)
            self._index.train(np.zeros((1, d), np.float32))  # there is nothing to learn, but it insists
        else:
            self._index = faiss.IndexHNSWFlat(d, links, kind)
        self._index.hnsw.efConstruction = effort

    def add(self, vectors: NDArray[np.float32], threads: int) -> None:
        """Add vectors."""
        with _openmp(threads):
            self._index.add(vectors)

    def nearest(self, queries: NDArray[np.float32], k: int, breadth: int, threads: int) -> NDArray[np.int64]:
        """Walk from each query; settings go with the call, so that threads may search one graph differently."""
        settings = _library("faiss").SearchParametersHNSW(efSearch=breadth)
        with _openmp(threads):
            return np.asarray(self._index.search(queries, k, params=settings)[1], dtype=np.int64)

    def tobytes(self) -> bytes:
        """Serialise."""
        return bytes(_library("faiss").serialize_index(self._index))

    @classmethod
    def frombytes(cls, data: bytes) -> Faiss:
        """Make a graph of what `tobytes` gave."""
        self = cls.__new__(cls)
        self._index = _library("faiss").deserialize_index(np.frombuffer(data, np.uint8))
        return self


class Usearch:
    """`usearch.index.Index`, built by one thread.

    Several threads leave rows in its graph that no walk reaches (unum-cloud/USearch issue 735, open; seen in 2.26.6: 28 of 40 builds of
    3,000 rows by two threads lost up to nine).
    """

    package = "usearch"

    def __init__(self, d: int, metric: Metric, *, half: bool, links: int, effort: int) -> None:
        kind = "l2sq" if metric == "distance" else "ip"
        self._index = _library("usearch.index").Index(
            ndim=d, metric=kind, dtype="f16" if half else "f32", connectivity=links, expansion_add=effort
        )

    def add(self, vectors: NDArray[np.float32], threads: int) -> None:
        """Add vectors."""
        del threads  # see above
        start = len(self._index)
        self._index.add(np.arange(start, start + len(vectors)), vectors, threads=1)

    def nearest(self, queries: NDArray[np.float32], k: int, breadth: int, threads: int) -> NDArray[np.int64]:
        """Walk from each query; the breadth is a setting of the graph, and set before each search."""
        self._index.expansion_search = breadth
        found = self._index.search(queries, k, threads=threads)
        places = np.full((len(queries), k), -1)
        keys = np.asarray(found.keys).reshape(len(queries), -1)
        counts = np.atleast_1d(getattr(found, "counts", keys.shape[1]))
        known = np.arange(keys.shape[1]) < counts[:, None]
        places[:, : keys.shape[1]] = np.where(known, keys.astype(np.int64), -1)
        return places

    def tobytes(self) -> bytes:
        """Serialise."""
        return bytes(self._index.save())

    @classmethod
    def frombytes(cls, data: bytes) -> Usearch:
        """Make a graph of what `tobytes` gave."""
        self = cls.__new__(cls)
        self._index = _library("usearch.index").Index.restore(bytearray(data))
        return self


ENGINES: dict[str, type[Faiss | Usearch]] = {"faiss": Faiss, "usearch": Usearch}
"""The libraries by name."""


def engine_class(engine: str) -> type[Faiss | Usearch]:
    """Return the class of that name.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    if engine not in ENGINES:
        message = f"engine must be one of {', '.join(ENGINES)}; seen {engine!r}"
        raise ArgumentError(message)
    return ENGINES[engine]


def build(graph: Graph, blocks: Iterable[NDArray[np.float32]], threads: int) -> None:
    """Add all vectors, block by block, so that no second copy of the table is made on the way."""
    for block in blocks:
        if len(block):
            graph.add(block, threads)


def _library(module: str) -> Any:
    """Import a library; neither is needed by anything else.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    name = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"approximate search with engine={name!r} needs the package {ENGINES[name].package}, which does not load ({error})"
        raise MissingExtraError(message, hint='pip install "tokenspace[ann]"') from error


@contextmanager
def _openmp(threads: int) -> Iterator[None]:
    """Hold FAISS to so many threads; OpenMP keeps that number for each calling thread, so other callers do not notice."""
    faiss = _library("faiss")
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
