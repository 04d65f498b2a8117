"""Answers to analogy questions, a is to b as c is to what, by 3CosAdd and by 3CosMul, for many questions at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from tokenspace.engines import Local, engine_of
from tokenspace.errors import ArgumentError
from tokenspace.measures import norms
from tokenspace.search import Exact
from tokenspace.search.spread import digest_of, parts_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tokenspace.engines import Engine
    from tokenspace.search.spread import Part

Method = Literal["3CosAdd", "3CosMul"]

METHODS: tuple[Method, ...] = get_args(Method)

EPSILON = 1e-6
"""What 3CosMul adds to its divisor; gensim's number (Levy and Goldberg's was 0.001)."""

ROWS, QUESTIONS = 1024, 128
"""Rows and questions whose scores are computed at a time: 1 MB, which stays in the cache."""

SLACK = 1e-7
"""By how much of itself a score of 3CosMul can be off through the order in which a product sums: some 1e-14 in a cosine, next to a divisor
of at least 1e-6."""


def solve(
    matrix: NDArray[Any],
    questions: NDArray[np.int64],
    exclude: Sequence[NDArray[np.int64]],
    method: Method = "3CosAdd",
    *,
    threads: int | None = None,
    engine: str | Engine | None = None,
) -> NDArray[np.int64]:
    """Return the row that answers each question.

    Parameters
    ----------
    matrix : array of shape (n, d)
        The rows that may answer.
    questions : array of shape (q, 3), int64
        Rows a, b, c of each question: a is to b as c is to what. None may be zero.
    exclude : sequence of q arrays of shape (m,), int64
        Rows that may not answer: those of the question's own words.
    method : "3CosAdd" or "3CosMul"
        The row x with the largest cos(x, b) - cos(x, a) + cos(x, c), or with the largest cos(x, b) cos(x, c) / (cos(x, a) + 1e-6) where
        each cosine is brought to 0..1 as (1 + cos) / 2.
    threads : int, optional
    engine : "local", "ray" or tokenspace.engines.Engine, optional
        Where the rows are gone through, a shard at a time, as `tokenspace.search.Exact` takes it.

    Returns
    -------
    array of shape (q,), int64
        -1 where every row is left out.

    Raises
    ------
    ArgumentError
        If the method is unknown.

    Notes
    -----
    Answers are those of float64, ties to the lower row. 3CosAdd is one exact search for all questions, since its sum is a multiple of the
    cosine with b - a + c of unit vectors. For 3CosMul each distinct word meets each row once, and what comes as near the best as rounding
    is computed again in one order of summation; time O(n·(words·d + q)).

    References
    ----------
    O. Levy, Y. Goldberg, "Linguistic regularities in sparse and explicit word representations", CoNLL 2014.
    """
    if method not in METHODS:
        message = f"method must be one of {', '.join(METHODS)}; seen {method!r}"
        raise ArgumentError(message)
    if not len(questions):
        return np.empty(0, dtype=np.int64)
    words, place = np.unique(questions, return_inverse=True)
    unit = matrix[words].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    place = place.reshape(questions.shape)
    if method == "3CosAdd":
        targets = unit[place[:, 1]] - unit[place[:, 0]] + unit[place[:, 2]]
        return Exact(matrix, "cosine", threads=threads, engine=engine).search(targets, 1, exclude=exclude).ids[:, 0]
    return _largest_products(matrix, unit, place, exclude, Local(threads) if engine is None else engine_of(engine, threads=threads))


@dataclass(frozen=True)
class Products:
    """What every part of the rows is asked by 3CosMul.

    Attributes
    ----------
    unit : array of shape (w, d), float64
        The words' rows, brought to length 1.
    place : array of shape (q, 3), int64
        Which of them each question's a, b and c are.
    of, without : arrays of shape (m,), int64
        Which (question, row) pairs are left out, in order of the row: each block of rows has its own stretch.
    """

    unit: NDArray[np.float64]
    place: NDArray[np.int64]
    of: NDArray[np.int64]
    without: NDArray[np.int64]


def near_products(part: Part, asked: Products) -> dict[str, NDArray[Any]]:
    """Return the (question, row, score) of all rows of a part that come near the best of it: what a worker does, wherever it runs."""
    source, first = part
    rows = rows_of(source)
    own = slice(*np.searchsorted(asked.without, (first, first + len(rows))))
    left_out = asked.of[own], asked.without[own] - first
    question, row, score = _near_best(rows, norms(rows), asked.unit, asked.place, left_out, (0, len(rows)))
    return {"question": question, "row": row + first, "score": score}


def _largest_products(
    matrix: NDArray[Any], unit: NDArray[np.float64], place: NDArray[np.int64], exclude: Sequence[NDArray[np.int64]], engine: Engine
) -> NDArray[np.int64]:
    """Return each question's best row by 3CosMul; `place` says which of the unit vectors its a, b and c are."""
    of, without = np.repeat(np.arange(len(place)), [len(rows) for rows in exclude]), np.concatenate([*exclude, np.empty(0, dtype=np.int64)])
    order = np.argsort(without, kind="stable")
    asked = Products(unit, place, of[order], without[order])
    parts = parts_of(matrix, engine.workers())
    found = [result for _, result in engine.map(near_products, parts, asked, job=lambda: digest_of("near_products", parts, asked))]
    question, row, score = (np.concatenate([part[name] for part in found]) for name in ("question", "row", "score"))
    # What came near the best of its part is judged again, in float64.
    best = np.full(len(place), -np.inf)
    np.maximum.at(best, question, score)
    near = score >= best[question] * (1 - SLACK)
    question, row = question[near], row[near]
    best_row, best_score = np.full(len(place), -1), np.full(len(place), -np.inf)
    for start in range(0, len(row), ROWS):
        at, these = question[start : start + ROWS], row[start : start + ROWS]
        x = matrix[these].astype(np.float64) / np.maximum(norms(matrix, these)[:, None], np.finfo(np.float64).tiny)
        a, b, c = ((1 + np.einsum("ij,ij->i", x, unit[place[at, k]])) / 2 for k in range(3))
        for one, value, candidate in zip(at.tolist(), (b * c / (a + EPSILON)).tolist(), these.tolist(), strict=True):
            if value > best_score[one] or (value == best_score[one] and candidate < best_row[one]):
                best_score[one], best_row[one] = value, candidate
    return best_row


