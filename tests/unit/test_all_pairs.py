"""All pairs of two tables: every type, both arithmetics, blocks, files, callbacks; and where arithmetic is unkind."""

from __future__ import annotations

import tracemalloc
from functools import partial

import ml_dtypes
import numpy as np
import pytest

import tokenspace as ts
from tokenspace import MEASURES, cosine, euclidean, inner_product, native
from tokenspace.errors import ArgumentError, DtypeError, NotFiniteError, ShapeError

# Most tests here are of float32 sums, the arithmetic that has more to go wrong; the default's own are marked by `ts.`.
pairwise, pairwise_blocks = partial(ts.pairwise, sums="float32"), partial(ts.pairwise_blocks, sums="float32")
BY_NAME = {"euclidean": euclidean, "inner_product": inner_product, "cosine": cosine}
UNIT = 2.0**-24
"""Float32's rounding."""


@pytest.fixture
def small_cells(monkeypatch):
    monkeypatch.setattr(
        "tokenspace.tiles.cell_size", lambda arithmetic, _, *, halved: (32 if arithmetic == "float32" and not halved else 16, 16)
    )
    monkeypatch.setattr("tokenspace.tiles.PREPARED", 600)


def exact(measure, x, y):
    """All pairs from the definitions, in float64, without the identity."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if measure == "euclidean":
        return np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1))
    products = (x[:, None] * y[None]).sum(-1)
    if measure == "inner_product":
        return products
    with np.errstate(invalid="ignore"):
        return products / np.sqrt((x * x).sum(-1))[:, None] / np.sqrt((y * y).sum(-1))[None]


def assert_within_bounds(result, measure, x, y):
    """Hold float32 results against what the docstring promises."""
    wanted = exact(measure, x, y)
    lengths = np.linalg.norm(x.astype(np.float64), axis=1)[:, None] * np.linalg.norm(y.astype(np.float64), axis=1)[None]
    bound = {"euclidean": 16 * wanted, "inner_product": 28 * lengths, "cosine": np.full(wanted.shape, 28.0)}[measure]
    worst = (np.abs(result - wanted) - bound * UNIT).max()
    assert worst <= 1e-12 * np.abs(wanted).max(), worst


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_all_pairs_of_every_element_type(measure, dtype, native_level):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((37, 219)).astype(dtype), rng.standard_normal((41, 219)).astype(dtype)
    result = pairwise(x, y, measure=measure)
    assert result.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert_within_bounds(result, measure, x, y)
    if dtype != np.float64:
        np.testing.assert_allclose(pairwise(x, y, measure=measure, dtype=np.float64), exact(measure, x, y), rtol=1e-10)
        np.testing.assert_allclose(ts.pairwise(x, y, measure=measure), exact(measure, x, y), rtol=16 * UNIT)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int64, np.bool_])
def test_integers_are_measured_as_they_are(measure, dtype, native_level):
    rng = np.random.default_rng(1)
    low = 0 if np.dtype(dtype).kind in "ub" else -100
    x, y = (rng.integers(low, 2 if dtype == np.bool_ else 101, (rows, 70)).astype(dtype) for rows in (5, 20))
    y[3] = x[2]
    result = pairwise(x, y, measure=measure)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, exact(measure, x, y).astype(np.float32), rtol=2 * UNIT)
    np.testing.assert_allclose(pairwise(x, y, measure=measure, dtype=np.float64), exact(measure, x, y), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_bounds_hold_where_the_identity_fails(hard_pair, measure, native_level):
    kind, x, y = hard_pair
    wanted = exact(measure, x, y)
    np.testing.assert_allclose(pairwise(x, y, measure=measure, dtype=np.float64), wanted, rtol=1e-6)
    if kind == "mixed_scales" and measure == "inner_product":
        return  # some are beyond float32's range
    if kind == "subnormals" and measure != "cosine":
        np.testing.assert_allclose(pairwise(x, y, measure=measure), wanted.astype(np.float32), rtol=1e-3)  # few digits themselves
        return
    assert_within_bounds(pairwise(x, y, measure=measure), measure, x, y)
    if measure == "euclidean":
        np.testing.assert_allclose(pairwise(x, y), wanted, rtol=1e-6)


@pytest.mark.parametrize("hard_pair", ["far_and_near"], indirect=True)
def test_the_plain_float32_identity_would_fail_that_test(hard_pair):
    """The law above can fail: what the peers compute does."""
    _, x, y = hard_pair
    plain = np.sqrt(np.maximum((x * x).sum(1)[:, None] + (y * y).sum(1)[None] - 2 * x @ y.T, 0))
    assert np.abs(plain / exact("euclidean", x, y) - 1).max() > 0.5


def test_the_bounds_hold_for_sums_made_to_lose_digits():
    """A large term first and then a thousand that are each lost beside it: a sum in float32 alone is off by 1,000 roundings."""
    x = np.full((3, 1024), 0.7 * 2.0**-12, dtype=np.float32)
    x[:, 0] = 1
    plain = np.float32(0)
    for term in x[0]:
        plain += term * term
    assert plain == 1
    for measure in MEASURES:
        assert_within_bounds(pairwise(x, -x, measure=measure), measure, x, -x)
        assert_within_bounds(pairwise(np.zeros_like(x) + x[:1, :1], x[:, ::-1], measure=measure), measure, np.ones_like(x), x[:, ::-1])


def test_a_difference_whose_square_float32_cannot_hold_is_not_zero():
    x, y = np.float32([[1, 2.0**-80], [1, 0]]), np.float32([[1, 2.0**-79]])
    np.testing.assert_array_equal(pairwise(x, y), [[2.0**-80], [2.0**-79]])


def test_float64_beyond_the_range_of_squares():
    u, v = np.array([[3e200, 4e200], [3e-200, 4e-200]]), np.array([[0.0, 0.0], [6e-200, 8e-200]])
    np.testing.assert_allclose(pairwise(u, v, dtype=np.float64), [[5e200, 5e200], [5e-200, 5e-200]], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_table_with_itself_is_symmetric_with_an_exact_diagonal(small_cells, dtype):
    x = np.random.default_rng(3).standard_normal((70, 6)).astype(dtype)
    for measure in MEASURES:
        table = pairwise(x, measure=measure)
        np.testing.assert_array_equal(table, table.T)
        assert_within_bounds(table, measure, x, x)
    assert (np.diag(pairwise(x)) == 0).all()
    assert (np.diag(pairwise(x, measure="cosine")) == 1).all()
    assert (pairwise(x[:4], x.copy())[np.arange(4), np.arange(4)] == 0).all()


@pytest.mark.parametrize("sums", ["float32", "float64"])
@pytest.mark.parametrize("measure", MEASURES)
def test_a_float32_result_depends_on_its_two_rows_alone(small_cells, measure, sums):
    pairwise = partial(ts.pairwise, sums=sums)
    rng = np.random.default_rng(4)
    x, y = (rng.standard_normal((rows, 210)).astype(np.float32) for rows in (50, 45))
    x[7] *= 1e18  # its cells, rows 0 to 31, are computed in float64
    whole = pairwise(x, y, measure=measure)
    for i in (32, 33, 49):
        np.testing.assert_array_equal(pairwise(x[i : i + 1], y[::-1], measure=measure)[0], whole[i, ::-1])
    both = np.concatenate([x, y])[[*range(32, 50), 60, 70]]
    halved = pairwise(both, measure=measure)
    np.testing.assert_array_equal(halved[:18, 18:], whole[32:, [10, 20]])


@pytest.mark.parametrize("sums", ["float32", "float64"])
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_thread_count_changes_no_bit(small_cells, measure, dtype, sums):
    x = np.random.default_rng(4).standard_normal((83, 60)).astype(dtype)
    for y in (None, x[5:70]):
        one, three = (ts.pairwise(x, y, measure=measure, sums=sums, threads=threads) for threads in (1, 3))
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("rows", [None, 1, 20, 1000])
def test_blocks_are_the_rows_of_the_whole(small_cells, measure, rows):
    x = np.random.default_rng(5).standard_normal((43, 30)).astype(np.float32)
    x[4] = 0
    for y in (None, x[10:30]):
        parts = list(pairwise_blocks(x, y, measure=measure, rows=rows))
        assert [part.start for part, _ in parts] == list(range(0, 43, rows or 43))
        assert parts[-1][0].stop == 43
        np.testing.assert_array_equal(np.concatenate([block for _, block in parts]), pairwise(x, y, measure=measure))


def test_blocks_refuse_at_the_call():
    with pytest.raises(ArgumentError, match="rows"):
        pairwise_blocks(np.eye(2), rows=0)
    with pytest.raises(ShapeError, match="pairwise_blocks"):
        pairwise_blocks(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(NotFiniteError):
        pairwise_blocks(np.full((1, 2), np.nan))
    assert list(pairwise_blocks(np.empty((0, 3)), np.ones((2, 3)))) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
def test_tables_and_results_may_be_files(tmp_path, small_cells, dtype):
    x = np.random.default_rng(6).integers(-9, 9, (40, 20)).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    out = np.lib.format.open_memmap(tmp_path / "out.npy", mode="w+", dtype=np.float32, shape=(40, 40))
    assert pairwise(mapped, out=out) is out
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), pairwise(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.int8])
def test_no_table_is_copied_whole(dtype):
    """100,000 rows: 26 MB as float32."""
    y = np.random.default_rng(7).integers(-9, 9, (100_000, 64)).astype(dtype)
    x = y[:3].copy()
    pairwise(x, y[:64], threads=1)
    out = np.empty((3, len(y)), dtype=np.float32)
    tracemalloc.start()
    try:
        pairwise(x, y, out=out, threads=1)
        assert tracemalloc.get_traced_memory()[1] < 14e6
    finally:
        tracemalloc.stop()


def test_progress_is_told_and_may_end_the_work(small_cells):
    x = np.random.default_rng(8).standard_normal((50, 5)).astype(np.float32)
    for y, total in ((None, 2500), (x[:7], 350)):
        for threads in (1, 3):
            told = []
            pairwise(x, y, threads=threads, progress=lambda done, total: told.append((done, total)))  # noqa: B023 - called at once
            assert [done for done, _ in told] == sorted(done for done, _ in told)
            assert told[-1] == (total, total)
            assert len(told) > 1
    told = []
    list(pairwise_blocks(x, rows=20, progress=lambda *pair: told.append(pair)))
    assert told[-1] == (2500, 2500)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pairwise(x, progress=stop)


def test_out_is_filled_and_checked(small_cells):
    x = np.random.default_rng(9).standard_normal((40, 33)).astype(np.float32)
    wanted = pairwise(x)
    out = np.empty((40, 40), dtype=np.float64)
    assert pairwise(x, out=out) is out
    np.testing.assert_allclose(out, wanted, rtol=1e-6)
    assert out[0, 1] != np.float32(out[0, 1])
    wide = np.full((80, 120), -1, dtype=np.float32)
    for place in (wide[::2, 10:50], wide[:40, ::3], wide[:40, :40].T, np.empty((40, 40), dtype=">f4")):
        assert pairwise(x, out=place) is place
        np.testing.assert_array_equal(place, wanted)
    for wrong in (np.empty((2, 3)), np.empty((40, 40), dtype=np.int64)):
        with pytest.raises(ShapeError, match="out must be"):
            pairwise(x, out=wrong)
    with pytest.raises(ShapeError, match="float64"):
        pairwise(x, out=wide[:40, :40], dtype="float64")
    with pytest.raises(DtypeError, match="float32 or float64"):
        pairwise(x, dtype=np.float16)


def test_no_rows_give_no_pairs():
    assert pairwise(np.empty((0, 3)), np.ones((2, 3))).shape == (0, 2)
    assert pairwise(np.ones((2, 3)), np.empty((0, 3), dtype=np.float32), measure="cosine").shape == (2, 0)
    assert pairwise(np.empty((0, 3), dtype=np.float32)).shape == (0, 0)


def test_the_cosine_of_zero_rows_is_nan_in_bulk(native_level):
    result = pairwise(np.float32([[0, 0], [1, 2]]), measure="cosine")
    np.testing.assert_array_equal(np.isnan(result), [[True, True], [True, False]])
    assert pairwise(np.float32([[0, 0]]), np.float32([[3, 4]])) == 5


def test_products_of_any_size_are_summed_in_float64(small_cells, native_level):
    """Float32's largest numbers and its smallest, and products of 24 bits that cancel to the last one."""
    x = np.float32([[2.0**127, 2.0**127, 1], [2.0**-149, 2.0**-149, 0], [1 + 2.0**-23, 1, 0]])
    y = np.float32([[2.0**-140, -(2.0**-140), 2.0**-40], [2.0**127, 2.0**126, 0], [1 - 2.0**-24, -1, 0]])
    wanted = x.astype(np.float64) @ y.T.astype(np.float64)
    assert wanted[0, 0] == 2.0**-40
    assert 0 < wanted[2, 2] < 2.0**-23
    safe = np.array([[0, 1, 2, 1, 2, 1, 0, 2], [0, 0, 0, 1, 1, 2, 2, 2]])
    for i, j in safe.T:
        assert ts.pairwise(x[i : i + 1], y[j : j + 1], measure="inner_product") == np.float32(wanted[i, j])
        cosine = ts.pairwise(x[i : i + 1], y[j : j + 1], measure="cosine")[0, 0]
        lengths = np.linalg.norm(x[i].astype(np.float64)) * np.linalg.norm(y[j].astype(np.float64))
        assert cosine == pytest.approx(wanted[i, j] / lengths, rel=1e-7)


