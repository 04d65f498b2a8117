"""All of gensim's own tests pass on our KeyedVectors; and both answer alike on the same vectors."""

from __future__ import annotations

import inspect
import unittest
import warnings
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest

from tokenspace.errors import NotFiniteError, TokenspaceError, UnknownTokenError
from tokenspace.gensim import KeyedVectors

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.reference
gensim = pytest.importorskip("gensim")


def _suite() -> Any:
    """Return gensim's test module, with our KeyedVectors in the places of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("gensim.test.test_keyedvectors")


def _cases() -> list[Any]:
    module = _suite()
    classes = [value for _, value in inspect.getmembers(module, inspect.isclass) if issubclass(value, unittest.TestCase)]
    return [test for kind in classes for test in unittest.defaultTestLoader.loadTestsFromTestCase(kind)]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case.id().rpartition("test_keyedvectors.")[2])
@pytest.mark.filterwarnings("ignore")
def test_gensims_own_tests_pass(case: unittest.TestCase) -> None:
    with (
        mock.patch("gensim.models.keyedvectors.KeyedVectors", KeyedVectors),
        mock.patch("gensim.models.KeyedVectors", KeyedVectors),
        mock.patch.object(_suite(), "KeyedVectors", KeyedVectors),
    ):
        result = unittest.TestResult()
        case.run(result)
    faults = [text for _, text in [*result.errors, *result.failures]]
    assert not faults, faults[0]


@pytest.fixture(scope="module")
def both() -> tuple[Any, KeyedVectors]:
    """Return the same vectors in gensim and here."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(500, 20)).astype(np.float32)
    keys = [f"w{i}" for i in range(500)]
    theirs, ours = gensim.models.KeyedVectors(20), KeyedVectors(20)
    for vectors in (theirs, ours):
        vectors.add_vectors(keys, rows)
    return theirs, ours


CALLS = {
    "most_similar": lambda v: v.most_similar("w3"),
    "most_similar, weighted": lambda v: v.most_similar([("w3", 0.3), "w5"], [("w9", -2.0)], topn=7),
    "most_similar, vector": lambda v: v.most_similar(np.ones(20, np.float32), topn=4),
    "most_similar, clipped": lambda v: v.most_similar("w3", clip_start=100, clip_end=200),
    "most_similar, restricted": lambda v: v.most_similar("w3", restrict_vocab=50),
    "most_similar, all": lambda v: v.most_similar("w3", topn=None),
    "cosmul": lambda v: v.most_similar_cosmul(["w1", "w2"], ["w3"]),
    "cosmul, one": lambda v: v.most_similar_cosmul("w1"),
    "cosmul, all": lambda v: v.most_similar_cosmul("w1", "w2", topn=None),
    "similar_by_word": lambda v: v.similar_by_word("w7", topn=3),
    "similar_by_key": lambda v: v.similar_by_key("w7", topn=3, restrict_vocab=99),
    "similar_by_vector": lambda v: v.similar_by_vector(v["w7"], topn=3),
    "similarity": lambda v: v.similarity("w1", "w2"),
    "distance": lambda v: v.distance("w1", "w2"),
    "distances": lambda v: v.distances("w1"),
    "distances, some": lambda v: v.distances("w1", ["w4", "w9"]),
    "distances, vector": lambda v: v.distances(np.ones(20, np.float32), ["w4"]),
    "n_similarity": lambda v: v.n_similarity(["w1", "w2"], ["w3", "w4", "w5"]),
    "doesnt_match": lambda v: v.doesnt_match(["w1", "w2", "w3", "w4"]),
    "rank_by_centrality": lambda v: v.rank_by_centrality(["w1", "w2", "w3", "w4", "no such"]),
    "rank_by_centrality, as they are": lambda v: v.rank_by_centrality(["w1", "w2", "w3"], use_norm=False),
    "closer_than": lambda v: v.closer_than("w1", "w2"),
    "rank": lambda v: v.rank("w1", "w2"),
    "most_similar_to_given": lambda v: v.most_similar_to_given("w1", ["w2", "w3", "w4"]),
    "relative_cosine_similarity": lambda v: v.relative_cosine_similarity("w1", "w2"),
    "get_mean_vector": lambda v: v.get_mean_vector(["w1", "w2", "no such"], [1, -2, 3]),
    "get_mean_vector, as they are": lambda v: v.get_mean_vector(["w1", np.ones(20)], pre_normalize=False, post_normalize=True),
    "get_normed_vectors": lambda v: v.get_normed_vectors(),
    "get_vector": lambda v: v.get_vector("w1", norm=True),
    "index": lambda v: (v.get_index("w7"), v.get_index("no", 9), v.has_index_for("w1"), v.has_index_for("no"), 3 in v, "w3" in v, len(v)),
    "keys": lambda v: (list(v.index_to_key), dict(v.key_to_index), v.index_to_key[3:7], v.index_to_key[-1]),
    "several": lambda v: v[["w3", "w1"]],
    "by row": lambda v: v[7],
    "vectors_for_all": lambda v: v.vectors_for_all(["w3", "no", "w1", "w3"]).vectors,
    "topn 0": lambda v: (v.most_similar("w1", topn=0), v.most_similar_cosmul("w1", topn=0)),
}


