"""A vocabulary: the finite set V of tokens, each with the id of its row (the lecture's V = {1..d_in}, counted here from 0).

Stored as three arrays, which are also what a table's file holds, so that opening a vocabulary of millions of tokens is a memory
map and costs no Python object a token: the tokens' UTF-8 bytes end to end, the offsets at which they begin, and an open-addressing
hash index from token to row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tokenspace import native
from tokenspace.errors import ArgumentError, DuplicateTokenError, TokenError, UnknownTokenError
from tokenspace.immutable import Immutable
from tokenspace.rows import checked_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray


MOST = 2**32 - 1
"""Rows that the index, whose entries are row id + 1 in 32 bits, can tell apart."""


class Vocabulary(Immutable):
    """Tokens and the ids of their rows; immutable.

    A token is any string: spaces, quotes and the empty string included. Undecodable bytes of a file are carried as Python's
    surrogate escapes and come back as the same bytes.

    Parameters
    ----------
    tokens : iterable of str
        In row order: the first token has id 0.

    Attributes
    ----------
    data : array of shape (b,), uint8
        The tokens' bytes, end to end; read-only.
    offsets : array of shape (n + 1,), int64
        Token i is ``data[offsets[i]:offsets[i + 1]]``; read-only.
    index : array of shape (2^j,), uint32
        Open-addressing hash table of row id + 1, 0 where free; read-only.

    Raises
    ------
    DuplicateTokenError
        If a token stands twice; both positions are named (``error.rows``).
    TokenError
        If something is not a string.

    Notes
    -----
    Time O(n) to build, O(1) a lookup. Memory: the bytes, 8 bytes an offset and 6 to 12 bytes a token for the index; no dict.
    The vice: one lookup at a time costs a few microseconds, several times a dict's. Ask for many tokens in one call of `ids`.

    Examples
    --------
    >>> v = Vocabulary(["king", "queen", "new york"])
    >>> v.id("queen"), v.token(2), "emperor" in v
    (1, 'new york', False)
    >>> v.ids(["new york", "king"])
    array([2, 0])
    """

    __slots__ = ("data", "index", "offsets")

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    index: NDArray[np.uint32]

    def __init__(self, tokens: Iterable[str]) -> None:
        data, offsets = _join(tokens)
        self._set(data, offsets, _built_index(data, offsets))

    @classmethod
    def from_arrays(cls, data: NDArray[np.uint8], offsets: NDArray[np.int64], index: NDArray[np.uint32] | None = None) -> Vocabulary:
        """Wrap arrays as they stand in a file, without a copy.

        Parameters
        ----------
        data : array of shape (b,), uint8
            The tokens' bytes.
        offsets : array of shape (n + 1,), int64
            Where each token begins, and the end of the last.
        index : array of shape (2^j,), uint32, optional
            The hash index that `Vocabulary.index` of the same tokens holds. Left out, it is built, which also finds duplicates.

        Returns
        -------
        Vocabulary

        Raises
        ------
        ArgumentError
            If the arrays cannot be a vocabulary: wrong sizes or, where the index is built, offsets that go back or outside.
        DuplicateTokenError
            If the index is built and a token stands twice.

        Notes
        -----
        With `index` given the cost is O(1): nothing is read. A wrong index or offset is then found when a lookup meets it, as
        each is held against its bounds at use; `verify` checks all of them.
        """
        if offsets.ndim != 1 or len(offsets) < 1 or data.ndim != 1:
            message = f"offsets must be of shape (n + 1,) and data of shape (b,); seen {offsets.shape} and {data.shape}"
            raise ArgumentError(message)
        if index is None:
            _check_offsets(data, offsets)
            index = _built_index(data, offsets)
        elif index.ndim != 1 or len(index) < len(offsets) or len(index) & (len(index) - 1):
            message = f"index must hold a power of two of slots, at least {len(offsets)}; seen {index.shape}"
            raise ArgumentError(message, hint="leave the index out: it is then built")
        self = cls.__new__(cls)
        self._set(data, offsets, index)
        return self

    def _set(self, data: NDArray[np.uint8], offsets: NDArray[np.int64], index: NDArray[np.uint32]) -> None:
        for name, array in (("data", data), ("offsets", offsets), ("index", index)):
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def __reduce__(self) -> tuple[Callable[..., Vocabulary], tuple[NDArray[np.generic], ...]]:
        """Pickle the three arrays; they are read-only again on the other side."""
        return Vocabulary.from_arrays, (np.asarray(self.data), np.asarray(self.offsets), np.asarray(self.index))

    def __len__(self) -> int:
        """Return the number of tokens n."""
        return len(self.offsets) - 1

    def __contains__(self, token: object) -> bool:
        """Return whether the token has a row."""
        return isinstance(token, str) and int(self.find([token])[0]) >= 0

    def __iter__(self) -> Iterator[str]:
        """Yield the tokens in row order."""
        block = 65_536
        for start in range(0, len(self), block):
            yield from self.tokens_of(np.arange(start, min(start + block, len(self))))

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same tokens in the same rows."""
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return np.array_equal(self.offsets, other.offsets) and np.array_equal(self.data, other.data)

    def __hash__(self) -> int:
        """Hash by size and first bytes: equal vocabularies agree, and no file is read whole."""
        return hash((len(self), self.data[:4096].tobytes()))

    def __repr__(self) -> str:
        """Show the size and the first tokens."""
        first = ", ".join(repr(token) for token in self.tokens_of(np.arange(min(3, len(self)))))
        return f"Vocabulary([{first}{', ...' if len(self) > 3 else ''}], n={len(self):,})"  # noqa: PLR2004 - the three shown

    def id(self, token: str) -> int:
        """Return the row id of a token.

        Parameters
        ----------
        token : str

        Returns
        -------
        int
            In 0..n-1.

        Raises
        ------
        UnknownTokenError
            If the token has no row; its `suggestions` are the nearest spellings.
        TokenError
            If `token` is not a string.
        """
        return int(self.ids([token])[0])

    def ids(self, tokens: Sequence[str]) -> NDArray[np.int64]:
        """Return the row ids of many tokens, in one call of the index.

        Parameters
        ----------
        tokens : sequence of str, of length m

        Returns
        -------
        array of shape (m,), int64

        Raises
        ------
        UnknownTokenError
            If a token has no row; the first such is named.
        TokenError
            If one is not a string.
        """
        found = self.find(tokens)
        if found.size and int(found.min()) < 0:
            token = tokens[int(np.argmax(found < 0))]
            raise UnknownTokenError(token, size=len(self), suggest=lambda: self.suggest(token))
        return found

    def find(self, tokens: Sequence[str]) -> NDArray[np.int64]:
        """Return the row ids of many tokens, -1 for those that have none.

        Parameters
        ----------
        tokens : sequence of str, of length m

        Returns
        -------
        array of shape (m,), int64
        """
        wanted, wanted_offsets = _join(tokens)
        found = native.find_tokens(self.data, self.offsets, self.index, wanted, wanted_offsets)
        if found.size and int(found.min()) < -1:
            message = "the vocabulary's hash index points outside the table: the file is damaged or was not written by tokenspace"
            raise ArgumentError(message, hint="rebuild it with Vocabulary.from_arrays(data, offsets)")
        return found

    def token(self, row: int) -> str:
        """Return the token of a row.

        Parameters
        ----------
        row : int
            In 0..n-1.

        Returns
        -------
        str

        Raises
        ------
        RowIdError
            If the row is outside 0..n-1.
        """
        return self.tokens_of([row])[0]

    def tokens_of(self, rows: ArrayLike) -> list[str]:
        """Return the tokens of many rows.

        Parameters
        ----------
        rows : array of shape (m,), integers in 0..n-1

        Returns
        -------
        list of str, of length m

        Raises
        ------
        RowIdError
            If a row is outside 0..n-1.
        """
        ids = checked_rows(rows, len(self)).ravel()
        starts, ends = self.offsets[ids], self.offsets[ids + 1]
        if ids.size and (int(starts.min()) < 0 or int((ends - starts).min()) < 0 or int(ends.max()) > len(self.data)):
            message = "the vocabulary's offsets point outside its bytes: the file is damaged"
            raise ArgumentError(message, hint="check it with `tokenspace info --verify`")
        data = self.data
        bounds = zip(starts.tolist(), ends.tolist(), strict=True)
        return [data[start:end].tobytes().decode("utf-8", "surrogateescape") for start, end in bounds]

    def extend(self, tokens: Iterable[str]) -> Vocabulary:
        """Return a vocabulary with more tokens after the old ones, whose ids stay (the lecture's 4.5).

        Parameters
        ----------
        tokens : iterable of str
            The new tokens, of which the first gets id n.

        Returns
        -------
        Vocabulary

        Raises
        ------
        DuplicateTokenError
            If a new token has a row already or is given twice.

        Examples
        --------
        >>> Vocabulary(["king"]).extend(["covid"]).id("covid")
        1
        """
        data, offsets = _join(tokens)
        both = np.concatenate([self.data, data])
        return Vocabulary.from_arrays(both, np.concatenate([self.offsets, offsets[1:] + len(self.data)]))

    def verify(self) -> None:
        """Check every offset and the whole index, which opening by memory map does not.

        Raises
        ------
        ArgumentError
            If an offset goes back or outside, or a token's own lookup does not give its row.
        """
        _check_offsets(self.data, self.offsets)
        found = native.find_tokens(self.data, self.offsets, self.index, self.data, self.offsets)
        wrong = np.flatnonzero(found != np.arange(len(self)))
        if wrong.size:
            row = int(wrong[0])
            message = f"the index gives {int(found[row])} for the token of row {row:,}"
            raise ArgumentError(message, hint="the file is damaged; convert the source again")

    def suggest(self, token: str, limit: int = 3) -> list[str]:
        """Return the nearest spellings of a token, best first.

        Parameters
        ----------
        token : str
        limit : int
            At most so many.

        Returns
        -------
        list of str
            Tokens at most two edits away (one for up to three bytes; more where letters take several bytes), upper and lower
            case being equal; nearer ones first, then the lower id. An edit inserts, drops or changes a byte, or swaps two
            neighbours (the optimal string alignment distance).

        Notes
        -----
        Time O(n · length) in NumPy: about 60 ms for 400,000 tokens, so it is done for an error message, never in a loop.
        """
        from tokenspace.spelling import nearest_spellings  # noqa: PLC0415 - only an error message needs it

        return self.tokens_of(nearest_spellings(_encoded(token), self.data, self.offsets, limit)) if len(self) else []


