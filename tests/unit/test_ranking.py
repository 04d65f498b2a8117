"""Ranks under the three measures, against a full sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenspace as ts
from tokenspace.measures import norms
from tokenspace.ranking import ranks


def sorted_ranks(rows, query, measure, wanted, without):
    """Return the place of each wanted row in the search's own order of all rows."""
    order = ts.search.Exact(rows, measure).search(query, k=len(rows), exclude=list(without)).ids
    place = {int(row): at for at, row in enumerate(order, start=1)}
    return [place[int(row)] for row in wanted]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@given(
    n=st.integers(1, 60),
    d=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    offset=st.sampled_from([0.0, 1000.0]),
    drawn=st.booleans(),
)
def test_a_rank_is_the_place_in_the_whole_order(dtype, n, d, seed, offset, drawn):
    rng = np.random.default_rng(seed)
    rows = (rng.integers(-2, 3, (n, d)) + offset).astype(dtype)  # many equal rows, some zero
    query = rows[rng.integers(n)].astype(np.float64) if drawn else rng.standard_normal(d)
    without = [0] if n > 2 else []
    wanted = np.setdiff1d(rng.integers(0, n, 8), without)
    found = ranks(rows, norms(rows), query, wanted, without=without)
    for measure in ts.MEASURES:
        if measure == "cosine" and not query.any():
            continue
        assert found[measure].tolist() == sorted_ranks(rows, query, measure, wanted, without), measure


def test_rows_whose_squares_leave_the_range_are_ranked_too():
    rows = np.array([[1e200, 0], [1e200, 1e190], [1e-200, 0], [3e200, 0]])
    found = ranks(rows, norms(rows), np.array([1e200, 0.0]), np.arange(4))
    assert found["euclidean"].tolist() == sorted_ranks(rows, [1e200, 0.0], "euclidean", range(4), [])
    assert found["cosine"].tolist() == sorted_ranks(rows, [1e200, 0.0], "cosine", range(4), [])


def test_no_rows_have_no_ranks():
    rows = np.float32([[1, 2]])
    assert all(not each.size for each in ranks(rows, norms(rows), np.array([1.0, 0]), np.array([], dtype=np.int64)).values())
