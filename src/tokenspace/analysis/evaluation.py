"""How well a table agrees with people: correlation with judged pairs, share of analogy questions answered, each with its interval."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.analysis import correlation
from tokenspace.analysis.analogies import METHODS, Method, solve
from tokenspace.analysis.correlation import UNKNOWN, Estimate
from tokenspace.analysis.question_files import (
    STANDARD_ANALOGIES,
    STANDARD_PAIRS,
    Analogies,
    JudgedPairs,
    read_analogies,
    read_pairs,
    standard_file,
)
from tokenspace.errors import ArgumentError
from tokenspace.measures import listed_pairs, norms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from tokenspace.engines import Engine
    from tokenspace.table import EmbeddingTable

RESTRICT = 300_000
"""Rows looked at, from the first: the number of word2vec's and gensim's evaluations, so that figures compare."""

Question = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class PairsScore:
    """How a table's cosines go with people's judgements of pairs.

    Attributes
    ----------
    name : str
        Of the test set.
    spearman, pearson : Estimate
        Correlations, -1..1, with their intervals.
    used, total : int
        Pairs that were measured, and pairs in the set.
    missing : tuple of str
        Words without a row, in order of appearance.
    zero : tuple of str
        Words whose row is zero, so that it has no cosine.
    """

    name: str
    spearman: Estimate
    pearson: Estimate
    used: int
    total: int
    missing: tuple[str, ...]
    zero: tuple[str, ...]

    @property
    def coverage(self) -> float:
        """Share of the pairs that were measured, 0..1."""
        return self.used / self.total if self.total else 0.0

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.name}: Spearman {self.spearman}, Pearson {self.pearson}, {self.used} of {self.total} pairs"


@dataclass(frozen=True, slots=True)
class SectionScore:
    """Answers to one section of analogy questions.

    Attributes
    ----------
    name : str
    correct, incorrect : tuple of (str, str, str, str)
        The questions, as the file has them.
    total : int
        Questions in the section, those with unknown words among them.
    accuracy : Estimate
    """

    name: str
    correct: tuple[Question, ...]
    incorrect: tuple[Question, ...]
    total: int
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class AnalogyScore:
    """Answers to a set of analogy questions by one method.

    Attributes
    ----------
    name, method : str
    accuracy : Estimate
        Share of the questions answered that are answered right, 0..1.
    used, total : int
        Questions answered, and questions in the set.
    sections : tuple of SectionScore
    """

    name: str
    method: Method
    accuracy: Estimate
    used: int
    total: int
    sections: tuple[SectionScore, ...]

    @property
    def coverage(self) -> float:
        """Share of the questions that were answered, 0..1."""
        return self.used / self.total if self.total else 0.0

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.name} by {self.method}: {self.accuracy} %, {self.used:,} of {self.total:,} questions"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one table; as text, one line a test set.

    Attributes
    ----------
    pairs : tuple of PairsScore
    analogies : tuple of AnalogyScore
    """

    pairs: tuple[PairsScore, ...]
    analogies: tuple[AnalogyScore, ...]

    def __str__(self) -> str:
        """Say it in one line a test set."""
        return "\n".join(map(str, (*self.pairs, *self.analogies)))