def _encoded(token: object) -> bytes:
    if not isinstance(token, str):
        message = f"a token must be a string; seen {type(token).__name__} {token!r:.80}"
        raise TokenError(message)
    try:
        return token.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        message = f"token {token!r:.80} holds a lone surrogate at character {error.start}, which UTF-8 cannot hold"
        raise TokenError(message) from None


def _join(tokens: Iterable[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Encode tokens end to end; return their bytes and offsets."""
    if isinstance(tokens, str):
        message = f"expected a sequence of tokens, seen the one string {tokens!r:.80}"
        raise TokenError(message, hint="put it into a list: [token]")
    encoded = [_encoded(token) for token in tokens]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(token) for token in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


def _check_offsets(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
    steps = np.diff(offsets)
    if int(offsets[0]) != 0 or int(offsets[-1]) != len(data) or (steps.size and int(steps.min()) < 0):
        at = int(np.argmax(steps < 0)) if steps.size and int(steps.min()) < 0 else 0
        message = f"offsets must rise from 0 to {len(data):,}; seen {int(offsets[0]):,} first, {int(offsets[-1]):,} last" + (
            f" and a step of {int(steps[at]):,} at row {at:,}" if steps.size and steps[at] < 0 else ""
        )
        raise ArgumentError(message)


def _built_index(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint32]:
    n = len(offsets) - 1
    if n >= MOST:
        message = f"a vocabulary holds fewer than {MOST:,} tokens, as its index counts rows in 32 bits; seen {n:,}"
        raise ArgumentError(message, hint="make several tables of it")
    slots = np.zeros(max(8, 1 << int(np.ceil(np.log2(max(1.5 * n, 1.0))))), dtype=np.uint32)
    twice = native.hash_tokens(data, offsets, slots)
    if twice is not None:
        first, second = twice
        token = data[offsets[second] : offsets[second + 1]].tobytes().decode("utf-8", "surrogateescape")
        message = f"token {token!r:.80} stands at positions {first:,} and {second:,}; each token has one row"
        error = DuplicateTokenError(message, hint="drop one of the two, or rename it")
        error.rows = (first, second)
        raise error
    return slots
