"""Approximate search: the call and the rules of exact search, on either library."""

from __future__ import annotations

import importlib.util
import json

import ml_dtypes
import numpy as np
import pytest

from tokenspace import MEASURES, search
from tokenspace.errors import (
    ArgumentError,
    ChecksumError,
    HeaderError,
    MissingExtraError,
    NotFiniteError,
    RowIdError,
    ShapeError,
    TruncatedFileError,
)
from tokenspace.search import Approximate, Exact
from tokenspace.search.ann import ENGINES
from tokenspace.search.approximate import MAGIC

MISSING = [engine for engine in ENGINES if importlib.util.find_spec(engine) is None]
WIDE = 300
"""A breadth beyond the rows of these small matrices: the walk sees them all."""


@pytest.fixture(params=[pytest.param(engine, marks=pytest.mark.skipif(engine in MISSING, reason="not installed")) for engine in ENGINES])
def engine(request):
    return request.param


def gaussian(n=200, d=8, seed=1):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_a_wide_walk_finds_what_exact_search_finds(engine, measure, dtype):
    matrix = gaussian().astype(dtype)
    queries = gaussian(12, seed=2)
    found = Approximate(matrix, measure, engine=engine, threads=1).search(queries, 7, breadth=WIDE)
    exact = Exact(matrix, measure).search(queries, 7)
    np.testing.assert_array_equal(found.ids, exact.ids)
    np.testing.assert_allclose(found.scores, exact.scores, rtol=1e-13)
    assert found.ids.dtype == np.int64
    assert found.scores.dtype == np.float64


def test_distances_far_from_the_origin_keep_their_digits(engine):
    matrix = gaussian().astype(np.float64) * 1e-3 + 1e6
    found = Approximate(matrix, "euclidean", engine=engine).search(matrix[:9], 5, breadth=WIDE)
    np.testing.assert_array_equal(found.ids, Exact(matrix, "euclidean").search(matrix[:9], 5).ids)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e150])
def test_sizes_beyond_float32_are_scaled_into_it(engine, measure, size):
    matrix = gaussian().astype(np.float64) * size
    queries = matrix[:5] * (1 if measure == "euclidean" else 1e-3 / size)
    found = Approximate(matrix, measure, engine=engine).search(queries, 5, breadth=WIDE)
    np.testing.assert_array_equal(found.ids, Exact(matrix, measure).search(queries, 5).ids)


def test_a_query_far_outside_is_answered(engine):
    found = Approximate(gaussian().astype(np.float64), "euclidean", engine=engine).search(np.full(8, 1e300), 3)
    assert (found.ids >= 0).all()
    assert np.isfinite(found.scores).all()


def test_zero_rows_have_no_cosine_and_come_last(engine):
    matrix = np.float32([[0, 0], [-1, 0], [0, 0], [1, 0]])
    ids, scores = Approximate(matrix, engine=engine).search([1, 0], k=4)
    assert ids.tolist() == [3, 1, 0, 2]
    np.testing.assert_array_equal(scores, [1, -1, np.nan, np.nan])
    assert Approximate(matrix, engine=engine).search([1, 0], k=2).ids.tolist() == [3, 1]
    ids, scores = Approximate(matrix, engine=engine).search(np.zeros((6, 2)), k=2)
    assert ids.tolist() == [[0, 1]] * 6
    assert np.isnan(scores).all()
    ids, scores = Approximate(np.zeros((3, 2)), engine=engine).search([1, 1], k=2)
    assert ids.tolist() == [0, 1]
    assert np.isnan(scores).all()


def test_zero_rows_have_distances(engine):
    matrix = np.float32([[0, 0], [-1, 0], [0, 0], [3, 0]])
    assert Approximate(matrix, "euclidean", engine=engine).search([1, 0], k=4).ids.tolist() == [0, 2, 1, 3]


@pytest.mark.parametrize("measure", MEASURES)
def test_rows_can_be_left_out(engine, measure):
    matrix = gaussian(60)
    close, exact = Approximate(matrix, measure, engine=engine, breadth=WIDE), Exact(matrix, measure)
    exclude = [[i, (i + 7) % 60] for i in range(6)]
    np.testing.assert_array_equal(close.search(matrix[:6], 5, exclude=exclude).ids, exact.search(matrix[:6], 5, exclude=exclude).ids)
    single = close.search(matrix[0], k=5, exclude=[0])
    assert 0 not in single.ids
    assert single.ids.shape == single.scores.shape == (5,)
    short = Approximate(matrix[:3], measure, engine=engine).search(matrix[:1], k=3, exclude=[[0, 1]])
    assert short.ids.tolist() == [[2, -1, -1]]
    assert np.isnan(short.scores[0, 1:]).all()


def test_more_neighbours_than_rows_are_all_rows(engine):
    matrix = gaussian(20)
    found = Approximate(matrix, engine=engine, breadth=WIDE).search(matrix[:3], k=1000)
    assert found.ids.shape == (3, 20)
    np.testing.assert_array_equal(np.sort(found.ids), np.tile(np.arange(20), (3, 1)))


