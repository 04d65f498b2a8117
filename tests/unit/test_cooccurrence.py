"""Counting pairs: each count is what a plain loop finds, whatever the threads, the memory and the level of the kernels."""

from __future__ import annotations

import errno
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenspace.errors import ArgumentError, OutputError, RowIdError
from tokenspace.native.cooccurrences import Gathering, cooccurrence_rows, merge_rows
from tokenspace.train import cooccurrence
from tokenspace.train.cooccurrence import Cooccurrences, count_cooccurrences


def plain(
    ids: list[int], window: int, *, symmetric: bool = True, weighting: bool = True, fixed: int = 0
) -> dict[tuple[int, int], Fraction]:
    """Count as the definition says: every word with every word to its right in the sentence."""
    counts: Counter[tuple[int, int]] = Counter()
    for at, i in enumerate(ids):
        for distance in range(1, window + 1):
            if i < 0 or at + distance >= len(ids) or ids[at + distance] < 0:
                break
            j = ids[at + distance]
            if i < fixed and j < fixed:
                continue
            weight = Fraction(1, distance) if weighting else Fraction(1)
            counts[i, j] += weight
            if symmetric:
                counts[j, i] += weight
    return dict(counts)


def pairs_of(counts: Cooccurrences) -> dict[tuple[int, int], float]:
    rows, columns, values = counts.pairs()
    found = dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), values.tolist(), strict=True))
    assert len(found) == len(counts)
    if counts.symmetric:
        assert all(j <= i for i, j in found)
        found |= {(j, i): value for (i, j), value in found.items()}
    return found


def text(n: int, m: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    ids = np.minimum(random.zipf(1.3, m) - 1, n - 1).astype(np.int32)
    ids[random.random(m) < 0.07] = -1
    return ids


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("weighting", [True, False])
@pytest.mark.parametrize(("window", "fixed"), [(1, 0), (5, 0), (15, 40), (30, 0)])
def test_counts_are_those_of_a_plain_loop(native_level: str, window: int, fixed: int, *, symmetric: bool, weighting: bool) -> None:
    ids = text(100, 1500)
    counts = count_cooccurrences(ids, 100, window=window, symmetric=symmetric, distance_weighting=weighting, fixed=fixed, threads=2)
    expected = plain(ids.tolist(), window, symmetric=symmetric, weighting=weighting, fixed=fixed)
    found = pairs_of(counts)
    assert found.keys() == expected.keys()
    for pair, count in expected.items():
        assert found[pair] == pytest.approx(float(count), rel=2.0**-23)  # one rounding to float32
        if window <= 22:
            assert found[pair] == np.float32(float(count))


@given(st.lists(st.integers(-1, 6), max_size=60), st.integers(1, 8), st.booleans())
def test_any_text_is_counted_as_a_plain_loop_does(ids: list[int], window: int, symmetric: bool) -> None:  # noqa: FBT001 - hypothesis
    counts = count_cooccurrences(np.array(ids, dtype=np.int32), 7, window=window, symmetric=symmetric, threads=1)
    expected = plain(ids, window, symmetric=symmetric)
    assert pairs_of(counts) == {pair: np.float32(float(count)) for pair, count in expected.items()}


def test_chunks_spilled_and_merged_and_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = text(5000, 60_000)
    ids[20_000:45_000] = np.maximum(ids[20_000:45_000], 0)  # one long sentence, across the cuts
    whole = count_cooccurrences(ids, 5000, threads=1)
    monkeypatch.setattr(cooccurrence, "SMALLEST", 7000)
    monkeypatch.setattr(cooccurrence, "BLOCK", 3000)
    released: list[tuple[int, int]] = []
    for symmetric in (True, False):
        one = whole if symmetric else count_cooccurrences(ids, 5000, symmetric=False, memory=1, threads=1)
        for threads in (1, 3):
            parts = count_cooccurrences(
                ids, 5000, symmetric=symmetric, memory=0.0001, threads=threads, release=lambda *span: released.append(span)
            )
            np.testing.assert_array_equal(parts.ends, one.ends)
            np.testing.assert_array_equal(parts.read([(0, len(parts))]), one.read([(0, len(one))]))
    assert released[:9] == [(60_000 * k // 9, 60_000 * (k + 1) // 9) for k in range(9)]


def test_parts_of_the_counts_are_read_as_they_are_asked_for() -> None:
    counts = count_cooccurrences(text(50, 3000), 50)
    whole = counts.read([(0, len(counts))])
    np.testing.assert_array_equal(counts.read([(7, 5), (0, 3), (9, 0)]), np.concatenate([whole[7:12], whole[:3]]))
    rows, columns, values = counts.pairs(3, 9)
    assert set(rows.tolist()) <= set(range(3, 9))
    assert len(counts.read([])) == 0
    everything = counts.pairs()
    at = (everything[0] >= 3) & (everything[0] < 9)
    np.testing.assert_array_equal(values, everything[2][at])
    np.testing.assert_array_equal(columns, everything[1][at])


def test_a_text_without_pairs_has_no_counts() -> None:
    for ids in ([], [-1], [3], [0, -1, 1, -1, 2, -1]):
        assert len(count_cooccurrences(np.array(ids, dtype=np.int32), 4)) == 0


def test_runs_are_added_up_row_by_row(native_level: str) -> None:
    columns, sums = np.int32([0, 2, 1, 2, 0]), np.array([1, 2, 3, 4, 5])
    starts, sizes = np.array([[0, 2], [3, 4]]), np.array([[2, 1], [1, 1]])  # rows {0: 1, 2: 2}, {1: 3}; {2: 4}, {0: 5}
    room = Gathering(3)
    merged = merge_rows(columns, sums, starts, sizes, room)
    assert [part.tolist() for part in merged] == [[0, 2, 0, 1], [1, 6, 5, 3], [2, 2]]
    assert not room.sums.any()


def test_what_is_outside_is_refused() -> None:
    for wrong in ({"window": 0}, {"memory": 0}, {"fixed": 5}, {"fixed": -1}):
        with pytest.raises(ArgumentError, match="window"):
            count_cooccurrences(np.int32([0, 1]), 2, **wrong)  # type: ignore[arg-type]
    for ids in ([0, 2, 1], [0, -2]):
        with pytest.raises(RowIdError, match="1 are not"):
            count_cooccurrences(np.array(ids, dtype=np.int32), 2)
    with pytest.raises(ValueError, match="not all in a text"):
        cooccurrence_rows(
            np.int32([0, 1]), 0, np.int32([5]), np.array([0, 1]), first=0, weights=np.array([1]), symmetric=True, fixed=0, room=Gathering(2)
        )


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def close(self) -> None:
            pass

        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cooccurrence.tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(OutputError, match="No space left on device") as caught:
        count_cooccurrences(text(50, 1000), 50)
    assert "TMPDIR" in caught.value.hint
