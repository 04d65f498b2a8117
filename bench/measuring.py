"""What a case measures with: time, the highest memory, a table's digest."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

STATUS = Path("/proc/self/status")


def resident(key: str = "VmRSS") -> int | None:
    """Return resident bytes now (VmRSS) or at most so far (VmHWM); None where the system does not tell."""
    if not STATUS.exists():
        return None
    return next(int(line.split()[1]) * 1024 for line in STATUS.read_text().splitlines() if line.startswith(key))


class Peak:
    """The most memory used within a block beyond what was in use at its beginning; `megabytes` is None where it cannot be told."""

    megabytes: float | None = None

    def __enter__(self) -> Peak:  # noqa: PYI034 - final in all but name
        """Begin anew."""
        self.before = resident()
        if self.before is not None:
            Path("/proc/self/clear_refs").write_text("5")
        return self

    def __exit__(self, *_: object) -> None:
        """Read it."""
        if self.before is not None:
            self.megabytes = ((resident("VmHWM") or 0) - self.before) / 1e6


def most_allocated(work: Callable[[], Any]) -> int:
    """Call `work`; return the most bytes that PyTorch's own blocks, made meanwhile, came to on the CPU."""
    from torch.profiler import ProfilerActivity, profile  # noqa: PLC0415 - not every case has it

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def timed(work: Callable[[], Any], times: int, *, warm: int = 0, seconds: float = 0.0) -> tuple[list[float], list[float], list[Any]]:
    """Call `work` some times; return CPU and wall milliseconds of each call after the first `warm`, and all results.

    With `seconds` it is called until so much CPU time has gone by, but at least twice after the warm ones where `times` lets it.
    """
    cpu, wall, results = [], [], []
    for at in range(warm + times):
        c, w = time.process_time(), time.perf_counter()
        results.append(work())
        if at >= warm:
            cpu.append(round((time.process_time() - c) * 1e3, 4))
            wall.append(round((time.perf_counter() - w) * 1e3, 4))
        if seconds and len(cpu) > 1 and sum(cpu) > seconds * 1e3:
            break
    return cpu, wall, results


def sha256(rows: torch.Tensor) -> str:
    """Return the SHA-256 of rows as they stand in memory."""
    import torch  # noqa: PLC0415 - not every case has it, and it takes a second

    return hashlib.sha256(rows.detach().contiguous().view(torch.uint8).numpy().data).hexdigest()


def state_bytes(optimiser: Any) -> int:
    """Return the bytes an optimiser keeps beside the parameters."""
    import torch  # noqa: PLC0415

    return sum(v.numel() * v.element_size() for state in optimiser.state.values() for v in state.values() if torch.is_tensor(v))


def random_rows(n: int, d: int, dtype: torch.dtype) -> torch.Tensor:
    """Return n rows that look like an embedding's; quick, by rolling one block of random rows."""
    import torch  # noqa: PLC0415

    block = torch.randn(4099, d, generator=torch.Generator().manual_seed(0)) * 0.02
    rows = torch.empty(n, d, dtype=dtype)
    for start in range(0, n, len(block)):
        part = rows[start : start + len(block)]
        part.copy_(block[: len(part)].roll(start % 97, 1))
    return rows