def evaluate(  # noqa: PLR0913 - each says how
    table: EmbeddingTable,
    pairs: Sequence[JudgedPairs | str | os.PathLike[str]] | None = None,
    *,
    analogies: Sequence[Analogies | str | os.PathLike[str]] | None = None,
    methods: Iterable[Method] = METHODS,
    restrict: int | None = RESTRICT,
    fold_case: bool = True,
    confidence: float = 0.95,
    threads: int | None = None,
    engine: str | Engine | None = None,
) -> Evaluation:
    """Hold a table against people's judgements of pairs, and let it answer analogy questions.

    Parameters
    ----------
    table : EmbeddingTable
    pairs : sequence of paths or JudgedPairs, optional
        Left out together with `analogies`, WordSim-353 and SimLex-999 from gensim's wheel; else none.
    analogies : sequence of paths or Analogies, optional
        Left out together with `pairs`, the questions of word2vec from gensim's wheel; else none.
    methods : iterable of "3CosAdd" and "3CosMul", default both
    restrict : int or None, default 300,000
        Only so many of the first rows are known, as word2vec and gensim have it: tables begin with their frequent words. None: all.
    fold_case : bool, default True
        Whether words that differ in case only are one: the first row that has one of the spellings stands for all of them.
    confidence : float, default 0.95
        Of the intervals.
    threads : int, optional
        Default: as many as CPUs this process may use. The scores are the same for any number.
    engine : "local", "ray" or tokenspace.engines.Engine, optional
        Where analogies are answered, a shard at a time, as `tokenspace.search.Exact` takes it. The scores are the same.

    Returns
    -------
    Evaluation

    Raises
    ------
    MissingExtraError
        If the standard sets are wanted and gensim is not installed.
    FileContentError
        In one of its kinds, with the line, if a file is not what it should be.
    ArgumentError
        If an argument is outside.

    Notes
    -----
    The vice: what a word's row was never trained for cannot be asked, and unknown words are left out as everybody does it; a score from
    little coverage says little. Compare tables over one vocabulary, and look at the intervals before telling 41 from 42.

    Examples
    --------
    >>> from tokenspace import EmbeddingTable
    >>> table = EmbeddingTable(["cat", "dog", "car", "bus"], [[2, 1], [2, 2], [-3, 1], [-4, 1]])
    >>> judged = JudgedPairs("mine", (("cat", "Dog"), ("car", "bus"), ("dog", "car"), ("bus", "cat")), (8.0, 9.0, 1.0, 2.0))
    >>> print(evaluate(table, [judged]))
    mine: Spearman 80.0 [-81.9, 99.8], Pearson 96.8 [10.6, 99.9], 4 of 4 pairs
    """
    if pairs is None and analogies is None:
        pairs = [read_pairs(standard_file(name), name=name) for name in STANDARD_PAIRS]
        analogies = [read_analogies(standard_file(name), name=name) for name in STANDARD_ANALOGIES]
    judged = [read_pairs(item) if isinstance(item, (str, os.PathLike)) else item for item in pairs or ()]
    asked = [read_analogies(item) if isinstance(item, (str, os.PathLike)) else item for item in analogies or ()]
    known: dict[str, Any] = {"restrict": restrict, "fold_case": fold_case, "confidence": confidence}
    return Evaluation(
        tuple(evaluate_pairs(table, item, **known) for item in judged),
        tuple(evaluate_analogies(table, item, method, threads=threads, engine=engine, **known) for item in asked for method in methods),
    )


def evaluate_pairs(
    table: EmbeddingTable,
    judged: JudgedPairs,
    *,
    restrict: int | None = RESTRICT,
    fold_case: bool = True,
    confidence: float = 0.95,
) -> PairsScore:
    """Correlate a table's cosines with people's judgements; parameters as `evaluate`.

    Returns
    -------
    PairsScore
        Its correlations are NaN where too few pairs are known, or one side does not vary.

    Raises
    ------
    ArgumentError
        If `restrict` is not positive or `confidence` not between 0 and 1.
    """
    words = [word for pair in judged.pairs for word in pair]
    rows = _Spellings(table, words, restrict, fold_case=fold_case)
    ids = np.array([rows.first(word) for word in words], dtype=np.int64).reshape(-1, 2)
    zero = (ids >= 0) & (norms(table.matrix, np.maximum(ids, 0).ravel()).reshape(-1, 2) == 0)
    usable = ((ids >= 0) & ~zero).all(axis=1)
    left, right = ids[usable].T.copy()
    cosines = listed_pairs("cosine", table.matrix, table.matrix, left, right)
    scores = np.array(judged.scores, dtype=np.float64)[usable]
    return PairsScore(
        judged.name,
        correlation.spearman(cosines, scores, confidence),
        correlation.pearson(cosines, scores, confidence),
        int(usable.sum()),
        len(judged.pairs),
        tuple(dict.fromkeys(word for word, row in zip(words, ids.ravel(), strict=True) if row < 0)),
        tuple(dict.fromkeys(word for word, flat in zip(words, zero.ravel(), strict=True) if flat)),
    )


