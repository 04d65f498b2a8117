"""How well sentence vectors agree with people: correlation with graded pairs under each measure, and how often a pair's other is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.analysis import correlation
from tokenspace.analysis.question_files import standard_file
from tokenspace.errors import ArgumentError, HeaderError, NumberError
from tokenspace.measures import MEASURES, listed_pairs, norms
from tokenspace.search import Exact
from tokenspace.texts.pairs import SentencePairs, read_sentence_pairs

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.analysis.correlation import Estimate
    from tokenspace.measures import Measure

    Encode = Callable[[list[str]], NDArray[np.float32]]

LEE = "Lee"
"""50 news texts and how alike people find every two of them, in gensim's wheel: M. Lee, B. Pincombe, M. Welsh, "An empirical evaluation of
models of text document similarity", CogSci 2005."""


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """How sentence vectors go with people's judgements.

    Attributes
    ----------
    name : str
        Of the test set.
    spearman : dict of Estimate
        For each measure; that of the distance with its sign turned, so that 1 is best throughout.
    used, total : int
        Pairs that were measured, and pairs in the set.
    zero : int
        Sentences with the zero vector, which has no cosine: their pairs are not used.
    """

    name: str
    spearman: dict[str, Estimate]
    used: int
    total: int
    zero: int

    def __str__(self) -> str:
        """Say it in one line."""
        told = ", ".join(f"{measure} {estimate}" for measure, estimate in self.spearman.items())
        return f"{self.name}: Spearman of {told}; {self.used:,} of {self.total:,} pairs"


@dataclass(frozen=True, slots=True)
class RetrievalScore:
    """How often the right vector is among the closest.

    Attributes
    ----------
    recall : dict of int to Estimate
        For each k, the share of queries whose own is among the k closest.
    rank : float
        Mean of 1 / rank of the right one, 0 where it is not among the largest k.
    queries, candidates : int
        Candidates each query had.
    """

    recall: dict[int, Estimate]
    rank: float
    queries: int
    candidates: int

    def __str__(self) -> str:
        """Say it in one line."""
        told = ", ".join(f"@{k} {estimate}" for k, estimate in self.recall.items())
        return f"recall {told} %, mean reciprocal rank {self.rank:.3f}, {self.queries:,} queries among {self.candidates:,}"


def evaluate_sentences(
    encode: Encode, pairs: SentencePairs | str | os.PathLike[str] | None = None, *, confidence: float = 0.95
) -> SentenceScore:
    """Correlate all three measures between sentence vectors with people's judgements.

    Parameters
    ----------
    encode : callable
        Makes a matrix of shape (m, d) of m sentences: `tokenspace.encode.Static.encode`, say, or another library's.
    pairs : SentencePairs or path, optional
        As `tokenspace.texts.pairs.read_sentence_pairs` reads it. Left out, the 1,225 pairs of news texts in gensim's wheel.
    confidence : float, default 0.95
        Of the intervals.

    Returns
    -------
    SentenceScore

    Raises
    ------
    LabelError, UnpairedRowError, FileContentError
        If the pairs have no numbers as labels, or their file is not what it should be.
    MissingExtraError
        If the pairs of gensim's wheel are wanted and it is not installed.

    Notes
    -----
    Each different sentence is encoded once. The vice of the interval: where a sentence stands in many pairs, the true one is wider.

    Examples
    --------
    >>> pairs = SentencePairs("mine", ("a", "a", "b", "c"), ("b", "c", "c", "d"), labels=("4", "1", "2", "0"), lines=(1, 2, 3, 4))
    >>> vectors = {"a": [1, 0], "b": [1, 0.1], "c": [1, 1], "d": [-1, 1]}
    >>> score = evaluate_sentences(lambda texts: np.float32([vectors[text] for text in texts]), pairs)
    >>> round(float(score.spearman["cosine"].value), 6)
    1.0
    """
    judged = standard_pairs() if pairs is None else pairs if isinstance(pairs, SentencePairs) else read_sentence_pairs(pairs)
    scores = np.array(judged.scores())
    places = {text: place for place, text in enumerate(dict.fromkeys((*judged.first, *judged.second)))}
    rows = np.asarray(encode(list(places)))
    left, right = (np.array([places[text] for text in side], dtype=np.int64) for side in (judged.first, judged.second))
    there = norms(rows) > 0
    usable = there[left] & there[right]
    found: dict[str, Estimate] = {}
    for measure in MEASURES:
        values = listed_pairs(measure, rows, rows, left[usable], right[usable])
        found[measure] = correlation.spearman(-values if measure == "euclidean" else values, scores[usable], confidence)
    return SentenceScore(judged.name, found, int(usable.sum()), len(judged), int((~there).sum()))


