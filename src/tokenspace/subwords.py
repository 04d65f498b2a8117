"""Vectors for words without a row, from their character n-grams, with fastText's own numbers.

A word w is bracketed, <w>, and cut into all its pieces of min_n to max_n characters. Each piece is hashed into one of B buckets, which
has a row of its own, z_g; the word's vector is the mean of them, and of its own row z_w where it has one:

    v(w) = (z_w + sum over pieces g of z_g) / (1 + number of pieces)

P. Bojanowski, E. Grave, A. Joulin, T. Mikolov, "Enriching Word Vectors with Subword Information", TACL 2017, section 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.errors import ArgumentError, ShapeError, UnknownTokenError
from tokenspace.expressions import split
from tokenspace.immutable import Immutable
from tokenspace.rows import as_matrix, wide_type
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tokenspace.vocabulary import Vocabulary

CHARACTERS, WORDS = 1 << 18, 1 << 16
"""Characters, and words, that are cut at a time: 20 MB for pieces of up to six."""

LONGEST = 64
"""The largest `max_n` taken: fastText's default is 6, and each more costs a pass over all words."""


class Subwords(Immutable):
    """Rows for character n-grams.

    Parameters
    ----------
    matrix : array of shape (B, d), float32
        A row for each bucket. Used as it is, often memory-mapped: nobody else may write to it.
    min_n, max_n : int
        Least and most characters a piece, the brackets counted; ``1 <= min_n <= max_n <= 64``.
    kept : array of shape (B,), int64, optional
        Where only some buckets have a row, as in a model that was pruned: their numbers, ascending. Left out, it is all of them.
    buckets : int, optional
        The number of buckets hashed into; with `kept` only, else it is B.

    Raises
    ------
    ArgumentError, ShapeError
        If these do not fit together.

    Notes
    -----
    Two pieces may share a bucket, so that words which share no letters may share a row: at two million buckets and as many different
    pieces, a third of them do.

    Examples
    --------
    >>> subwords = Subwords(np.eye(4, dtype=np.float32), min_n=3, max_n=4)
    >>> subwords.ids("cat")  # <ca, <cat, cat, cat>, at>
    array([3, 1, 3, 3, 2])
    >>> subwords.vector("cat")
    array([0. , 0.2, 0.2, 0.6], dtype=float32)
    """

    __slots__ = ("buckets", "kept", "matrix", "max_n", "min_n")

    matrix: NDArray[Any]
    min_n: int
    max_n: int
    kept: NDArray[np.int64] | None
    buckets: int

    def __init__(
        self, matrix: NDArray[Any], *, min_n: int, max_n: int, kept: NDArray[np.int64] | None = None, buckets: int | None = None
    ) -> None:
        if matrix.ndim != 2 or matrix.shape[1] < 1:  # noqa: PLR2004 - a matrix has two axes
            message = f"the rows of n-grams must be of shape (buckets, d); seen {matrix.shape}"
            raise ShapeError(message)
        check_lengths(min_n, max_n)
        count = len(matrix) if buckets is None else buckets
        if kept is None and (count != len(matrix) or not count):
            message = f"expected a row for each of {count:,} buckets, at least one; seen {len(matrix):,}"
            raise ArgumentError(message)
        if kept is not None and np.any(np.diff(kept) < 1):
            message = "kept must be ascending, each bucket once"
            raise ArgumentError(message)
        if kept is not None and (kept.shape != (len(matrix),) or (kept.size and not 0 <= int(kept[0]) <= int(kept[-1]) < count)):
            message = f"kept must hold the ascending numbers, below {count:,}, of {len(matrix):,} buckets"
            raise ArgumentError(message)
        view = matrix.view()
        view.flags.writeable = False
        values = {"matrix": view, "min_n": int(min_n), "max_n": int(max_n), "kept": kept, "buckets": int(count)}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Callable[..., Subwords], tuple[object, ...]]:
        """Pickle all of it."""
        return _unpickled, (np.asarray(self.matrix), self.min_n, self.max_n, self.kept, self.buckets)

    def __repr__(self) -> str:
        """Show what the pieces are."""
        return f"Subwords(buckets={self.buckets:,}, d={self.matrix.shape[1]}, min_n={self.min_n}, max_n={self.max_n})"

    def ids(self, word: str) -> NDArray[np.int64]:
        """Return the rows of `matrix` that a word's pieces have, of shape (m,), in fastText's order; one may come more than once.

        Parameters
        ----------
        word : str
        """
        text = np.frombuffer(word.encode("utf-8", "surrogateescape"), np.uint8)
        return self.ids_of(text, np.array([0, len(text)]))[0]

    def ids_of(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of many words' pieces.

        Parameters
        ----------
        data : array of shape (b,), uint8
            The words' bytes, end to end.
        offsets : array of shape (m + 1,), int64
            Where each begins, and the end of the last.

        Returns
        -------
        pair of arrays, int64
            The rows, word after word, and how many each of the m words has.

        Notes
        -----
        Hashes all words at once: some 20 bytes of memory for each character and piece length.
        """
        begins, pieces = native.word_pieces(data, offsets, minn=self.min_n, maxn=self.max_n, buckets=self.buckets)
        ids, counts = pieces.astype(np.int64), np.diff(begins)
        if self.kept is None:
            return ids, counts
        places = np.searchsorted(self.kept, ids)
        there = places < len(self.kept)
        there[there] = self.kept[places[there]] == ids[there]
        word = np.repeat(np.arange(len(counts)), counts)
        return places[there], np.bincount(word[there], minlength=len(counts))

    def vector(self, word: str) -> NDArray[Any]:
        """Return the vector of a word that has no row: the mean of its pieces' rows.

        Parameters
        ----------
        word : str

        Returns
        -------
        array of shape (d,)
            With fastText's bits: summed one after the other in float32, times the float32 nearest to 1/m.

        Raises
        ------
        UnknownTokenError
            If it has no piece that has a row, an empty word, say.
        """
        ids = self.ids(word)
        if not len(ids):
            raise UnknownTokenError(word, size=0, suggest=list)
        return _mean(np.zeros((1, self.matrix.shape[1]), self.matrix.dtype), self.matrix, ids, np.array([len(ids)]), own=0)[0]


def check_lengths(min_n: int, max_n: int, names: tuple[str, str] = ("min_n", "max_n")) -> None:
    """Check the least and most characters of a piece.

    Raises
    ------
    ArgumentError
        If they are not in order; `names` are what the caller calls them.
    """
    if not 1 <= min_n <= max_n <= LONGEST:
        message = f"expected 1 <= {names[0]} <= {names[1]} <= {LONGEST}; seen {names[0]}={min_n} and {names[1]}={max_n}"
        raise ArgumentError(message)


class SubwordTable(EmbeddingTable):
    """A table that has a vector for every word: rows for its tokens, and `subwords` for the others.

    What has a row is answered as by any table. Indexing, `vector` and `nearest` answer for other words too, with the vector that their
    character n-grams make; `rows`, `in` and iteration speak of rows only, as ever. Made by `of`, by `tokenspace.open` of a fastText
    model, or by training with subwords.

    Attributes
    ----------
    subwords : Subwords

    Notes
    -----
    The vice: every misspelling, and every string of letters whatever, has a vector, and nothing says that it means nothing.

    Examples
    --------
    >>> from tokenspace import Vocabulary
    >>> subwords = Subwords(np.eye(4, dtype=np.float32), min_n=3, max_n=4)
    >>> table = SubwordTable.of(Vocabulary(["king"]), np.array([[2, 1, 0, 0]], np.float32), subwords)
    >>> table["king"], table["cat"], "cat" in table
    (array([2., 1., 0., 0.], dtype=float32), array([0. , 0.2, 0.2, 0.6], dtype=float32), False)
    """

    __slots__ = ("subwords",)

    subwords: Subwords

    @classmethod
    def of(cls, vocabulary: Vocabulary, matrix: NDArray[Any], subwords: Subwords, *, source: str = "") -> SubwordTable:
        """Join a table's two parts and its n-grams.

        Parameters
        ----------
        vocabulary : Vocabulary
        matrix : array of shape (n, d)
            The tokens' vectors as they are to be looked up, their n-grams already in them. As `EmbeddingTable.mapped` takes it.
        subwords : Subwords
            Of the same d.
        source : str
            Where it was opened.

        Raises
        ------
        ShapeError
            If they do not fit together.
        """
        self = cls.__new__(cls)
        checked = EmbeddingTable.mapped(vocabulary, matrix, source=source)
        if subwords.matrix.shape[1] != checked.d:
            message = f"rows of tokens and of n-grams need one d; seen {checked.shape} and {subwords.matrix.shape}"
            raise ShapeError(message)
        self._set(vocabulary, checked.matrix, source)
        object.__setattr__(self, "subwords", subwords)
        return self

    def __reduce__(self) -> tuple[Callable[..., SubwordTable], tuple[object, ...]]:
        """Pickle all parts; read-only again on the other side."""
        return _unpickled_table, (self.vocabulary, np.asarray(self.matrix), self.subwords, self.source)

    def __repr__(self) -> str:
        """Show the table and its n-grams."""
        return f"Subword{super().__repr__()[9:-1]}, {self.subwords})"

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return rows, or for a word without one the vector that its n-grams make.

        Parameters
        ----------
        key : str, int, slice, sequence of str and int, or integer array of shape (...)

        Returns
        -------
        array of shape (d,) for one token or id, else (m, d) or (..., d)

        Raises
        ------
        UnknownTokenError
            If a word has neither a row nor an n-gram.
        RowIdError
            If an id is outside 0..n-1.
        """
        if isinstance(key, str):
            return self._word(key)
        array = np.asarray(key) if not isinstance(key, (slice, list, tuple)) else None
        if array is not None and array.dtype.kind in "US":
            return self[array.ravel().tolist()].reshape(*array.shape, self.d)
        if isinstance(key, (list, tuple)) and any(isinstance(item, str) for item in key):
            return np.stack([self[item] for item in key])
        return super().__getitem__(key)

    def vector(self, expression: str) -> NDArray[Any]:
        """Return the vector of a word, or of a sum and difference of words, each with or without a row of its own.

        Parameters
        ----------
        expression : str
            As `EmbeddingTable.vector` takes it.

        Returns
        -------
        array of shape (d,)

        Raises
        ------
        UnknownTokenError
            If a word has neither a row nor an n-gram.
        """
        words, signs = split(expression, self.vocabulary)
        vectors = [self._word(word) for word in words]
        if signs == [1.0]:
            return vectors[0]
        total = (np.array(signs)[:, None] * np.stack(vectors).astype(np.float64)).sum(axis=0)
        return total.astype(wide_type(self.dtype))

    def _word(self, word: str) -> NDArray[Any]:
        row = int(self.vocabulary.find([word])[0])
        if row >= 0:
            return self.matrix[row]
        try:
            return self.subwords.vector(word).astype(self.dtype, copy=False)
        except UnknownTokenError:
            raise UnknownTokenError(word, size=self.n, suggest=lambda: self.vocabulary.suggest(word)) from None

    def _queries(self, query: Any) -> tuple[NDArray[Any], list[NDArray[np.int64]] | None, bool]:
        if isinstance(query, str):
            return self.vector(query)[None, :], [self._own(query)], True
        if isinstance(query, (list, tuple)) and any(isinstance(item, str) for item in query):
            own = [self._own(item) if isinstance(item, str) else np.array([self.rows(item)]) for item in query]
            each = [self.vector(item) if isinstance(item, str) else self.matrix[self.rows(item)] for item in query]
            return np.stack(each), own, False
        return super()._queries(query)

    def _own(self, expression: str) -> NDArray[np.int64]:
        """Return the rows of those words of an expression that have one."""
        found = self.vocabulary.find(split(expression, self.vocabulary)[0])
        return found[found >= 0]


def composed(own: NDArray[Any], subwords: Subwords, vocabulary: Vocabulary, *, bare: Sequence[str] = ()) -> NDArray[Any]:
    """Return the vectors of words that have a row of their own and n-grams: the matrix of a `SubwordTable`.

    Parameters
    ----------
    own : array of shape (n, d), float32
        The words' own rows, z_w.
    subwords : Subwords
    vocabulary : Vocabulary of n words
    bare : sequence of str
        Words that have no n-grams: fastText's ``</s>``.

    Returns
    -------
    array of shape (n, d), float32

    Notes
    -----
    Two million words with twenty n-grams each, of 300 numbers, are 1.2e10 additions. Memory: the result, and some megabytes.
    """
    vocabulary_rows = as_matrix(own, "own") if own.flags.aligned else own
    out = np.empty(own.shape, own.dtype)
    offsets = np.asarray(vocabulary.offsets)
    without = set(vocabulary.find(list(bare)).tolist()) - {-1} if bare else set()
    start = 0
    while start < len(out):
        full = int(np.searchsorted(offsets, offsets[start] + CHARACTERS, side="right")) - 1
        stop = min(len(out), max(start + 1, full), start + WORDS)
        bounds = offsets[start : stop + 1]
        ids, counts = subwords.ids_of(np.asarray(vocabulary.data[bounds[0] : bounds[-1]]), bounds - bounds[0])
        for row in without & set(range(start, stop)):
            first = int(counts[: row - start].sum())
            ids, counts = np.delete(ids, slice(first, first + counts[row - start])), counts.copy()
            counts[row - start] = 0
        out[start:stop] = _mean(vocabulary_rows[start:stop], subwords.matrix, ids, counts, own=1)
        start = stop
    return out


def _mean(total: NDArray[Any], matrix: NDArray[Any], ids: NDArray[np.int64], counts: NDArray[np.int64], *, own: int) -> NDArray[Any]:
    """Return rows plus those of their pieces, added in order, times 1 / (own + count); NumPy's own sums add in another order."""
    total = np.array(total) + total.dtype.type(0)
    first = np.cumsum(counts) - counts
    by_count = np.argsort(-counts, kind="stable")
    most = int(counts.max(initial=0))
    ends = np.searchsorted(-counts[by_count], -np.arange(most), side="left")  # how many have more pieces than 0, 1, 2...
    for place, many in enumerate(ends.tolist()):
        rows = by_count[:many]
        total[rows] += matrix[ids[first[rows] + place]]
    share = (1.0 / np.maximum(counts + own, 1)).astype(total.dtype)
    total *= share[:, None]
    return total


def _unpickled(matrix: NDArray[Any], min_n: int, max_n: int, kept: NDArray[np.int64] | None, buckets: int) -> Subwords:
    return Subwords(matrix, min_n=min_n, max_n=max_n, kept=kept, buckets=buckets)


def _unpickled_table(vocabulary: Vocabulary, matrix: NDArray[Any], subwords: Subwords, source: str) -> SubwordTable:
    return SubwordTable.of(vocabulary, matrix, subwords, source=source)
