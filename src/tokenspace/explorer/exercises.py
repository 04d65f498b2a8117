"""The lecture's exercises for the page: asked on fresh numbers, marked against exact answers; `tokenspace.practice` does both."""

from __future__ import annotations

from typing import Any

from tokenspace import practice


def asked(kind: str, seed: int, level: str) -> dict[str, Any]:
    """Return an exercise, without its answer.

    Parameters
    ----------
    kind : str
        One of `tokenspace.practice.KINDS`; empty, the first.
    seed : int
        The same seed gives the same numbers.
    level : str
        One of `tokenspace.practice.LEVELS`; empty, the first.

    Returns
    -------
    dict
    """
    problem = practice.problem(kind or next(iter(practice.KINDS)), seed=seed, difficulty=level or next(iter(practice.LEVELS)))
    return {
        "kinds": dict(practice.KINDS),
        "levels": list(practice.LEVELS),
        "kind": problem.kind,
        "level": problem.difficulty,
        "seed": problem.seed,
        "question": problem.question,
        "form": problem.form,
    }


def marked(kind: str, seed: int, level: str, answer: str) -> dict[str, Any]:
    """Return what is to be said of an answer to the exercise that `asked` gives for the same arguments.

    The exact answer and the steps are told with it: the page keeps them folded until they are wanted.
    """
    problem = practice.problem(kind or next(iter(practice.KINDS)), seed=seed, difficulty=level or next(iter(practice.LEVELS)))
    verdict = practice.mark(problem, answer)
    return {
        "correct": verdict.correct,
        "said": verdict.said,
        "equation": verdict.equation,
        "exact": verdict.exact,
        "steps": [{"text": step.text, "equation": step.equation} for step in verdict.steps],
    }
