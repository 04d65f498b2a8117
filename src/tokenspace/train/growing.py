"""A trained table grows (the lecture's 4.5): new words of a new text get rows behind the old ones, which stay what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tokenspace import formats
from tokenspace.errors import ArgumentError, HeaderError, TableNotFoundError
from tokenspace.native.training import context_sums
from tokenspace.table import EmbeddingTable
from tokenspace.train.model import Model, open_model

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from tokenspace.train.corpus import Corpus
    from tokenspace.train.plan import Plan
    from tokenspace.vocabulary import Vocabulary

ROWS = ("new", "all")
INITS = ("a-la-carte", "random")

REACH = 5
"""Neighbours on each side from which a GloVe row is started; its own window takes in too much that only shares a topic."""

PART = 1 << 20
"""Ids looked at between two chances to give their memory back."""

ENOUGH = 10_000
"""Neighbours after which the mean around a known word is settled to a hundredth of its spread."""


@dataclass(frozen=True)
class Old:
    """What is extended.

    Attributes
    ----------
    vocabulary : Vocabulary
    inputs : array of shape (n, d), float32
    outputs : array of shape (n, d), float32, or None
        None for a table that is known without its second matrix: then that matrix is learnt anew, and the input rows stay.
    rows : "new" or "all"
    init : "a-la-carte" or "random"
    """

    vocabulary: Vocabulary
    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32] | None
    rows: str
    init: str


@dataclass(frozen=True)
class Source:
    """What is extended, of any kind of model.

    Attributes
    ----------
    vocabulary : Vocabulary
    rows : array of shape (n, d), float32
        The table's.
    model : Model or None
        None for a table that is known without its second matrix.
    """

    vocabulary: Vocabulary
    rows: NDArray[np.float32]
    model: Model | None


def source_of(extend: Model | EmbeddingTable | str | os.PathLike[str]) -> Source:
    """Return a model, the file of one, or a table of any known format, as what is to be extended.

    Raises
    ------
    TableNotFoundError, FileContentError
        If it cannot be opened.
    ArgumentError
        If it is a table of float64.
    """
    if isinstance(extend, (Model, EmbeddingTable)):
        source = extend
    else:
        try:
            source = open_model(extend)
        except (HeaderError, TableNotFoundError):
            source = formats.open(extend)
    if isinstance(source, EmbeddingTable):
        source = getattr(source, "model", source)  # a TrainedTable's
    if isinstance(source, EmbeddingTable):
        if source.dtype == np.float64:
            message = "training computes in float32, in which the rows of a float64 table would not stay what they are"
            raise ArgumentError(message, hint="convert it first: tokenspace convert A B --dtype float32")
        rows = np.ascontiguousarray(source.matrix, dtype=np.float32)
        return Source(source.vocabulary, rows, None)
    return Source(source.vocabulary, source.rows(), source)


def check_choices(rows: str, init: str) -> None:
    """Hold what is asked for against what there is.

    Raises
    ------
    ArgumentError
    """
    for what, value, known in (("rows", rows, ROWS), ("init", init, INITS)):
        if value not in known:
            message = f"{what} must be one of {', '.join(known)}; seen {value!r}"
            raise ArgumentError(message)


def old_of(extend: Model | EmbeddingTable | str | os.PathLike[str], plan: Plan, rows: str, init: str) -> Old:
    """Return what word2vec is to extend: a model, the file of one, or a table of any known format.

    Raises
    ------
    ArgumentError
        If a choice is unknown, or cannot be extended.
    """
    check_choices(rows, init)
    if plan.maxn or plan.loss == "hs":
        what = "words made of pieces share rows with old ones" if plan.maxn else "a new word changes the tree of the old ones"
        message = f"only words with rows of their own can be added, by negative sampling: {what}"
        raise ArgumentError(message, hint="leave maxn out and take loss='ns'")
    source = source_of(extend)
    model = source.model
    if model is None or model.name == "glove":  # whose second matrix is none of word2vec's
        return Old(source.vocabulary, source.rows, None, rows, init)
    if model.subwords is not None or len(model.outputs) != len(model.vocabulary):
        message = "the model to extend was trained with pieces of words or hierarchical softmax: its rows are not one a word"
        raise ArgumentError(message, hint="extend its table instead: the input rows stay, the second matrix is learnt anew")
    return Old(model.vocabulary, model.inputs, model.outputs, rows, init)


def check_dim(d: int, asked: int | None) -> None:
    """Refuse another number of numbers a row than the table to extend has.

    Raises
    ------
    ArgumentError
        If it is asked for.
    """
    if asked not in {None, d}:
        message = f"the table to extend has {d} numbers a row; dim asks for {asked}"
        raise ArgumentError(message, hint="leave dim (--dim) out")


def take_over(old: Old, inputs: NDArray[np.float32], outputs: NDArray[np.float32], corpus: Corpus, plan: Plan) -> tuple[int, int]:
    """Put the old rows into the new matrices and start the new ones; return the first row of each matrix that is to move.

    Raises
    ------
    ArgumentError
        If only new rows are to move and the text has no new word.
    """
    n, d = old.inputs.shape
    if old.rows == "new" and len(corpus.vocabulary) == n:
        message = "the text has no new word that stands in it often enough, and only new words' rows are to be trained"
        raise ArgumentError(message, hint="lower min_count (--min-count), or let all rows train: rows='all' (--rows all)")
    inputs[:n, :d] = old.inputs
    if old.outputs is not None:
        outputs[:n, :d] = old.outputs
    if old.init == "a-la-carte" and len(corpus.vocabulary) > n:
        inputs[n : len(corpus.vocabulary), :d] = a_la_carte(corpus, inputs[:, :d], n, plan.window)
    if old.rows == "all":
        return 0, 0
    return n, n if old.outputs is not None else 0


def a_la_carte(corpus: Corpus, rows: NDArray[np.float32], n: int, window: int) -> NDArray[np.float32]:
    """Return rows for the words from n on, each from the words around it, however few times it stands in the text.

    Parameters
    ----------
    corpus : Corpus
    rows : array of shape (n + m, d), float32
        The first n are known.
    n : int
    window : int
        Words on each side that count.

    Returns
    -------
    array of shape (m, d), float32

    Notes
    -----
    The mean u of the known words around a word gives its row as A u, where A is the linear map that gives the known words' rows from
    the means around them, by least squares weighted with the counts' logarithms. The vice: A learns from this text, so it needs some
    hundred known words in it; with fewer than d it is shrunk towards the mean itself.

    References
    ----------
    M. Khodak et al., "A La Carte Embedding: Cheap but Effective Induction of Semantic Feature Vectors", ACL 2018.
    """
    d = rows.shape[1]
    sums = np.zeros((len(corpus.vocabulary), d))
    times = np.zeros(len(sums), dtype=np.int64)
    for start, end in corpus.parts(PART):
        context_sums(corpus.ids, (start, end), window, np.ascontiguousarray(rows[:n]), ENOUGH, sums, times)
        corpus.release(start, end)
    means = sums / np.maximum(times, 1)[:, None]
    known = np.flatnonzero(times[:n] > 0)
    weights = np.log1p(times[known])[:, None]
    u, v = means[known], rows[known].astype(np.float64)
    scale = float((u * u * weights).sum()) / d if known.size else 0.0
    ridge = scale * 1e-3 + 1e-12
    a = np.linalg.solve((u * weights).T @ u + ridge * np.eye(d), (u * weights).T @ v + ridge * np.eye(d))
    return (means[n:] @ a).astype(np.float32)
