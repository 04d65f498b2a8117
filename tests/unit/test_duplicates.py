"""Equal and nearly equal rows: the list is that of an exhaustive search."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenspace import measures
from tokenspace.analysis import duplicates as module
from tokenspace.analysis import joining
from tokenspace.analysis.duplicates import duplicates
from tokenspace.cli import main
from tokenspace.errors import ArgumentError, NotFiniteError, ShapeError

DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]


def exhaustively(matrix, tolerance, measure):
    """Return equal groups and near pairs by looking at all pairs."""
    rows = matrix.astype(np.float64)
    groups, first = {}, []
    for i, row in enumerate(rows):
        key = (row + 0.0).tobytes()
        groups.setdefault(key, []).append(i)
    first = sorted(ids[0] for ids in groups.values())
    near = []
    for a, i in enumerate(first):
        for j in first[a + 1 :]:
            if not (rows[i].any() and rows[j].any()):
                continue
            if measure == "cosine":
                distance = 1 - measures.cosine(rows[i], rows[j])
            else:
                distance = measures.euclidean(rows[i], rows[j]) / max(np.linalg.norm(rows[i]), np.linalg.norm(rows[j]))
            if distance <= tolerance:
                near.append((i, j))
    return sorted(ids for ids in groups.values() if len(ids) > 1), near


def clustered(random, n, d, spread, dtype):
    """Return rows of which many are near others, of lengths that differ much, with equal and zero rows among them."""
    centres = random.standard_normal((max(1, n // 4), d)) * 10.0 ** random.integers(-2, 3, (max(1, n // 4), 1))
    rows = centres[random.integers(0, len(centres), n)]
    rows *= 1 + spread * random.standard_normal((n, d)) * 10.0 ** random.uniform(-3, 0, (n, 1))
    rows[random.random(n) < 0.1] = rows[-1:]
    rows[random.random(n) < 0.05] = 0
    return rows.astype(dtype)


@given(
    st.integers(0, 2**31),
    st.integers(0, 50),
    st.integers(1, 40),
    st.sampled_from([1e-4, 0.01, 0.3]),
    st.sampled_from(DTYPES),
    st.sampled_from(["euclidean", "cosine"]),
)
@settings(max_examples=60)
def test_the_list_is_that_of_an_exhaustive_search(seed, n, d, tolerance, dtype, measure):
    rows = clustered(np.random.default_rng(seed), n, d, 2 * tolerance, dtype)
    small, cut = joining.SMALL, joining.CUT
    joining.SMALL, joining.CUT = 8, 0  # so that few rows are cut as many would be
    try:
        found = duplicates(rows, tolerance, measure=measure)
    finally:
        joining.SMALL, joining.CUT = small, cut
    groups, near = exhaustively(rows, tolerance, measure)
    assert [ids.tolist() for ids in found.equal] == groups
    assert sorted(map(tuple, found.near.tolist())) == near
    assert found.found == len(near)
    assert (np.diff(found.distances) >= 0).all()


@given(st.integers(0, 2**31), st.integers(1, 6), st.floats(1e-3, 2))
@settings(max_examples=25)
def test_a_join_misses_no_pair_and_gives_none_twice(seed, k, reach):
    random = np.random.default_rng(seed)
    points = random.standard_normal((250, k))
    points[random.random(250) < 0.3, 0] = 0  # ties at a cut
    small, cut = joining.SMALL, joining.CUT
    joining.SMALL, joining.CUT = 64, 0
    try:
        pairs = [tuple(sorted(pair)) for a, b in joining.joined(points, reach) for pair in zip(a.tolist(), b.tolist(), strict=True)]
    finally:
        joining.SMALL, joining.CUT = small, cut
    assert len(pairs) == len(set(pairs))
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=-1))
    close = {(i, j) for i, j in zip(*np.nonzero(distances <= reach), strict=True) if i < j}
    assert close <= set(pairs)
    assert all(distances[pair] <= 1.3 * reach + 1e-6 for pair in pairs)


def test_planted_pairs_are_found_among_many_rows(monkeypatch):
    random = np.random.default_rng(0)
    rows = random.standard_normal((20_000, 64)).astype(np.float32)
    rows[[19_000, 7, 8]] = rows[3]
    rows[15_000] = rows[11] * np.float32(1.005)
    rows[15_001] = rows[12] * np.float32(1.02)
    rows[15_002] = rows[13] + 0.001 * random.standard_normal(64).astype(np.float32)
    looked = []
    look = joining._looked_at
    monkeypatch.setattr(joining, "_looked_at", lambda p, a, b, r: looked.append(len(a) * len(a if b is None else b)) or look(p, a, b, r))
    found = duplicates(rows)
    assert [ids.tolist() for ids in found.equal] == [[3, 7, 8, 19_000]]
    assert found.near.tolist() == [[13, 15_002], [11, 15_000]]
    assert sum(looked) < 20_000**2 / 4
    assert "4 rows in 1 groups" in str(found)
    directions = duplicates(rows, 1e-5, measure="cosine")
    assert {tuple(pair) for pair in directions.near.tolist()} == {(11, 15_000), (12, 15_001), (13, 15_002)}


def test_minus_zero_is_zero_and_zero_rows_are_equal():
    for dtype in DTYPES:
        rows = np.array([[0, 1, 2], [-0.0, 1, 2], [0, 0, 0], [0, -0.0, 0], [1, 0, 2]], dtype=dtype)
        assert [ids.tolist() for ids in duplicates(rows, 0).equal] == [[0, 1], [2, 3]]


def test_rows_that_hash_alike_are_compared(monkeypatch):
    monkeypatch.setattr(module, "_words", lambda block, words=module._words: words(block) * np.uint64(len(block) == 1))
    rows = np.float32([[1, 2], [3, 4], [1, 2], [3, 4], [5, 6]])
    assert [ids.tolist() for ids in duplicates(rows).equal] == [[0, 2], [1, 3]]


def test_the_limit_keeps_the_closest_and_counts_all():
    rows = np.linspace(1, 1.01, 60)[:, None] * np.ones((1, 3))
    whole, some = duplicates(rows, 0.02), duplicates(rows, 0.02, limit=5)
    assert whole.found == some.found == 60 * 59 // 2
    np.testing.assert_array_equal(some.near, whole.near[:5])
    assert duplicates(rows, 0.02, threads=2).near.tolist() == whole.near.tolist()


def test_empty_and_single_tables_have_none():
    for n in (0, 1):
        assert not duplicates(np.ones((n, 3)))
    assert duplicates(np.ones((2, 3)))


def test_bad_arguments_say_what_is_wrong():
    rows = np.ones((3, 2))
    with pytest.raises(ArgumentError, match="tolerance"):
        duplicates(rows, 1)
    with pytest.raises(ArgumentError, match="tolerance"):
        duplicates(rows, float("nan"))
    with pytest.raises(ArgumentError, match="limit"):
        duplicates(rows, limit=0)
    with pytest.raises(ArgumentError, match="inner_product"):
        duplicates(rows, measure="inner_product")
    with pytest.raises(ShapeError):
        duplicates(np.ones(3))
    with pytest.raises(NotFiniteError):
        duplicates([[1, np.nan]])
    for number in (1e200, 1e-200):
        with pytest.raises(ArgumentError, match="length"):
            duplicates(np.full((2, 2), number))


def test_the_command_lists_them(tmp_path):
    table = tmp_path / "table.txt"
    table.write_text("a 1 2\nb 1 2\nc 1 2.001\nd 5 5\n")
    lines = CliRunner().invoke(main, ["info", str(table), "--duplicates"])
    assert lines.exit_code == 0, lines.output
    rows = [line.split("\t") for line in lines.stdout.splitlines()]
    assert [(row[0], row[3]) for row in rows[1:]] == [("0", "a"), ("0", "b"), ("1", "a"), ("1", "c")]
    document = CliRunner().invoke(main, ["info", str(table), "--duplicates", "--tolerance", "1e-5", "--json"])
    assert json.loads(document.stdout)["near"] == []
    assert json.loads(document.stdout)["equal"] == [{"rows": [0, 1], "tokens": ["a", "b"]}]