def _alike(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            _alike(a, b)
    elif isinstance(theirs, (str, dict, bool)):
        assert ours == theirs
    else:
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore")
def test_both_answer_alike(both: tuple[Any, KeyedVectors], name: str) -> None:
    theirs, ours = both
    _alike(CALLS[name](ours), CALLS[name](theirs))


@pytest.mark.filterwarnings("ignore")
def test_evaluations_agree_with_gensims() -> None:
    from gensim.test.utils import datapath

    import tokenspace as ts

    table = ts.open("glove-6b-50d")
    some = ts.EmbeddingTable(table.vocabulary.tokens_of(np.arange(30_000)), table.matrix[:30_000])
    ours = KeyedVectors.from_table(some)
    theirs = gensim.models.KeyedVectors(50)
    theirs.add_vectors(list(some.vocabulary), np.array(some.matrix))
    pairs = datapath("wordsim353.tsv")
    for options in ({}, {"dummy4unknown": True}, {"restrict_vocab": 5000}, {"case_insensitive": False}):
        mine, gold = ours.evaluate_word_pairs(pairs, **options), theirs.evaluate_word_pairs(pairs, **options)
        np.testing.assert_allclose([*mine[0], *mine[1], mine[2]], [*gold[0], *gold[1], gold[2]], rtol=1e-4)
    questions = datapath("questions-words.txt")
    for options in ({"restrict_vocab": 3000}, {"restrict_vocab": 2000, "dummy4unknown": True}):
        mine, gold = ours.evaluate_word_analogies(questions, **options), theirs.evaluate_word_analogies(questions, **options)
        assert mine[0] == pytest.approx(gold[0], abs=2e-3)
        assert [section["section"] for section in mine[1]] == [section["section"] for section in gold[1]]
        assert [len(s["correct"]) + len(s["incorrect"]) for s in mine[1]] == [len(s["correct"]) + len(s["incorrect"]) for s in gold[1]]


def test_norms_never_go_stale() -> None:
    ours = KeyedVectors(2)
    ours.add_vectors(["a", "b"], [[3.0, 4.0], [1.0, 0.0]])
    assert ours.norms.tolist() == [5.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        ours.vectors[0] = 0
    ours["a"] = [0.0, 2.0]
    assert ours.norms.tolist() == [2.0, 1.0]
    assert ours.similarity("a", "b") == 0
    ours["c"] = [0.0, 1.0]
    assert ours.most_similar("a", topn=1)[0] == ("c", pytest.approx(1.0))
    ours.unit_normalize_all()
    assert ours.norms.tolist() == [1.0, 1.0, 1.0]


def test_many_single_additions_copy_the_matrix_once() -> None:
    ours = KeyedVectors(3)
    for i in range(2000):
        assert ours.add_vector(f"k{i}", [i, 1, 2]) == i
    assert ours._joined.n == 0  # nobody has looked yet
    assert ours.vectors.shape == (2000, 3)
    assert ours["k1999"].tolist() == [1999, 1, 2]


def test_what_gensim_takes_silently_is_refused() -> None:
    ours = KeyedVectors(2)
    with pytest.raises(NotFiniteError):
        ours.add_vectors(["a"], [[np.nan, 1.0]])
    with pytest.raises(TokenspaceError, match="expected weights of"):
        ours.add_vectors(["a", "b"], [[1.0, 2.0]])
    ours.add_vectors(["zero", "one"], [[0.0, 0.0], [1.0, 0.0]])
    assert np.isnan(ours.similarity("zero", "one"))
    with pytest.raises(UnknownTokenError):
        ours["two"]
    with pytest.raises(KeyError):
        ours.most_similar("two")
    assert len(ours) == 2


def test_saved_vectors_come_back_with_their_attributes(tmp_path: Path) -> None:
    ours = KeyedVectors(2)
    ours.add_vectors(["a", "b", "c"], [[1, 2], [3, 4], [5, 6]], extras={"count": np.array([1, 7, 3])})
    ours.save(str(tmp_path / "kv"))
    again = KeyedVectors.load(str(tmp_path / "kv"))
    assert again.index_to_key == ["a", "b", "c"]
    assert again.get_vecattr("b", "count") == 7
    again.sort_by_descending_frequency()
    assert again.index_to_key == ["b", "c", "a"]
    assert again["c"].tolist() == [5, 6]
    again.save_word2vec_format(tmp_path / "kv.txt", fvocab=tmp_path / "counts", prefix="x_")
    assert (tmp_path / "counts").read_text() == "x_b 7\nx_c 3\nx_a 1\n"
    third = KeyedVectors.load_word2vec_format(tmp_path / "kv.txt", fvocab=tmp_path / "counts")
    assert third.index_to_key == ["x_b", "x_c", "x_a"]
    assert third.get_vecattr("x_c", "count") == 3


def test_every_public_method_of_gensims_is_there() -> None:
    gone = {"vectors_norm", "index2word", "index2entity", "vocab", "log_accuracy", "log_evaluate_word_pairs"}  # raise or only log there
    theirs = {name for name, _ in inspect.getmembers(gensim.models.KeyedVectors) if not name.startswith("_")} - gone
    assert not [name for name in theirs if not hasattr(KeyedVectors, name)]
    for name in theirs:
        value = getattr(gensim.models.KeyedVectors, name)
        if inspect.isfunction(value) and name not in {"save", "word_vec", "words_closer_than"}:
            wanted = list(inspect.signature(value).parameters)
            assert list(inspect.signature(getattr(KeyedVectors, name)).parameters)[: len(wanted)] == wanted, name
