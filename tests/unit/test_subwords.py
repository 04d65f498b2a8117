"""Character n-grams of words: which there are, what they hash to, and the vectors they make."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenspace as ts
from tokenspace import errors
from tokenspace.subwords import Subwords, SubwordTable, composed


def pieces(word: str, least: int, most: int) -> list[str]:
    """Return a word's pieces as the paper defines them, and fastText leaves out: a bracket alone is none."""
    text = f"<{word}>"
    found = [(start, start + n) for start in range(len(text)) for n in range(least, most + 1) if start + n <= len(text)]
    return [text[start:stop] for start, stop in found if stop - start > 1 or 0 < start < len(text) - 1]


def fnv(piece: str) -> int:
    """Return fastText's hash: FNV-1a of 32 bits over signed bytes."""
    state = 2166136261
    for byte in piece.encode():
        state = (state ^ (byte if byte < 128 else byte + 0xFFFFFF00)) * 16777619 % 2**32
    return state


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


@given(words=st.lists(words, max_size=5), least=st.integers(1, 4), more=st.integers(0, 4), buckets=st.integers(1, 2000))
def test_rows_of_pieces_are_those_of_the_definition(words: list[str], least: int, more: int, buckets: int) -> None:
    subwords = Subwords(np.zeros((buckets, 1), np.float32), min_n=least, max_n=least + more)
    expected = [[fnv(piece) % buckets for piece in pieces(word, least, least + more)] for word in words]
    assert [subwords.ids(word).tolist() for word in words] == expected
    text = [word.encode() for word in words]
    offsets = np.cumsum([0, *map(len, text)])
    ids, counts = subwords.ids_of(np.frombuffer(b"".join(text), np.uint8), offsets)
    assert counts.tolist() == [len(each) for each in expected]
    assert ids.tolist() == [row for each in expected for row in each]


@given(words=st.lists(words, min_size=1, max_size=5, unique=True), seed=st.integers(0, 99))
def test_a_words_vector_is_the_mean_of_its_row_and_its_pieces(words: list[str], seed: int) -> None:
    random = np.random.default_rng(seed)
    subwords = Subwords(random.standard_normal((50, 3)).astype(np.float32), min_n=2, max_n=4)
    own = random.standard_normal((len(words), 3)).astype(np.float32)
    made = composed(own, subwords, ts.Vocabulary(words), bare=words[:1])
    for place, word in enumerate(words):
        rows = [own[place], *(subwords.matrix[row] for row in ([] if place == 0 else subwords.ids(word)))]
        np.testing.assert_allclose(made[place], np.mean(rows, axis=0, dtype=np.float64), rtol=1e-5, atol=1e-6)
        total = np.zeros(3, np.float32)
        for row in rows:
            total += row
        assert made[place].tobytes() == (total * np.float32(1 / len(rows))).tobytes()


def test_many_words_are_put_together_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    vocabulary = ts.Vocabulary([f"word{number}" for number in range(300)] + ["x" * 5000])
    subwords = Subwords(random.standard_normal((40, 4)).astype(np.float32), min_n=3, max_n=6)
    own = random.standard_normal((301, 4)).astype(np.float32)
    whole = composed(own, subwords, vocabulary)
    for characters, count in ((100, 1000), (10**6, 7), (1, 1)):
        monkeypatch.setattr("tokenspace.subwords.CHARACTERS", characters)
        monkeypatch.setattr("tokenspace.subwords.WORDS", count)
        assert composed(own, subwords, vocabulary).tobytes() == whole.tobytes()


def test_a_pruned_model_has_rows_for_some_buckets() -> None:
    every = Subwords(np.arange(20, dtype=np.float32).reshape(20, 1), min_n=3, max_n=3)
    kept = np.unique(every.ids("kings"))[:2]
    some = Subwords(every.matrix[kept], min_n=3, max_n=3, kept=kept, buckets=20)
    expected = [row for row in every.ids("kings") if row in kept]
    assert some.matrix[some.ids("kings")].ravel().tolist() == expected
    assert some.vector("kings")[0] == np.float32(sum(expected)) * np.float32(1 / len(expected))
    none = Subwords(np.zeros((0, 1), np.float32), min_n=3, max_n=3, kept=np.zeros(0, np.int64), buckets=20)
    with pytest.raises(errors.UnknownTokenError):
        none.vector("kings")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"min_n": 0, "max_n": 3}, errors.ArgumentError),
        ({"min_n": 4, "max_n": 3}, errors.ArgumentError),
        ({"min_n": 1, "max_n": 65}, errors.ArgumentError),
        ({"min_n": 1, "max_n": 3, "buckets": 5}, errors.ArgumentError),
        ({"min_n": 1, "max_n": 3, "kept": np.array([0, 9, 4, 2]), "buckets": 3}, errors.ArgumentError),
        ({"min_n": 1, "max_n": 3, "kept": np.array([0]), "buckets": 9}, errors.ArgumentError),
    ],
)
def test_parts_that_do_not_fit_are_refused(options: dict[str, object], error: type[errors.TokenspaceError]) -> None:
    with pytest.raises(error):
        Subwords(np.zeros((4, 2), np.float32), **options)  # type: ignore[arg-type]


def test_rows_and_n_grams_need_one_width() -> None:
    with pytest.raises(errors.ShapeError, match="one d"):
        SubwordTable.of(ts.Vocabulary(["a"]), np.zeros((1, 3), np.float32), Subwords(np.zeros((4, 2), np.float32), min_n=1, max_n=3))
    with pytest.raises(errors.ImmutableError):
        Subwords(np.zeros((4, 2), np.float32), min_n=1, max_n=3).min_n = 2
