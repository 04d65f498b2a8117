"""Problems are made by seed; answers are right in any equal form; wrong ones are told which step went wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tokenspace.errors import ArgumentError, MissingExtraError, OutputError
from tokenspace.practice import KINDS, LECTURE, LEVELS, Surd, lecture_problems, mark, problem, problems, written
from tokenspace.practice.answers import read, read_numbers
from tokenspace.practice.sheets import ENGINES, latex, markdown, pdf

if TYPE_CHECKING:
    from pathlib import Path

EXERCISE = lecture_problems()[1]  # 4*sqrt(3)
COSINE = lecture_problems()[4]  # -3/(2*sqrt(21))


@pytest.mark.parametrize(
    "typed",
    [
        "4*sqrt(3)",
        "4√3",
        "4 sqrt 3",
        "sqrt(48)",
        "√48",
        "6.9282",
        "6.928",
        "6,93",
        "6.92",
        "12/sqrt(3)",
        "12/√3",
        "(12/√3)",
        "2√12",
        "2*2*√3",
        "48^(1/2)",
        "48^0.5",
        "sqrt(12)+sqrt(12)",
        "5√3 − √3",
        r"4\sqrt{3}",
        r"$\frac{8\sqrt{3}}{2}$",
        "= 4√3",
        "d = 4√3",
        "≈ 6.928",
        "4·√3",
        "SQRT(48)",
        "√3*2^2",
        "sqrt(16)*√3",
        "6.928203230275509174",
        "sqrt(2)*sqrt(24)",
        "((4))√(3)",
        "√(8*6)",
    ],
)
def test_the_answer_is_right_in_any_equal_form(typed: str) -> None:
    verdict = mark(EXERCISE, typed)
    assert verdict.correct, verdict.said
    assert verdict.equation is None


@pytest.mark.parametrize("typed", ["7", "6.9", "6.94", "6.91", "-4√3", "4√2", "√47", "48", "6.9283", "6.928203231", "3", "0"])
def test_what_is_not_equal_is_wrong(typed: str) -> None:
    assert not mark(EXERCISE, typed).correct


@pytest.mark.parametrize(
    ("asked", "typed", "said", "equation"),
    [
        (EXERCISE, "48", "takes the root", 9),
        (EXERCISE, "2√5", "u + v", 9),
        (EXERCISE, "12", "squared before they are added", 9),
        (EXERCISE, "√32", "component 1 is missing", 9),
        (lecture_problems()[0], "2√2", "component 2: (-3)² = 9, not -9", 9),
        (EXERCISE, "6.9", "right as far as it goes", 9),
        (COSINE, "-3", "still to be divided by both lengths", 11),
        (COSINE, "-3/√14", "divided by ‖u‖ alone", 11),
        (COSINE, "-3/84", "divided by the squares", 11),
        (COSINE, "3/(2√21)", "product 3", 10),
        (COSINE, "-(2√21)/3", "upside down", 11),
        (lecture_problems()[2], "3", "product 3", 10),
    ],
)
def test_a_slip_is_named_with_its_equation(asked: object, typed: str, said: str, equation: int) -> None:
    verdict = mark(asked, typed)  # type: ignore[arg-type]
    assert not verdict.correct
    assert said in verdict.said
    assert verdict.equation == equation
    assert verdict.exact == written(asked.answer)  # type: ignore[attr-defined]


def test_a_quotient_without_parentheses_is_taken_and_remarked_upon() -> None:
    verdict = mark(COSINE, "-3/2√21")
    assert verdict.correct
    assert "parentheses" in verdict.said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("difficulty", LEVELS)
def test_every_problem_takes_its_own_answer_and_none_of_its_slips(kind: str, difficulty: str) -> None:
    for seed in range(40):
        asked = problem(kind, seed=seed, difficulty=difficulty)
        assert mark(asked, written(asked.answer, asked.form)).correct, asked
        if isinstance(asked.answer, Surd) and asked.answer.radicand != 1 and abs(float(asked.answer)) >= 0.01:
            assert mark(asked, f"{float(asked.answer):.6f}").correct, asked
        for slip in asked.slips:
            verdict = mark(asked, written(slip.answer, asked.form if not isinstance(slip.answer, Surd) else "number"))
            assert not verdict.correct, (asked, slip)
            assert verdict.said == slip.text
            assert verdict.equation == slip.equation


@pytest.mark.parametrize("surds", ["whole", "nice", "nasty"])
def test_difficulty_decides_dimension_and_roots(surds: str) -> None:
    bounds = {"whole": range(1, 2), "nice": range(1, 16), "nasty": range(16, 10**9)}
    for seed in range(20):
        asked = problem("euclidean", seed=seed, dimension=4, surds=surds)
        assert isinstance(asked.answer, Surd)
        assert asked.answer.radicand in bounds[surds]
        assert len(re.findall(r"-?\d+", asked.question)) == 8


def test_the_same_seed_asks_the_same_in_another_process() -> None:
    code = "from tokenspace.practice import problems; print([p.question for p in problems(count=14, seed=3)])"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert other.strip() == str([p.question for p in problems(count=14, seed=3)])
    assert problem("cosine", seed=1).question != problem("cosine", seed=2).question


def test_the_lectures_own_six_are_asked() -> None:
    assert [asked.answer for asked in lecture_problems()] == [worked.answer for worked in LECTURE]
    assert [asked.difficulty for asked in lecture_problems()] == [worked.label for worked in LECTURE]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"kind": "dot"}, "euclidean"),
        ({"kind": "cosine", "difficulty": "brutal"}, "easy, medium, hard"),
        ({"kind": "cosine", "seed": -1}, "from 0 on"),
        ({"kind": "cosine", "dimension": 0}, "1 to 12"),
        ({"kind": "cosine", "surds": "odd"}, "nasty"),
        ({"kind": "cosine", "dimension": 1, "surds": "nasty"}, "among 20,000 draws"),  # the cosine of two numbers is 1 or -1
    ],
)
def test_what_cannot_be_asked_is_said(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        problem(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "foo",
        "__import__('os')",
        "1/0",
        "sqrt(-1)",
        "√",
        "(",
        "4*",
        "9**9**9",
        "2^(2^99)",
        "1" * 40,
        "1" * 300,
        "sqrt",
        "4 sqrt(",
        "2^√2",
        ")",
        "NaN",
        "inf",
        "1e999",
        "(" * 99 + "1",
        "√" * 150 + "2",
    ],
)
def test_what_is_no_number_is_said(typed: str) -> None:
    with pytest.raises(ArgumentError):
        mark(EXERCISE, typed)


def test_numbers_of_a_vector_are_read_as_people_write_them() -> None:
    for typed in ("[1, 0, -2]", "(1,0,-2)", "1 0 -2", "[1; 0; -2]", "z = (1, 0, −2)ᵀ", "1\n0\n-2", "[1 0 -2]^T", "[2/2, 0, -√4]"):
        assert [str(number) for number in read_numbers(typed)] == ["1", "0", "-2"], typed
    for typed in ("4 x 13", "4×13", "4x13", "(4, 13)", "4 13"):
        assert [str(number) for number in read_numbers(typed)] == ["4", "13"], typed


def test_unlike_roots_are_compared_by_sympy() -> None:
    pytest.importorskip("sympy")
    assert mark(EXERCISE, "√2 + 4√3 − √2").correct
    assert mark(EXERCISE, "sqrt(51 + 2*sqrt(48)*1 - 3 - 8*sqrt(3))").correct
    assert not mark(EXERCISE, "√2 + √3").correct
    assert not mark(EXERCISE, "6928203230275509174109785366/10^15/10^12 + √2 - √2").correct
    assert mark(EXERCISE, "(√7+√5)(√7-√5)*2√3").correct


def test_without_sympy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(MissingExtraError, match="practice"):
        read("√2 + √3")
    assert str(read("√2 + √8")) == "3*sqrt(2)"


def test_a_sheet_has_its_key_apart() -> None:
    asked = problems(count=7, seed=1)
    sheet, key = markdown(asked), markdown(asked, key=True)
    for one in asked:
        assert one.question in sheet
        assert one.question in key
        assert f"**{written(one.answer, one.form)}**" in key
        assert one.steps[-1].text not in sheet
    assert sheet.count("\n1. ") == 1
    assert latex(asked).count(r"\item") == 7


def test_a_pdf_is_set_where_latex_is_installed(tmp_path: Path) -> None:
    asked = [problem(kind, seed=seed, difficulty=level) for kind in KINDS for level in LEVELS for seed in range(2)]
    if not any(map(shutil.which, ENGINES)):
        with pytest.raises(MissingExtraError, match="xelatex"):
            pdf(asked, tmp_path / "sheet.pdf")
        return
    for key in (False, True):
        pdf(asked, tmp_path / "sheet.pdf", key=key)
        assert (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(OutputError, match="cannot be written"):
        pdf(asked, tmp_path / "missing" / "sheet.pdf")


def _run(*arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tokenspace", "practice", *arguments]
    return subprocess.run(command, input=answers, capture_output=True, text=True, encoding="utf-8", check=False)


def test_the_command_marks_answers_from_a_pipe() -> None:
    done = _run("--lecture", answers="√26\n48\n-3\nseven\n")
    verdicts = [line.split("\t")[2] for line in done.stdout.splitlines()[1:]]
    assert verdicts == ["right", "wrong", "right", "wrong"]
    assert "2 of 4 right" in done.stderr
    assert done.returncode == 0


def test_the_command_writes_sheet_and_key(tmp_path: Path) -> None:
    done = _run("--seed", "4", "-n", "8", "--sheet", str(tmp_path / "sheet.md"), "--key", str(tmp_path / "key.tex"))
    assert done.returncode == 0, done.stderr
    assert "8. " in (tmp_path / "sheet.md").read_text(encoding="utf-8")
    assert r"\begin{enumerate}" in (tmp_path / "key.tex").read_text(encoding="utf-8")
    assert _run("--sheet", str(tmp_path / "sheet.doc")).returncode == 2
    document = json.loads(_run("--seed", "4", "-n", "2", "--json").stdout)
    assert [one["label"] for one in document] == ["euclidean/medium/4", "inner_product/medium/5"]


def test_the_options_are_those_of_the_package() -> None:
    from tokenspace.cli import practice as command

    assert tuple(KINDS) == command.KINDS
    assert tuple(LEVELS) == command.DIFFICULTIES