def retrieval(
    queries: ArrayLike,
    corpus: ArrayLike,
    own: ArrayLike | None = None,
    *,
    k: Sequence[int] = (1, 5, 10),
    measure: Measure = "cosine",
    batch: int | None = None,
    confidence: float = 0.95,
    threads: int | None = None,
) -> RetrievalScore:
    """Return how often each query's own row of a corpus is among the closest, by exact search.

    Parameters
    ----------
    queries : array of shape (q, d)
    corpus : array of shape (n, d)
    own : array of shape (q,), integers, optional
        The right row of each query. Left out, row i for query i.
    k : sequence of int, default (1, 5, 10)
    measure : "euclidean", "inner_product" or "cosine", default "cosine"
    batch : int, optional
        In-batch search: the candidates of each query are the right rows of its batch of so many queries, as in contrastive training.
    confidence : float, default 0.95
    threads : int, optional

    Returns
    -------
    RetrievalScore

    Raises
    ------
    ArgumentError
        If k or `batch` is not positive, or `own` is not one row a query.
    ShapeError, NotFiniteError
        As `Exact`.

    Examples
    --------
    >>> print(retrieval([[1, 0], [0, 1]], [[2, 0.1], [1, 0]], k=[1]))
    recall @1 0.0 [0.0, 65.8] %, mean reciprocal rank 0.000, 2 queries among 2
    """
    asked, rows = np.asarray(queries), np.asarray(corpus)
    right = np.arange(len(asked)) if own is None else np.asarray(own, dtype=np.int64)
    if not k or min(k) < 1 or (batch is not None and batch < 1):
        message = f"k and batch must be at least 1; seen k={list(k)} and batch={batch}"
        raise ArgumentError(message)
    if right.shape != (len(asked),) or (len(right) and not 0 <= int(right.min()) <= int(right.max()) < len(rows)):
        message = f"own must name a row of {len(rows):,} for each of {len(asked):,} queries"
        raise ArgumentError(message)
    ranks = np.zeros(len(asked))
    step = batch or max(1, len(asked))
    whole = None if batch else Exact(rows, measure, threads=threads)
    for start in range(0, len(asked), step):
        some = slice(start, start + step)
        search = whole or Exact(rows[right[some]], measure, threads=threads)
        ids = search.search(asked[some], max(k)).ids
        wanted = np.arange(len(ids)) if batch else right[some]
        hits = ids == wanted[:, None]
        ranks[some] = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)
    recall = {some: correlation.share(int(((ranks > 0) & (ranks <= some)).sum()), len(ranks), confidence) for some in k}
    reciprocal = float(np.divide(1, ranks, out=np.zeros(len(ranks)), where=ranks > 0).mean()) if len(ranks) else float("nan")
    return RetrievalScore(recall, reciprocal, len(asked), min(batch or len(rows), len(rows)))


def standard_pairs() -> SentencePairs:
    """Return the pairs of news texts that people judged, from gensim's wheel.

    Raises
    ------
    MissingExtraError
        If gensim is not installed.
    FileContentError
        If its files are not what they should be.
    """
    text, judged = (standard_file(f"{LEE}, {part}") for part in ("texts", "judgements"))
    texts = text.read_text(encoding="latin-1").split("\n")  # a pound sign says so
    lines = [line.split() for line in judged.read_text(encoding="utf-8").splitlines() if line.strip()]
    if len(lines) != len(texts) or any(len(line) != len(texts) for line in lines):
        raise HeaderError(judged, f"expected a number for every two of {len(texts)} texts")
    try:
        numbers = np.array(lines, dtype=np.float64)
    except ValueError:
        raise NumberError(judged, "expected numbers alone") from None
    first, second = np.triu_indices(len(texts), 1)
    return SentencePairs(
        LEE,
        tuple(texts[place] for place in first),
        tuple(texts[place] for place in second),
        None,
        tuple(map(str, numbers[first, second].tolist())),
        tuple((first + 1).tolist()),
    )
