"""Which rows of a matrix train: a run of ids, found by comparing, or any ids, found through a map from id to slot."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch

from tokenspace.errors import ArgumentError, DuplicateTokenError
from tokenspace.rows import checked_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike

WIDE = (torch.float32, torch.float64)
"""Types in which small updates survive. Rows stored in another one train as float32 masters: in bfloat16 a step of 1e-3 on a
number near 1 is rounded away, and the loss parts from PEFT's in the fourth digit."""


class Selection:
    """m of n rows, which is slot 0..m-1 of what trains.

    Parameters
    ----------
    ids : range, or array of shape (m,), integers in 0..n-1, each once
        Slot i is row ids[i].
    n : int
        Rows in all.

    Attributes
    ----------
    m, n : int
    start : int or None
        First row where the ids are a run upwards; None where a map is needed.
    rows, slots : tensors of shape (m,), int64, and (n,), int32, or None
        Where a map is needed: the ids, and the slot of each row, -1 for those that do not train (1 MB for 256,000 rows).

    Raises
    ------
    RowIdError
        If an id is outside.
    DuplicateTokenError
        If an id stands twice.
    ArgumentError
        If there is none.

    Notes
    -----
    Everything here costs what the ids asked about and the m rows cost, never n; making a map, once, is the exception.
    """

    def __init__(self, ids: ArrayLike, n: int) -> None:
        rows = checked_rows(ids, n).ravel()
        if not len(rows):
            message = "there must be at least one row to train; seen none"
            raise ArgumentError(message)
        self.m, self.n = len(rows), n
        self.start: int | None = int(rows[0])
        self.rows: torch.Tensor | None = None
        self.slots: torch.Tensor | None = None
        if (rows[1:] - rows[:-1] == 1).all():
            return
        self.start = None
        self.rows = torch.from_numpy(rows.copy())
        order = torch.arange(len(rows), dtype=torch.int32)
        self.slots = torch.full((n,), -1, dtype=torch.int32)
        self.slots[self.rows] = order
        twice = self.slots[self.rows] != order
        if bool(twice.any()):
            message = f"each row trains in one slot; seen id {int(self.rows[twice][0])} twice"
            raise DuplicateTokenError(message)

    @classmethod
    def everything(cls, n: int) -> Selection:
        """Return all of n rows."""
        self = cls.__new__(cls)
        self.m = self.n = n
        self.start, self.rows, self.slots = 0, None, None
        return self

    def __len__(self) -> int:
        """Return m."""
        return self.m

    def __repr__(self) -> str:
        """Show the run, or how many."""
        rows = f"{self.start}..{self.start + self.m - 1}" if self.start is not None else f"{self.m} rows"
        return f"Selection({rows} of {self.n})"

    def ids(self, device: torch.device | str = "cpu") -> torch.Tensor:
        """Return the row of each slot, of shape (m,), int64."""
        return self._map()[0].to(device) if self.start is None else torch.arange(self.start, self.start + self.m, device=device)

    def moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Take the map where the rows went."""
        if self.start is None:
            self.rows, self.slots = (move(tensor) for tensor in self._map())

    def is_view(self, full: torch.Tensor) -> bool:
        """Return whether what trains can be a view of the rows themselves: they are a run, of a type that trains well."""
        return self.start is not None and full.dtype in WIDE

    def part(self, full: torch.Tensor) -> torch.Tensor:
        """Return the chosen rows: a view of a run, else a copy."""
        return full[self.start : self.start + self.m] if self.start is not None else full.index_select(0, self._map()[0])

    def put(self, full: torch.Tensor, rows: torch.Tensor) -> None:
        """Write the chosen rows, rounded to the type of `full`."""
        if self.start is not None:
            full[self.start : self.start + self.m].copy_(rows)
        else:
            full.index_copy_(0, self._map()[0], rows.to(full.dtype))

    def columns(self, values: torch.Tensor) -> torch.Tensor:
        """Return the chosen places of the last axis: a view for a run, else a copy."""
        return values[..., self.start : self.start + self.m] if self.start is not None else values.index_select(-1, self._map()[0])

    def slots_of(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the slot of each id, of the same shape, int64; -1 where it does not train."""
        if self.start is None:
            return self._map()[1][ids].long()
        slots = ids.long() - self.start
        return slots.masked_fill((slots < 0) | (slots >= self.m), -1)

    def find(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return where in flat ids rows stand that train, and their slots; both int64."""
        if self.start is None:
            slots = self._map()[1][ids]
            at = (slots >= 0).nonzero().squeeze(1)
            return at, slots[at].long()
        chosen = ids >= self.start
        if self.start + self.m < self.n:
            chosen &= ids < self.start + self.m
        at = chosen.nonzero().squeeze(1)
        return at, ids[at].long() - self.start

    def others(self) -> Iterator[slice]:
        """Yield the runs of rows that do not train, in row order."""
        if self.start is not None:
            runs = [slice(0, self.start), slice(self.start + self.m, self.n)]
        else:
            cuts = [-1, *sorted(self._map()[0].tolist()), self.n]
            runs = [slice(low + 1, high) for low, high in pairwise(cuts)]
        yield from (run for run in runs if run.start < run.stop)

    def _map(self) -> tuple[Any, Any]:
        return self.rows, self.slots
