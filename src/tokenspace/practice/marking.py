"""Mark an answer: right in any equal form, or wrong with the step that went wrong and the lecture's equation for it.

>>> from tokenspace.practice import problem
>>> asked = problem("euclidean", seed=7)
>>> mark(asked, "√27").correct, mark(asked, "5.20").correct
(True, True)
>>> print(mark(asked, "27").said)
27 is the square of the distance: the last step takes the root
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tokenspace.practice.answers import read, read_numbers
from tokenspace.practice.surds import Surd

if TYPE_CHECKING:
    from tokenspace.practice.answers import Reading
    from tokenspace.practice.questions import Answer, Problem, Step

LEAST_DIGITS = 3
"""Significant digits that a decimal must give where the answer has more: 6.93 names 4*sqrt(3), 7 does not."""


@dataclass(frozen=True)
class Verdict:
    """What is to be said of an answer.

    Parameters
    ----------
    correct : bool
    said : str
        One sentence: that it is right, or which step went wrong.
    equation : int or None
        The lecture's equation for that step; None where the answer is right.
    exact : str
        The exact answer.
    steps : tuple of Step
        How it is found.
    """

    correct: bool
    said: str
    equation: int | None
    exact: str
    steps: tuple[Step, ...]


def mark(problem: Problem, answer: str) -> Verdict:
    """Mark an answer.

    Parameters
    ----------
    problem : Problem
    answer : str
        As `tokenspace.practice.answers.read` reads it; a vector or a shape as numbers side by side.

    Returns
    -------
    Verdict

    Raises
    ------
    ArgumentError
        If it cannot be read as a number, or as numbers.
    MissingExtraError
        If it needs SymPy (extra ``[practice]``) to be compared.

    Notes
    -----
    A decimal is right if it has at least three significant digits and is the exact answer rounded or cut off there; an answer that
    has an end has to be given to its end. Slips are found by working the problem
    out with each of them; an answer that none of them gives is shown the steps.

    Examples
    --------
    >>> from tokenspace.practice import problem
    >>> verdict = mark(problem("lookup", seed=1, difficulty="easy"), "[0 0]")
    >>> verdict.correct, verdict.equation
    (False, 7)
    """
    exact = written(problem.answer, problem.form)
    if problem.form == "number":
        right, note = _mark_number(problem.answer, answer)  # type: ignore[arg-type] # the answer to a number is a Surd
        given: Any = read(answer)
        slips = (slip for slip in problem.slips if isinstance(slip.answer, Surd) and _equal(given, slip.answer))
    else:
        given = read_numbers(answer)
        right, note = _same_numbers(given, problem.answer), ""  # type: ignore[arg-type] # here it is a tuple
        slips = (slip for slip in problem.slips if isinstance(slip.answer, tuple) and _same_numbers(given, slip.answer))
    if right:
        return Verdict(correct=True, said=note or "right", equation=None, exact=exact, steps=problem.steps)
    slip = next(slips, None)
    if slip is not None and not note:
        return Verdict(correct=False, said=slip.text, equation=slip.equation, exact=exact, steps=problem.steps)
    return Verdict(correct=False, said=note or _from_the_start(problem, given), equation=problem.equation, exact=exact, steps=problem.steps)


def written(answer: Answer, form: str = "number") -> str:
    """Write an exact answer as the lecture does.

    Parameters
    ----------
    answer : Surd or tuple of Surd
    form : {"number", "vector", "shape"}

    Returns
    -------
    str

    Examples
    --------
    >>> written((Surd.rational(4), Surd.rational(13)), "shape")
    '4 x 13'
    """
    if isinstance(answer, Surd):
        return str(answer)
    return " x ".join(map(str, answer)) if form == "shape" else f"[{', '.join(map(str, answer))}]"


def _mark_number(exact: Surd, typed: str) -> tuple[bool, str]:
    """Return whether a number is right, and what is to be said beside right or wrong; empty where there is nothing."""
    given = read(typed)
    if _equal(given, exact):
        return True, ""
    if given.places is not None and _close(given, exact):
        return False, f"right as far as it goes: give {LEAST_DIGITS} digits or more, or the exact answer"
    bound = read(typed, tight=True)
    if bound.exact != given.exact and _equal(bound, exact):
        return True, f"right, read as {exact}: write the parentheses, a/bc is (a/b)c to many readers"
    return False, ""


def _equal(given: Reading, exact: Surd) -> bool:
    """Compare, exactly or for a decimal as closely as it was given."""
    if not isinstance(given.exact, Surd):
        return _equal_symbolic(given.exact, exact)
    if given.exact == exact:
        return True
    return given.places is not None and given.digits >= LEAST_DIGITS and _endless(exact) and _close(given, exact)


def _endless(exact: Surd) -> bool:
    """Return whether no decimal is the number itself: roots, and fractions such as 1/3."""
    denominator = exact.square.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return exact.radicand != 1 or denominator != 1


def _close(given: Reading, exact: Surd) -> bool:
    """Return whether a decimal is the exact number rounded, or cut off, at its last place."""
    unit, value = Fraction(1, 10 ** (given.places or 0)), given.exact.fraction
    low, high = Surd.rational(abs(value) - unit / 2), Surd.rational(abs(value) + unit)
    return bool(given.exact.sign == exact.sign and low <= Surd(abs(exact.sign), exact.square) < high)


def _equal_symbolic(given: Any, exact: Surd) -> bool:
    import sympy  # noqa: PLC0415 - `read` has imported it already

    difference = given - exact.sign * sympy.sqrt(sympy.Rational(exact.square.numerator, exact.square.denominator))
    if abs(difference.evalf(50)) > sympy.Float("1e-40"):
        return False
    return bool(sympy.simplify(difference) == 0)


def _same_numbers(given: tuple[Reading, ...], exact: tuple[Surd, ...]) -> bool:
    return len(given) == len(exact) and all(_equal(a, b) for a, b in zip(given, exact, strict=True))


def _from_the_start(problem: Problem, given: Any) -> str:
    if isinstance(given, tuple) and isinstance(problem.answer, tuple) and len(given) != len(problem.answer):
        return f"the answer has {len(problem.answer)} numbers, not {len(given)}"
    return f"not that; it starts with {problem.steps[0].text}"
