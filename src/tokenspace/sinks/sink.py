"""What a store is to this package: a few schemes, the element types it keeps, and a `Store` to be filled."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tokenspace.errors import UnwritableError
from tokenspace.formats import rows_in_files
from tokenspace.rows import float_type

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tokenspace.measures import Measure
    from tokenspace.sinks.address import Address
    from tokenspace.table import EmbeddingTable

    Rows = tuple[NDArray[np.int64], list[bytes], NDArray[Any]]
    Mark = dict[str, Any]

VERSION = 1
UNIT_BOUNDS = {"float32": 1e-6, "float16": 1e-3}
"""How far a number of a row that a store brought to length 1 may be from ours: a few units in the last place of the type."""


@dataclass(frozen=True)
class Content:
    """What a store shall hold.

    Attributes
    ----------
    table : EmbeddingTable
    dtype : numpy dtype
        The element type to be stored.
    name : str
        Of the table or collection in the store.
    measure : str or None
        What the store shall search by; None leaves it at keeping the rows.
    force : bool
        Whether another table of that name, which tokenspace made, is replaced.
    digest : str
        SHA-256 of every token and number, as they shall be stored.
    rounding : float
        The largest relative change of a number by `dtype`; 0 where none changes.
    """

    table: EmbeddingTable
    dtype: np.dtype[Any]
    name: str
    measure: Measure | None
    force: bool
    digest: str
    rounding: float

    @classmethod
    def of(cls, table: EmbeddingTable, dtype: np.dtype[Any], name: str, measure: Measure | None, *, force: bool, where: str) -> Content:
        """Read a table once: every number must be finite in `dtype`, every token UTF-8.

        Raises
        ------
        NotFiniteError
            If a row holds NaN or infinity.
        UnwritableError
            If a number does not fit into `dtype`, a token is not UTF-8, or there is no row.
        """
        rows_in_files.check_writable(table, where, "of the store")
        data, offsets = table.vocabulary.data, table.vocabulary.offsets
        if (wrong := rows_in_files.undecodable(data, offsets)) is not None:
            raise rows_in_files.refuse(table, where, wrong[0], "is not UTF-8", hint="the store takes text only: rename the token")
        digest, rounding = hashlib.sha256(f"{table.shape} {dtype.name} ".encode()), 0.0
        for array in (offsets, data):
            for start in range(0, len(array), rows_in_files.BLOCK):
                digest.update(np.ascontiguousarray(array[start : start + rows_in_files.BLOCK]).data)
        for start, stop in rows_in_files.blocks(table.matrix):
            part = table.matrix[start:stop]
            narrow = _as(part, dtype)
            if not (finite := rows_in_files.finite_numbers(narrow)).all():
                row = start + int(np.argmin(finite.all(axis=1)))
                hint = "store it in a wider type"
                raise rows_in_files.refuse(table, where, row, f"has a number too large for {dtype.name}", hint=hint)
            digest.update(narrow.tobytes())
            rounding = max(rounding, _change(part, narrow))
        return cls(table, dtype, name, measure, force, digest.hexdigest(), rounding)

    @property
    def mark(self) -> Mark:
        """What is written on the stored table, to be told from any other."""
        return {"tokenspace": VERSION, "rows": self.table.n, "dims": self.table.d, "dtype": self.dtype.name, "sha256": self.digest}

    def rows(self, ids: NDArray[np.int64]) -> Rows:
        """Return ids, tokens as UTF-8 and numbers in `dtype` of some rows."""
        vocabulary = self.table.vocabulary
        bounds = zip(vocabulary.offsets[ids].tolist(), vocabulary.offsets[ids + 1].tolist(), strict=True)
        return ids, [vocabulary.data[begin:end].tobytes() for begin, end in bounds], _as(self.table.matrix[ids], self.dtype)

    def first_wrong(self, read: Rows, *, unit: bool) -> int:
        """Return the place, among rows read back, of the first that is not the table's: the bits, or where `unit` the direction."""
        ids, tokens, matrix = read
        _, own_tokens, own = self.rows(ids)
        if unit:
            wide = own.astype(np.float64)
            lengths = np.sqrt((wide * wide).sum(axis=1, keepdims=True))
            near = np.abs(matrix - np.divide(wide, lengths, out=wide, where=lengths > 0)) <= UNIT_BOUNDS[self.dtype.name]
            same = near.all(axis=1)
        else:
            bits = f"V{self.table.d * self.dtype.itemsize}"
            same = (np.ascontiguousarray(matrix).view(bits) == np.ascontiguousarray(own).view(bits)).ravel()
        same &= np.fromiter(map(bytes.__eq__, tokens, own_tokens), dtype=bool, count=len(tokens))
        return -1 if same.all() else int(np.argmin(same))


def _as(part: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(part, dtype=dtype)


def _change(part: NDArray[Any], narrow: NDArray[Any]) -> float:
    """Return the largest relative change between two arrays; below the type's normal numbers that of the least normal one."""
    if part.dtype == narrow.dtype:
        return 0.0
    wide = part.astype(np.float64)
    least = float(np.finfo(np.float16).tiny) if narrow.dtype == np.float16 else float(np.finfo(np.float32).tiny)
    return float((np.abs(narrow.astype(np.float64) - wide) / np.maximum(np.abs(wide), least)).max(initial=0.0))


class Store(Protocol):
    """A place in a store, opened to be filled with one table; its methods raise `StoreError` in one of its kinds."""

    unit: bool
    """Whether the store brings rows to length 1."""

    batch: int
    """Bytes of numbers that are best written at a time; each batch is there whole or not at all."""

    def mark(self) -> Mark | None:
        """Return what the table of that name, filled or half filled, says of itself: empty if it is not ours, None if there is none."""

    def create(self) -> None:
        """Make an empty table and write the mark on it."""

    def drop(self) -> None:
        """Take away the table whose mark was returned."""

    def ids(self) -> Iterator[NDArray[np.int64]]:
        """Yield the ids of all rows that are there, in any order."""

    def write(self, rows: Rows) -> None:
        """Add rows."""

    def read(self) -> Iterator[Rows]:
        """Yield all rows, in any order; numbers in the type they were written in."""

    def finish(self) -> None:
        """Make the indexes that were asked for, and the table visible under its name if it is not yet."""


@dataclass(frozen=True)
class Sink:
    """A kind of store.

    Attributes
    ----------
    name : str
    title : str
        One line that says what it is.
    schemes : tuple of str
        Schemes of its addresses.
    dtypes : tuple of str
        Element types that it keeps.
    open : callable
        Opens an address for some content.
    """

    name: str
    title: str
    schemes: tuple[str, ...]
    dtypes: tuple[str, ...]
    open: Callable[[Address, Content], contextlib.AbstractContextManager[Store]] = field(repr=False)

    def dtype_for(self, table: EmbeddingTable, asked: str | None, where: str) -> np.dtype[Any]:
        """Return the element type to store: the one asked for, else the table's, bfloat16 as the float32 numbers they are.

        Raises
        ------
        UnwritableError
            If the store does not keep that type.
        """
        dtype = table.dtype if asked is None else float_type(asked)
        if dtype.name == "bfloat16":
            dtype = np.dtype(np.float32)
        if dtype.name not in self.dtypes:
            problem = f"not written: expected {' or '.join(self.dtypes)}, which {self.title} keeps; seen {dtype.name}"
            raise UnwritableError(where, problem, hint="--dtype float32 rounds the numbers")
        return dtype
