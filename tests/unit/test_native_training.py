"""The kernels of word2vec against their twins, bit for bit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tokenspace import native
from tokenspace.native import door, reference_training
from tokenspace.native.training import Task, context_sums, train_part
from tokenspace.train.sampling import alias_table, huffman_ways, keep_chances, state_of

N = 30
CHANCE = np.random.default_rng(3)
COUNTS = np.sort(CHANCE.integers(1, 900, N))[::-1].copy()
IDS = CHANCE.integers(0, N, 70).astype(np.int32)
IDS[[20, 21, 50, 69]] = -1


def task(*, around=False, dim=20, negative=5, pieces=False, free=(0, 0), window=4):
    """Make a training in the midst of it: both matrices hold numbers."""
    chance = np.random.default_rng(dim)
    wide = -(-dim // 16) * 16
    inputs, outputs = (np.zeros((rows, wide), dtype=np.float32) for rows in (N + 7 * pieces, N))
    for matrix in (inputs, outputs):
        matrix[:, :dim] = chance.normal(0, 0.6, (len(matrix), dim))
    begins = rows = None
    if pieces:
        begins = np.concatenate([[0], np.cumsum(1 + np.arange(N) % 4)])
        rows = chance.integers(0, N + 7, begins[-1]).astype(np.int32)
    shares = alias_table(COUNTS, 0.75) if negative else (None, None)
    ways = (None, None, None) if negative else huffman_ways(COUNTS)
    return Task(inputs, outputs, around, keep_chances(COUNTS, 0.05), window, negative, shares, ways, begins, rows, free)


def trained(what, level, monkeypatch, rate=0.1):
    """Both matrices, the tally and the chain's state after one part, on one level."""
    monkeypatch.setattr(door, "level", lambda: level)
    copied = replace(what, inputs=what.inputs.copy(), outputs=what.outputs.copy())
    tally, state = np.zeros(3), state_of(5, 1)
    train_part(copied, IDS, (3, len(IDS)), state, rate, tally)
    return copied.inputs, copied.outputs, tally, state


CASES = {
    "skip-gram": {},
    "many negative words": {"negative": 14, "dim": 33},
    "one negative word, one number": {"negative": 1, "dim": 1},
    "hierarchical softmax": {"negative": 0},
    "CBOW": {"around": True},
    "CBOW, hierarchical": {"around": True, "negative": 0, "dim": 40},
    "pieces": {"pieces": True},
    "CBOW of pieces": {"pieces": True, "around": True, "window": 9},
    "new rows only": {"free": (20, 20)},
    "new rows only, CBOW": {"free": (20, 20), "around": True},
    "output rows are all new": {"free": (20, 0)},
}


@pytest.mark.parametrize("case", CASES)
def test_every_level_gives_the_twins_bits(case, native_level, monkeypatch):
    what = task(**CASES[case])
    for ours, twins in zip(trained(what, native_level, monkeypatch), trained(what, "numpy", monkeypatch), strict=True):
        assert ours.tobytes() == twins.tobytes()
    assert (trained(what, native_level, monkeypatch)[0] != what.inputs).any()


@pytest.mark.parametrize("case", CASES)
def test_rows_that_are_to_stay_do_and_padding_is_zero(case, native_level, monkeypatch):
    what = task(**CASES[case])
    after = trained(what, native_level, monkeypatch)
    for before, now, free in zip((what.inputs, what.outputs), after, what.free, strict=False):
        assert before[:free].tobytes() == now[:free].tobytes()
        assert not now[:, CASES[case].get("dim", 20) :].any()


@pytest.mark.parametrize("case", CASES)
def test_measuring_moves_nothing_and_gives_the_loss_that_the_formula_gives(case, native_level, monkeypatch):
    what = task(**CASES[case])
    inputs, outputs, tally, _ = trained(what, native_level, monkeypatch, rate=0.0)
    assert inputs.tobytes() == what.inputs.tobytes()
    assert outputs.tobytes() == what.outputs.tobytes()
    losses = []

    class Watched(reference_training.Step):
        def take(self, x, moved):
            f = np.stack(x).astype(np.float64) @ self.task.outputs[[row for row, _, _ in self.asked]].astype(np.float64).T
            answers = np.array([answer for _, answer, _ in self.asked])
            counted = np.array([rate != 0 for _, _, rate in self.asked])
            losses.append(float((np.log1p(np.exp(-answers * f)) * counted).sum()))
            super().take(x, moved)

    monkeypatch.setattr(reference_training, "Step", Watched)
    trained(what, "numpy", monkeypatch, rate=0.0)
    assert -(math.log(tally[1]) + tally[2] * math.log(2)) == pytest.approx(sum(losses), rel=1e-5)


def test_the_logistic_function_is_exact_to_float32s_rounding():
    z = np.linspace(-87, 87, 20_001, dtype=np.float32)
    chance, share = reference_training.sigmoids(z)
    for ours, exact in ((chance, 1 / (1 + np.exp(z.astype(np.float64)))), (share, 1 / (1 + np.exp(-z.astype(np.float64))))):
        assert np.max(np.abs(ours - exact) / exact) < 2e-7


def test_a_number_that_is_not_finite_shows_in_the_tally(native_level, monkeypatch):
    what = task()
    what.outputs[3] = np.nan
    assert math.isnan(trained(what, native_level, monkeypatch)[2][1])


def test_sums_around_words_are_those_of_plain_python(native_level):
    rows = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)
    sums, times = np.zeros((N, 5)), np.zeros(N, dtype=np.int64)
    context_sums(IDS, (0, len(IDS)), 2, rows, 10_000, sums, times)
    wanted = np.zeros((N, 5))
    for at, word in enumerate(IDS):
        for step in (-2, -1, 1, 2):
            between = IDS[min(at, at + step) : max(at, at + step) + 1]
            if word >= 0 and 0 <= at + step < len(IDS) and (between >= 0).all() and IDS[at + step] < 20:
                wanted[word] += rows[IDS[at + step]]
    np.testing.assert_allclose(sums, wanted, atol=1e-12)


def test_pieces_of_words_are_the_twins(native_level, monkeypatch):
    words = [word.encode() for word in ("a", "king", "éa", "", "日本語" * 5, "x" * 3_000, "ba")]
    data = np.frombuffer(b"".join(words), dtype=np.uint8)
    offsets = np.concatenate([[0], np.cumsum([len(word) for word in words])])
    found = [native.word_pieces(data, offsets, minn=1, maxn=4, buckets=1_000)]
    monkeypatch.setattr(door, "level", lambda: "numpy")
    found.append(native.word_pieces(data, offsets, minn=1, maxn=4, buckets=1_000))
    for ours, twins in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, twins)
