"""Evaluation: what is read, what is left out, what is counted, and that a rotation is one."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

import tokenspace as ts
from tokenspace.analysis import correlation
from tokenspace.analysis.alignment import Alignment, align
from tokenspace.analysis.analogies import EPSILON, METHODS, solve
from tokenspace.analysis.evaluation import evaluate_analogies, evaluate_pairs
from tokenspace.analysis.overlap import neighbour_overlap
from tokenspace.analysis.question_files import Analogies, JudgedPairs, read_analogies, read_pairs, standard_file
from tokenspace.cli import main
from tokenspace.errors import (
    ArgumentError,
    EmptyFileError,
    EncodingError,
    FileContentError,
    MissingExtraError,
    NumberError,
    ProofError,
    RowWidthError,
    ShapeError,
)

if TYPE_CHECKING:
    from pathlib import Path


def table(n: int = 40, d: int = 8, seed: int = 3) -> ts.EmbeddingTable:
    return ts.EmbeddingTable([f"w{i}" for i in range(n)], np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32))


# ---------------------------------------------------------------------------------------------------------------- the files


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("# note\n# Word 1\tWord 2\tHuman\nlove\tsex\t6.77\ntiger\tcat\t7.35\n", [6.77, 7.35]),
        ("Word 1,Word 2,Human (mean)\nlove,sex,6.77\ntiger,cat,7.35\n", [6.77, 7.35]),
        ("word1\tword2\tPOS\tSimLex999\tconc(w1)\nold\tnew\tA\t1.58\t2.72\nsmart\tquick\tA\t9.2\t1.75\n", [1.58, 9.2]),
        ("sun sunlight 50.000000\nsky blue 49\n", [50, 49]),
        ("cord;smile;0.02\r\nnoon;string;0.04\r\n", [0.02, 0.04]),
        ('\ufeff"love","sex","6.77"\n"tiger","cat","7.35"', [6.77, 7.35]),
        ("a b 1e1\n\nb c -2\n", [10, -2]),
    ],
)
def test_pairs_come_in_many_forms(tmp_path: Path, text: str, scores: list[float]) -> None:
    file = tmp_path / "set.txt"
    file.write_text(text, encoding="utf-8", newline="")
    read = read_pairs(file)
    assert read.name == "set"
    assert list(read.scores) == scores
    assert len(read.pairs) == 2
    assert not any('"' in word or word.startswith("\ufeff") for pair in read.pairs for word in pair)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", EmptyFileError, "two words and a score"),
        (b"# only a note\n", EmptyFileError, "two words"),
        (b"love\tsex\t6.77\ntiger\tcat\n", RowWidthError, "line 2"),
        (b"love\tsex\t6.77\ntiger\t\t7\n", RowWidthError, "line 2"),
        (b"love\tsex\t6.77\ntiger\tcat\tmuch\n", NumberError, "line 2.*'much'"),
        (b"love\tsex\tnan\n", NumberError, "line 1"),
        (b"love\tsex\t6.77\nti\xffger\tcat\t7\n", EncodingError, "line 2.*0xff"),
        (b"love\tsex\t6.77\n\0\0\t\0\t7\n", FileContentError, "zero byte"),
    ],
)
def test_a_bad_file_of_pairs_is_refused_with_its_line(tmp_path: Path, data: bytes, error: type[Exception], says: str) -> None:
    file = tmp_path / "set.txt"
    file.write_bytes(data)
    with pytest.raises(error, match=says):
        read_pairs(file)


def test_questions_stand_in_sections_in_files_and_in_folders(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text(": capitals\na b c d\n: family \ne f g h\n\ni j k l\n")
    (tmp_path / "a.txt").write_text("m\tn\to\tp\n")
    read = read_analogies(tmp_path)
    assert [(name, len(section)) for name, section in read.sections] == [("a", 1), ("capitals", 1), ("family", 2)]
    assert read.sections[2][1][1] == ("i", "j", "k", "l")
    (tmp_path / "b.txt").write_text(": capitals\na b c\n")
    with pytest.raises(RowWidthError, match="line 2: expected four words"):
        read_analogies(tmp_path)
    (tmp_path / "b.txt").write_text(": capitals\n")
    with pytest.raises(EmptyFileError):
        read_analogies(tmp_path / "b.txt")


def test_the_standard_sets_come_from_gensim_or_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install gensim"):
        standard_file("WordSim-353")
    with pytest.raises(MissingExtraError):
        ts.evaluate(table())


# ------------------------------------------------------------------------------------------------------------- the numbers


def test_pairs_without_a_row_or_with_a_zero_row_are_left_out_and_named() -> None:
    rows = np.float32([[1, 0], [1, 1], [0, 1], [0, 0]])
    judged = JudgedPairs("mine", (("a", "B"), ("b", "c"), ("a", "c"), ("a", "zero"), ("x", "a"), ("x", "y")), (9, 8, 1, 5, 5, 5))
    done = evaluate_pairs(ts.EmbeddingTable(["a", "b", "c", "zero"], rows), judged)
    assert (done.used, done.total, done.missing, done.zero) == (3, 6, ("x", "y"), ("zero",))
    assert done.spearman.value == pytest.approx(0.8660254)  # two equal cosines: ranks 1.5, 1.5, 0 beside 2, 1, 0
    assert math.isnan(done.spearman.low)
    assert done.coverage == 0.5
    matched = evaluate_pairs(ts.EmbeddingTable(["a", "b", "c", "zero"], rows), judged, fold_case=False)
    assert (matched.used, matched.missing) == (2, ("B", "x", "y"))


def test_an_evaluation_without_known_words_says_nothing_instead_of_failing() -> None:
    done = ts.evaluate(table(), [JudgedPairs("p", (("q", "r"),), (1.0,))], analogies=[Analogies("a", (("s", (("q", "r", "s", "t"),)),))])
    assert math.isnan(done.pairs[0].spearman.value)
    assert done.pairs[0].coverage == done.analogies[0].coverage == 0
    assert math.isnan(done.analogies[0].accuracy.value)
    assert "0 of 1" in str(done)


def test_the_first_spelling_stands_for_a_word_and_all_are_kept_from_answering() -> None:
    tokens = ["King", "king", "man", "MAN", "woman", "queen", "Queen"]
    rows = np.float32([[3, 0, 0], [9, 9, 9], [1, 0, 0.1], [1, 0, 0], [1, 2, 0], [0, 0, 5], [3, 2.0, 0]])
    asked = Analogies("q", (("s", (("man", "king", "woman", "queen"),)),))
    done = evaluate_analogies(ts.EmbeddingTable(tokens, rows), asked)
    assert done.sections[0].correct == (("man", "king", "woman", "queen"),)  # "Queen" answers, in another case
    assert evaluate_analogies(ts.EmbeddingTable(tokens, rows), asked, fold_case=False).sections[0].correct == ()
    assert evaluate_analogies(ts.EmbeddingTable(tokens, rows), asked, restrict=5).used == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n", "d"), [(50, 2), (1500, 5), (2300, 32)])
def test_answers_are_those_of_the_definition_in_float64(method: str, n: int, d: int) -> None:
    random = np.random.default_rng(n)
    matrix = random.normal(size=(n, d)).astype(np.float32)
    matrix[n // 2 : n // 2 + 5] = matrix[:5]  # ties
    matrix[7] = -matrix[8]
    matrix[20] = 0
    questions = random.choice(np.setdiff1d(np.arange(n), [20]), size=(150, 3))
    own = [np.unique(question) for question in questions]
    unit = matrix / np.maximum(np.linalg.norm(matrix.astype(np.float64), axis=1, keepdims=True), 1e-300)
    answers = solve(matrix, questions, own, method, threads=2)
    for (a, b, c), answer, without in zip(questions, answers, own, strict=True):
        cosines = (unit @ unit[[a, b, c]].T).T
        shifted = (1 + cosines) / 2
        score = cosines[1] - cosines[0] + cosines[2] if method == "3CosAdd" else shifted[1] * shifted[2] / (shifted[0] + EPSILON)
        score[[*without, 20]] = -np.inf
        assert score[answer] == pytest.approx(score.max(), rel=1e-12)
        near = np.flatnonzero(np.isclose(score, score.max(), rtol=1e-14, atol=0))
        assert answer in near
        equal = np.flatnonzero((matrix == matrix[answer]).all(axis=1))
        assert answer == np.setdiff1d(equal, without)[0]  # of equal rows the first


def test_nothing_is_answered_where_every_row_is_left_out() -> None:
    for method in METHODS:
        assert solve(np.float32([[1, 0], [0, 1]]), np.array([[0, 1, 0]]), [np.array([0, 1])], method).tolist() == [-1]
        assert solve(np.float32([[1, 0]]), np.empty((0, 3), dtype=np.int64), [], method).tolist() == []
    with pytest.raises(ArgumentError, match="3CosAdd, 3CosMul"):
        solve(np.float32([[1, 0]]), np.array([[0, 0, 0]]), [np.array([0])], "3CosDiv")  # type: ignore[arg-type]


def test_intervals_hold_what_they_promise() -> None:
    random = np.random.default_rng(0)
    truth, inside = 0.6, np.zeros(3)
    for _ in range(400):
        x = random.normal(size=60)
        y = truth * x + math.sqrt(1 - truth**2) * random.normal(size=60)
        hits = int((random.random(50) < 0.3).sum())
        estimates = [correlation.pearson(x, y), correlation.spearman(x, y), correlation.share(hits, 50)]
        real = [truth, 6 / math.pi * math.asin(truth / 2), 0.3]
        inside += [one.low <= value <= one.high for one, value in zip(estimates, real, strict=True)]
    assert (inside / 400 > 0.92).all(), inside
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        correlation.share(1, 2, 1.0)


# -------------------------------------------------------------------------------------------------------------- two tables


def test_a_turned_table_has_the_same_neighbours_and_is_turned_back() -> None:
    one = table(60, 8)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    other = ts.EmbeddingTable(list(reversed(one.vocabulary.tokens_of(range(60)))), (one.matrix @ turn).astype(np.float32)[::-1])
    overlap = neighbour_overlap(one, other, k=5, sample=None)
    assert overlap.mean.value == 1
    assert len(overlap.tokens) == overlap.shared == 60
    found = align(one, other)
    assert found
    assert found.after < 1e-6 < found.before
    np.testing.assert_allclose(found.rotation, turn, atol=1e-6)
    turned = found.apply(one)
    np.testing.assert_allclose(turned["w3"], other["w3"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(turned.norms(), one.norms(), rtol=1e-6)


def test_unrelated_tables_share_neighbours_by_chance_alone() -> None:
    overlap = neighbour_overlap(table(500, 8, 1), table(500, 8, 2), k=10, sample=200)
    assert overlap.mean.low <= 10 / 499 <= overlap.mean.high
    assert len(overlap.tokens) == 200


def test_what_cannot_be_compared_is_refused() -> None:
    one, other = table(5, 4), ts.EmbeddingTable(["x"], [[1, 2, 3, 4]])
    for call in (neighbour_overlap, align):
        with pytest.raises(ArgumentError, match="share no token"):
            call(one, other)
    with pytest.raises(ArgumentError, match=r"1\.\.4"):
        neighbour_overlap(one, one, k=5)
    with pytest.raises(ShapeError):
        align(one, table(5, 3))
    with pytest.raises(ArgumentError, match="all zero"):
        align(one, ts.EmbeddingTable(["w0", "w1"], np.zeros((2, 4), dtype=np.float32)))
    with pytest.raises(ProofError, match="not orthogonal"):
        Alignment(np.full((4, 4), 0.1), 5, 1.0, 1.0, 0.9, 1e-15).apply(one)
    with pytest.raises(ShapeError):
        align(one, one).apply(table(5, 3))


# -------------------------------------------------------------------------------------------------------- the command line


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> ts.EmbeddingTable:
    small = table()
    monkeypatch.setattr(ts, "open", lambda name: small, raising=False)
    return small


def test_the_command_prints_lines_or_json(opened: ts.EmbeddingTable, tmp_path: Path) -> None:
    pairs, questions = tmp_path / "p.txt", tmp_path / "q.txt"
    pairs.write_text("w1 w2 3\nw3 w4 2\nw5 w6 9\nw7 w8 4\nw9 nowhere 1\n")
    questions.write_text(": s\nw1 w2 w3 w4\nw5 w6 w7 nowhere\n")
    asked = ["evaluate", "some", "--pairs", str(pairs), "--analogies", str(questions)]
    plain = CliRunner().invoke(main, [*asked, "--sections"])
    assert plain.exit_code == 0, plain.output
    assert "note: p: no row for nowhere" in plain.stderr
    rows = [line.split("\t") for line in plain.stdout.splitlines()]
    assert [row[:2] for row in rows[1:]] == [
        ["p", "spearman"], ["p", "pearson"], ["q", "3CosAdd"], ["q: s", "3CosAdd"], ["q", "3CosMul"], ["q: s", "3CosMul"],
    ]  # fmt: skip
    assert rows[1][-2:] == ["4", "5"]
    document = json.loads(CliRunner().invoke(main, [*asked, "--json", "--method", "3CosMul"]).stdout)
    assert [part["method"] for part in document["analogies"]] == ["3CosMul"]
    assert document["analogies"][0]["sections"][0]["total"] == 2
    assert document["pairs"][0]["spearman"]["value"] == float(rows[1][2])


def test_on_a_terminal_the_command_says_it_in_lines(opened: ts.EmbeddingTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenspace.cli.output.on_terminal", lambda: True)
    questions = tmp_path / "q.txt"
    questions.write_text(": first\nw1 w2 w3 w4\n")
    shown = CliRunner().invoke(main, ["evaluate", "--analogies", str(questions), "--sections", "--method", "3CosAdd"]).output
    assert "q by 3CosAdd: 0.0 [0.0, 79.3] %, 1 of 1 questions" in shown
    assert "first" in shown
    both = CliRunner().invoke(main, ["evaluate", "--against", "other"]).output
    assert "100.0 [100.0, 100.0] % are the same" in both
    assert "orthogonal" in both


def test_the_command_compares_two_tables(opened: ts.EmbeddingTable) -> None:
    document = json.loads(CliRunner().invoke(main, ["evaluate", "--against", "other", "--json", "-k", "3"]).stdout)
    assert document["overlap"] == 1
    assert document["orthogonal"]
    assert document["residual"] == 0


def test_a_file_that_is_not_there_is_bad_use(opened: ts.EmbeddingTable) -> None:
    assert CliRunner().invoke(main, ["evaluate", "--pairs", "nowhere.txt"]).exit_code == 2
