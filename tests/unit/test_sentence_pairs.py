"""Pairs of sentences: read from every shape they come in, held against judgements, searched, mined and grouped."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenspace.analysis.sentences import evaluate_sentences, retrieval, standard_pairs
from tokenspace.errors import ArgumentError, EmptyFileError, EncodingError, HeaderError, LabelError, UnpairedRowError
from tokenspace.measures import MEASURES
from tokenspace.search import Exact, community, paraphrase_mining, semantic_search
from tokenspace.texts.pairs import SentencePairs, read_sentence_pairs

SICK = (
    'pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n1\tA man\tA "boy\t4.5\tNEUTRAL\n2\tOne\tTwo\t1\tENTAILMENT\n'
)
STS_B = 'main-captions\tMSRvid\t2012test\t0001\t5.000\tA plane\tAn air plane\nmain\tx\t2013\t2\t3.8\tOne "\tTwo\tsource\tsource\n'
GLUE = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n0\tm\tM\t2012\t1\tn\tn\tA\tB\t4.2\n"


@pytest.mark.parametrize(
    ("text", "first", "second", "labels"),
    [
        (SICK, ("A man", "One"), ('A "boy', "Two"), ("4.5", "1")),
        (STS_B, ("A plane", 'One "'), ("An air plane", "Two"), ("5.000", "3.8")),
        (GLUE, ("A",), ("B",), ("4.2",)),
        ("a\tb\nc\td\n\n", ("a", "c"), ("b", "d"), None),
        ("3\ta\tb\n", ("a",), ("b",), ("3",)),
        ("a\tb\t3\r\n", ("a",), ("b",), ("3",)),
        ("\ufeffsentence1\tsentence2\na\tb", ("a",), ("b",), None),
        (json.dumps({"Anchor": "a", "positive": "b\tc"}) + "\n", ("a",), ("b\tc",), None),
        (json.dumps({"text1": "a", "text2": "b", "label": 1}) + "\n\n", ("a",), ("b",), ("1",)),
    ],
)
def test_every_shape_is_read(tmp_path, text: str, first, second, labels) -> None:
    (tmp_path / "pairs").write_text(text, encoding="utf-8", newline="")
    found = read_sentence_pairs(tmp_path / "pairs")
    assert (found.first, found.second, found.labels) == (first, second, labels)


def test_triples_parquet_and_named_columns(tmp_path) -> None:
    (tmp_path / "pairs").write_text("a\tb\tc\n")
    assert read_sentence_pairs(tmp_path / "pairs").third == ("c",)
    assert read_sentence_pairs(tmp_path / "pairs", columns={"first": 2, "second": 0}).first == ("c",)
    (tmp_path / "named").write_text("x\ty\nb\ta\n")
    assert read_sentence_pairs(tmp_path / "named", columns={"first": "Y", "second": "x"}).first == ("a",)
    with pytest.raises(HeaderError, match="column 'z'"):
        read_sentence_pairs(tmp_path / "named", columns={"first": "z", "second": "x"})
    with pytest.raises(ArgumentError, match="'other'"):
        read_sentence_pairs(tmp_path / "named", columns={"other": 1})
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"sentence1": ["a", "c"], "sentence2": ["b", "d"], "score": [0.5, 1.0]}), tmp_path / "p")
    assert read_sentence_pairs(tmp_path / "p").scores() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("a\tb\nc\n", UnpairedRowError, "line 2"),
        ("a\tb\nc\t \n", UnpairedRowError, "line 2"),
        ("alone\n", UnpairedRowError, "one"),
        ("sentence1\tsentence2\n", EmptyFileError, "none"),
        ("", EmptyFileError, "none"),
        ("1\t2\t3\t4\n", HeaderError, "4 columns"),
        ("a\tb\t3\nc\td\n", LabelError, "line 2"),
        ('{"sentence1": "a"}\n', HeaderError, "second"),
        ('{"sentence1": "a", "sentence2": "b"}\n{"sentence1": "a"}\n', UnpairedRowError, "line 2"),
        ('{"sentence1": "a", "sentence2": "b"}\n[1]\n', HeaderError, "line 2"),
        ('{"sentence1": "a", "sentence2": "b"}\n{nonsense\n', HeaderError, "line 2"),
    ],
)
def test_every_flaw_is_named_with_its_line(tmp_path, text: str, error, match: str) -> None:
    (tmp_path / "pairs").write_text(text)
    with pytest.raises(error, match=match):
        read_sentence_pairs(tmp_path / "pairs")


def test_bytes_and_labels_that_are_none_are_named(tmp_path) -> None:
    (tmp_path / "pairs").write_bytes(b"a\tb\n\xff\tc\n")
    with pytest.raises(EncodingError, match="line 2"):
        read_sentence_pairs(tmp_path / "pairs")
    (tmp_path / "pairs").write_text("a\tb\t3\nc\td\tx\n")
    with pytest.raises(LabelError, match="line 2.*'x'"):
        read_sentence_pairs(tmp_path / "pairs").scores()
    (tmp_path / "pairs").write_text("a\tb\t3\nc\td\t7\n")
    with pytest.raises(LabelError, match="line 2.*0..5"):
        read_sentence_pairs(tmp_path / "pairs").scores(0, 5)
    with pytest.raises(LabelError, match="nan"):
        SentencePairs("s", ("a",), ("b",), labels=("nan",), lines=(1,)).scores()
    with pytest.raises(LabelError, match="without any"):
        SentencePairs("s", ("a",), ("b",)).classes()


# ------------------------------------------------------------------------------------------------------------------ judgements


def test_correlations_are_of_all_three_measures() -> None:
    rng = np.random.default_rng(0)
    vectors = {f"s{i}": rng.standard_normal(5) for i in range(40)} | {"zero": np.zeros(5)}
    names = list(vectors)
    first, second = zip(*[(names[i], names[j]) for i, j in combinations(range(41), 2)], strict=True)
    labels = rng.random(len(first))
    stats = pytest.importorskip("scipy.stats")
    pairs = SentencePairs("x", first, second, labels=tuple(map(str, labels)), lines=tuple(range(len(first))))
    found = evaluate_sentences(lambda texts: np.float32([vectors[text] for text in texts]), pairs)
    usable = np.array(["zero" not in both for both in zip(first, second, strict=True)])
    u, v = (np.float32([vectors[name] for name in side])[usable].astype(float) for side in (first, second))
    values = {
        "euclidean": -np.linalg.norm(u - v, axis=1),
        "inner_product": (u * v).sum(axis=1),
        "cosine": (u * v).sum(axis=1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1),
    }
    assert (found.used, found.total, found.zero) == (int(usable.sum()), len(first), 1)
    for measure in MEASURES:
        expected = stats.spearmanr(values[measure], labels[usable]).statistic
        assert found.spearman[measure].value == pytest.approx(expected, abs=1e-6)


def test_the_standard_pairs_are_those_of_gensim() -> None:
    pytest.importorskip("gensim")
    found = standard_pairs()
    assert len(found) == 1225
    assert len(set(found.first) | set(found.second)) == 50
    assert all(0 <= score <= 1 for score in found.scores(0, 1))


@pytest.mark.parametrize("measure", MEASURES)
def test_retrieval_counts_ranks(measure) -> None:
    rng = np.random.default_rng(1)
    corpus = rng.standard_normal((50, 8))
    queries, own = corpus[10:30] + rng.standard_normal((20, 8)), np.arange(10, 30)
    ids = Exact(corpus, measure).search(queries, 50).ids
    rank = (ids == own[:, None]).argmax(axis=1) + 1
    found = retrieval(queries, corpus, own, k=[1, 3, 50], measure=measure)
    assert [found.recall[k].value for k in (1, 3, 50)] == [float((rank <= k).mean()) for k in (1, 3, 50)]
    assert found.rank == pytest.approx(float((1 / rank).mean()))
    batched = retrieval(queries, corpus, own, k=[1], measure=measure, batch=7)
    hits = [
        Exact(corpus[own[a : a + 7]], measure).search(queries[a : a + 7], 1).ids.ravel() == np.arange(len(own[a : a + 7]))
        for a in (0, 7, 14)
    ]
    assert batched.recall[1].value == float(np.concatenate(hits).mean())
    for wrong in ({"k": [0]}, {"batch": 0}, {"own": [60] * 20}, {"own": [1]}):
        with pytest.raises(ArgumentError):
            retrieval(queries, corpus, **({"own": own} | wrong))


# ------------------------------------------------------------------------------------------------------------ pairs and groups

MATRICES = st.integers(0, 10**6).map(
    lambda seed: np.random.default_rng(seed).integers(-2, 3, (np.random.default_rng(seed).integers(1, 25), 3)).astype(np.float32)
)


@given(matrix=MATRICES, k=st.integers(1, 6), most=st.integers(1, 40), measure=st.sampled_from(list(MEASURES)))
def test_mined_pairs_are_those_of_the_full_table_of_neighbours(matrix, k: int, most: int, measure) -> None:
    search = Exact(matrix, measure)
    found = search.search(matrix, k + 1)
    expected: dict[tuple[int, int], float] = {}
    for row, (ids, scores) in enumerate(zip(found.ids.tolist(), found.scores.tolist(), strict=True)):
        others = [(other, score) for other, score in zip(ids, scores, strict=True) if other != row][:k]
        expected |= {(min(row, other), max(row, other)): score for other, score in others if not np.isnan(score)}
    sign = 1 if measure == "euclidean" else -1
    ordered = sorted((sign * score, *both) for both, score in expected.items())[:most]
    mined = paraphrase_mining(matrix, k, measure, most=most)
    assert [(sign * score, i, j) for score, i, j in mined] == ordered
    assert len(mined) == len(ordered)


@given(
    matrix=MATRICES, threshold=st.sampled_from([0.0, 0.5, 0.9, 2.0]), smallest=st.integers(1, 4), measure=st.sampled_from(list(MEASURES))
)
def test_groups_are_taken_greedily_from_the_largest_neighbourhoods(matrix, threshold: float, smallest: int, measure) -> None:
    near = [ids.tolist() for ids, _ in Exact(matrix, measure).within(matrix, threshold)]
    taken: set[int] = set()
    expected = []
    for middle in sorted((row for row in range(len(near)) if len(near[row]) >= smallest), key=lambda row: -len(near[row])):
        free = [row for row in near[middle] if row not in taken]
        if middle not in taken and len(free) >= smallest:
            expected.append([middle, *(row for row in free if row != middle)])
            taken |= {middle, *free}
    found = [rows.tolist() for rows in community(matrix, threshold, measure, smallest=smallest)]
    assert found == sorted(expected, key=len, reverse=True)


def test_searches_of_few_rows_and_bad_arguments() -> None:
    assert semantic_search([1, 0], [[0.0, 1], [2, 1]], k=5).ids.tolist() == [1, 0]
    assert len(paraphrase_mining([[1.0, 2]])) == 0
    assert community(np.empty((0, 3), np.float32)) == []
    with pytest.raises(ArgumentError):
        paraphrase_mining([[1.0]], 0)
    with pytest.raises(ArgumentError):
        community([[1.0]], smallest=0)


def test_pairs_are_pruned_without_losing_any(monkeypatch) -> None:
    matrix = np.random.default_rng(2).standard_normal((300, 6)).astype(np.float32)
    whole = list(paraphrase_mining(matrix, 20, "euclidean"))
    monkeypatch.setattr("tokenspace.search.paraphrases.STEP", 16)
    assert list(paraphrase_mining(matrix, 20, "euclidean", most=50)) == whole[:50]
