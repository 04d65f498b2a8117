"""Laws of the screens: bounds that hold, the twin's bits, and no row lost that belongs among the k best."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenspace import MEASURES, native
from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.native import Kept, reference_screens
from tokenspace.search import Exact
from tokenspace.search.best import Keys
from tokenspace.search.screen import Screener

DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]


def rows_of(seed, n, d, dtype=np.float32):
    random = np.random.default_rng(seed)
    return (random.standard_normal((n, d)) * np.exp(random.standard_normal((n, 1))) + random.standard_normal(d)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (15, 3), (16, 4), (17, 5), (40, 50), (300, 9), (33, 97)])
def test_codes_have_the_twins_bits_and_lose_no_more_than_they_say(native_level, dtype, n, d):
    rows = rows_of(d, n, d, dtype)
    middle = rows.astype(np.float64).mean(axis=0).astype(np.float32).astype(np.float64)
    base, unit = (int(np.float32(100).view(np.int32)) | 0xFFFFF) + 1 - (255 << 20), float(np.float32(np.sqrt(d) / 2 * 1.001 / 255))
    ours, twin = (native.CodedRows.room(n, d, base, unit) for _ in range(2))
    native.code_rows(rows, middle, base, unit, ours, 0)
    reference_screens.code_rows(rows, middle, base, unit, *twin.arrays().values())
    for name, array in ours.arrays().items():
        np.testing.assert_array_equal(array, twin.arrays()[name], err_msg=name)
    whole = reference_screens.unpacked(ours.high, ours.low)[:n, :d]
    c, coarse = whole.astype(np.float64) - 68, 8 * (whole >> 3).astype(np.float64) - 64
    s = ((ours.scales[:n].astype(np.int32) << 20) + base).astype(np.int32).view(np.float32).astype(np.float64)
    moved = rows.astype(np.float64) - middle
    assert np.abs(c).max() <= 59
    lost, more = (np.sqrt(((moved - s[:, None] * part) ** 2).sum(axis=1)) for part in (c, coarse))
    assert (lost <= ours.residuals[:n] * unit * s).all()
    assert (lost <= s * np.sqrt(d) / 2 * 1.0001).all()
    assert (more <= np.repeat(ours.coarse, 256)[:n] * (9 * unit) * s).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_packed_rows_have_the_twins_bits(native_level, dtype):
    rows, middle = rows_of(1, 37, 11, dtype), np.linspace(-1, 1, 11)
    ours, twin = np.zeros((3, 11, 16), np.float32), np.zeros((3, 11, 16), np.float32)
    native.pack_rows(rows, middle, ours)
    reference_screens.pack_rows(rows, middle, twin)
    np.testing.assert_array_equal(ours, twin)
    np.testing.assert_array_equal(ours.transpose(0, 2, 1).reshape(48, 11)[:37], (rows.astype(np.float64) - middle).astype(np.float32))


def kept_of_everything(matrix, queries, measure, path):
    """Screen with thresholds at minus infinity: each row is kept, with its bounds."""
    search = Exact(matrix, measure, threads=1)
    codes, middle = search.code()
    keys = Keys(matrix, search._known.lengths, queries.astype(np.float64), measure)
    screener = Screener(matrix, keys, search._known.framed(middle), search._known.most)
    caught = {"kept": Kept.start(len(queries), len(matrix) + 1, len(matrix) + 512)}

    def stop(screen, kept, start, chunks, scale, zero=None):
        for first, last in chunks:
            assert screen(first, last) == last
        caught["scale"] = scale

    screener._kept, screener._settled = lambda k: caught["kept"], stop
    screener.by_bytes(codes, 1, 0, len(matrix)) if path == "bytes" else screener.by_floats(1, 0, len(matrix))
    kept, shape = caught["kept"], (len(queries), len(matrix))
    upper = np.full(shape, np.nan, np.float32)
    np.put_along_axis(upper, kept.row[:, : len(matrix)], kept.upper[:, : len(matrix)], axis=1)
    assert (kept.count == len(matrix)).all()
    exact = np.stack([keys.of(np.full(len(matrix), i), np.arange(len(matrix))) for i in range(len(queries))])
    screened = (screener._slope * exact + screener._shift[:, None]) / caught["scale"][:, None]
    return upper, np.sort(kept.lower[:, 1:], axis=1), screened


class _Open(Screener):
    __slots__ = ("_kept", "_settled")


Screener = _Open  # its loop, and its room, can be replaced


@pytest.mark.parametrize("path", ["bytes", "floats"])
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("n", "d", "q"), [(5, 1, 1), (300, 7, 3), (700, 50, 14), (600, 97, 5)])
def test_bounds_hold_for_every_pair(native_level, path, measure, n, d, q):
    if native_level == "numpy":
        pytest.skip("the twins do not serve searches")
    matrix, queries = rows_of(n, n, d), rows_of(d, q, d)
    upper, lower, exact = kept_of_everything(matrix, queries, measure, path)
    assert (upper >= exact).all()
    assert (lower <= np.sort(exact, axis=1)).all()  # the j-th lowest of the lower bounds cannot exceed the j-th lowest key
    typical = np.abs(exact).max(axis=1).mean()
    assert (upper - exact).mean() < 0.2 * typical + 1e-6  # and they are worth having


@pytest.mark.parametrize("measure", MEASURES)
def test_byte_bounds_have_the_same_bits_on_every_level(measure, monkeypatch):
    matrix, queries = rows_of(3, 500, 21), rows_of(4, 9, 21)
    from tokenspace.native import door

    results = []
    for level in door.levels():
        monkeypatch.setattr(door, "level", lambda level=level: level)
        results.append(kept_of_everything(matrix, queries, measure, "bytes")[0])
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d", "k"), [(1, 1, 1), (5, 3, 5), (300, 7, 3), (2100, 50, 10), (18_000, 13, 40), (600, 97, 150)])
def test_one_query_finds_what_the_twin_finds_that_finishes_all(native_level, measure, dtype, n, d, k):
    matrix = rows_of(n, n, d, dtype)
    matrix[n // 2 :: 3] = matrix[0]  # ties
    search = Exact(matrix, measure, threads=1, path="auto")
    if native_level == "numpy":
        pytest.skip("the twins do not serve searches")
    codes, middle = search.code()
    near = native.Nearest(
        codes, search._known.framed(middle).terms, search.matrix, measure, search._known.lengths, search._known.most, middle
    )
    for point in (rows_of(d, 1, d)[0], matrix[0], matrix[-1] * 3):
        query = point.astype(np.float64)
        for first in (0, 16) if n > 300 else (0,):
            keys, ids, finished, bound = near(query, k, first, len(codes.high))
            wanted = np.empty(k), np.empty(k, np.int64), np.zeros(1, np.int64), np.empty(1)
            table = native.settling.MEASURES[measure], 0, search.matrix, 0, d, search._known.lengths, 0.0, middle, 0.0
            reference_screens.nearest(*[None] * 12, first, len(codes.high), *table, query, *wanted)
            np.testing.assert_array_equal(ids, wanted[1])
            np.testing.assert_array_equal(keys, wanted[0])
            assert min(k, n) <= finished[0] <= n
            assert bound[0] <= keys[-1] + 1e-9 * abs(keys[-1]) or bound[0] == -np.inf


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "d", "q", "k"), [(1, 1, 1, 1), (7, 3, 2, 9), (100, 16, 5, 10), (301, 37, 13, 3), (64, 384, 4, 64)])
def test_reading_every_row_once_finds_what_the_twin_finds_that_finishes_all(native_level, measure, dtype, n, d, q, k):
    random = np.random.default_rng(n + d)
    rows, queries = rows_of(n, n, d, dtype), random.standard_normal((q, d)) * np.exp(4 * random.standard_normal((q, 1)))
    rows[n // 2 :] = rows[: n - n // 2]  # ties
    rows[n // 3], queries[-1] = 0, 0
    queries[0] = rows[-1]
    numbers = native.settling.MEASURES[measure], 0, rows, 0, d, np.ascontiguousarray(queries), q
    for first, last in ((0, n), (n // 4, n), (n, n)):
        twin = np.empty((q, k)), np.empty((q, k), np.int64), np.empty(q, np.int64), np.empty(q)
        assert reference_screens.every_row(*numbers, first, last, None, None, None, None, k, *twin)
        keys, ids, finished, bound = native.every_row(rows, queries, measure, k, first, last)
        np.testing.assert_array_equal(keys, twin[0])
        np.testing.assert_array_equal(ids, twin[1])
        assert (finished <= last - first).all()
        assert (bound <= keys[:, -1]).all()


def found_by_codes(rows, queries, measure, k, first, last, middle):
    """Search by codes, and hold keys and ids against the twin, which finishes every row."""
    numbers = native.settling.MEASURES[measure], 0, rows, 0, rows.shape[1], queries, len(queries)
    twin = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64), np.empty(len(queries), np.int64), np.empty(len(queries))
    assert reference_screens.every_code(*numbers, first, last, None, None, None, k, *twin)
    keys, ids, finished, bound = native.every_code(rows, queries, measure, k, first, last, middle)
    np.testing.assert_array_equal(ids, twin[1])
    np.testing.assert_array_equal(keys, twin[0])
    assert (finished <= last - first).all()
    assert (bound <= keys[:, -1]).all()
    return finished


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("n", "d", "q", "k"), [(1, 1, 1, 1), (7, 3, 2, 9), (100, 16, 5, 10), (901, 37, 26, 3), (700, 97, 13, 20), (600, 384, 4, 64)]
)
def test_codes_that_are_used_once_find_what_the_twin_finds_that_finishes_all(native_level, measure, dtype, n, d, q, k):
    random = np.random.default_rng(n + d)
    rows, queries = rows_of(n, 2 * n, d, dtype)[::2], random.standard_normal((q, d)) * np.exp(4 * random.standard_normal((q, 1)))
    rows[n // 2 :] = rows[: n - n // 2]  # ties
    rows[n // 3], queries[-1] = 0, 0
    queries[0] = rows[-1]
    middle = rows.astype(np.float64).mean(axis=0).astype(np.float32).astype(np.float64)
    for first, last in ((0, n), (n // 4, n), (n, n)):
        found_by_codes(rows, queries, measure, k, first, last, middle)
    if native_level != "numpy" and n > 600:
        assert found_by_codes(rows, queries[1:-1], measure, k, 0, n, middle).max() < 4 * k + 16  # twice as many as there are ties


@settings(max_examples=40, deadline=None)
@given(
    measure=st.sampled_from(list(MEASURES)),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 1 << 30),
    sizes=st.tuples(st.integers(1, 400), st.integers(1, 70), st.integers(1, 30), st.integers(1, 400)),
    scales=st.tuples(st.sampled_from([0.0, 1.0, 30.0, 3000.0]), st.sampled_from([1e-6, 1e-3, 1.0, 1e3])),
    asked=st.sampled_from([1e-12, 1e-4, 1.0, 1e5, 1e12]),
    centred=st.booleans(),
)
def test_codes_that_are_used_once_lose_no_row(measure, dtype, seed, sizes, scales, asked, centred):
    """Rows far from the origin, many of them equal, queries of any length, a middle that is one or is not."""
    (n, d, k, kinds), (away, size) = sizes, scales
    random = np.random.default_rng(seed)
    rows = (random.standard_normal((kinds, d))[random.integers(0, kinds, n)] + away * random.standard_normal(d)).astype(np.float32)
    rows = (rows * np.float32(size if dtype in {np.float32, np.float64} else min(1, size * 1e3))).astype(dtype)
    rows[random.random(n) < 0.05] = 0
    if not np.isfinite(rows.astype(np.float64)).all():
        return
    queries = rows[random.integers(0, n, 14)].astype(np.float64)
    queries[:7] = asked * random.standard_normal((7, d))
    queries[7:9] *= 1 + 1e-7 * random.standard_normal((2, d))
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    if (lengths[lengths > 0] < 2e-8).any():
        return
    middle = rows.astype(np.float64).mean(axis=0) if centred else np.zeros(d)
    found_by_codes(rows, queries, measure, k, 0, n, middle.astype(np.float32).astype(np.float64))


@pytest.mark.parametrize("measure", MEASURES)
def test_ties_beyond_the_room_for_them_are_told_apart_by_their_ids(native_level, measure):
    rows, queries = np.ones((3000, 5), np.float32), np.ones((2, 5))
    found_by_codes(rows, queries, measure, 4, 0, 3000, np.zeros(5))
    rows[2000:2004] = [[2, 2, 2, 2, 2.1]]
    found_by_codes(rows, queries, measure, 6, 0, 3000, np.ones(5))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e10, 1e-10])
def test_rows_and_queries_of_which_float32_sums_say_little_are_not_read_once(native_level, dtype, value):
    rows, queries = rows_of(0, 30, 9, np.float64).astype(dtype), np.ones((2, 9))
    assert native.every_row(rows, queries, "cosine", 3, 0, 30) is not None
    with np.errstate(over="ignore"):
        rows[23] = np.float64(value)
    if np.float64(rows[23, 0]) != 0:  # float16 has no number as small as that
        assert native.every_row(rows, queries, "cosine", 3, 0, 30) is None
    assert native.every_row(rows, queries, "cosine", 3, 0, 23) is not None
    for asked in (np.nan, np.inf, 1e20, 1e-20, 1e-200):
        queries[1] = asked
        assert native.every_row(rows, queries, "cosine", 3, 0, 23) is None
    with pytest.raises(ArgumentError, match="every_row"):
        native.every_row(rows, queries[:, :4], "cosine", 3, 0, 23)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e10, 1e-10])
def test_rows_and_queries_of_which_float32_sums_say_little_are_not_coded_once(native_level, dtype, value):
    rows, queries, middle = rows_of(0, 30, 9, np.float64).astype(dtype), np.ones((2, 9)), np.zeros(9)
    assert native.every_code(rows, queries, "cosine", 3, 0, 30, middle) is not None
    with np.errstate(over="ignore"):
        rows[23] = np.float64(value)
    if np.float64(rows[23, 0]) != 0:  # float16 has no number as small as that
        assert native.every_code(rows, queries, "cosine", 3, 0, 30, middle) is None
    assert native.every_code(rows, queries, "cosine", 3, 0, 23, middle) is not None
    for asked in (np.nan, np.inf, 1e20, 1e-20, 1e-200):
        queries[1] = asked
        assert native.every_code(rows, queries, "cosine", 3, 0, 23, middle) is None
    with pytest.raises(ArgumentError, match="every_code"):
        native.every_code(rows, queries, "cosine", 3, 0, 23, middle[1:])


@pytest.mark.parametrize("room", [512, 700])
def test_a_screen_that_is_full_stops_and_goes_on(room):
    """Rows that all tie fill whatever room there is; the answer is still the lowest ids."""
    matrix = np.repeat(rows_of(0, 1, 5), 5000, axis=0)
    for path in ("bytes", "floats"):
        found = Exact(matrix, "euclidean", path=path, threads=1).search(matrix[:20], k=7, certificate=True)
        np.testing.assert_array_equal(found.ids, np.tile(np.arange(7), (20, 1)))
        assert (found.certificate.finished <= 5000).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from(MEASURES), st.integers(1, 12), st.sampled_from(["bytes", "floats"]))
@settings(max_examples=60)
def test_a_certificate_holds_against_a_float64_search_of_everything(seed, measure, k, path):
    random = np.random.default_rng(seed)
    n, d, q = (int(random.integers(*span)) for span in ((k * 4, 900), (1, 40), (1, 20)))
    matrix, queries = rows_of(seed, n, d), rows_of(seed + 1, q, d)
    if seed % 3 == 0:
        matrix = matrix[random.integers(0, max(1, n // 10), n)]  # duplicates
    if seed % 5 == 0:
        matrix = (matrix + 1000).astype(np.float32)
    found = Exact(matrix, measure, path=path, threads=1 + seed % 2).search(queries, k, certificate=True)
    every = Exact(matrix, measure, path="every").search(queries, n)
    np.testing.assert_array_equal(found.ids, every.ids[:, : found.ids.shape[1]])
    np.testing.assert_array_equal(found.scores, every.scores[:, : found.ids.shape[1]])
    proof = found.certificate
    assert proof.screened == n
    assert (proof.finished >= min(k, n)).all()
    assert (proof.finished <= n).all()
    np.testing.assert_array_equal(proof.last, found.scores[:, -1])
    better = proof.bound >= proof.last if measure == "euclidean" else proof.bound <= proof.last
    slack = 1e-5 * (np.abs(proof.last) + np.abs(proof.bound))  # a bound is rounded away from the truth
    assert (better | (np.abs(proof.bound - proof.last) <= slack)).all()


def test_arguments_that_do_not_fit_are_refused():
    matrix = rows_of(5, 40, 6)
    rows, _ = Exact(matrix).code()
    with pytest.raises(ShapeError):
        native.code_rows(matrix, np.zeros(6), rows.base, rows.unit, rows, 1)
    with pytest.raises(ShapeError):
        native.pack_rows(matrix, np.zeros(6), np.zeros((2, 6, 16), np.float32))
    with pytest.raises(ArgumentError, match="path"):
        Exact(matrix, path="magic")
    with pytest.raises(ArgumentError, match="path"):
        Exact(matrix * np.float32(1e20), path="bytes")
    with pytest.raises(ShapeError, match="codes of 40 rows"):
        Exact(matrix[:30], codes=Exact(matrix).code())
    with pytest.raises(ArgumentError, match="cannot be coded"):
        Exact(matrix * np.float32(1e20)).code()


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("size", [1e-60, 1e-21, 1e-12, 1e12, 1e21, 1e60])
def test_tiny_and_huge_queries_find_what_measuring_every_row_finds(size, measure):
    matrix, queries = rows_of(6, 700, 9), rows_of(7, 14, 9).astype(np.float64) * size
    every = Exact(matrix, measure, path="every", threads=1).search(queries, 5)
    for path in ("bytes", "floats"):
        search = Exact(matrix, measure, path=path, threads=1)
        found = search.search(queries, 5)
        np.testing.assert_array_equal(found.ids, every.ids)
        np.testing.assert_array_equal(found.scores, every.scores)
        np.testing.assert_array_equal(search.search(queries[3], 5).ids, every.ids[3])


@pytest.mark.parametrize("far", [1e3, 1e7, 1e11])
def test_ties_that_rounding_makes_seen_from_afar_go_to_the_lower_id(far):
    """Rows 1e-5 apart, as fine as float64 sees them from 1e11: a screen whose bounds are sharper would break such ties."""
    random = np.random.default_rng(8)
    matrix = (random.standard_normal((1, 97)) + 1e-5 * random.standard_normal((300, 97))).astype(np.float32)
    queries = random.standard_normal((20, 97)) * far
    every = Exact(matrix, "euclidean", path="every", threads=1).search(queries, 10)
    for path in ("bytes", "floats"):
        search = Exact(matrix, "euclidean", path=path, threads=1)
        np.testing.assert_array_equal(search.search(queries, 10).ids, every.ids)
        np.testing.assert_array_equal(search.search(queries[0], 10).ids, every.ids[0])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("measure", MEASURES)
def test_sharing_queries_out_changes_nothing(threads, measure):
    matrix, queries = rows_of(9, 3000, 20), rows_of(10, 61, 20)
    found = Exact(matrix, measure, path="bytes", threads=threads).search(queries, 7, certificate=True)
    alone = Exact(matrix, measure, path="bytes", threads=1).search(queries, 7, certificate=True)
    np.testing.assert_array_equal(found.ids, alone.ids)
    np.testing.assert_array_equal(found.scores, alone.scores)
    np.testing.assert_array_equal(found.certificate.finished, alone.certificate.finished)
