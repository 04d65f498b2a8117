"""An embedding table: a vocabulary and one row a token; names for everything the rooms below do with ids and matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import extension, onehot
from tokenspace.display import Displayed
from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.expressions import longest_pieces, split
from tokenspace.immutable import Immutable
from tokenspace.measures import norms
from tokenspace.neighbours import Answering
from tokenspace.rows import as_matrix, check_finite, checked_rows, unshared, wide_type
from tokenspace.search.kept import Kept
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.extension import Donor, Proof


class EmbeddingTable(Answering, Displayed, Immutable):
    """A vocabulary of n tokens and a matrix of n rows: the embedding i -> w_i of Definition 4.1; immutable.

    Parameters
    ----------
    tokens : iterable of n str, or Vocabulary
    matrix : array of shape (n, d), float32, float64, float16 or bfloat16
        Copied, unless it is read-only already, so that the table stays what it is. Integers and Python numbers become float32.

    Attributes
    ----------
    vocabulary : Vocabulary
    matrix : array of shape (n, d), read-only
        The lecture's W transposed: rows are tokens. Often memory-mapped.
    source : str
        Where the table was opened; empty for one made in memory.

    Raises
    ------
    DuplicateTokenError
        If a token stands twice; both positions are named.
    ShapeError
        If the matrix does not have one row a token.
    NotFiniteError
        If a row holds NaN or infinity.
    DtypeError
        If the matrix does not hold real numbers.

    Notes
    -----
    Every change gives a new table: what `nearest` keeps stays true. Rows need not differ and may be zero; a zero row has no cosine.

    References
    ----------
    Lecture "Embedding Layer and Distances/Similarities", Definition 4.1, equations (6) to (8).

    Examples
    --------
    >>> table = EmbeddingTable(["king", "queen", "apple"], [[2, 1], [2, 3], [-1, 0]])
    >>> table["queen"]
    array([2., 3.], dtype=float32)
    >>> table.nearest("king", k=1).tokens
    ['queen']
    """

    __slots__ = ("_kept", "matrix", "source", "vocabulary")

    vocabulary: Vocabulary
    matrix: NDArray[Any]
    source: str
    _kept: Kept

    def __init__(self, tokens: Iterable[str] | Vocabulary, matrix: ArrayLike) -> None:
        vocabulary = tokens if isinstance(tokens, Vocabulary) else Vocabulary(tokens)
        rows = as_matrix(matrix, "matrix")
        if rows.dtype == np.float64 and isinstance(matrix, (list, tuple)) and isinstance(matrix[0], (list, tuple)):
            narrow = rows.astype(np.float32)  # Python numbers have no element type of their own
            rows = narrow if np.asarray(matrix).dtype.kind not in "iu" else rows
        if len(rows) != len(vocabulary):
            message = f"a table needs one row for each token; seen {len(vocabulary):,} tokens and a matrix of shape {rows.shape}"
            raise ShapeError(message, hint="are the tokens its columns? then pass matrix.T" if rows.shape[1] == len(vocabulary) else "")
        check_finite(rows, "matrix")
        self._set(vocabulary, unshared(rows, matrix), "")

    @classmethod
    def mapped(cls, vocabulary: Vocabulary, matrix: NDArray[Any], *, source: str = "") -> EmbeddingTable:
        """Wrap what a reader has opened, without reading or copying it.

        Parameters
        ----------
        vocabulary : Vocabulary
        matrix : array of shape (n, d), float32, float64, float16 or bfloat16
            Usually memory-mapped. Nobody else may write to it. Its numbers are not looked at: `verify` does that. Copied only where
            the numbers of a row do not stand side by side.
        source : str
            Where it was opened.

        Returns
        -------
        EmbeddingTable

        Raises
        ------
        ShapeError
            If it does not have one row a token.
        """
        if matrix.ndim != 2 or len(matrix) != len(vocabulary):  # noqa: PLR2004 - a matrix has two axes
            message = f"a table needs one row for each token; seen {len(vocabulary):,} tokens and a matrix of shape {matrix.shape}"
            raise ShapeError(message)
        self = cls.__new__(cls)
        self._set(vocabulary, as_matrix(matrix, "matrix"), source)
        return self

    def _set(self, vocabulary: Vocabulary, matrix: NDArray[Any], source: str) -> None:
        view = np.asarray(matrix).view()
        view.flags.writeable = False
        object.__setattr__(self, "vocabulary", vocabulary)
        object.__setattr__(self, "matrix", view)
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "_kept", Kept(view))

    def __reduce__(self) -> tuple[Callable[..., EmbeddingTable], tuple[object, ...]]:
        """Pickle vocabulary and matrix; read-only again on the other side."""
        return _unpickled, (self.vocabulary, np.asarray(self.matrix), self.source)

    @property
    def n(self) -> int:
        """Number of rows, the lecture's d_in."""
        return int(self.matrix.shape[0])

    @property
    def d(self) -> int:
        """Numbers a row, the lecture's d_emb."""
        return int(self.matrix.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and numbers a row, (n, d)."""
        return self.n, self.d

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of the matrix."""
        return self.matrix.dtype

    def __len__(self) -> int:
        """Return the number of rows n."""
        return self.n

    def __contains__(self, token: object) -> bool:
        """Return whether the token has a row."""
        return token in self.vocabulary

    def __iter__(self) -> Iterator[str]:
        """Yield the tokens in row order."""
        return iter(self.vocabulary)

    def __repr__(self) -> str:
        """Show size, type and where it came from."""
        return f"EmbeddingTable(n={self.n:,}, d={self.d}, {self.dtype}{f', {self.source!r}' if self.source else ''})"

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return rows: the lookup i -> w_i, equation (8).

        Parameters
        ----------
        key : str, int, slice, sequence of str and int, or integer array of shape (...)

        Returns
        -------
        array of shape (d,) for one token or id, else (m, d) or (..., d)
            Of the table's own element type. One row and a slice are read-only views, many rows are a copy.

        Raises
        ------
        UnknownTokenError
            If a token has no row; its `suggestions` are the nearest spellings.
        RowIdError
            If an id is outside 0..n-1.
        """
        return self.matrix[key if isinstance(key, slice) else self.rows(key)]

    def rows(self, key: Any) -> Any:
        """Return the row id, or ids, that tokens and ids stand for.

        Parameters
        ----------
        key : str, int, sequence of str and int, or integer array of shape (...)

        Returns
        -------
        int, or array of shape (m,) or (...), int64

        Raises
        ------
        UnknownTokenError, RowIdError, TokenError
            As `__getitem__`.
        """
        if isinstance(key, str):
            return self.vocabulary.id(key)
        if isinstance(key, (list, tuple)) and any(isinstance(item, str) for item in key):
            if all(isinstance(item, str) for item in key):
                return self.vocabulary.ids(key)
            return np.array([self.rows(item) for item in key], dtype=np.int64)
        array = np.asarray(key)
        if array.dtype.kind in "US":
            return self.vocabulary.ids(array.ravel().tolist()).reshape(array.shape)
        ids = checked_rows(array, self.n)
        return ids if ids.ndim else int(ids)

    def linear(self, x: Any) -> NDArray[Any]:
        """Return z = W x, equation (6), for any input x: the same table as a fully connected layer.

        Parameters
        ----------
        x : array of shape (..., n), scipy-sparse array of shape (m, n), or OneHot of shape (..., n)

        Returns
        -------
        array of shape (..., d)

        Raises
        ------
        ShapeError, DtypeError
            As `tokenspace.onehot.linear`.

        Examples
        --------
        >>> from tokenspace import one_hot
        >>> table = EmbeddingTable(["king", "queen"], [[2, 1], [2, 3]])
        >>> table.linear(one_hot(1, n=2)), table.linear([1, -1])
        (array([2., 3.], dtype=float32), array([ 0., -2.], dtype=float32))
        """
        return onehot.linear(self.matrix, x)

    def vector(self, expression: str) -> NDArray[Any]:
        """Return the vector of a token, or of a sum and difference of tokens: z = W x with x = e_king - e_man + e_woman.

        Parameters
        ----------
        expression : str
            A token, or tokens joined by " + " and " - ". What is a token as a whole is that token, whatever it looks like.

        Returns
        -------
        array of shape (d,)
            The row itself for one token; else the sum of rows as they are, not brought to length 1, in float32 or, for a float64
            table, float64.

        Raises
        ------
        UnknownTokenError
            If a token has no row.

        Examples
        --------
        >>> EmbeddingTable(["a", "b"], [[2, 1], [2, 3]]).vector("a - b")
        array([ 0., -2.], dtype=float32)
        """
        rows, signs = self.terms(expression)
        if len(rows) == 1 and signs[0] == 1:
            return self.matrix[rows[0]]
        total = (signs[:, None] * self.matrix[rows].astype(np.float64)).sum(axis=0)
        return total.astype(wide_type(self.dtype))

    def terms(self, expression: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows that an expression, as `vector` takes it, is made of.

        Parameters
        ----------
        expression : str

        Returns
        -------
        pair of arrays of shape (m,), int64 and float64
            Row ids, and the sign, 1 or -1, with which each counts.

        Raises
        ------
        UnknownTokenError
            If a token has no row.
        TokenError
            If a sign lacks its token.
        """
        tokens, signs = split(expression, self.vocabulary)
        return self.vocabulary.ids(tokens), np.array(signs)

    def norms(self) -> NDArray[np.float64]:
        """Return the rows' Euclidean lengths, of shape (n,), float64."""
        return norms(self.matrix)

    def extend(
        self,
        tokens: Iterable[str],
        init: str | ArrayLike = "subtoken-mean",
        *,
        parts: Sequence[Sequence[str | int]] | None = None,
        donor: Donor | None = None,
        terms: int | None = None,
        seed: int = 0,
    ) -> EmbeddingTable:
        """Return a table with new tokens after the old ones, whose rows' bytes are untouched (the lecture's 4.5).

        Parameters
        ----------
        tokens : iterable of m str
        init : str or array of shape (m, d), default "subtoken-mean"
            The new rows, or how they start: one of `tokenspace.extension.INITIALISERS`, as `tokenspace.extension.new_rows` says.
        parts : sequence of m sequences of str and int, optional
            What each new token starts from: the tokens copied, described by, or averaged. For "subtoken-mean" it may be left out: then
            the words in a token that have a row, else the longest pieces of it that have one (`subtokens`).
        donor : tokenspace.extension.Donor, optional
            Another table, for "neighbours" and "omp".
        terms : int, optional
            Rows that "neighbours" or "omp" combine at the most.
        seed : int, default 0
            For "sample".

        Returns
        -------
        EmbeddingTable
            With n + m rows, in memory.

        Raises
        ------
        DuplicateTokenError
            If a token has a row already or is given twice.
        ArgumentError, ShapeError, NotFiniteError
            As `tokenspace.extension.new_rows`.

        Examples
        --------
        >>> table = EmbeddingTable(["new", "york"], [[2, 0], [0, 2]])
        >>> bigger = table.extend(["new york"])
        >>> bigger["new york"], bool(bigger.proof(table))
        (array([1., 1.], dtype=float32), True)
        """
        added = list(tokens) if not isinstance(tokens, str) else [tokens]
        vocabulary = self.vocabulary.extend(added)
        ids = None if parts is None else [self.rows(list(part)) for part in parts]
        if ids is None and isinstance(init, str) and init == "subtoken-mean":
            ids = [self.subtokens(token) for token in added]
        rows = extension.new_rows(self.matrix, len(added), init=init, parts=ids, donor=donor, terms=terms, seed=seed)
        return EmbeddingTable.mapped(vocabulary, np.concatenate([self.matrix, rows]))

    def proof(self, older: EmbeddingTable) -> Proof:
        """Show whether this table begins with all of an older one: the same tokens, and rows identical bit for bit.

        Parameters
        ----------
        older : EmbeddingTable

        Returns
        -------
        Proof
            True where nothing changed but rows were added.

        Raises
        ------
        ShapeError
            If this table cannot hold the older one's rows.
        ArgumentError
            If an old token stands elsewhere or is gone.
        """
        count = len(older.vocabulary)
        here, there = self.vocabulary, older.vocabulary
        same = np.array_equal(here.offsets[: count + 1], there.offsets) and np.array_equal(here.data[: len(there.data)], there.data)
        if not same:
            message = f"the first {count:,} tokens are not those of the older table in their order"
            raise ArgumentError(message, hint="proof compares a table with the one it was extended from")
        return extension.proof(older.matrix, self.matrix)

    def verify(self) -> None:
        """Check what opening by memory map does not: offsets, the whole hash index, and that every number is finite.

        Raises
        ------
        ArgumentError
            If the vocabulary is damaged.
        NotFiniteError
            If a row holds NaN or infinity.
        """
        self.vocabulary.verify()
        check_finite(self.matrix, "matrix")

    def subtokens(self, token: str) -> Sequence[int]:
        """Return the rows that a token's parts have: its words or, for a word without a row, its longest pieces from the left.

        Parameters
        ----------
        token : str

        Returns
        -------
        sequence of int
            Row ids; empty where no part has a row.
        """
        return longest_pieces(token, self.vocabulary)


def _unpickled(vocabulary: Vocabulary, matrix: NDArray[Any], source: str) -> EmbeddingTable:
    return EmbeddingTable.mapped(vocabulary, matrix, source=source)
