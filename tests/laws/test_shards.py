"""A table in several files is the same table, and a search in parts finds what a search of the whole finds: ids and scores, bit for bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenspace as ts
from tokenspace.engines import Local
from tokenspace.rows import FLOATS, float_type
from tokenspace.search import Exact
from tokenspace.shards import shards_of

MEASURES = ("euclidean", "inner_product", "cosine")


def a_matrix(seed, n, d, dtype, kind):
    """Return rows that tie, repeat or vanish: few different numbers, doubled rows, zero rows."""
    random = np.random.default_rng(seed)
    rows = random.integers(-2, 3, (n, d)).astype(np.float64) if kind == "ties" else random.standard_normal((n, d))
    if kind == "zeros":
        rows[random.random(n) < 0.4] = 0
    if kind == "huge" and dtype == "float64":
        rows[random.integers(0, n)] *= 1e160
    return rows.astype(float_type(dtype))


def in_shards(matrix, step, folder):
    table = ts.EmbeddingTable([f"t{row}" for row in range(len(matrix))], matrix)
    return ts.formats.shard(table, Path(folder, "table"), rows=step)


def same(found, expected):
    assert np.array_equal(found.ids, expected.ids)
    assert np.array_equal(np.isnan(found.scores), np.isnan(expected.scores))  # a NaN is a NaN, whatever its sign
    assert np.nan_to_num(found.scores).tobytes() == np.nan_to_num(expected.scores).tobytes()


cases = st.tuples(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(1, 9),
    st.sampled_from(FLOATS),
    st.sampled_from(["ties", "zeros", "plain", "huge"]),
)


@settings(deadline=None, max_examples=15)
@given(cases, st.integers(1, 70))
def test_shards_give_back_the_same_bytes_and_tokens(case, step):
    matrix = a_matrix(*case)
    with tempfile.TemporaryDirectory() as folder:
        table = in_shards(matrix, step, folder)
        assert table.matrix.tobytes() == matrix.tobytes()
        assert table.dtype == matrix.dtype
        assert list(table) == [f"t{row}" for row in range(len(matrix))]
        parts = shards_of(table.matrix)
        assert len(parts) == -(-len(matrix) // step)
        assert b"".join(part.matrix().tobytes() for part in parts) == matrix.tobytes()
        assert [ts.open(part.path).vocabulary.token(0) for part in parts] == [f"t{part.start}" for part in parts]
        ts.formats.verify(folder + "/table")


@settings(deadline=None, max_examples=30)
@given(cases, st.integers(1, 70), st.sampled_from(MEASURES), st.integers(1, 25), st.integers(1, 3), st.booleans())
def test_parts_put_together_are_the_whole(case, step, measure, k, threads, zero):
    matrix = a_matrix(*case)
    random = np.random.default_rng(case[0])
    queries = np.concatenate([matrix[random.integers(0, len(matrix), 3)].astype(np.float64), random.standard_normal((2, matrix.shape[1]))])
    if zero:
        queries[-1] = 0
    whole = Exact(matrix, measure, threads=1)
    out = [[int(row)] for row in random.integers(0, len(matrix), len(queries))]
    with tempfile.TemporaryDirectory() as folder:
        table = in_shards(matrix, step, folder)
        parts = Exact(table.matrix, measure, engine=Local(threads))
        same(parts.search(queries, k), whole.search(queries, k))
        same(parts.search(queries, k, exclude=out), whole.search(queries, k, exclude=out))
        same(parts.search(queries[0], k), whole.search(queries[0], k))
    same(Exact(matrix, measure, engine="local").search(queries, k), whole.search(queries, k))


@settings(deadline=None, max_examples=15)
@given(cases.filter(lambda case: case[4] != "huge" and not (case[3] == "float64" and case[4] in {"zeros", "ties"})), st.integers(1, 70))
def test_ranges_put_together_are_the_whole(case, step):
    matrix = a_matrix(*case)
    queries = matrix[: min(3, len(matrix))]
    for measure, threshold in (("euclidean", 1.5), ("inner_product", 0.5), ("cosine", 0.3)):
        expected = Exact(matrix, measure, threads=1).within(queries, threshold)
        with tempfile.TemporaryDirectory() as folder:
            found = Exact(in_shards(matrix, step, folder).matrix, measure, engine="local").within(queries, threshold)
        assert np.array_equal(found.offsets, expected.offsets)
        assert np.array_equal(found.ids, expected.ids)
        assert found.scores.tobytes() == expected.scores.tobytes()


@pytest.mark.parametrize("measure", MEASURES)
def test_certificates_of_parts_hold_for_the_whole(measure, tmp_path):
    matrix = np.random.default_rng(3).standard_normal((4000, 16)).astype(np.float32)
    queries = matrix[:40] + np.float32(0.1)
    found = Exact(in_shards(matrix, 700, tmp_path).matrix, measure, engine="local").search(queries, 5, certificate=True)
    proof, whole = found.certificate, Exact(matrix, measure, path="every").search(queries, 5, certificate=True).certificate
    assert np.array_equal(proof.last, whole.last)
    assert proof.screened == 4000
    assert np.allclose(proof.error, whole.error, rtol=1e-12)
    worse = proof.bound >= proof.last if measure == "euclidean" else proof.bound <= proof.last
    assert (worse | np.isnan(proof.bound)).all()
