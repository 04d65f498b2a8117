"""Vocabulary: tokens to rows and back."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tokenspace import Vocabulary
from tokenspace.errors import ArgumentError, DuplicateTokenError, ImmutableError, RowIdError, TokenError, UnknownTokenError

ODD = ["", " ", "new york", "a\nb", "\0", "naïve", "日本", '"', "#", "nan", "a ", " a", "\u0085", "\udcff raw byte", "x" * 5000]


def test_tokens_of_every_kind_come_back(native_level):
    vocabulary = Vocabulary(ODD)
    assert list(vocabulary) == ODD
    assert [vocabulary.id(token) for token in ODD] == list(range(len(ODD)))
    assert vocabulary.ids(ODD[::-1]).tolist() == list(range(len(ODD)))[::-1]
    assert all(token in vocabulary for token in ODD)
    vocabulary.verify()


def test_an_unknown_token_names_the_nearest_spellings():
    vocabulary = Vocabulary(["king", "kings", "Queen", "emperor", "naïve", "new york"])
    for wrong, right in (("kign", "king"), ("queen", "Queen"), ("emperro", "emperor"), ("naive", "naïve"), ("newyork", "new york")):
        with pytest.raises(UnknownTokenError, match="did you mean") as caught:
            vocabulary.id(wrong)
        assert caught.value.suggestions[0] == right
        assert caught.value.token == wrong
        assert isinstance(caught.value, KeyError)


def test_an_error_crosses_a_process_border_with_its_suggestions():
    with pytest.raises(UnknownTokenError) as caught:
        Vocabulary(["king"]).id("kign")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert str(again) == str(caught.value)
    assert "'king'" in str(again)


def test_suggestions_of_an_empty_and_of_an_unlike_vocabulary_are_none():
    assert Vocabulary([]).suggest("king") == []
    assert Vocabulary(["zebra"]).suggest("king") == []
    assert Vocabulary(["king"]).suggest("k" * 5000) == []


@pytest.mark.parametrize("tokens", [["a", "b", "a"], ["", "", "x"], ["x", "same", "same"]])
def test_duplicates_are_refused_with_both_positions(native_level, tokens):
    with pytest.raises(DuplicateTokenError) as caught:
        Vocabulary(tokens)
    first, second = caught.value.rows
    assert first < second
    assert tokens[first] == tokens[second]
    assert f"{first}" in str(caught.value)
    assert f"{second}" in str(caught.value)


def test_extension_keeps_old_ids_and_refuses_what_is_there():
    vocabulary = Vocabulary(["a", "b"])
    bigger = vocabulary.extend(["c d", "e"])
    assert list(bigger) == ["a", "b", "c d", "e"]
    assert len(vocabulary) == 2
    with pytest.raises(DuplicateTokenError) as caught:
        vocabulary.extend(["x", "a"])
    assert caught.value.rows == (0, 3)


@pytest.mark.parametrize("wrong", [1, None, b"king", 2.5])
def test_what_is_no_string_is_no_token(wrong):
    with pytest.raises(TokenError, match="must be a string"):
        Vocabulary(["a", wrong])
    assert wrong not in Vocabulary(["a"])


def test_one_string_is_not_taken_for_its_letters():
    with pytest.raises(TokenError, match="put it into a list"):
        Vocabulary("king")


def test_a_lone_surrogate_is_refused():
    with pytest.raises(TokenError, match="surrogate"):
        Vocabulary(["\ud800"])


@pytest.mark.parametrize("row", [-1, 2, 10**12])
def test_rows_outside_are_refused(row):
    with pytest.raises(RowIdError, match=r"0\.\.1"):
        Vocabulary(["a", "b"]).token(row)


def test_it_is_immutable_down_to_its_bytes():
    vocabulary = Vocabulary(["a", "b"])
    with pytest.raises(ImmutableError):
        vocabulary.data = np.zeros(1, np.uint8)
    with pytest.raises(ImmutableError):
        del vocabulary.index
    for array in (vocabulary.data, vocabulary.offsets, vocabulary.index):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_equality_and_pickle():
    a = Vocabulary(["x", "yz"])
    assert a == Vocabulary(["x", "yz"])
    assert hash(a) == hash(Vocabulary(["x", "yz"]))
    assert a != Vocabulary(["xy", "z"])
    assert a != ["x", "yz"]
    again = pickle.loads(pickle.dumps(a))  # noqa: S301 - our own bytes
    assert again == a
    assert not again.data.flags.writeable


def test_arrays_that_are_no_vocabulary_are_refused():
    data, offsets = np.frombuffer(b"abc", np.uint8), np.array([0, 1, 3])
    for bad in (np.array([0, 2, 1]), np.array([1, 2, 3]), np.array([0, 1, 4])):
        with pytest.raises(ArgumentError, match="offsets"):
            Vocabulary.from_arrays(data, bad)
    with pytest.raises(ArgumentError, match="power of two"):
        Vocabulary.from_arrays(data, offsets, np.zeros(6, np.uint32))


def test_a_damaged_index_is_found_at_use_and_never_read_outside(native_level):
    good = Vocabulary(["a", "bc"])
    wild = np.full(8, 4_000_000_000, dtype=np.uint32)
    with pytest.raises(ArgumentError, match="index points outside"):
        Vocabulary.from_arrays(good.data, good.offsets, wild).id("a")
    crowded = np.full(8, 1, dtype=np.uint32)  # no slot is free: a probe must still end
    with pytest.raises(ArgumentError, match="index points outside"):
        Vocabulary.from_arrays(good.data, good.offsets, crowded).id("nowhere")
    offsets = np.array([0, 10**15, 3])
    damaged = Vocabulary.from_arrays(good.data, offsets, good.index)
    with pytest.raises(ArgumentError):
        damaged.id("a")
    with pytest.raises(ArgumentError, match="offsets"):
        damaged.token(0)
    with pytest.raises(ArgumentError):
        damaged.verify()


def test_the_index_is_the_same_from_every_build(native_level):
    tokens = [f"token {i}" for i in range(1000)]
    vocabulary = Vocabulary(tokens)
    slots = np.zeros(len(vocabulary.index), dtype=np.uint32)
    from tokenspace.native import reference

    assert reference.hash_tokens(vocabulary.data, vocabulary.offsets, slots) is None
    np.testing.assert_array_equal(vocabulary.index, slots)
