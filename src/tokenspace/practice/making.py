"""Fresh problems of the lecture's seven kinds, by seed and difficulty.

>>> fresh = problem("euclidean", seed=7)
>>> print(fresh.question)
u = [-2, -2, 4] and v = [-1, 3, 3]. Find the Euclidean distance of u and v.
>>> print(fresh.answer)
3*sqrt(3)
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tokenspace.errors import ArgumentError
from tokenspace.practice.kinds import ABOUT, KINDS, MAKERS
from tokenspace.practice.lecture import LECTURE
from tokenspace.practice.questions import LEVELS, SURDS, Level, Problem, Slip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokenspace.practice.questions import Draft

DRAWS = 20_000
"""Pairs tried before a wish is called impossible. The rarest that can be had, whole cosines of two small vectors, take some 200."""

MAX_DIMENSION = 12
"""More numbers are no exercise any more."""


def problem(kind: str, *, seed: int = 0, difficulty: str = "medium", dimension: int | None = None, surds: str | None = None) -> Problem:
    """Make a problem.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    seed : int, default 0
        From 0 on; another seed gives other numbers.
    difficulty : {"easy", "medium", "hard"}
        Sets dimension, size of numbers and roots: `LEVELS`.
    dimension : int, optional
        1 to 12, instead of the difficulty's.
    surds : {"whole", "nice", "nasty"}, optional
        Instead of the difficulty's. Only for the measures and the identity.

    Returns
    -------
    Problem

    Raises
    ------
    ArgumentError
        If there is no such kind, difficulty, dimension or wish, or no such numbers were found.

    Notes
    -----
    Numbers are drawn until the answer has the wished-for roots: microseconds to some milliseconds. Slips that happen to give the
    right answer are left out.

    Examples
    --------
    >>> print(problem("cosine", seed=1, difficulty="easy").answer)
    -8/17
    >>> problem("extension", seed=2).form
    'shape'
    """
    _one_of("kind", kind, KINDS)
    _one_of("difficulty", difficulty, LEVELS)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        message = f"expected a whole number from 0 on as the seed, got {seed!r}"
        raise ArgumentError(message)
    level = LEVELS[difficulty]
    if dimension is not None:
        if not isinstance(dimension, int) or not 1 <= dimension <= MAX_DIMENSION:
            message = f"expected a dimension of 1 to {MAX_DIMENSION}, got {dimension!r}"
            raise ArgumentError(message)
        level = Level(dimension, level.largest, level.surds)
    if surds is not None:
        _one_of("surds", surds, SURDS)
        level = Level(level.dimension, level.largest, surds)  # type: ignore[arg-type] # checked in the line above
    random = Random(f"{kind}/{level.dimension}/{level.largest}/{level.surds}/{seed}")  # noqa: S311 - exercises need no secrecy
    for _ in range(DRAWS):
        draft = MAKERS[kind](random, level)
        if draft is not None:
            return Problem(kind, difficulty, seed, draft.question, draft.form, draft.answer, draft.steps, _real_slips(draft))
    message = f"no {kind} problem of dimension {level.dimension} with {level.surds} surds among {DRAWS:,} draws"
    raise ArgumentError(message, hint="wish for other surds, or a larger dimension")


def problems(kinds: Iterable[str] | None = None, *, count: int = 10, seed: int = 0, difficulty: str = "medium") -> list[Problem]:
    """Make several problems, the kinds taking turns.

    Parameters
    ----------
    kinds : iterable of str, optional
        Default: all of `KINDS`.
    count : int, default 10
    seed : int, default 0
        The first problem's; the next ones count on from it.
    difficulty : {"easy", "medium", "hard"}

    Returns
    -------
    list of Problem

    Raises
    ------
    ArgumentError
        As `problem`; and if ``count`` is below 1 or no kind is given.

    Examples
    --------
    >>> [p.label for p in problems(["euclidean", "cosine"], count=3, seed=5)]
    ['euclidean/medium/5', 'cosine/medium/6', 'euclidean/medium/7']
    """
    names = list(KINDS if kinds is None else kinds)
    if count < 1 or not names:
        message = f"expected at least one problem of at least one kind, got count={count!r} and kinds={names!r}"
        raise ArgumentError(message)
    return [problem(names[i % len(names)], seed=seed + i, difficulty=difficulty) for i in range(count)]


def lecture_problems() -> list[Problem]:
    """Return the six worked answers of the lecture's section 5.1 as problems, to be marked like the others.

    Returns
    -------
    list of Problem

    Examples
    --------
    >>> [str(asked.answer) for asked in lecture_problems()][:2]
    ['sqrt(26)', '4*sqrt(3)']
    """
    drafts = [(worked, ABOUT[worked.measure](worked.u, worked.v)) for worked in LECTURE]
    return [
        Problem(worked.measure, worked.label, 0, draft.question, draft.form, draft.answer, draft.steps, _real_slips(draft))
        for worked, draft in drafts
    ]


def _one_of(what: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        message = f"expected one of {', '.join(known)} as {what}, got {value!r}"
        raise ArgumentError(message)


def _real_slips(draft: Draft) -> tuple[Slip, ...]:
    """Leave out what gives the right answer, and what an earlier slip gives already."""
    kept: list[Slip] = []
    for slip in draft.slips:
        if slip.answer != draft.answer and all(slip.answer != other.answer for other in kept):
            kept.append(slip)
    return tuple(kept)
