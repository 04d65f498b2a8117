"""Sheets of problems for a class, with a separate key: Markdown, LaTeX, or PDF where LaTeX is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tokenspace.errors import MissingExtraError, OutputError
from tokenspace.practice.marking import written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenspace.practice.questions import Problem

ENGINES = ("xelatex", "lualatex", "tectonic")
"""Programs that set a sheet, the first that is there; each of them takes Unicode."""

SIGNS = {
    "−": "-",
    "·": r"\cdot ",
    "×": r"\times ",
    "²": "^2",
    "ᵀ": r"^{\top}",
    "…": r"\dots ",
    "‖": r"\Vert ",
    "⟨": r"\langle ",
    "⟩": r"\rangle ",
    "*": "",
}
"""Signs of the plain text and their names in LaTeX."""

LETTER = r"(?<![A-Za-z])(?:[a-zA-Z]_\w+|[b-zB-Z]|Wx|cos)(?![A-Za-z_])"
FORMULA = re.compile(rf"(?:sqrt\(\d+\)|√\d*|{LETTER}|\d+|[-−+*/=·×²ᵀ…‖⟨⟩(),\[\]{{}}; ])+")
"""A run of numbers, signs, and letters that stand alone (but "a"): what is set as a formula."""


def markdown(problems: Sequence[Problem], *, key: bool = False, title: str = "Practice") -> str:
    """Write a sheet as Markdown.

    Parameters
    ----------
    problems : sequence of Problem
    key : bool, default False
        Whether to write the answers and their steps below each problem.
    title : str, default "Practice"

    Returns
    -------
    str

    Examples
    --------
    >>> from tokenspace.practice import problems
    >>> print(markdown(problems(["inner_product"], count=1), key=True))  # doctest: +ELLIPSIS
    # Practice: key
    <BLANKLINE>
    1. u = ... Find the standard inner product of u and v.
    <BLANKLINE>
       - ...
    """
    lines = [f"# {title}{': key' if key else ''}", ""]
    for place, problem in enumerate(problems, 1):
        lines += [f"{place}. {problem.question}", ""]
        if key:
            lines += [f"   - {step.text} ({step.equation})" for step in problem.steps]
            lines += [f"   - **{written(problem.answer, problem.form)}**", ""]
    numbers = ", ".join(problem.label for problem in problems)
    return "\n".join([*lines, f"Made by `tokenspace practice`: {numbers}. Numbers in parentheses are the lecture's equations.", ""])


def latex(problems: Sequence[Problem], *, key: bool = False, title: str = "Practice") -> str:
    """Write a sheet as a LaTeX document, for an engine that takes Unicode.

    Parameters
    ----------
    problems : sequence of Problem
    key : bool, default False
        Whether to write the answers and their steps.
    title : str, default "Practice"

    Returns
    -------
    str
    """
    body = []
    for problem in problems:
        body.append(rf"\item {_tex(problem.question)}")
        if key:
            steps = "".join(rf"\item {_tex(step.text)} \hfill ({step.equation})" for step in problem.steps)
            answer = _tex(written(problem.answer, problem.form))
            body.append(rf"\begin{{itemize}}{steps}\item \textbf{{{answer}}}\end{{itemize}}")
        else:
            body.append(r"\vspace{3.5cm}")
    heading = _tex(f"{title}{': key' if key else ''}")
    return "\n".join(
        [
            r"\documentclass[a4paper]{article}",
            r"\usepackage{amsmath}\usepackage{amssymb}",
            r"\usepackage[margin=2.5cm]{geometry}",
            r"\begin{document}",
            rf"\section*{{{heading}}}",
            r"\begin{enumerate}",
            *body,
            r"\end{enumerate}",
            r"\end{document}",
            "",
        ]
    )


def pdf(problems: Sequence[Problem], out: str | Path, *, key: bool = False, title: str = "Practice") -> None:
    """Write a sheet as PDF.

    Parameters
    ----------
    problems : sequence of Problem
    out : path
        Replaced if it is there.
    key : bool, default False
    title : str, default "Practice"

    Raises
    ------
    MissingExtraError
        If no LaTeX engine of `ENGINES` is installed.
    OutputError
        If LaTeX failed or the file cannot be written.
    """
    engine = next((found for name in ENGINES if (found := shutil.which(name))), None)
    if engine is None:
        message = f"a PDF is set by LaTeX, and none of {', '.join(ENGINES)} is installed"
        raise MissingExtraError(message, hint="install TeX Live (texlive-xetex), or write the sheet as .md or .tex")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "sheet.tex"
        source.write_text(latex(problems, key=key, title=title), encoding="utf-8")
        options = [] if engine.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
        done = subprocess.run(  # noqa: S603 - an engine found on PATH, a document of our own
            [engine, *options, source.name], cwd=folder, capture_output=True, text=True, errors="replace", check=False, timeout=120
        )
        made = source.with_suffix(".pdf")
        if done.returncode or not made.is_file():
            told = next((line for line in done.stdout.splitlines() if line.startswith("!")), "no message")
            message = f"{Path(engine).name} left with {done.returncode}: {told}"
            raise OutputError(message)
        try:
            shutil.copyfile(made, out)
        except OSError as error:
            message = f"{out} cannot be written: {error.strerror}"
            raise OutputError(message) from error


def _tex(text: str) -> str:
    """Return plain text of a problem as LaTeX: words as they are, runs of numbers and signs as formulas."""
    pieces, place = [], 0
    for run in FORMULA.finditer(text):
        formula = run[0].strip(" ,;")
        while formula.count("(") != formula.count(")") and {formula[:1], formula[-1:]} & set("()"):
            formula = (formula[1:] if formula[0] in "()" else formula[:-1]).strip()
        if not re.search(r"\w|[‖⟨√]", formula):
            continue
        start = run.start() + run[0].index(formula)
        pieces += [_escaped(text[place:start]), f"${_formula(formula)}$"]
        place = start + len(formula)
    return "".join([*pieces, _escaped(text[place:])])


def _escaped(words: str) -> str:
    return re.sub(r"([&%#{}_$])", r"\\\1", words)


def _formula(plain: str) -> str:
    plain = re.sub(r"(\d) x (?=\d)", r"\1×", plain)
    plain = re.sub(r"([{}])", r"\\\1", plain)
    plain = re.sub(r"sqrt\((\d+)\)|√(\d+)", lambda found: rf"\sqrt{{{found[1] or found[2]}}}", plain)
    plain = re.sub(r"√\(([^()]*(?:\([^()]*\)[^()]*)*)\)", r"\\sqrt{\1}", plain)
    plain = re.sub(r"([a-zA-Z])_(\w+)", r"\1_{\\mathrm{\2}}", plain)
    plain = re.sub(r"\bcos\b", r"\\cos", plain)
    for sign, name in SIGNS.items():
        plain = plain.replace(sign, name)
    return re.sub(r"\[([^\]]*;[^\]]*)\]", _matrix, plain)


def _matrix(found: re.Match[str]) -> str:
    rows = r" \\ ".join(" & ".join(row.split()) for row in found[1].split(";"))
    return rf"\begin{{bmatrix}}{rows}\end{{bmatrix}}"