def evaluate_analogies(
    table: EmbeddingTable,
    asked: Analogies,
    method: Method = "3CosAdd",
    *,
    restrict: int | None = RESTRICT,
    fold_case: bool = True,
    confidence: float = 0.95,
    threads: int | None = None,
    engine: str | Engine | None = None,
) -> AnalogyScore:
    """Let a table answer analogy questions; parameters as `evaluate`.

    Returns
    -------
    AnalogyScore
        A question's own words, in any case where case is folded, are no answers to it. Questions with an unknown word, or a word whose row
        is zero, are left out.

    Raises
    ------
    ArgumentError
        If the method is unknown, `restrict` is not positive or `confidence` not between 0 and 1.

    Notes
    -----
    The vice of the interval: thousands of questions are made of a few hundred pairs, so the true one is wider.
    """
    questions = [question for _, section in asked.sections for question in section]
    rows = _Spellings(table, [word for question in questions for word in question], restrict, fold_case=fold_case)
    ids = np.array([[rows.first(word) for word in question] for question in questions], dtype=np.int64).reshape(-1, 4)
    usable = np.all(ids >= 0, axis=1)
    usable[usable] = (norms(table.matrix, ids[usable].ravel()).reshape(-1, 4) > 0).all(axis=1)
    own = [
        np.array(sorted({row for word in question[:3] for row in rows.all(word)}), dtype=np.int64)
        for question, use in zip(questions, usable, strict=True)
        if use
    ]
    answers = solve(table.matrix[: rows.n], ids[usable, :3], own, method, threads=threads, engine=engine)
    expected = [set(rows.all(question[3])) for question, use in zip(questions, usable, strict=True) if use]
    right: NDArray[np.bool_] = np.zeros(len(questions), dtype=np.bool_)
    right[usable] = [int(answer) in good for answer, good in zip(answers, expected, strict=True)]
    sections, start = [], 0
    for name, section in asked.sections:
        part = slice(start, start + len(section))
        start += len(section)
        correct = tuple(question for question, good in zip(section, right[part], strict=True) if good)
        incorrect = tuple(question for question, good, use in zip(section, right[part], usable[part], strict=True) if use and not good)
        accuracy = correlation.share(len(correct), len(correct) + len(incorrect), confidence)
        sections.append(SectionScore(name, correct, incorrect, len(section), accuracy))
    used = int(usable.sum())
    accuracy = correlation.share(int(right.sum()), used, confidence) if used else UNKNOWN
    return AnalogyScore(asked.name, method, accuracy, used, len(questions), tuple(sections))


class _Spellings:
    """The rows of words in a table's first rows, whatever their case."""

    def __init__(self, table: EmbeddingTable, words: Iterable[str], restrict: int | None, *, fold_case: bool) -> None:
        if restrict is not None and restrict < 1:
            message = f"restrict must be at least 1; seen {restrict}"
            raise ArgumentError(message)
        self.n = table.n if restrict is None else min(restrict, table.n)
        self.fold_case = fold_case
        self.rows: dict[str, list[int]] = {}
        if not fold_case:
            distinct = list(dict.fromkeys(words))
            found = table.vocabulary.find(distinct)
            self.rows = {word: [int(row)] for word, row in zip(distinct, found, strict=True) if 0 <= row < self.n}
            return
        # Upper case as gensim takes it: the first spelling's row stands for a word, and every spelling of it counts as the word.
        wanted = {word.upper() for word in words}
        for row, token in zip(range(self.n), table.vocabulary, strict=False):
            folded = token.upper()
            if folded in wanted:
                self.rows.setdefault(folded, []).append(row)

    def all(self, word: str) -> list[int]:
        return self.rows.get(word.upper() if self.fold_case else word, [])

    def first(self, word: str) -> int:
        rows = self.all(word)
        return rows[0] if rows else -1
