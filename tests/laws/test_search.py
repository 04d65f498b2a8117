"""Laws of exact search: a full sort's answer, whatever the batch, the threads and the parts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tokenspace import MEASURES
from tokenspace.search import Exact


@st.composite
def integer_cases(draw):
    """Small integers: float64 keys of distance and product are exact, so ties are true ties and the ids are determined."""
    n, d, q = draw(st.integers(1, 60)), draw(st.integers(1, 6)), draw(st.integers(1, 8))
    reach = draw(st.sampled_from([1, 3, 1000]))
    offset = draw(st.sampled_from([0, 5, 4000]))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    rows = random.integers(-reach, reach + 1, (n + q, d)) + offset
    return rows[:n].astype(np.float32), rows[n:].astype(np.float32), draw(st.integers(1, n + 3))


@given(integer_cases(), st.sampled_from(["euclidean", "inner_product"]), st.integers(1, 4))
def test_top_k_is_a_full_sort_with_ties_to_the_lower_id(case, measure, threads):
    matrix, queries, k = case
    x, q = matrix.astype(np.int64), queries.astype(np.int64)
    keys = q @ x.T if measure == "inner_product" else -((q[:, None] - x[None]) ** 2).sum(-1)
    expected = np.argsort(-keys, axis=1, kind="stable")[:, :k]
    ids, scores = Exact(matrix, measure, threads=threads).search(queries, k)
    np.testing.assert_array_equal(ids, expected)
    best = np.take_along_axis(keys, expected, axis=1)
    np.testing.assert_array_equal(scores, np.sqrt(-best) if measure == "euclidean" else best)


@given(integer_cases(), st.sampled_from(MEASURES), st.data())
def test_searches_of_parts_merge_to_the_search_of_the_whole(case, measure, data):
    matrix, queries, k = case
    cut = data.draw(st.integers(0, len(matrix)))
    whole = Exact(matrix, measure).search(queries, k)
    left, right = Exact(matrix[:cut], measure).search(queries, k), Exact(matrix[cut:], measure).search(queries, k)
    ids = np.concatenate([left.ids, right.ids + cut], axis=1)
    scores = np.concatenate([left.scores, right.scores], axis=1)
    key = np.nan_to_num(scores if measure == "euclidean" else -scores, nan=np.inf)
    order = np.lexsort((ids, key), axis=-1)[:, : whole.ids.shape[1]]
    np.testing.assert_array_equal(np.take_along_axis(ids, order, axis=1), whole.ids)
    np.testing.assert_array_equal(np.take_along_axis(scores, order, axis=1), whole.scores)


@given(integer_cases(), st.sampled_from(MEASURES), st.data())
def test_leaving_rows_out_is_searching_the_others(case, measure, data):
    matrix, queries, k = case
    out = data.draw(st.sets(st.integers(0, len(matrix) - 1), max_size=len(matrix) - 1))
    kept = np.array([row for row in range(len(matrix)) if row not in out])
    few = Exact(matrix[kept], measure).search(queries, k)
    found = Exact(matrix, measure).search(queries, k, exclude=[sorted(out)] * len(queries))
    width = few.ids.shape[1]
    np.testing.assert_array_equal(found.ids[:, :width], kept[few.ids])
    np.testing.assert_array_equal(found.scores[:, :width], few.scores)
    assert (found.ids[:, width:] == -1).all()
