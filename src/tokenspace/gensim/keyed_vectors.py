"""KeyedVectors: gensim's questions to word vectors, answered exactly."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.all_pairs import pairwise
from tokenspace.errors import ArgumentError, MissingExtraError, ZeroVectorError
from tokenspace.gensim import files, judged
from tokenspace.gensim.rows import Rows
from tokenspace.measures import cosine
from tokenspace.search import Exact

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import DTypeLike, NDArray

    from tokenspace.gensim.rows import Key
    from tokenspace.table import EmbeddingTable

Term = Any
"""A key, a vector, or a pair of one of them and its weight."""

SHIFT = 1e-6
"""What 3CosMul adds below the bar so that it is never zero: gensim's number, so that scores agree. Levy and Goldberg took 0.001."""


class KeyedVectors(Rows):
    """gensim's `KeyedVectors` over our tables.

    Parameters
    ----------
    vector_size : int
        Numbers a row.
    count : int, default 0
        Rows to make room for; they come into being when they are added.
    dtype : numpy dtype, default float32
    mapfile_path : str, optional
        Unused, as in gensim.

    Notes
    -----
    Differences on purpose: `vectors` is read-only, so that norms cannot go stale (``kv[key] = vector`` changes a row); nearest rows are
    those of a float64 search over all rows; keys are strings, whole numbers are rows; files are read strictly and no pickle is run;
    NaN and infinity are refused when they are added. Virtue: code written for gensim runs. Vice: a thing that changes; new code is
    better off with `tokenspace.EmbeddingTable`, which `table` gives.

    Examples
    --------
    >>> vectors = KeyedVectors(2)
    >>> vectors.add_vectors(["cat", "dog", "car"], [[2, 1], [2, 2], [-3, 1]])
    >>> vectors.most_similar("cat", topn=1)[0][0], round(vectors.similarity("cat", "dog"), 4)
    ('dog', 0.9487)
    """

    @classmethod
    def from_table(cls, table: EmbeddingTable) -> KeyedVectors:
        """Wrap a table, without copying it."""
        vectors = cls(table.d, dtype=table.dtype)
        vectors._take(table)
        return vectors

    # --------------------------------------------------------------------------------------------------------------- one and two

    def similarity(self, w1: Key, w2: Key) -> float:
        """Return the cosine of two keys' vectors; NaN if one is zero."""
        return self._cosine(self[w1], self[w2])

    def distance(self, w1: Key, w2: Key) -> float:
        """Return 1 minus the cosine of two keys' vectors: gensim's name for it, though it is no distance (no triangle inequality)."""
        return 1 - self.similarity(w1, w2)

    @staticmethod
    def _cosine(u: NDArray[Any], v: NDArray[Any]) -> float:
        if np.array_equal(u, v) and np.any(u):
            return 1.0  # whatever rounding leaves of it
        try:
            return float(cosine(u, v))
        except ZeroVectorError:
            return float("nan")

    def n_similarity(self, ws1: Sequence[Key], ws2: Sequence[Key]) -> float:
        """Return the cosine of the means of two lists of keys.

        Raises
        ------
        ZeroDivisionError
            If a list is empty.
        """
        if not (len(ws1) and len(ws2)):
            message = "expected keys on both sides, got an empty list"
            raise ZeroDivisionError(message)
        return self._cosine(self.get_mean_vector(ws1, pre_normalize=False), self.get_mean_vector(ws2, pre_normalize=False))

    def most_similar_to_given(self, key1: Key, keys_list: Sequence[Key]) -> Key:
        """Return the key of a list that is closest to a key by cosine."""
        return keys_list[int(np.argmax([self.similarity(key1, key) for key in keys_list]))]

    @staticmethod
    def cosine_similarities(vector_1: NDArray[Any], vectors_all: NDArray[Any]) -> NDArray[np.float64]:
        """Return the cosines of one vector with each row of a matrix, of shape (n,); NaN for zero vectors."""
        return pairwise(np.asarray(vector_1)[None], np.asarray(vectors_all), measure="cosine")[0]

    def distances(self, word_or_vector: Key | NDArray[Any], other_words: Iterable[Key] = ()) -> NDArray[np.float64]:
        """Return 1 minus the cosine of a key or vector with each of other keys, or with all."""
        vector = self.get_vector(word_or_vector) if isinstance(word_or_vector, (str, int, np.integer)) else word_or_vector
        rows = [self.get_index(word) for word in other_words]
        return 1 - self.cosine_similarities(vector, self.vectors[rows] if rows else self.vectors)

    def closer_than(self, key1: Key, key2: Key) -> list[str]:
        """Return the keys that are closer to `key1` than `key2` is, in row order."""
        distances = self.distances(key1)
        own = int(self.get_index(key1))
        if self.get_index(key2) == own:
            return []
        return self.table.vocabulary.tokens_of([row for row in np.flatnonzero(distances < distances[self.get_index(key2)]) if row != own])

    def words_closer_than(self, word1: Key, word2: Key) -> list[str]:
        """Return `closer_than` under its older name."""
        return self.closer_than(word1, word2)

    def rank(self, key1: Key, key2: Key) -> int:
        """Return the place of `key2` among the keys closest to `key1`, from 1."""
        return len(self.closer_than(key1, key2)) + 1

    # ------------------------------------------------------------------------------------------------------------- sums of keys

    def get_mean_vector(
        self,
        keys: Sequence[Key | NDArray[Any]],
        weights: Sequence[float] | NDArray[Any] | None = None,
        pre_normalize: bool = True,
        post_normalize: bool = False,
        ignore_missing: bool = True,
    ) -> NDArray[Any]:
        """Return the weighted mean of keys' vectors and of vectors.

        Parameters
        ----------
        keys : sequence of m keys or arrays of shape (d,)
        weights : sequence of m numbers, optional
            Default: 1 each. The sum is divided by that of their absolute values.
        pre_normalize : bool, default True
            Whether keys' vectors count with length 1; vectors handed in count as they are.
        post_normalize : bool, default False
            Whether the mean is brought to length 1.
        ignore_missing : bool, default True
            Whether keys that are not there are left out instead of refused.

        Returns
        -------
        array of shape (d,)

        Raises
        ------
        ArgumentError
            If there are no keys, or not as many weights.
        UnknownTokenError
            If a key is not there and `ignore_missing` is false.
        """
        if not len(keys):
            message = "expected at least one key for a mean, got none"
            raise ArgumentError(message)
        factors = np.ones(len(keys)) if weights is None else np.asarray(weights, dtype=np.float64)
        if len(factors) != len(keys):
            message = f"expected one weight for each of {len(keys)} keys, got {len(factors)}"
            raise ArgumentError(message)
        total, size = np.zeros(self.vector_size), 0.0
        for key, factor in zip(keys, factors, strict=True):
            if not isinstance(key, np.ndarray) and key not in self:
                if not ignore_missing:
                    self.get_index(key)  # raises
                continue
            vector = np.asarray(key, dtype=np.float64) if isinstance(key, np.ndarray) else self.get_vector(key).astype(np.float64)
            if pre_normalize and not isinstance(key, np.ndarray):
                vector = vector / (self.norms[self.get_index(key)] or 1.0)
            total += factor * vector
            size += abs(factor)
        mean = total / size if size else total
        length = float(np.linalg.norm(mean))
        return (mean / length if post_normalize and length else mean).astype(self.vectors.dtype)

    def most_similar(
        self,
        positive: Term = None,
        negative: Term = None,
        topn: int | None = 10,
        clip_start: int = 0,
        clip_end: int | None = None,
        restrict_vocab: int | None = None,
        indexer: Any = None,
    ) -> Any:
        """Return the keys closest by cosine to the mean of some keys and vectors, those of `negative` taken away.

        Parameters
        ----------
        positive, negative : key, vector, or list of them or of (key, weight), optional
        topn : int or None, default 10
            How many; None gives the cosines of all instead.
        clip_start, clip_end : int
            Rows from and to which are searched.
        restrict_vocab : int, optional
            Only so many of the first rows.
        indexer : object with `most_similar(vector, topn)`, optional
            Asked instead of the exact search.

        Returns
        -------
        list of (str, float), or array of shape (n,)
            Without the keys asked about.

        Raises
        ------
        UnknownTokenError
            If a key is not there.
        ArgumentError
            If nothing is asked.
        """
        if isinstance(topn, Integral) and topn < 1:
            return []
        first, last = (0, int(restrict_vocab)) if restrict_vocab else (int(clip_start), clip_end or len(self))
        plus, minus = _terms(positive), _terms(negative)
        keys, weights = [], []
        for item, sign in [*((item, 1.0) for item in plus), *((item, -1.0) for item in minus)]:
            alone = isinstance(item, (str, int, np.integer, np.ndarray))
            keys.append(item if alone else item[0])
            weights.append(sign if alone else item[1])
        mean = self.get_mean_vector(keys, weights, pre_normalize=True, post_normalize=True, ignore_missing=False)
        if indexer is not None and isinstance(topn, int):
            return indexer.most_similar(mean, topn)
        if topn is None:
            return self.cosine_similarities(mean, self.vectors[first:last])
        own = {int(self.get_index(key)) for key in keys if not isinstance(key, np.ndarray)}
        return self._nearest(mean, int(topn), range(len(self))[first:last], own)

    def _nearest(self, vector: NDArray[Any], k: int, rows: range, own: set[int]) -> list[tuple[str, float]]:
        """Return the k closest of some rows by exact search, a query's own rows left out."""
        if not len(rows):
            return []
        left_out = sorted(row - rows.start for row in own if row in rows)
        found = self._search(rows).search(vector, min(k, len(rows)), exclude=left_out or None)
        kept = found.ids >= 0
        tokens = self.table.vocabulary.tokens_of(found.ids[kept] + rows.start)
        return list(zip(tokens, found.scores[kept].tolist(), strict=True))

    def _search(self, rows: range) -> Exact:
        """Return the search over some rows of the table as it is now, made once for each state of it."""
        kept: tuple[EmbeddingTable, range, Exact] | None = getattr(self, "_searched", None)
        if kept is None or kept[0] is not self.table or kept[1] != rows:
            kept = self._searched = (self.table, rows, Exact(self.table.matrix[rows.start : rows.stop], "cosine"))
        return kept[2]

    def similar_by_key(self, key: Key, topn: int | None = 10, restrict_vocab: int | None = None) -> Any:
        """Return the keys closest to a key by cosine, as `most_similar`."""
        return self.most_similar([key], topn=topn, restrict_vocab=restrict_vocab)

    def similar_by_word(self, word: Key, topn: int | None = 10, restrict_vocab: int | None = None) -> Any:
        """Return the keys closest to a word by cosine: `similar_by_key` under its older name."""
        return self.similar_by_key(word, topn, restrict_vocab)

    def similar_by_vector(self, vector: NDArray[Any], topn: int | None = 10, restrict_vocab: int | None = None) -> Any:
        """Return the keys closest to a vector by cosine, as `most_similar`."""
        return self.most_similar([np.asarray(vector)], topn=topn, restrict_vocab=restrict_vocab)

    def most_similar_cosmul(
        self, positive: Term = None, negative: Term = None, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> Any:
        """Return the keys with the largest product of cosines, divided by those with `negative` (3CosMul of Levy and Goldberg, eq. 4).

        Parameters
        ----------
        positive, negative : key, vector, or list of them, optional
        topn : int or None, default 10
            How many; None gives the scores of all instead.
        restrict_vocab : int, optional
            Only so many of the first rows.

        Returns
        -------
        list of (str, float), or array of shape (n,)
        """
        if isinstance(topn, Integral) and topn < 1:
            return []
        plus, minus = _terms(positive), _terms(negative)
        if not plus:
            message = "expected something positive to be close to, got nothing"
            raise ArgumentError(message)
        matrix = self.vectors[: restrict_vocab or len(self)]
        rows = [np.asarray(term) if isinstance(term, np.ndarray) else self.get_vector(term) for term in [*plus, *minus]]
        shifted = (1 + pairwise(np.stack(rows), matrix, measure="cosine")) / 2
        scores = np.prod(shifted[: len(plus)], axis=0) / (np.prod(shifted[len(plus) :], axis=0) + SHIFT)
        if topn is None:
            return scores
        own = {int(self.get_index(term)) for term in [*plus, *minus] if not isinstance(term, np.ndarray)}
        order = np.argsort(np.where(np.isnan(scores), np.inf, -scores), kind="stable")[: int(topn) + len(own)]
        best = [row for row in order.tolist() if row not in own][: int(topn)]
        return list(zip(self.table.vocabulary.tokens_of(best), scores[best].tolist(), strict=True))

    def rank_by_centrality(self, words: Sequence[Key], use_norm: bool = True) -> list[tuple[float, Key]]:
        """Return keys with the inner product of their vectors (of length 1 with `use_norm`) and the direction of their mean, closest first.

        Raises
        ------
        ArgumentError
            If none of the keys is there.
        """
        used = [word for word in words if word in self]
        if not used:
            message = f"expected at least one key that is there, got {list(words)!r:.80}"
            raise ArgumentError(message)
        rows = np.vstack([self.get_vector(word, norm=use_norm) for word in used]).astype(np.float64)
        mean = rows.mean(axis=0)
        closeness = rows @ (mean / (float(np.linalg.norm(mean)) or 1.0))
        return sorted(zip(closeness.tolist(), used, strict=True), reverse=True, key=lambda pair: (pair[0], str(pair[1])))

    def doesnt_match(self, words: Sequence[Key]) -> Key:
        """Return the key that is farthest from the mean of all."""
        return self.rank_by_centrality(words)[-1][1]

    def relative_cosine_similarity(self, wa: Key, wb: Key, topn: int = 10) -> float:
        """Return the cosine of two keys, divided by the sum of those of the first one's `topn` closest.

        Raises
        ------
        ArgumentError
            If `topn` gives none.
        """
        closest = self.similar_by_key(wa, topn)
        if not closest:
            message = f"expected topn of at least 1, got {topn}"
            raise ArgumentError(message)
        return self.similarity(wa, wb) / sum(score for _, score in closest)

    def wmdistance(self, document1: Sequence[str], document2: Sequence[str], norm: bool = True) -> float:
        """Return the Word Mover's Distance of two documents: the least work of carrying the words of one to those of the other.

        Parameters
        ----------
        document1, document2 : sequence of str
            Words that are not there are left out.
        norm : bool, default True
            Whether vectors count with length 1.

        Returns
        -------
        float
            Infinite where a document has no known word; 0 for two documents of the same words as often.

        Raises
        ------
        MissingExtraError
            If POT is not installed.
        """
        bags = [[word for word in document if word in self] for document in (document1, document2)]
        if not all(bags):
            return float("inf")
        try:
            from ot import emd2  # noqa: PLC0415 - wanted here alone
        except ImportError as absent:
            message = "the Word Mover's Distance is computed by POT, which is not installed"
            raise MissingExtraError(message, hint="pip install POT") from absent
        words = [sorted(set(bag)) for bag in bags]
        masses = [np.array([bag.count(word) for word in each]) / len(bag) for bag, each in zip(bags, words, strict=True)]
        rows = [np.vstack([self.get_vector(word, norm=norm) for word in each]) for each in words]
        return float(emd2(masses[0], masses[1], pairwise(rows[0], rows[1], measure="euclidean").astype(np.float64)))

    def vectors_for_all(
        self,
        keys: Iterable[str],
        allow_inference: bool = True,
        copy_vecattrs: bool = False,
    ) -> KeyedVectors:
        """Return new KeyedVectors of those of some keys that are there, each once; with `copy_vecattrs` their attributes as well."""
        del allow_inference  # gensim's for unseen words of fastText, which is another class
        wanted = [key for key in dict.fromkeys(keys) if key in self]
        chosen = KeyedVectors(self.vector_size, dtype=self.vectors.dtype)
        if wanted:
            chosen.add_vectors(wanted, self[wanted])
            for rank, key in enumerate(wanted):
                chosen.set_vecattr(key, "count", len(wanted) - rank)
                for name in self.expandos if copy_vecattrs else ():
                    chosen.set_vecattr(key, name, self.get_vecattr(key, name))
        return chosen

    def similarity_unseen_docs(self, *args: Any, **kwargs: Any) -> None:
        """Raise, as gensim's does: documents have vectors in Doc2Vec alone.

        Raises
        ------
        NotImplementedError
        """
        message = "similarity_unseen_docs is a method of gensim's Doc2Vec models; word vectors have n_similarity and wmdistance"
        raise NotImplementedError(message)

    # ------------------------------------------------------------------------------------------------------------- files, judges

    @classmethod
    def load(cls, fname: str | os.PathLike[str], mmap: str | None = None) -> KeyedVectors:
        """Open what `save` wrote, any table that `tokenspace.open` knows, or a gensim file, whose pickle is read by an allow-list."""
        del mmap  # native files are always mapped
        return files.load(cls, fname)

    def save(self, fname: str | os.PathLike[str], **kwargs: Any) -> None:
        """Write keys and vectors as a native file, and attributes beside it; gensim's options for pickles are not needed."""
        del kwargs
        files.save(self, fname)

    @classmethod
    def load_word2vec_format(
        cls,
        fname: str | os.PathLike[str],
        fvocab: str | os.PathLike[str] | None = None,
        binary: bool = False,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
        limit: int | None = None,
        datatype: DTypeLike = np.float32,
        no_header: bool = False,
    ) -> KeyedVectors:
        """Read a file of word2vec, text or binary; parameters as gensim's. Faults that gensim passes over are refused."""
        return files.read_word2vec(
            cls,
            fname,
            fvocab,
            "word2vec-binary" if binary else "glove" if no_header else "word2vec-text",
            encoding,
            unicode_errors,
            limit,
            datatype,
        )

    def save_word2vec_format(
        self,
        fname: str | os.PathLike[str],
        fvocab: str | os.PathLike[str] | None = None,
        binary: bool = False,
        total_vec: int | None = None,
        write_header: bool = True,
        prefix: str = "",
        append: bool = False,
        sort_attr: str = "count",
    ) -> None:
        """Write a file of word2vec, text or binary; parameters as gensim's."""
        files.write_word2vec(self, fname, fvocab, binary, total_vec, write_header, prefix, append, sort_attr)

    def intersect_word2vec_format(
        self,
        fname: str | os.PathLike[str],
        lockf: float = 0.0,
        binary: bool = False,
        encoding: str = "utf8",
        unicode_errors: str = "strict",
    ) -> None:
        """Take over a word2vec file's vectors for the keys that are there; others are left alone. `lockf` is of use in training alone."""
        del lockf
        other = type(self).load_word2vec_format(fname, binary=binary, encoding=encoding, unicode_errors=unicode_errors)
        shared = [key for key in other.index_to_key if key in self.key_to_index]
        if shared:
            self.add_vectors(shared, other[shared], replace=True)
        self.add_lifecycle_event("intersect_word2vec_format", msg=f"took over {len(shared)} vectors from {fname}")

    def evaluate_word_pairs(
        self,
        pairs: str | os.PathLike[str],
        delimiter: str = "\t",
        encoding: str = "utf8",
        restrict_vocab: int = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
    ) -> tuple[Any, Any, float]:
        """Return Pearson's and Spearman's correlation with people's judgements, with p-values, and the percentage of unknown pairs."""
        return judged.word_pairs(self, pairs, delimiter, encoding, restrict_vocab, case_insensitive, dummy4unknown)

    def evaluate_word_analogies(
        self,
        analogies: str | os.PathLike[str],
        restrict_vocab: int = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
        similarity_function: str = "most_similar",
    ) -> tuple[float, list[dict[str, Any]]]:
        """Return the share of analogy questions answered right, and the questions section by section."""
        return judged.word_analogies(self, analogies, restrict_vocab, case_insensitive, dummy4unknown, similarity_function)


def _terms(value: Term) -> list[Any]:
    """Return what was given for positive or negative as a list."""
    if value is None:
        return []
    if isinstance(value, (str, int, np.integer)) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return [value]
    return list(value)
