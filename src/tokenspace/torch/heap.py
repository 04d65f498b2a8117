"""Room for a training step's large blocks: what a step frees is kept, and joined again, so that the next one finds it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from tokenspace.native.door import kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = (32 << 20) - (1 << 16)
"""Just below the 32 MB (DEFAULT_MMAP_THRESHOLD_MAX) up to which glibc learns from a block that is freed."""

LARGE = 2 << 20
"""Bytes of rows from which tidying, 0.1 ms, is little beside what a step does with them."""


STATES = 3
"""Of the size of what trains, an optimiser keeps or needs so many: AdamW two, and one while it computes."""

_room: list[torch.Tensor] = []  # at most one, of the process, as the heap is


def keep(trained: int) -> None:
    """Prepare the heap for training a parameter of so many bytes; costs microseconds and touches no memory.

    A block of nearly 32 MB is asked for and freed. glibc takes blocks above 128 kB from the system and gives them back when they are
    freed, until a larger one has been freed once: from then on blocks up to that size come from the heap, and up to twice as much of it
    is kept. Without it a step whose loss makes 8 MB temporaries at 256,000 x 2048 meets 8,000 page faults, 15 of its 25 CPU
    milliseconds. Importing transformers has the same effect; other allocators do not notice.

    Room for the optimiser is set aside until the first gradient is there: it makes its tensors after a first step has come and gone,
    and would cut them from where a large block was, which then does not find room again.
    """
    torch.empty(KEPT, dtype=torch.uint8)
    kernel("tidy_heap")  # loaded now and not within a step
    size = STATES * trained
    if size <= KEPT and not (_room and _room[0].nbytes >= size):
        _room[:] = [torch.empty(size, dtype=torch.uint8)]


def release() -> None:
    """Free the room that was set aside."""
    _room.clear()


@contextmanager
def tidied(size: int, device: torch.device) -> Iterator[None]:
    """Tidy the heap before and after work on `size` bytes of rows, if they are many and on the CPU.

    Before glibc 2.39 a block is not joined with the free room beside it (see ``native/tidy_heap.c``), and the heap grows from step to
    step, as it does under PyTorch's own layers: at 256,000 x 2048, 8 x 128 ids, by 86 to 116 MB under 42 MB of tensors, and tidied by
    58 to 66 MB. The layer's calls are where we can do it: what lies between them, the loss and its gradient, is the caller's.
    """
    tidy = kernel("tidy_heap") if size >= LARGE and device.type == "cpu" else None
    if tidy:
        tidy()
    yield
    if tidy:
        tidy()
