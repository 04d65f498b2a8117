"""The kernel of ranks and its twin: the same counts from every build, and those of a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenspace import native
from tokenspace.errors import ShapeError
from tokenspace.native import reference_ranks


def keys_of(rows, query):
    """Return the three keys of each row, as the search has them."""
    vector = query[None, :]
    product = native.pair_sums("product", vector, rows)
    lengths = np.sqrt(native.pair_sums("difference", np.zeros_like(vector), rows))
    both = lengths * np.sqrt(native.pair_sums("difference", np.zeros_like(vector), vector))[0]
    cosine = [min(1, max(-1, p / b)) if b > 0 else native.NO_COSINE for p, b in zip(product, both, strict=True)]
    return np.stack([-native.pair_sums("difference", vector, rows), product, np.array(cosine)]), lengths


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    dtype=st.sampled_from(["float32", "float64", "float16"]),
    n=st.integers(1, 40),
    d=st.integers(1, 19),
    m=st.integers(1, 9),
    seed=st.integers(0, 2**16),
    offset=st.sampled_from([0, 1000]),
    zero=st.sampled_from([0, 7]),
)
def test_counts_are_those_of_a_loop(native_level, dtype, n, d, m, seed, offset, zero):
    rng = np.random.default_rng(seed)
    rows = (rng.integers(-1, 2, (n, d)) + offset).astype(dtype)  # many equal keys
    query = rows[0].astype(np.float64) if seed % 2 else rng.standard_normal(d)
    keys, lengths = keys_of(rows, query)
    wanted = rng.integers(0, n, m)
    order = np.stack([np.lexsort((-wanted, each[wanted])) for each in keys])
    ids = wanted[order] + zero
    limits = np.take_along_axis(keys[:, wanted], order, axis=1)
    own = float(np.sqrt(native.pair_sums("difference", np.zeros((1, d)), query[None, :]))[0])
    found = native.rank_counts(query, rows, lengths, own, zero=zero, limits=limits, ids=ids)
    for measure in range(3):
        expected = np.zeros(m, dtype=np.int64)
        for row in range(n):
            before = sum(
                keys[measure, row] > limit or (keys[measure, row] == limit and row + zero < other)
                for limit, other in zip(limits[measure], ids[measure], strict=True)
            )
            if before:
                expected[before - 1] += 1
        assert found[measure].tolist() == expected.tolist()
    assert found.tolist() == reference_ranks.rank_counts(query, rows, zero, lengths, own, limits, ids).tolist()


def test_what_does_not_fit_is_refused(native_level):
    rows, limits, ids = np.ones((4, 3), dtype=np.float32), np.zeros((3, 2)), np.zeros((3, 2), dtype=np.int64)
    with pytest.raises(ShapeError, match="rank_counts"):
        native.rank_counts(np.ones(4), rows, np.ones(4), 1.0, zero=0, limits=limits, ids=ids)
    with pytest.raises(ShapeError, match="rank_counts"):
        native.rank_counts(np.ones(3), rows, np.ones(4), 1.0, zero=0, limits=limits[:2], ids=ids)