def _near_best(
    matrix: NDArray[Any],
    lengths: NDArray[np.float64],
    unit: NDArray[np.float64],
    place: NDArray[np.int64],
    left_out: tuple[NDArray[np.int64], NDArray[np.int64]],
    part: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return (question, row, score) of all rows of a part that come near the best of it that was seen before or with them."""
    best = np.zeros(len(place))  # no score is below
    out: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for start in range(part[0], part[1], ROWS):
        end = min(start + ROWS, part[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            rows = matrix[start:end] / lengths[start:end, None]
        rows[lengths[start:end] == 0] = 0
        shifted = np.maximum((1 + unit @ rows.T) / 2, 0)
        shifted[:, lengths[start:end] == 0] = 0  # a zero row has no cosine: it comes last
        reciprocal = 1 / (shifted + EPSILON)
        gone = slice(*np.searchsorted(left_out[1], (start, end)))
        by_question = np.argsort(left_out[0][gone], kind="stable")
        of, without = left_out[0][gone][by_question], left_out[1][gone][by_question] - start
        for first in range(0, len(place), QUESTIONS):
            a, b, c = place[first : first + QUESTIONS].T
            scores = shifted[b]
            scores *= shifted[c]
            scores *= reciprocal[a]
            own = slice(*np.searchsorted(of, (first, first + len(a))))
            scores[of[own] - first, without[own]] = -1
            top = scores.max(axis=1)
            old = best[first : first + len(a)]
            hopeful = np.flatnonzero((top >= old * (1 - SLACK)) & (top >= 0))
            np.maximum(old, top, out=old)
            if len(hopeful):
                line, column = np.nonzero(scores[hopeful] >= old[hopeful, None] * (1 - SLACK))
                out.append((hopeful[line] + first, column + start, scores[hopeful[line], column]))
    if not out:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    question, row, score = (np.concatenate(column) for column in zip(*out, strict=True))
    return question, row, score
