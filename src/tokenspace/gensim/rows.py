"""Keys, vectors and attributes that can be changed, as gensim's are, on top of tables that cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, ShapeError, UnknownTokenError
from tokenspace.measures import norms
from tokenspace.rows import check_finite
from tokenspace.table import EmbeddingTable
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

Key = str | int | np.integer

SHOWN = 5
"""Keys that are shown for all of them."""


class Keys(Sequence[str]):
    """The keys in row order: `index_to_key`. A view of the vocabulary, equal to any sequence of the same strings."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._vocabulary)

    def __getitem__(self, place: Any) -> Any:
        """Return the key of a row, or the keys of a slice."""
        if isinstance(place, slice):
            return self._vocabulary.tokens_of(np.arange(len(self))[place])
        return self._vocabulary.token(range(len(self))[place])

    def __iter__(self) -> Iterator[str]:
        """Yield the keys."""
        return iter(self._vocabulary)

    def __contains__(self, key: object) -> bool:
        """Return whether a key is there."""
        return key in self._vocabulary

    def __eq__(self, other: object) -> bool:
        """Compare key by key."""
        return list(self) == list(other) if isinstance(other, (Keys, list, tuple)) else NotImplemented

    __hash__ = None  # type: ignore[assignment] # as a list has none

    def __repr__(self) -> str:
        """Show the first keys."""
        shown = ", ".join(map(repr, self[:SHOWN]))
        return f"[{shown}{', …' if len(self) > SHOWN else ''}]"