@pytest.mark.parametrize("sums", ["float32", "float64"])
def test_cosines_never_leave_their_range(sums):
    x = np.random.default_rng(10).standard_normal((200, 7)).astype(np.float32)
    assert np.abs(ts.pairwise(x, -3 * x, measure="cosine", sums=sums)).max() == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_what_is_not_finite_is_refused_with_its_place(value, dtype):
    x = np.ones((3, 4), dtype=dtype)
    x[2, 1] = value
    out = np.full((3, 3), 7, dtype=np.float32)
    for call in (lambda: pairwise(np.ones((1, 4)), x), lambda: pairwise(x, out=out)):
        with pytest.raises(NotFiniteError, match="row 2, column 1"):
            call()
    assert (out == 7).all()


def test_misfits_are_refused_with_both_shapes():
    with pytest.raises(ShapeError, match="same number of columns"):
        pairwise(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(ShapeError, match="rectangle"):
        pairwise([[1, 2], [3]])
    with pytest.raises(ShapeError, match="d >= 1"):
        pairwise(np.ones(3, dtype=np.int8))
    with pytest.raises(ArgumentError, match="euclidean, inner_product, cosine"):
        pairwise(np.ones((1, 2)), measure="manhattan")
    with pytest.raises(ArgumentError, match="threads"):
        pairwise(np.ones((1, 2)), threads=0)


@pytest.mark.parametrize("sums", ["float32", "float64"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_result_that_float32_cannot_hold_is_refused_not_infinite(native_level, sums, sign):
    x = np.full((1, 4), 1e30, dtype=np.float32)
    with pytest.raises(NotFiniteError, match=r"4e\+60 is too large for float32"):
        ts.pairwise(x, sign * x, measure="inner_product", sums=sums)
    assert pairwise(x, measure="inner_product", dtype=np.float64)[0, 0] == pytest.approx(4e60, rel=1e-6)


def test_fortran_order_and_strides_and_foreign_byte_order_change_nothing():
    x = np.random.default_rng(5).standard_normal((20, 8)).astype(np.float32)
    expected = pairwise(x)
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x.astype(">f4"), np.repeat(x, 3, axis=0)[::3], x[::-1][::-1]):
        np.testing.assert_array_equal(pairwise(same), expected)
    np.testing.assert_array_equal(pairwise(x, np.broadcast_to(x[:1], (30, 8))), np.repeat(expected[:, :1], 30, axis=1))
    np.testing.assert_array_equal(pairwise(x, x[::-1]), expected[:, ::-1])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("seed", range(3))
def test_by_default_each_result_is_within_1e6_of_itself_orthogonal_rows_too(measure, seed, native_level):
    x, y = (np.random.default_rng([seed, i]).standard_normal((90, 384)).astype(np.float32) for i in range(2))
    wanted = exact(measure, x, y)
    np.testing.assert_allclose(ts.pairwise(x, y, measure=measure), wanted, rtol=1e-6)
    if measure != "euclidean" and native.fuses():
        fast = pairwise(x, y, measure=measure)
        assert np.abs(fast / wanted - 1).max() > 1e-6  # which float32 sums could not promise


def test_sums_of_another_kind_are_refused():
    with pytest.raises(ArgumentError, match="sums"):
        ts.pairwise([[1.0]], sums="float16")
