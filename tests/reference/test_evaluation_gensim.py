"""Evaluation beside gensim and SciPy on the same vectors."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.analysis import correlation
from tokenspace.analysis.alignment import align
from tokenspace.analysis.evaluation import evaluate_analogies, evaluate_pairs
from tokenspace.analysis.question_files import Analogies, read_analogies, read_pairs, standard_file

if TYPE_CHECKING:
    from pathlib import Path

keyedvectors = pytest.importorskip("gensim.models.keyedvectors")
stats = pytest.importorskip("scipy.stats")

pytestmark = pytest.mark.reference


def words_in_use() -> list[str]:
    pairs = [word for name in ("WordSim-353", "SimLex-999") for pair in read_pairs(standard_file(name)).pairs for word in pair]
    asked = [word for _, section in read_analogies(standard_file("questions-words")).sections for q in section for word in q]
    words = list(dict.fromkeys([*pairs, *asked, *(word.lower() for word in asked)]))
    random.Random(0).shuffle(words)  # noqa: S311 - a fixed order
    return words[: len(words) * 9 // 10]


@pytest.fixture(scope="module")
def both() -> tuple[ts.EmbeddingTable, Any]:
    """Return vectors that know something: words of one pair share a part, words of one relation a step."""
    words = words_in_use()
    place = {word: i for i, word in enumerate(words)}
    matrix = np.random.default_rng(5).normal(size=(len(words), 20)).astype(np.float32)
    judged = read_pairs(standard_file("WordSim-353"))
    for (a, b), score in zip(judged.pairs, judged.scores, strict=True):
        if a in place and b in place:
            matrix[place[b]] += np.float32(score / 5) * matrix[place[a]]
    for name, section in read_analogies(standard_file("questions-words")).sections:
        step = np.random.default_rng(len(name)).normal(size=20).astype(np.float32) * 1.5
        for a, b, *_ in section:
            if a in place and b in place:
                matrix[place[b]] = matrix[place[a]] + step + np.random.default_rng(place[b]).normal(size=20).astype(np.float32) * 0.4
    theirs = keyedvectors.KeyedVectors(20)
    theirs.add_vectors(words, matrix)
    return ts.EmbeddingTable(words, matrix), theirs


@pytest.mark.parametrize("name", ["WordSim-353", "SimLex-999"])
@pytest.mark.parametrize("fold_case", [True, False])
@pytest.mark.parametrize("restrict", [300_000, 1000])
def test_correlations_are_those_of_gensim(both: tuple[ts.EmbeddingTable, Any], name: str, *, fold_case: bool, restrict: int) -> None:
    table, theirs = both
    done = evaluate_pairs(table, read_pairs(standard_file(name)), fold_case=fold_case, restrict=restrict)
    pearson, spearman, unknown = theirs.evaluate_word_pairs(standard_file(name), case_insensitive=fold_case, restrict_vocab=restrict)
    assert done.pearson.value == pytest.approx(pearson[0], abs=1e-6)
    assert done.spearman.value == pytest.approx(spearman[0], abs=1e-6)
    assert 100 * (1 - done.coverage) == pytest.approx(unknown)


@pytest.mark.parametrize("fold_case", [True, False])
@pytest.mark.parametrize("restrict", [300_000, 1200])
def test_answers_are_those_of_gensim_in_every_section(
    both: tuple[ts.EmbeddingTable, Any], tmp_path: Path, *, fold_case: bool, restrict: int
) -> None:
    table, theirs = both
    whole = read_analogies(standard_file("questions-words"))
    some = Analogies("some", tuple((name, section[::40]) for name, section in whole.sections))
    file = tmp_path / "some.txt"
    file.write_text("".join(f": {name}\n" + "".join(" ".join(q) + "\n" for q in section) for name, section in some.sections))
    score, sections = theirs.evaluate_word_analogies(file, case_insensitive=fold_case, restrict_vocab=restrict)
    done = evaluate_analogies(table, read_analogies(file), fold_case=fold_case, restrict=restrict)
    assert 0.05 < score < 0.95
    assert done.accuracy.value == pytest.approx(score)
    for ours, other in zip(done.sections, sections, strict=False):
        assert ours.name == other["section"]
        for mine, their in ((ours.correct, other["correct"]), (ours.incorrect, other["incorrect"])):
            assert [tuple(word.upper() if fold_case else word for word in question) for question in mine] == their


@pytest.mark.filterwarnings("ignore:.*init_sims:DeprecationWarning")  # gensim's own call
def test_products_of_cosines_choose_as_gensims_do(both: tuple[ts.EmbeddingTable, Any]) -> None:
    table, theirs = both
    whole = read_analogies(standard_file("questions-words"))
    asked = Analogies("some", tuple((name, section[::150]) for name, section in whole.sections))
    done = evaluate_analogies(table, asked, "3CosMul", fold_case=False)
    for section in done.sections:
        for right, questions in ((True, section.correct), (False, section.incorrect)):
            for a, b, c, d in questions:
                assert (theirs.most_similar_cosmul([b, c], [a], topn=1)[0][0] == d) is right


def test_correlations_are_those_of_scipy() -> None:
    random_ = np.random.default_rng(9)
    for m in (2, 5, 100):
        for digits in (0, 6):  # many ties, none
            x, y = np.round(random_.normal(size=(2, m)), digits)
            if len(set(x)) > 1 and len(set(y)) > 1:
                assert correlation.spearman(x, y).value == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-12)
                assert correlation.pearson(x, y).value == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-12)
    interval = stats.pearsonr(x, y).confidence_interval(0.9)
    ours = correlation.pearson(x, y, 0.9)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))
    wilson = stats.binomtest(13, 40).proportion_ci(0.95, method="wilson")
    share = correlation.share(13, 40)
    assert (share.low, share.high) == pytest.approx((wilson.low, wilson.high))


def test_the_rotation_is_that_of_scipy() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    random_ = np.random.default_rng(2)
    names = [f"w{i}" for i in range(300)]
    x, y = random_.normal(size=(2, 300, 30))
    found = align(ts.EmbeddingTable(names, x), ts.EmbeddingTable(names, y))
    theirs, _ = linalg.orthogonal_procrustes(x, y)
    np.testing.assert_allclose(found.rotation, theirs, atol=1e-10)
    assert found
    assert found.after == pytest.approx(np.linalg.norm(x @ theirs - y) / np.linalg.norm(y))
