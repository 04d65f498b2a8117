"""What a training step frees stays with the process, so that the next step does not fetch it from the system again."""

from __future__ import annotations

import torch

KEPT = (32 << 20) - (1 << 16)
"""Just below the 32 MB (DEFAULT_MMAP_THRESHOLD_MAX) up to which glibc learns from a block that is freed."""


def keep() -> None:
    """Free a block of nearly 32 MB that was never touched; costs microseconds.

    glibc takes blocks above 128 kB from the system and gives them back when they are freed, until a larger one has been freed once:
    from then on blocks up to that size come from the heap, and up to twice as much of it is kept. Without it a step whose loss makes
    8 MB temporaries at 256,000 x 2048 meets 8,000 page faults, 15 of its 25 CPU milliseconds. Importing transformers has the same
    effect; other allocators do not notice.
    """
    torch.empty(KEPT, dtype=torch.uint8)
