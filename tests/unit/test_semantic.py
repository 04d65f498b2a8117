"""Semantic search: by whichever way, what exact search finds."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tokenspace import MEASURES
from tokenspace.errors import ArgumentError, NotFiniteError, ShapeError
from tokenspace.search import Exact, once, plan, semantic_search

RNG = np.random.default_rng(3)


def same(found, expected) -> None:
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("n", "q", "d", "k"),
    [(1, 1, 1, 1), (3, 2, 5, 10), (100, 1, 384, 5), (1000, 1, 48, 100), (1000, 100, 20, 10), (300, 40, 100, 300), (5000, 3, 33, 7)],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_any_size_finds_what_measuring_every_row_finds(measure, n, q, d, k, threads, monkeypatch) -> None:
    monkeypatch.setattr(once, "SHARED", 1e-6)  # threads share the rows of small matrices too
    matrix, queries = (RNG.standard_normal((rows, d)).astype(np.float32) for rows in (n, q))
    matrix[n // 2 :: 3] = matrix[n // 2]  # ties
    matrix[n // 3] = 0
    queries[-1] = matrix[0]
    expected = Exact(matrix, measure, path="every", threads=1).search(queries, k)
    same(semantic_search(queries, matrix, k, measure, threads=threads), expected)
    one = semantic_search(queries[0], matrix, k, measure, threads=threads)
    same(one, Exact(matrix, measure, path="every", threads=1).search(queries[0], k))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [np.float64, np.float16, ml_dtypes.bfloat16, np.int64])
def test_other_numbers_are_searched_as_they_are(measure, dtype) -> None:
    matrix, queries = (3 * RNG.standard_normal((200, 17))).astype(dtype), (3 * RNG.standard_normal((4, 17))).astype(dtype)
    same(semantic_search(queries, matrix, 9, measure), Exact(matrix, measure, path="every").search(queries, 9))
    queries, matrix = queries[:, ::-1], matrix[::2, ::-1]
    same(semantic_search(queries, matrix, 9, measure), Exact(matrix, measure, path="every").search(queries, 9))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e-12, 1e12, 1e30, 1e160])
def test_numbers_too_large_or_small_for_float32_sums_take_another_way(measure, scale) -> None:
    matrix, queries = RNG.standard_normal((60, 5)), RNG.standard_normal((3, 5))
    for rows, asked in ((matrix * scale, queries), (matrix, queries * scale), (matrix * scale, queries * scale)):
        same(semantic_search(asked, rows, 4, measure), Exact(rows, measure).search(asked, 4))


def test_tensors_are_searched_as_arrays() -> None:
    torch = pytest.importorskip("torch")
    matrix, queries = torch.from_numpy(RNG.standard_normal((50, 8))), torch.from_numpy(RNG.standard_normal((2, 8)))
    same(semantic_search(queries, matrix, 3), Exact(matrix.numpy(), path="every").search(queries.numpy(), 3))
    same(semantic_search(queries[0], matrix, 3), Exact(matrix.numpy(), path="every").search(queries[0].numpy(), 3))


@pytest.mark.parametrize("rows", [20, 20_000])
def test_bad_arguments_are_named_by_either_way(rows) -> None:
    matrix = np.ones((rows, 3), dtype=np.float32)
    matrix[rows - 1, 2] = np.nan
    with pytest.raises(NotFiniteError, match=f"matrix holds nan in row {rows - 1:,}, column 2"):
        semantic_search([1, 0, 0], matrix)
    matrix[rows - 1, 2] = np.inf
    with pytest.raises(NotFiniteError, match="matrix holds inf"):
        semantic_search([1, 0, 0], matrix)
    matrix[rows - 1, 2] = 0
    with pytest.raises(NotFiniteError, match="queries holds nan in row 0, column 1"):
        semantic_search([1, np.nan, 0], matrix)
    with pytest.raises(ShapeError, match="a query must have 3 numbers"):
        semantic_search([1, 0], matrix)
    with pytest.raises(ShapeError, match="matrix must be of shape"):
        semantic_search([1, 0], matrix[0])
    for wrong in ({"k": 0}, {"measure": "dot"}, {"threads": 0}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            semantic_search([1, 0, 0], matrix, **wrong)
    assert semantic_search(np.empty((0, 3)), matrix).ids.shape == (0, 10)
    assert semantic_search([1, 0, 0], matrix[:0]).ids.shape == (0,)


def test_progress_is_told_by_either_way() -> None:
    for q in (1, 700):
        seen: list[tuple[int, int]] = []
        semantic_search(
            np.ones((q, 4)), RNG.standard_normal((3000, 4)), 2, progress=lambda done, total, seen=seen: seen.append((done, total))
        )
        assert seen[-1] == (q, q)


def test_few_queries_are_read_as_they_stand_and_many_by_codes() -> None:
    costs = plan.KNOWN["x86-64-v4-vnni"]
    names = [plan._at_once(q, 20_000, 64, 10, costs).name for q in (1, 4, 200, 5000)]
    assert names == ["rows", "rows", "codes", "codes"]
    assert plan._at_once(50, 200, 64, 100, costs).name == "rows"  # where most rows are among the best, codes spare nothing
    assert plan._at_once(2000, 20_000, 64, 10, plan.KNOWN["x86-64"]) is None  # without instructions for bytes a product is quicker
