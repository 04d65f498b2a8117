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

    def add(self, rows: NDArray[Any]) -> None:
        """Take rows, shape (m, d), of the type promised."""
        ...


class Memory:
    """A matrix that grows: room for the rows expected, and half as much again when they are more.

    Room that is not written to takes no memory, and growing moves pages rather than bytes where the system can.
    """

    def begin(self, d: int, dtype: np.dtype[Any], expected: int) -> None:
        """Make room."""
        self.room = np.empty((max(1, expected), d), dtype=dtype)
        self.n = 0

    def add(self, rows: NDArray[Any]) -> None:
        """Take rows."""
        stop = self.n + len(rows)
        if stop > len(self.room):
            self.room.resize((max(stop, len(self.room) * 3 // 2), self.room.shape[1]), refcheck=False)
        self.room[self.n : stop] = rows
        self.n = stop

    def matrix(self) -> NDArray[Any]:
        """Return the rows, shape (n, d); no more can be added then."""
        if self.n < len(self.room):
            self.room.resize((self.n, self.room.shape[1]), refcheck=False)
        return self.room
