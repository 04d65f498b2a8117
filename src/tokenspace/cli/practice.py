"""``tokenspace practice``: the lecture's exercises on fresh numbers, marked as they are answered; or sheets for a class."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokenspace.cli import output
from tokenspace.errors import ArgumentError, MissingExtraError, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenspace.practice import Problem

KINDS = ("euclidean", "inner_product", "cosine", "identity", "one_hot", "lookup", "extension")
DIFFICULTIES = ("easy", "medium", "hard")
"""As in `tokenspace.practice`; written out so that --help imports nothing."""

TRIES = 2
"""Answers taken to one question on a terminal before the worked answer is shown."""

EXAMPLES = """\b
tokenspace practice
tokenspace practice --kind cosine --difficulty hard --count 5
tokenspace practice --lecture
tokenspace practice --seed 12 --count 20 --sheet sheet.md --key key.md
"""


@click.command("practice", epilog=EXAMPLES)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="What is asked.  [repeatable; default: all, in turn]")
@click.option("--difficulty", type=click.Choice(DIFFICULTIES), default="medium", show_default=True, help="Dimension, numbers and roots.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="The same seed asks the same questions.  [default: another one each day]")
@click.option("-n", "--count", type=click.IntRange(1, 500), default=10, show_default=True, metavar="N", help="How many questions.")
@click.option("--lecture", is_flag=True, help="The lecture's own six instead.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Write the questions to a .md, .tex or .pdf file instead.")
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path), help="Write the worked answers to a .md, .tex or .pdf file.")
@output.json_option
def command(
    kinds: tuple[str, ...],
    difficulty: str,
    seed: int | None,
    count: int,
    *,
    lecture: bool,
    sheet: Path | None,
    key: Path | None,
    as_json: bool,
) -> None:
    """Answer the lecture's exercises on fresh numbers.

    An answer is right in any equal form: 4*sqrt(3), 4√3, sqrt(48), 6.928. A wrong one is told which step went wrong, and its equation.
    "?" shows the first step, an empty line passes, "q" stops. In a pipe, answers are read one a line. With --json alone, the questions
    and their answers are printed.
    """
    from tokenspace import practice  # noqa: PLC0415 - fractions are wanted here alone

    if seed is None:
        seed = int(time.time()) // 86_400 * 1000
        output.note(f"seed {seed}: --seed {seed} asks the same again")
    asked = practice.lecture_problems() if lecture else practice.problems(kinds or None, count=count, seed=seed, difficulty=difficulty)
    if sheet or key:
        _write_sheets(asked, sheet, key)
    elif as_json:
        output.write_json([_document(problem) for problem in asked])
    elif sys.stdin.isatty() and output.on_terminal():
        _converse(asked)
    else:
        _mark_lines(asked)


def _document(problem: Problem) -> dict[str, object]:
    """Return a question, its answer and steps for JSON."""
    from tokenspace.practice import written  # noqa: PLC0415 - as above

    steps = [{"text": step.text, "equation": step.equation} for step in problem.steps]
    answer = written(problem.answer, problem.form)
    return {
        "label": problem.label,
        "kind": problem.kind,
        "question": problem.question,
        "form": problem.form,
        "answer": answer,
        "steps": steps,
    }


def _write_sheets(asked: Sequence[Problem], sheet: Path | None, key: Path | None) -> None:
    from tokenspace.practice import sheets  # noqa: PLC0415 - wanted here alone

    for path, with_answers in ((sheet, False), (key, True)):
        if path is None:
            continue
        texts = {".md": sheets.markdown, ".tex": sheets.latex}
        if path.suffix == ".pdf":
            sheets.pdf(asked, path, key=with_answers)
        elif path.suffix in texts:
            try:
                path.write_text(texts[path.suffix](asked, key=with_answers), encoding="utf-8")
            except OSError as error:
                message = f"{path} cannot be written: {error.strerror}"
                raise OutputError(message) from error
        else:
            message = f"expected a .md, .tex or .pdf file for a sheet, got {str(path)!r}"
            raise ArgumentError(message)
        output.note(f"{path}: {len(asked)} questions{' with their answers' if with_answers else ''}")


def _converse(asked: Sequence[Problem]) -> None:
    """Ask on a terminal, mark each answer, and say the score."""
    console = output.console()
    results: list[bool] = []
    for place, problem in enumerate(asked, 1):
        console.print(f"\n{place}/{len(asked)}  {problem.label}", style="dim")
        console.print(problem.question, style="bold")
        result = _ask(problem)
        if result is None:
            break
        results.append(result)
    console.print(f"\n{sum(results)} of {len(results)} right", style="bold")


def _ask(problem: Problem) -> bool | None:
    """Take answers to one question until it is right, passed or worked out; None where the user stops."""
    from tokenspace.practice import mark, written  # noqa: PLC0415 - as above

    console = output.console()
    tries = 0
    while tries < TRIES:
        try:
            line = input("> ").strip()
        except EOFError:
            return None
        if line in {"", "q"}:
            break
        if line == "?":
            console.print(f"  {problem.steps[0].text} ({problem.steps[0].equation})")
            continue
        try:
            verdict = mark(problem, line)
        except (ArgumentError, MissingExtraError) as error:  # cannot be judged: said, and asked again
            console.print(f"  {error}")
            continue
        tries += 1
        where = "" if verdict.equation is None else f" ({verdict.equation})"
        console.print(f"  {'✓' if verdict.correct else '✗'} {verdict.said}{where}", style="green" if verdict.correct else "red")
        if verdict.correct:
            return True
    for step in problem.steps:
        console.print(f"  {step.text} ({step.equation})", style="dim")
    console.print(f"  {written(problem.answer, problem.form)}")
    return None if tries < TRIES and line == "q" else False


def _mark_lines(asked: Sequence[Problem]) -> None:
    """Read one answer a line from standard input and print a verdict a line, the score on standard error."""
    from tokenspace.practice import mark, written  # noqa: PLC0415 - as above

    rows = []
    right = 0
    for problem in asked:
        line = sys.stdin.readline()
        if not line:
            break
        try:
            verdict = mark(problem, line.strip())
            said, correct = verdict.said, verdict.correct
        except (ArgumentError, MissingExtraError) as error:
            said, correct = error.message, False
        right += correct
        rows.append((problem.label, line.strip(), "right" if correct else "wrong", written(problem.answer, problem.form), said))
    output.write_lines(("problem", "answer", "verdict", "exact", "said"), rows)
    output.note(f"{right} of {len(rows)} right")
