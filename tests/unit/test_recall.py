"""Recall: counted by score, with ties, and with an interval that holds what it should."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tokenspace import MEASURES
from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.search import Exact, Found, Recall, recall
from tokenspace.search.recall import _interval


class Given:
    """A search that answers what it was told to."""

    def __init__(self, matrix, ids, measure="euclidean"):
        self.matrix, self.measure, self.ids = np.asarray(matrix), measure, np.asarray(ids)

    def search(self, queries, k=10, *, exclude=None):
        assert len(queries) == len(self.ids)
        return Found(self.ids[:, :k], np.zeros((len(self.ids), min(k, self.ids.shape[1]))))


LINE = np.float32([[0], [1], [2], [3], [4], [5]])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_exact_search_finds_everything(measure, dtype):
    matrix = np.random.default_rng(0).integers(-2, 3, (80, 3)).astype(dtype)  # ties, parallel rows, zero rows
    judged = recall(Exact(matrix, measure), queries=80, k=6)
    assert (judged.value, judged.loss, judged.missing, judged.high) == (1, 0, 0, 1)
    assert judged.each.tolist() == [1] * 80


def test_a_row_found_is_a_place_won():
    judged = recall(Given(LINE, [[0, 1, 5], [3, 0, 1]]), [[0.0], [3.0]], 3)
    np.testing.assert_allclose(judged.each, [2 / 3, 1 / 3])  # nearest to 3: 3, then 2 and 4
    assert judged.value == pytest.approx(0.5)
    assert judged.low < 0.5 < judged.high


def test_ties_at_the_border_count_whichever_their_ids():
    matrix = np.float32([[1], [-1], [1], [-1], [2]])
    for ids, share in (([[0, 1]], 1), ([[3, 2]], 1), ([[2, 4]], 0.5)):
        assert recall(Given(matrix, ids), [[0.0]], 2).value == share


def test_a_tie_fills_no_nearer_rows_place():
    matrix = np.float32([[0.5], [1], [-1], [1]])
    for ids, share in (([[0, 3]], 1), ([[0, 1]], 1), ([[1, 2]], 0.5), ([[2, 3]], 0.5)):
        assert recall(Given(matrix, ids), [[0.0]], 2).value == share


def test_cosines_of_parallel_rows_are_ties():
    matrix = np.random.default_rng(1).standard_normal(7) * np.arange(1, 20)[:, None]
    query = np.random.default_rng(2).standard_normal((1, 7))
    assert recall(Given(matrix, [[18, 17, 16]], "cosine"), query, 3).value == 1


def test_a_row_given_twice_counts_once_and_an_empty_place_not_at_all():
    assert recall(Given(LINE, [[0, 0, 0]]), [[0.0]], 3).value == pytest.approx(1 / 3)
    judged = recall(Given(LINE, [[0, -1, -1]]), [[0.0]], 3)
    assert judged.value == pytest.approx(1 / 3)
    assert judged.missing == 2
    assert recall(Given(LINE, [[0]]), [[0.0]], 3).missing == 2


def test_scores_are_measured_and_not_believed():
    class Boaster(Given):
        def search(self, queries, k=10, *, exclude=None):
            return Found(self.ids, np.zeros(self.ids.shape))

    assert recall(Boaster(LINE, [[5, 4]]), [[0.0]], 2).value == 0


def test_rows_without_a_cosine_are_found_where_exact_search_has_no_others():
    matrix = np.float32([[0, 0], [1, 0], [0, 0]])
    assert recall(Given(matrix, [[1, 2]], "cosine"), [[1.0, 0.0]], 2).value == 1
    assert recall(Given(matrix, [[0, 2]], "cosine"), [[1.0, 0.0]], 2).value == 0.5


def test_the_loss_is_relative_and_by_rank():
    judged = recall(Given(LINE, [[1, 3]]), [[0.0]], 2)  # 1 and 3 where 0 and 1 were to be had
    assert judged.loss == pytest.approx((1 + 2) / 1)


def test_what_is_left_out_is_left_out_of_the_truth_too():
    judged = recall(Given(LINE, [[1, 2]]), [[0.0]], 2, exclude=[[0]])
    assert judged.value == 1
    with pytest.raises(ShapeError):
        recall(Exact(LINE), [[0.0]], 2, exclude=[[0], [1]])


def test_queries_drawn_from_the_rows_are_left_out_of_their_own_neighbours():
    matrix = np.random.default_rng(3).standard_normal((50, 4))
    seen = []

    class Watched(Exact):
        def search(self, queries, k=10, *, exclude=None):
            seen.append((queries, exclude))
            return super().search(queries, k, exclude=exclude)

    first, second = (recall(Watched(matrix), 20, 3, seed=5) for _ in range(2))
    queries, exclude = seen[0]
    np.testing.assert_array_equal(queries, matrix[np.ravel(exclude)])
    assert len(set(np.ravel(exclude))) == 20
    assert seen[1][1] == exclude
    assert first.value == second.value == 1
    assert len(recall(Exact(matrix), 1000, 3).each) == 50


def test_the_interval_holds_the_mean_as_often_as_it_says():
    """Shares whose ten places stand and fall together, as they do on graphs: of 400 intervals about 380 hold the mean."""
    rng = np.random.default_rng(11)
    for mean in (0.5, 0.9, 0.99):
        held = 0
        for _ in range(400):
            together = rng.beta(mean * 2, (1 - mean) * 2, 200)
            low, high = _interval(rng.binomial(10, together) / 10, 10, 0.95)
            held += low <= mean <= high
        assert 0.90 <= held / 400 <= 0.99, (mean, held)


def test_the_interval_stays_within_0_and_1_and_is_never_sure():
    for shares in (np.ones(50), np.zeros(50), np.ones(1), np.full(30, 0.9)):
        low, high = _interval(shares, 10, 0.95)
        assert 0 <= low <= shares.mean() <= high <= 1
        assert low < high


def test_more_confidence_takes_a_wider_interval():
    narrow, wide = (recall(Given(LINE, [[0, 5]] * 9), np.zeros((9, 1)), 2, confidence=c) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_it_prints_itself():
    judged = recall(Given(LINE, [[0, -1, 5]]), [[0.0]], 3)
    assert isinstance(judged, Recall)
    first, second, third = str(judged).split("\n")
    assert first.startswith("recall@3 of Given, euclidean: 0.3333 (95 % interval 0.")
    assert first.endswith(", 1 queries)")
    assert second.endswith("1 queries lack a row, 1 places stayed empty")
    assert "ms a query" in third
    assert "times as fast as exact search" in third


def test_bad_calls_say_what_is_wrong():
    for arguments, what in (
        ({"confidence": 1}, "confidence"),
        ({"queries": 0}, "at least 1 query"),
        ({"queries": np.empty((0, 1))}, "at least one query"),
        ({"queries": 3, "exclude": [[1]] * 3}, "no exclude"),
        ({"queries": [[0.0]], "exclude": [range(6)]}, "at least one row"),
    ):
        with pytest.raises(ArgumentError, match=what):
            recall(Exact(LINE), **arguments)


def test_the_command_prints_what_the_function_says(monkeypatch):
    pytest.importorskip("faiss")
    import json

    from click.testing import CliRunner

    import tokenspace as ts
    from tokenspace.cli import main

    matrix = np.random.default_rng(4).standard_normal((60, 5)).astype(np.float32)
    monkeypatch.setattr(ts, "open", lambda name: ts.EmbeddingTable([f"t{i}" for i in range(60)], matrix), raising=False)
    monkeypatch.delenv("TOKENSPACE_TABLE", raising=False)
    result = CliRunner().invoke(main, ["recall", "--json", "-m", "all", "-k", "4", "--queries", "30"])
    assert result.exit_code == 0, result.output
    searches = json.loads(result.stdout)["searches"]
    assert [search["measure"] for search in searches] == list(MEASURES)
    assert all(search["recall"] > 0.9 and search["k"] == 4 and search["queries"] == 30 for search in searches)
    piped = CliRunner().invoke(main, ["recall", "-k", "4"])
    first, second = (line.split("\t") for line in piped.stdout.splitlines())
    assert dict(zip(first, second, strict=True))["engine"] == "faiss"
    assert dict(zip(first, second, strict=True))["queries"] == "60"
