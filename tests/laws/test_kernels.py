"""Each compiled kernel gives the bits of its NumPy twin, on every level that this machine has."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenspace import native
from tokenspace.errors import ArgumentError, DtypeError, ShapeError
from tokenspace.native import reference

AROUND_THE_VECTOR_WIDTH = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50, 63, 64, 65, 97, 384]
DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]


@pytest.mark.parametrize("d", AROUND_THE_VECTOR_WIDTH)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("term", ["product", "difference"])
def test_pair_sums_give_the_twins_bits(native_level, d, dtype, term):
    rng = np.random.default_rng(d)
    queries = rng.standard_normal((3, d)) * 10.0 ** rng.integers(-3, 3, (3, 1))
    rows = (rng.standard_normal((11, d)) * 10.0 ** rng.integers(-3, 3, (11, 1))).astype(dtype)
    q, x = rng.integers(0, 3, 20), rng.integers(0, 11, 20)
    for query_ids, row_ids in ((None, None), (q, x), (None, x), (q[:11], None)):
        ours = native.pair_sums(term, queries, rows, query_ids=query_ids, row_ids=row_ids)
        twin = reference.pair_sums(term == "difference", queries, rows, query_ids, row_ids)
        np.testing.assert_array_equal(ours.view(np.int64), twin.view(np.int64))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_every_half_precision_number_is_widened_exactly(native_level, dtype):
    every = np.arange(2**16, dtype=np.uint16).view(dtype).reshape(-1, 1)
    sums = native.pair_sums("product", np.ones((1, 1)), every)
    with np.errstate(invalid="ignore"):  # signalling NaNs are among them
        expected = every[:, 0].astype(np.float64)
    np.testing.assert_array_equal(sums, expected)  # NaN equals NaN here
    signed = (expected != 0) & ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(sums[signed]), np.signbit(expected[signed]))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_rows_of_any_stride_are_read_in_place(native_level, step):
    rows = np.random.default_rng(0).standard_normal((12, 20)).astype(np.float32)
    view = rows[::step, 3:14]
    queries = np.ones((1, 11))
    np.testing.assert_array_equal(native.pair_sums("product", queries, view), native.pair_sums("product", queries, view.copy()))


def test_pair_sums_refuse_what_would_read_outside(native_level):
    queries, rows = np.ones((2, 4)), np.ones((3, 4), dtype=np.float32)
    with pytest.raises(ShapeError):
        native.pair_sums("product", np.ones((2, 5)), rows)
    with pytest.raises(DtypeError):
        native.pair_sums("product", queries, rows.astype(np.int32))
    for ids in ([-1], [3]):
        with pytest.raises(ArgumentError):
            native.pair_sums("product", queries, rows, row_ids=np.array(ids))
    with pytest.raises(ArgumentError):
        native.pair_sums("product", queries, rows, query_ids=np.array([2]), row_ids=np.array([0]))
    with pytest.raises(ArgumentError):
        native.pair_sums("product", queries, rows, query_ids=np.zeros(9, dtype=np.int64))


@pytest.mark.parametrize("d", AROUND_THE_VECTOR_WIDTH)
@pytest.mark.parametrize("dtype", DTYPES)
def test_row_sums_give_the_twins_bits(native_level, d, dtype):
    rng = np.random.default_rng(d)
    for n in (0, 1, 3, 4, 5, 37):
        rows = (rng.standard_normal((n, d + 2)) * 10.0 ** rng.integers(-3, 3, (n, 1))).astype(dtype)[:, 1:-1]
        sums = native.row_sums(rows)
        np.testing.assert_array_equal(sums.view(np.int64), reference.row_sums(rows).view(np.int64))
        np.testing.assert_allclose(sums, rows.astype(np.float64).sum(axis=0), rtol=1e-12, atol=1e-12)


def test_row_sums_refuse_what_they_cannot_read(native_level):
    with pytest.raises(ShapeError):
        native.row_sums(np.ones(3))
    with pytest.raises(DtypeError):
        native.row_sums(np.ones((2, 3), dtype=np.int32))


@given(st.lists(st.binary(max_size=9), max_size=60), st.lists(st.binary(max_size=9), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_token_index_gives_the_twins_slots_and_answers(native_level, tokens, wanted):
    def joined(parts):
        return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([0, *map(len, parts)], dtype=np.int64)

    data, offsets = joined(tokens)
    ours, twin = np.zeros(128, np.uint32), np.zeros(128, np.uint32)
    twice = native.hash_tokens(data, offsets, ours)
    assert twice == reference.hash_tokens(data, offsets, twin)
    if twice is not None:
        assert tokens[twice[0]] == tokens[twice[1]]
        assert twice[1] == min(i for i, token in enumerate(tokens) if token in tokens[:i])
        return
    np.testing.assert_array_equal(ours, twin)
    query = joined([*wanted, *tokens])
    found = native.find_tokens(data, offsets, ours, *query)
    assert found.tolist() == [tokens.index(token) if token in tokens else -1 for token in [*wanted, *tokens]]
    np.testing.assert_array_equal(found, reference.find_tokens(data, offsets, ours, *query))


@given(st.integers(0, 2**32 - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_random_index_is_never_followed_outside(native_level, seed):
    random = np.random.default_rng(seed)
    data = random.integers(0, 256, 20).astype(np.uint8)
    offsets = random.integers(-30, 60, 6)
    slots = random.integers(0, 12, 8).astype(np.uint32)
    wanted, wanted_offsets = np.frombuffer(b"abcd", np.uint8), np.array([0, 1, 1, 4])
    ours = native.find_tokens(data, offsets, slots, wanted, wanted_offsets)
    np.testing.assert_array_equal(ours, reference.find_tokens(data, offsets, slots, wanted, wanted_offsets))


CHARACTERS = [b"", b"a", b"abcdefgh", b"\xc3", b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
CHARACTERS += [character.encode() for character in "\xe9\u20ac\U0001f451"]


@given(st.lists(st.one_of(st.binary(max_size=6), st.lists(st.sampled_from(CHARACTERS), max_size=5).map(b"".join)), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_token_that_is_not_utf_8_is_the_one_that_python_refuses(native_level, tokens):
    def text(token):
        try:
            token.decode()
        except UnicodeDecodeError:
            return False
        return True

    data, offsets = np.frombuffer(b"".join(tokens), np.uint8), np.cumsum([0, *map(len, tokens)], dtype=np.int64)
    for begin in range(len(tokens) + 1):
        expected = next((row for row in range(begin, len(tokens)) if not text(tokens[row])), len(tokens))
        assert native.undecodable_token(data, offsets, begin) == reference.utf8_tokens(data, offsets, begin) == expected


def test_a_token_outside_the_bytes_counts_as_not_utf_8(native_level):
    data = np.frombuffer(b"abc", np.uint8)
    for offsets in ([0, 1, 4], [0, 1, -1], [0, 1, 0]):
        assert native.undecodable_token(data, np.array(offsets, np.int64)) == 1
