"""Ranges, subsets, progress and the graph of a whole table."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tokenspace import MEASURES
from tokenspace.errors import ArgumentError, NotFiniteError, ShapeError
from tokenspace.search import Exact, graph, neighbour_graph
from tokenspace.search.plan import KNOWN, Ready, choose, costs_file, current_costs, keep_costs

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((300, 6)).astype(np.float32)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("threads", [1, 3])
def test_all_rows_within_a_range_are_found(measure, threads):
    search = Exact(ROWS, measure, threads=threads)
    queries = RNG.standard_normal((9, 6))
    every = Exact(ROWS, measure, path="every").search(queries, len(ROWS))
    threshold = float(np.median(every.scores[:, 20]))
    found = search.within(queries, threshold)
    assert len(found) == 9
    for (ids, scores), all_ids, all_scores in zip(found, every.ids, every.scores, strict=True):
        inside = all_scores <= threshold if measure == "euclidean" else all_scores >= threshold
        np.testing.assert_array_equal(ids, all_ids[inside])
        np.testing.assert_array_equal(scores, all_scores[inside])


def test_a_row_at_exactly_the_threshold_is_within():
    grid = np.float32([[0, 0], [3, 4], [6, 8], [0, 0]])
    assert Exact(grid, "euclidean").within([0, 0], 5).ids.tolist() == [0, 3, 1]
    assert Exact(grid, "inner_product").within([1, 0], 3).ids.tolist() == [2, 1]
    assert Exact(grid, "cosine").within([3, 4], -1).ids.tolist() == [1, 2]  # zero rows have no cosine
    assert Exact(grid, "euclidean").within([0, 0], 0).ids.tolist() == [0, 3]
    assert Exact(grid, "euclidean").within([9, 9], 0).ids.tolist() == []
    for threshold in (-1.0, np.nan):
        with pytest.raises(ArgumentError, match="threshold"):
            Exact(grid, "euclidean").within([0, 0], threshold)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_subset_is_searched_as_a_table_of_its_own(measure):
    rows = np.array([250, 3, 3, 77, 120, 8])
    mask = np.zeros(300, dtype=bool)
    mask[rows] = True
    queries = ROWS[:4]
    expected = Exact(ROWS[np.unique(rows)], measure).search(queries, 3)
    for among in (rows, mask):
        found = Exact(ROWS, measure).search(queries, 3, among=among)
        np.testing.assert_array_equal(found.ids, np.unique(rows)[expected.ids])
        np.testing.assert_array_equal(found.scores, expected.scores)
    one = Exact(ROWS, measure).search(ROWS[3], 9, among=rows, exclude=[3])
    assert sorted(one.ids.tolist()) == [-1, 8, 77, 120, 250]
    with pytest.raises(ShapeError, match="mask"):
        Exact(ROWS).search(queries, among=mask[:5])


def test_progress_is_told():
    seen = []
    Exact(ROWS).search(np.ones((2500, 6)), 2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(512, 2500), (1024, 2500), (1536, 2500), (2048, 2500), (2500, 2500)]


@pytest.mark.parametrize("measure", MEASURES)
def test_the_graph_leaves_each_row_itself_out(measure):
    found = neighbour_graph(ROWS, 5, measure)
    expected = Exact(ROWS, measure).search(ROWS, 5, exclude=[[i] for i in range(300)])
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert neighbour_graph(ROWS[:3], 9).ids.shape == (3, 2)
    assert neighbour_graph(ROWS[:1], 9).ids.shape == (1, 0)


def test_a_graph_that_was_stopped_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "STEP", 64)
    whole = neighbour_graph(ROWS, 4)

    def stop(done, total):
        if done >= 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        neighbour_graph(ROWS, 4, out=tmp_path, progress=stop)
    assert json.loads((tmp_path / "graph.json").read_text())["done"] == 128
    steps = []
    found = neighbour_graph(ROWS, 4, out=tmp_path, progress=lambda done, total: steps.append(done))
    assert steps == [192, 256, 300]
    np.testing.assert_array_equal(found.ids, whole.ids)
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), whole.scores)
    for other in ({"k": 5}, {"measure": "euclidean"}):
        with pytest.raises(ArgumentError, match="another search"):
            neighbour_graph(ROWS, **{"k": 4, "out": tmp_path, **other})
    with pytest.raises(ArgumentError, match="another search"):
        neighbour_graph(ROWS + 1, 4, out=tmp_path)


def test_the_path_follows_the_costs_and_codes_are_bought_when_they_pay():
    costs = KNOWN["x86-64-v4-vnni"]
    usable = ("every", "product", "floats", "bytes")
    assert choose(1, 400_000, 50, 10, usable=usable, ready=Ready(coded=True, missed=0), costs=costs).path == "bytes"
    assert choose(1, 400_000, 50, 10, usable=usable, ready=Ready(coded=False, missed=0), costs=costs).path == "every"
    assert choose(1, 400_000, 50, 10, usable=usable, ready=Ready(coded=False, missed=1.0), costs=costs).path == "bytes"
    assert choose(1000, 400_000, 50, 10, usable=usable, ready=Ready(coded=False, missed=0), costs=costs).path == "bytes"
    assert choose(1, 50, 4, 3, usable=usable, ready=Ready(coded=False, missed=0), costs=costs).path == "every"
    assert "expected on one thread" in str(choose(1, 50, 4, 3, usable=usable, ready=Ready(coded=False, missed=0), costs=costs))


def test_codes_are_made_once_searches_have_paid_for_them():
    rows = np.random.default_rng(1).standard_normal((60_000, 8)).astype(np.float32)
    search = Exact(rows, threads=1)
    if "bytes" not in search._known.usable:
        pytest.skip("no compiled kernels")
    paths = [search.search(rows[i], 3, certificate=True).certificate.path for i in range(30)]
    assert paths[0] != "bytes"
    assert paths == sorted(paths, key=lambda path: path == "bytes")  # once coded, always coded


def coded_search(measure, n=20_000, d=9):
    """Make a search whose codes are there, so that one float32 query goes the short way."""
    rows = np.random.default_rng(2).standard_normal((n, d)).astype(np.float32) + 1
    rows[::50] = rows[0]  # ties
    search = Exact(rows, measure, threads=1)
    if "bytes" not in search._known.usable:
        pytest.skip("no compiled kernels")
    search.code()
    search.search(rows[1], 5)
    assert search.explain(1, 5).path == "bytes"
    return search, rows


@pytest.mark.parametrize("measure", MEASURES)
def test_the_short_way_of_one_query_gives_what_the_long_way_gives(measure):
    search, rows = coded_search(measure)
    slow = Exact(rows, measure, path="product", threads=1)
    for i, k, exclude in ((0, 10, None), (7, 1, [7]), (50, 3, [0, 50, 100]), (3, 700, None), (3, 10, [])):
        wanted = slow.search(rows[i], k, exclude=exclude)
        for query, without in ((rows[i], exclude), (rows[i : i + 1], None if exclude is None else [exclude])):
            found, shape = search.search(query, k, exclude=without), (k,) if query.ndim == 1 else (1, k)
            assert found.ids.shape == found.scores.shape == shape
            np.testing.assert_array_equal(found.ids.ravel(), wanted.ids)
            np.testing.assert_array_equal(found.scores.ravel(), wanted.scores)
        again = search.search(rows[i].astype(np.float64), k, exclude=exclude)  # float64 queries take the long way
        np.testing.assert_array_equal(again.scores, wanted.scores)


def test_the_short_way_is_for_ordinary_queries_only():
    search, rows = coded_search("euclidean")
    for wrong, error in ((np.nan, NotFiniteError), (np.inf, NotFiniteError)):
        query = rows[0].copy()
        query[3] = wrong
        with pytest.raises(error, match="column 3"):
            search.search(query)
    with pytest.raises(ShapeError, match="9 numbers"):
        search.search(rows[0, :5])
    with pytest.raises(ShapeError, match="one sequence of row ids"):
        search.search(rows[:1], exclude=[[1], [2]])
    for query in (np.zeros(9, np.float32), np.full(9, 3e25, np.float32), rows[0][::-1], rows[0].astype(">f4")):
        wanted = Exact(rows, "euclidean", path="every").search(query)
        np.testing.assert_array_equal(search.search(query).ids, wanted.ids)


@pytest.mark.parametrize("measure", MEASURES)
def test_threads_that_search_at_once_do_not_disturb_each_other(measure):
    search, rows = coded_search(measure)
    wanted = [search.search(rows[i], 1 + i % 5).ids.tolist() for i in range(60)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda i: search.search(rows[i % 60], 1 + i % 60 % 5).ids.tolist(), range(360))) == wanted * 6


def test_calibrated_costs_are_kept_and_used(tmp_path, monkeypatch):
    from tokenspace.search.calibrate import calibrate

    monkeypatch.setenv("TOKENSPACE_CACHE", str(tmp_path))
    current_costs.cache_clear()
    costs = calibrate(rounds=1)
    assert all(cost >= 0 for cost in (costs.finish, costs.product, costs.bytes, costs.floats, costs.query))
    assert keep_costs(costs) == costs_file()
    assert current_costs() == costs
    costs_file().write_text("{")
    current_costs.cache_clear()
    assert current_costs() in KNOWN.values()
    monkeypatch.undo()
    current_costs.cache_clear()


@pytest.mark.parametrize("measure", ["euclidean", "inner_product", "cosine"])
@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_products_of_float32_find_what_float64_finds(measure, kind):
    random = np.random.default_rng(3)
    rows = random.standard_normal((5000, 24))
    rows[::7] = rows[0] + 1e-3 * random.standard_normal((715, 24))  # nearly equal ones, which float32 sums cannot tell apart
    rows[100:110], rows[5] = rows[3000], 0
    rows[4000:, 1:] = 0
    rows[4000:, 0] = 7
    rows[4000:, 3] = 1e-30 * np.arange(1000)
    rows = rows.astype(kind)
    for many in (1, 70):
        queries = np.concatenate([rows[[0, 3000, 4500]], rows[1:many].astype(np.float32) + 3])
        expected, found = (Exact(rows, measure, path=path).search(queries, 12) for path in ("every", "product"))
        assert np.array_equal(found.ids, expected.ids)
        assert np.nan_to_num(found.scores).tobytes() == np.nan_to_num(expected.scores).tobytes()
    least = float(expected.scores[0, 5])
    whole = Exact(rows, measure, path="every").search(queries[:3], len(rows))
    inside = whole.scores <= least if measure == "euclidean" else whole.scores >= least
    for ids, close, (found, _) in zip(whole.ids, inside, Exact(rows, measure).within(queries[:3], least), strict=True):
        assert np.array_equal(ids[close], found)


@pytest.mark.parametrize("measure", ["euclidean", "inner_product", "cosine"])
def test_products_of_large_numbers_and_thresholds(measure):
    rows = np.random.default_rng(4).standard_normal((300, 6))
    for scaled in (rows * 1e100, rows.astype(np.float32) * np.float32(1e7)):
        expected, found = (Exact(scaled, measure, path=path).search(scaled[:5], 4) for path in ("every", "product"))
        assert np.array_equal(found.ids, expected.ids)
    search = Exact(rows.astype(np.float32), measure)
    everything = 1e30 if measure == "euclidean" else -1e60
    assert search.within(rows[:2], everything).offsets.tolist() == [0, 300, 600]
    if measure != "euclidean":
        assert search.within(rows[:2], 1e60).offsets.tolist() == [0, 0, 0]
