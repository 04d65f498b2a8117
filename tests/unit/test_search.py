"""Exact search against a sort of everything."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tokenspace import MEASURES, native
from tokenspace.errors import ArgumentError, NotFiniteError, RowIdError, ShapeError
from tokenspace.search import Exact, best, every, exact, product, screen
from tokenspace.search.plan import PATHS


def everything(matrix, queries, measure):
    """Keys of all pairs from the definitions in float64: minus squared distance, product, cosine (NaN for zero vectors)."""
    x, q = np.asarray(matrix, np.float64), np.asarray(queries, np.float64)
    if measure == "euclidean":
        return -((q[:, None] - x[None]) ** 2).sum(-1)
    products = (q[:, None] * x[None]).sum(-1)
    if measure == "inner_product":
        return products
    with np.errstate(invalid="ignore"):
        return products / (np.sqrt((q * q).sum(-1))[:, None] * np.sqrt((x * x).sum(-1))[None])


def sorted_ids(matrix, queries, measure, k):
    keys = everything(matrix, queries, measure)
    keys = np.where(np.isnan(keys), -np.inf, keys)
    rows = np.broadcast_to(np.arange(keys.shape[1]), keys.shape)
    return np.lexsort((rows, -keys), axis=-1)[:, :k]


@pytest.fixture
def small_blocks(monkeypatch):
    for room, name, value in (
        (product, "BLOCK", 16),
        (product, "TOGETHER", 4),
        (exact, "TOGETHER", 7),
        (screen, "CHUNK", 1),
        (screen, "AT_ONCE", 256),
    ):
        monkeypatch.setattr(room, name, value)
    for room in (best, every, product):
        monkeypatch.setattr(room, "FINISH", 64)


def gaussian(rng, n, d):
    return rng.standard_normal((n, d)).astype(np.float32)


def ties(rng, n, d):
    return rng.integers(-1, 2, (n, d)).astype(np.float32)


def duplicates(rng, n, d):
    return gaussian(rng, n, d)[rng.integers(0, max(1, n // 5), n)]


def shifted(rng, n, d):
    return gaussian(rng, n, d) + 1000


def scales(rng, n, d):
    return gaussian(rng, n, d) * np.float32(10) ** rng.integers(-15, 15, (n, 1))


def subnormal(rng, n, d):
    return (gaussian(rng, n, d) * 1e-41).astype(np.float32)


def zeros(rng, n, d):
    matrix = gaussian(rng, n, d)
    matrix[rng.random(n) < 0.5] = 0
    return matrix


def all_equal(rng, n, d):
    return np.repeat(gaussian(rng, 1, d), n, axis=0)


@pytest.mark.parametrize("data", [gaussian, ties, duplicates, shifted, scales, subnormal, zeros, all_equal])
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("k", [1, 10, 1000])
def test_ids_are_those_of_a_full_sort_for_any_batch_and_thread_count(small_blocks, data, measure, k):
    rng = np.random.default_rng(7)
    matrix = data(rng, 601, 8)
    queries = np.concatenate([matrix[:6], data(rng, 9, 8)])
    # Where rows tie up to rounding (parallel rows under the cosine; rows 1e-30 as long as the query), the last bit of the sum decides,
    # and no two orders of summation need agree: there the keys are compared, everywhere else the ids.
    rounding_decides = (data is ties and measure == "cosine") or (data is scales and measure == "euclidean")
    keys = everything(matrix, queries, measure)
    expected = sorted_ids(matrix, queries, measure, k)
    ranges_of_float32 = data not in {scales, subnormal}
    paths = PATHS if ranges_of_float32 and native.LEVEL != "numpy" else ("every", "product")
    for threads, path in [(1, path) for path in paths] + [(3, path) for path in paths]:
        search = Exact(matrix, measure, threads=threads, path=path)
        ids, scores = search.search(queries, k)
        if rounding_decides:
            found, best = (np.take_along_axis(keys, rows, axis=1) for rows in (ids, expected))
            np.testing.assert_allclose(found, best, rtol=1e-14, atol=1e-15)
        else:
            np.testing.assert_array_equal(ids, expected)
        alone = [search.search(query, k) for query in queries[::4]]
        np.testing.assert_array_equal([found.ids for found in alone], ids[::4])
        np.testing.assert_array_equal([found.scores for found in alone], scores[::4])


@pytest.mark.parametrize("measure", MEASURES)
def test_scores_are_the_measures(measure):
    rng = np.random.default_rng(8)
    matrix, queries = gaussian(rng, 50, 6), gaussian(rng, 5, 6)
    ids, scores = Exact(matrix, measure).search(queries, k=50)
    keys = np.take_along_axis(everything(matrix, queries, measure), ids, axis=1)
    np.testing.assert_allclose(scores, np.sqrt(-keys) if measure == "euclidean" else keys, rtol=1e-12)
    rising = np.diff(scores, axis=1) >= 0
    assert rising.all() if measure == "euclidean" else not rising.any()


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("measure", MEASURES)
def test_other_element_types_are_searched_as_they_are(small_blocks, native_level, dtype, measure):
    rng = np.random.default_rng(9)
    matrix, queries = rng.standard_normal((77, 5)).astype(dtype), rng.standard_normal((6, 5)).astype(dtype)
    np.testing.assert_array_equal(Exact(matrix, measure).search(queries, 7).ids, sorted_ids(matrix, queries, measure, 7))


def test_float64_rows_beyond_the_range_of_squares():
    matrix = np.array([[1e200, 0], [0, 1e-200], [1e-200, 1e-200], [0.0, 0.0]])
    assert Exact(matrix, "cosine").search([1e-200, 2e-200], k=4).ids.tolist() == [2, 1, 0, 3]
    assert Exact(matrix, "euclidean").search([0, 0], k=4).ids.tolist() == [3, 1, 2, 0]
    assert Exact(matrix, "inner_product").search([1e-5, 1], k=2).ids.tolist() == [0, 2]
    ids, scores = Exact(matrix, "euclidean").search([0, 2e-200], k=2)
    assert ids.tolist() == [1, 2]
    np.testing.assert_allclose(scores, [1e-200, np.sqrt(2) * 1e-200])


def test_zero_rows_have_no_cosine_and_come_last():
    matrix = np.float32([[0, 0], [-1, 0], [0, 0], [1, 0]])
    ids, scores = Exact(matrix, "cosine").search([1, 0], k=4)
    assert ids.tolist() == [3, 1, 0, 2]
    np.testing.assert_array_equal(scores, [1, -1, np.nan, np.nan])
    ids, scores = Exact(matrix, "cosine").search(np.zeros((6, 2)), k=2)
    assert ids.tolist() == [[0, 1]] * 6
    assert np.isnan(scores).all()


@pytest.mark.parametrize("q", [1, 6])
def test_rows_can_be_left_out(q):
    rng = np.random.default_rng(10)
    matrix = gaussian(rng, 40, 4)
    queries = matrix[:q]
    full = Exact(matrix).search(queries, k=40).ids
    found = Exact(matrix).search(queries, k=5, exclude=[[i, (i + 7) % 40] for i in range(q)])
    for i in range(q):
        assert found.ids[i].tolist() == [row for row in full[i] if row not in {i, (i + 7) % 40}][:5]
    short = Exact(matrix[:3]).search(queries[:1], k=3, exclude=[[0, 1]])
    assert short.ids[0].tolist()[1:] == [-1, -1]
    assert np.isnan(short.scores[0, 1:]).all()
    single = Exact(matrix).search(queries[0], k=5, exclude=[0])
    assert 0 not in single.ids
    assert single.ids.shape == (5,)


def test_an_empty_matrix_and_no_queries():
    assert Exact(np.empty((0, 3))).search(np.ones(3)).ids.shape == (0,)
    assert Exact(np.ones((4, 3))).search(np.empty((0, 3)), k=2).ids.shape == (0, 2)


def test_bad_calls_say_what_is_wrong():
    matrix = np.ones((4, 3), dtype=np.float32)
    with pytest.raises(ShapeError, match="3 numbers"):
        Exact(matrix).search(np.ones(4))
    with pytest.raises(ArgumentError, match="at least 1"):
        Exact(matrix).search(np.ones(3), k=0)
    with pytest.raises(ArgumentError, match="threads"):
        Exact(matrix, threads=0)
    with pytest.raises(ArgumentError, match="measure"):
        Exact(matrix, "manhattan")
    with pytest.raises(NotFiniteError, match="queries"):
        Exact(matrix).search([1, np.nan, 1])
    with pytest.raises(RowIdError):
        Exact(matrix).search(np.ones(3), exclude=[9])
    with pytest.raises(ShapeError, match="exclude"):
        Exact(matrix).search(np.ones((2, 3)), exclude=[[1]])
    matrix[2, 1] = np.inf
    with pytest.raises(NotFiniteError, match="row 2, column 1"):
        Exact(matrix)


def test_memory_stays_far_below_queries_times_rows():
    import tracemalloc

    matrix, queries = gaussian(np.random.default_rng(11), 60_000, 8), gaussian(np.random.default_rng(12), 2000, 8)
    search = Exact(matrix, threads=1)
    tracemalloc.start()
    search.search(queries, k=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6  # the full matrix of keys would be 960 MB