class Index(Mapping[str, int]):
    """The row of each key: `key_to_index`. A view of the vocabulary; nothing is built."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._vocabulary)

    def __getitem__(self, key: str) -> int:
        """Return the row of a key."""
        return self._vocabulary.id(key)

    def __iter__(self) -> Iterator[str]:
        """Yield the keys in row order."""
        return iter(self._vocabulary)

    def __contains__(self, key: object) -> bool:
        """Return whether a key is there."""
        return key in self._vocabulary


class Rows:
    """A table that can be added to and replaced row by row.

    Attributes
    ----------
    vector_size : int
        Numbers a row.
    expandos : dict of arrays of shape (n,)
        Attributes of the keys, such as "count", by name.

    Notes
    -----
    What is added or replaced is noted and joined with the table when somebody looks: a thousand additions in a row copy the matrix
    once, not a thousand times. Each joined table is a new one, so norms and indices made for the old one are never used for the new.
    """

    def __init__(self, vector_size: int, count: int = 0, dtype: DTypeLike = np.float32, mapfile_path: str | None = None) -> None:
        del count, mapfile_path  # rows are made room for as they come; the second is unused in gensim too
        self.vector_size = int(vector_size)
        self.expandos: dict[str, NDArray[Any]] = {}
        self.lifecycle_events: list[dict[str, Any]] = []
        self._joined = EmbeddingTable.mapped(Vocabulary([]), np.empty((0, self.vector_size), np.dtype(dtype)))
        self._added: dict[str, int] = {}
        self._fresh: list[NDArray[Any]] = []
        self._replaced: dict[int, NDArray[Any]] = {}
        self._norms: tuple[EmbeddingTable, NDArray[np.float64]] | None = None

    # ------------------------------------------------------------------------------------------------------------- what is there

    @property
    def table(self) -> EmbeddingTable:
        """The keys and vectors as they are now, as an immutable table."""
        if self._added or self._replaced:
            matrix = np.empty((len(self._joined) + len(self._fresh), self.vector_size), self._joined.dtype)
            matrix[: len(self._joined)] = self._joined.matrix
            if self._fresh:
                matrix[len(self._joined) :] = self._fresh
            for row, vector in self._replaced.items():
                matrix[row] = vector
            vocabulary = self._joined.vocabulary.extend(self._added) if self._added else self._joined.vocabulary
            self._take(EmbeddingTable.mapped(vocabulary, matrix))
        return self._joined

    def _take(self, table: EmbeddingTable) -> None:
        """Become what a table holds."""
        self._joined = table
        self._added, self._fresh, self._replaced = {}, [], {}

    @property
    def vectors(self) -> NDArray[Any]:
        """The matrix of shape (n, d), read-only: `kv[key] = vector` changes a row."""
        return self.table.matrix

    @vectors.setter
    def vectors(self, matrix: NDArray[Any]) -> None:
        rows = np.array(matrix)
        if rows.shape != (len(self), self.vector_size):
            message = f"expected vectors of shape ({len(self)}, {self.vector_size}), one a key, got {rows.shape}"
            raise ShapeError(message)
        check_finite(rows, "vectors")
        self._take(EmbeddingTable.mapped(self.table.vocabulary, rows))

    @property
    def index_to_key(self) -> Keys:
        """The keys in row order."""
        return Keys(self.table.vocabulary)

    @property
    def key_to_index(self) -> Index:
        """The row of each key."""
        return Index(self.table.vocabulary)

    @property
    def next_index(self) -> int:
        """The row that the next key gets."""
        return len(self)

    @property
    def norms(self) -> NDArray[np.float64]:
        """The vectors' lengths, of shape (n,), float64; worked out anew whenever the vectors are others."""
        table = self.table
        if self._norms is None or self._norms[0] is not table:
            self._norms = (table, norms(table.matrix))
        return self._norms[1]

    def fill_norms(self, force: bool = False) -> None:
        """Do nothing: `norms` is always that of the vectors. Kept for callers."""

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._joined) + len(self._added)

    def __str__(self) -> str:
        """Say size and class."""
        return f"{type(self).__name__}<vector_size={self.vector_size}, {len(self)} keys>"

    def __contains__(self, key: object) -> bool:
        """Return whether a key, or a row of that number, is there."""
        return isinstance(key, (str, int, np.integer)) and self.has_index_for(key)

    def has_index_for(self, key: Key) -> bool:
        """Return whether a key, or a row of that number, is there."""
        return int(self.get_index(key, -1)) >= 0

    def get_index(self, key: Key, default: Any = None) -> Any:
        """Return the row of a key; a whole number in range is its own row.

        Raises
        ------
        UnknownTokenError
            If there is no such key and no default: a KeyError.
        """
        if isinstance(key, str):
            if key in self._added:
                return len(self._joined) + self._added[key]
            row = int(self._joined.vocabulary.find([key])[0]) if key else -1
            if row >= 0:
                return row
        elif isinstance(key, (int, np.integer)) and 0 <= key < len(self):
            return key
        if default is not None:
            return default
        if isinstance(key, str):
            return self.table.vocabulary.id(key)  # raises, with the nearest spellings
        raise UnknownTokenError(str(key), size=len(self), suggest=list)

    def get_vector(self, key: Key, norm: bool = False) -> NDArray[Any]:
        """Return a key's vector of shape (d,), read-only; with `norm` brought to length 1 (NaN for a zero vector)."""
        row = self.get_index(key)
        vector = self.table.matrix[row]
        if norm:
            with np.errstate(invalid="ignore"):
                vector = (vector / self.norms[row]).astype(vector.dtype)
            vector.flags.writeable = False
        return vector

    word_vec = get_vector

    def __getitem__(self, key_or_keys: Any) -> NDArray[Any]:
        """Return the vector of a key, or those of several as an array of shape (m, d)."""
        if isinstance(key_or_keys, (str, int, np.integer)):
            return self.get_vector(key_or_keys)
        return np.vstack([self.get_vector(key) for key in key_or_keys])

    def get_normed_vectors(self) -> NDArray[Any]:
        """Return the vectors brought to length 1, of shape (n, d); NaN for zero vectors."""
        with np.errstate(invalid="ignore"):
            return (self.vectors / self.norms[:, None]).astype(self.vectors.dtype)

    # ----------------------------------------------------------------------------------------------------------------- changes

    def add_vector(self, key: str, vector: Any) -> int:
        """Append a key with its vector and return its row; a key that is there keeps its vector."""
        self.add_vectors([key], [vector])
        return int(self.get_index(key))

    def add_vectors(
        self,
        keys: Key | Sequence[str],
        weights: Any,
        extras: Mapping[str, NDArray[Any]] | None = None,
        replace: bool = False,
    ) -> None:
        """Append keys with their vectors.

        Parameters
        ----------
        keys : str or sequence of m str
        weights : array of shape (d,) or (m, d), or list of arrays
        extras : mapping of str to arrays of shape (m,), optional
            Attributes of these keys.
        replace : bool, default False
            Whether keys that are there get the new vectors; else they keep theirs.

        Raises
        ------
        ShapeError
            If there is not one vector of d numbers for each key.
        NotFiniteError
            If a vector holds NaN or infinity.
        ArgumentError
            If a key is no string.
        """
        names: list[Any] = [keys] if isinstance(keys, (str, int, np.integer)) else list(keys)
        rows = np.asarray(weights, dtype=self._joined.dtype)
        rows = rows[None] if rows.ndim == 1 and len(names) == 1 else rows
        if rows.shape != (len(names), self.vector_size):
            message = (
                f"add_vectors({len(names)} keys, weights of shape {rows.shape}): expected weights of ({len(names)}, {self.vector_size})"
            )
            raise ShapeError(message)
        check_finite(rows, "weights")
        for name, row in zip(names, rows, strict=True):
            place = self.get_index(name, -1)
            if place < 0:
                if not isinstance(name, str):
                    message = f"expected keys that are str, or rows that are there, got {name!r}"
                    raise ArgumentError(message)
                self._added[name] = len(self._fresh)
                self._fresh.append(row.copy())
            elif replace:
                self._replaced[int(place)] = row.copy()
        for attribute, values in (extras or {}).items():
            for name, value in zip(names, values, strict=True):
                self.set_vecattr(name, attribute, value)
        self.allocate_vecattrs()

    def __setitem__(self, keys: Any, weights: Any) -> None:
        """Add keys, or give those that are there other vectors."""
        self.add_vectors(keys, weights, replace=True)

    def unit_normalize_all(self) -> None:
        """Bring every vector to length 1; zero vectors stay zero."""
        lengths = np.where(self.norms > 0, self.norms, 1.0)[:, None]
        self.vectors = (self.vectors / lengths).astype(self.vectors.dtype)

    def init_sims(self, replace: bool = False) -> None:
        """With `replace`, bring every vector to length 1; else nothing is needed."""
        if replace:
            self.unit_normalize_all()

    def resize_vectors(self, seed: int = 0) -> None:
        """Do nothing: there is always one vector a key. Kept for callers."""

    def sort_by_descending_frequency(self) -> None:
        """Bring the keys into the order of their "count", the largest first; equal ones keep their order."""
        if not len(self):
            return
        order = np.argsort(-np.asarray(self.expandos["count"], dtype=np.int64), kind="stable")
        self._reorder(order)

    def _reorder(self, order: NDArray[np.int64]) -> None:
        table = self.table
        self._take(EmbeddingTable.mapped(Vocabulary(table.vocabulary.tokens_of(order)), table.matrix[order]))
        self.expandos = {name: values[order] for name, values in self.expandos.items()}

    # -------------------------------------------------------------------------------------------------------------- attributes

    def allocate_vecattrs(self, attrs: Iterable[str] | None = None, types: Iterable[Any] | None = None) -> None:
        """Make room for attributes, one value a key, zero at first.

        Raises
        ------
        TypeError
            If an attribute is there with a type that cannot hold the new one.
        """
        wanted = dict(zip(attrs or (), types or (), strict=True)) or {name: values.dtype for name, values in self.expandos.items()}
        for name, kind in wanted.items():
            dtype = np.dtype({int: np.int64, str: object}.get(kind, kind))
            old = self.expandos.get(name, np.zeros(0, dtype))
            if not np.issubdtype(dtype, old.dtype):
                message = f"attribute {name!r} holds {old.dtype}; it cannot hold {dtype}"
                raise TypeError(message)
            if name not in self.expandos or len(old) != len(self):
                self.expandos[name] = np.zeros(len(self), old.dtype)
                self.expandos[name][: len(old)] = old[: len(self)]

    def set_vecattr(self, key: Key, attr: str, val: Any) -> None:
        """Give a key an attribute."""
        self.allocate_vecattrs([attr], [type(val)])
        self.expandos[attr][self.get_index(key)] = val

    def get_vecattr(self, key: Key, attr: str) -> Any:
        """Return an attribute of a key."""
        return self.expandos[attr][self.get_index(key)]

    def add_lifecycle_event(self, event_name: str, log_level: int = 20, **event: Any) -> None:
        """Note what was done, in `lifecycle_events`."""
        del log_level
        self.lifecycle_events.append({"event": event_name, **event})