def test_an_empty_matrix_and_no_queries(engine):
    assert Approximate(np.empty((0, 3)), engine=engine).search(np.ones(3)).ids.shape == (0,)
    assert Approximate(np.ones((4, 3)), engine=engine).search(np.empty((0, 3)), k=2).ids.shape == (0, 2)


def test_one_thread_builds_the_same_graph_again(engine):
    matrix = gaussian(500)
    first, second = (Approximate(matrix, engine=engine, threads=1, links=4, breadth=8).search(matrix, 5) for _ in range(2))
    np.testing.assert_array_equal(first.ids, second.ids)


def test_no_row_is_lost_in_a_graph_that_several_threads_were_to_build(engine):
    matrix = gaussian(3000)
    for _ in range(3):
        found = Approximate(matrix, "euclidean", engine=engine, threads=2).search(matrix[:1], k=3000, breadth=3100)
        assert (found.ids >= 0).all()


def test_a_saved_graph_is_taken_up_for_its_own_matrix_alone(engine, tmp_path):
    matrix = gaussian()
    matrix[5] = 0
    built = Approximate(matrix, engine=engine, links=6, breadth=50, threads=1)
    path = tmp_path / "graph"
    built.save(path)
    loaded = Approximate.load(path, matrix, threads=1)
    for name in ("engine", "measure", "links", "effort", "breadth"):
        assert getattr(loaded, name) == getattr(built, name)
    np.testing.assert_array_equal(loaded.search(matrix, 9).ids, built.search(matrix, 9).ids)
    assert [file.name for file in tmp_path.iterdir()] == ["graph"]
    for other in (matrix[:-1], matrix.astype(np.float64), matrix + np.float32(1)):
        with pytest.raises(ChecksumError, match="another matrix"):
            Approximate.load(path, other)


def test_a_damaged_graph_is_refused(engine, tmp_path):
    matrix = gaussian(30)
    path = tmp_path / "graph"
    Approximate(matrix, engine=engine).save(path)
    whole = path.read_bytes()
    for content, error in (
        (b"", HeaderError),
        (b"something else\n" + whole, HeaderError),
        (MAGIC + b"{}\n", HeaderError),
        (MAGIC + b"[" * 50_000 + b"\n", HeaderError),
        (whole[:-1], TruncatedFileError),
        (whole[:-1] + bytes([whole[-1] ^ 1]), ChecksumError),
    ):
        path.write_bytes(content)
        with pytest.raises(error):
            Approximate.load(path, matrix)
    line, payload = whole[len(MAGIC) :].split(b"\n", 1)
    for change in ({"engine": "os"}, {"measure": "manhattan"}, {"settings": {"matrix": 1}}, {"bytes": "many"}, {"graph": 3}):
        path.write_bytes(MAGIC + json.dumps({**json.loads(line), **change}).encode() + b"\n" + payload)
        with pytest.raises(HeaderError):
            Approximate.load(path, matrix)


def test_bad_calls_say_what_is_wrong(engine):
    matrix = gaussian(10, 3)
    built = Approximate(matrix, engine=engine)
    with pytest.raises(ShapeError, match="3 numbers"):
        built.search(np.ones(4))
    with pytest.raises(ArgumentError, match="k must"):
        built.search(np.ones(3), k=0)
    with pytest.raises(ArgumentError, match="breadth must"):
        built.search(np.ones(3), breadth=0)
    with pytest.raises(NotFiniteError, match="queries"):
        built.search([1, np.nan, 1])
    with pytest.raises(RowIdError):
        built.search(np.ones(3), exclude=[10])
    with pytest.raises(ShapeError, match="exclude"):
        built.search(np.ones((2, 3)), exclude=[[1]])
    with pytest.raises(ArgumentError, match="measure"):
        Approximate(matrix, "manhattan", engine=engine)
    for name in ("links", "effort", "breadth", "threads"):
        with pytest.raises(ArgumentError, match=name):
            Approximate(matrix, engine=engine, **{name: 0})
    matrix[2, 1] = np.inf
    with pytest.raises(NotFiniteError, match="row 2, column 1"):
        Approximate(matrix, engine=engine)


def test_an_engine_that_is_none_is_named():
    with pytest.raises(ArgumentError, match="faiss, usearch; seen 'annoy'"):
        Approximate(gaussian(5), engine="annoy")


@pytest.mark.parametrize("name", ENGINES)
def test_a_missing_library_comes_with_the_command_that_installs_it(monkeypatch, name):
    import sys

    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, f"{name}.index", None)
    with pytest.raises(MissingExtraError, match=ENGINES[name].package) as caught:
        Approximate(gaussian(5), engine=name)
    assert caught.value.hint == 'pip install "tokenspace[ann]"'
    assert isinstance(caught.value, ImportError)


def test_the_libraries_are_imported_by_no_one_who_does_not_ask():
    import subprocess
    import sys

    code = "import sys, tokenspace; tokenspace.search.Exact([[1.0]]).search([1.0]); print({'faiss', 'usearch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"
    assert search.Approximate is Approximate
