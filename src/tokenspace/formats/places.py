"""Where rows go as they are read: into memory that grows with them; `native_file.Writer` puts them into a file instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Place(Protocol):
    """Takes rows of one width and type, a block at a time."""

    def begin(self, d: int, dtype: np.dtype[Any], expected: int) -> None:
        """Hear of what will come: numbers a row, their type, and about how many rows, which may be wrong."""
        ...

    def reserve(self, m: int) -> NDArray[Any] | None:
        """Return where the next m rows may be written by whoever reads them, shape (m, d); None where they must be handed over."""
        ...

    def add(self, rows: NDArray[Any]) -> None:
        """Take rows, shape (m, d), of the type promised; in the order in which room was reserved for them."""
        ...


class Memory:
    """A matrix that grows: room for the rows expected, and half as much again when they are more.

    Room that is not written to takes no memory. Rows written where they belong are not copied; where rows before them were dropped, they
    move up, never over room that is reserved for later ones.
    """

    def begin(self, d: int, dtype: np.dtype[Any], expected: int) -> None:
        """Make room."""
        self.room = np.empty((expected, d), dtype=dtype)
        self.n = self.reserved = 0

    def reserve(self, m: int) -> NDArray[Any] | None:
        """Return the room of the next m rows, if there is as much."""
        start, self.reserved = self.reserved, self.reserved + m
        return self.room[start : self.reserved] if self.reserved <= len(self.room) else None

    def add(self, rows: NDArray[Any]) -> None:
        """Take rows."""
        stop = self.n + len(rows)
        if stop > len(self.room):  # not resized in place: others may be writing to what was reserved
            more = np.empty((max(stop, len(self.room) * 3 // 2), self.room.shape[1]), dtype=self.room.dtype)
            more[: self.n] = self.room[: self.n]
            self.room = more
        room = self.room[self.n : stop]
        if room.ctypes.data != rows.ctypes.data:
            room[...] = rows
        self.n = stop

    def matrix(self) -> NDArray[Any]:
        """Return the rows, shape (n, d); no more can be added then."""
        if self.n < len(self.room):
            self.room.resize((self.n, self.room.shape[1]), refcheck=False)  # gives back what was not needed, and moves nothing
        return self.room
