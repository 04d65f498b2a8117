"""gensim's two evaluations, with its arguments and the shape of its results, on top of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.analysis.evaluation import evaluate_analogies
from tokenspace.analysis.question_files import read_analogies
from tokenspace.errors import ArgumentError, MissingExtraError, NumberError, RowWidthError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from tokenspace.gensim.keyed_vectors import KeyedVectors

METHODS = {"most_similar": "3CosAdd", "most_similar_cosmul": "3CosMul"}
"""gensim's names for the two ways to answer an analogy; gensim itself takes the second name and answers by the first."""


def word_pairs(
    vectors: KeyedVectors,
    path: str | os.PathLike[str],
    delimiter: str,
    encoding: str,
    restrict: int | None,
    fold_case: bool,
    zero_for_unknown: bool,
) -> tuple[Any, Any, float]:
    """Correlate cosines with judgements; the results are SciPy's, as gensim's are."""
    try:
        from scipy import stats  # noqa: PLC0415 - p-values are wanted here alone
    except ImportError as absent:
        message = "the p-values of evaluate_word_pairs are SciPy's, which is not installed"
        raise MissingExtraError(message, hint='pip install "tokenspace[gensim]", or use tokenspace.analysis.evaluation') from absent
    pairs = list(_pairs(Path(path), delimiter, encoding))
    spelt = [[word.upper() if fold_case else word for word in pair] for *pair, _ in pairs]
    rows = _first_rows(vectors, {word for pair in spelt for word in pair}, restrict, fold_case=fold_case)
    judged, measured, unknown = [], [], 0
    for (a, b), (*_, score) in zip(spelt, pairs, strict=True):
        known = a in rows and b in rows
        unknown += not known
        if known or zero_for_unknown:
            judged.append(score)
            measured.append(vectors.similarity(rows[a], rows[b]) if known else 0.0)
    if not judged:
        message = f"{path}: expected pairs of words that are there, got {len(pairs)} pairs without any"
        raise ArgumentError(message)
    return stats.pearsonr(judged, measured), stats.spearmanr(judged, measured), 100.0 * unknown / len(pairs)


def word_analogies(
    vectors: KeyedVectors,
    path: str | os.PathLike[str],
    restrict: int | None,
    fold_case: bool,
    zero_for_unknown: bool,
    similarity: str,
) -> tuple[float, list[dict[str, Any]]]:
    """Answer analogy questions; a list of sections as gensim's, the total last."""
    if similarity not in METHODS:
        message = f"expected similarity_function to be one of {', '.join(METHODS)}, got {similarity!r}"
        raise ArgumentError(message)
    asked = read_analogies(path)
    scored = evaluate_analogies(vectors.table, asked, METHODS[similarity], restrict=restrict, fold_case=fold_case)  # type: ignore[arg-type]
    sections: list[dict[str, Any]] = []
    for (name, questions), section in zip(asked.sections, scored.sections, strict=True):
        right = set(section.correct)
        wrong = [question for question in questions if question not in right] if zero_for_unknown else section.incorrect
        sections.append({"section": name, "correct": _spelt(section.correct, fold_case), "incorrect": _spelt(wrong, fold_case)})
    total = {part: [question for section in sections for question in section[part]] for part in ("correct", "incorrect")}
    sections.append({"section": "Total accuracy", **total})
    answered = len(total["correct"]) + len(total["incorrect"])
    return (len(total["correct"]) / answered if answered else 0.0), sections


def _spelt(questions: Any, fold_case: bool) -> list[tuple[str, ...]]:
    return [tuple(word.upper() if fold_case else word for word in question) for question in questions]


def _pairs(path: Path, delimiter: str, encoding: str) -> Iterator[tuple[str, str, float]]:
    """Yield two words and their score a line; lines that begin with "#" and a first line without a number are passed over."""
    with path.open(encoding=encoding) as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip("\r\n").split(delimiter)
            if line.startswith("#") or not line.strip():
                continue
            if len(fields) != 3:  # noqa: PLR2004 - two words and a score
                raise RowWidthError(path, f"expected two words and a score between {delimiter!r}, seen {line.strip()!r:.60}", line=number)
            try:
                yield fields[0].strip(), fields[1].strip(), float(fields[2])
            except ValueError as error:
                if number > 1:
                    raise NumberError(path, f"expected a score, seen {fields[2]!r:.40}", line=number) from error


def _first_rows(vectors: KeyedVectors, words: set[str], restrict: int | None, *, fold_case: bool) -> dict[str, int]:
    """Return the first row of each word among the first rows, whatever its case where case is folded."""
    if not fold_case:
        known = sorted(words)
        found = vectors.table.vocabulary.find(known)
        last = len(vectors) if restrict is None else restrict
        return {word: int(row) for word, row in zip(known, np.asarray(found).tolist(), strict=True) if 0 <= row < last}
    rows: dict[str, int] = {}
    for row, key in zip(range(len(vectors) if restrict is None else min(restrict, len(vectors))), vectors.table.vocabulary, strict=False):
        folded = key.upper()
        if folded in words:
            rows.setdefault(folded, row)
    return rows
