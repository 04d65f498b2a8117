"""One peer in a process of its own: prepares a table, answers queries and says what that cost. Commands and replies are lines of JSON.

A process each, because OpenMP, TBB and MKL of different libraries disturb one another in one, and because memory is counted a process.
Started by `cases/search.py`; the number of threads is set for every library before any is imported.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import resource
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

PEERS = Path(__file__).parents[1] / "peers"
TRIES = (1, 8, 64, 256)
"""Queries of the first calls, before all: where one of these takes too long, so many are what a turn asks. Nothing is inferred from
fewer queries, because most libraries take long over a few and little more over many. The first may load and compile."""


def load(name: str) -> ModuleType:
    """Import a peer's adaptor from its file; its name may be that of the library it adapts."""
    path = Path(__file__).with_name("floor.py") if name == "floor" else PEERS / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"peer_{name}", path)
    if spec is None or spec.loader is None:
        message = f"no such peer: {name}"
        raise SystemExit(message)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def timed(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return a call's result, wall seconds and CPU seconds of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def resident() -> float:
    """Return the memory held now, in MB."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # no /proc: only the peak is known
        return peak()
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak() -> float:
    """Return the most memory held since `forget_peak`, or since the start, in MB."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


def forget_peak() -> None:
    """Let the peak start anew from what is held now, where the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


class Worker:
    """Answers the commands `prepare`, `batch`, `single` and `limits`."""

    def __init__(self, name: str, rows: str, queries: str, measure: str, threads: int, k: int, limit: float) -> None:
        import numpy as np  # noqa: PLC0415 - after the numbers of threads are set

        self.peer = load(name)
        self.rows = np.load(rows, mmap_mode="c")  # shared with the other processes, and writable to those that insist
        self.rows.max()  # every page is in memory before anything is counted
        self.queries = np.load(queries)
        self.measure, self.threads, self.k, self.limit = measure, threads, k, limit
        self.answer: Any = None
        self.some = len(self.queries)

    def prepare(self) -> dict[str, Any]:
        """Make the index and search once: what that takes in time and memory, and whether the answers are right."""
        before = resident()
        self.answer, wall, cpu = timed(lambda: self.peer.prepare(self.rows, self.measure, self.threads))
        held = resident()
        forget_peak()
        self.some = len(self.queries)
        for count in TRIES:
            _, wall_of_some, _ = timed(lambda count=count: self.answer(self.queries[:count], self.k))
            if wall_of_some > self.limit:
                self.some = min(count, self.some)
                break
        ids, first, _ = timed(lambda: self.answer(self.queries[: self.some], self.k))
        return {
            "prepare_wall": wall,
            "prepare_cpu": cpu,
            "first_wall": first,
            "index_mb": held - before,
            "extra_mb": peak() - held,
            "kept_mb": resident() - held,
            "ids": ids[:200].tolist(),
            "asked": self.some,
            "version": importlib.metadata.version(self.peer.PACKAGE) if self.peer.PACKAGE else None,
        }

    def batch(self) -> dict[str, Any]:
        """Search all queries in one call; where that takes too long, as many as fit, and the time is scaled up."""
        _, wall, cpu = timed(lambda: self.answer(self.queries[: self.some], self.k))
        share = len(self.queries) / self.some
        return {"wall": wall * share, "cpu": cpu * share}

    def single(self, count: int) -> dict[str, Any]:
        """Search one query a call."""
        self.answer(self.queries[:1], self.k)
        ids, walls = [], []
        cpu = time.process_time()
        for i in range(count):
            found, wall, _ = timed(lambda i=i: self.answer(self.queries[i : i + 1], self.k))
            walls.append(wall)
            ids += found.tolist()
            if sum(walls) > self.limit:
                break
        return {"wall": statistics.median(walls), "cpu": (time.process_time() - cpu) / len(walls), "ids": ids}

    def limits(self) -> dict[str, float]:
        """Return what the machine can do at this moment; the floor's worker alone knows."""
        return self.answer.limits()


def main() -> None:
    """Answer commands until there are no more."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no reply
    settings = json.loads(sys.stdin.readline())
    if hasattr(os, "sched_setaffinity"):  # some libraries count processors and listen to nothing else
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-settings["threads"] :])
    warnings.simplefilter("ignore")
    worker: Worker | None = None
    try:
        worker = Worker(**settings)
        reply: dict[str, Any] = {"ready": True}
    except ImportError as error:
        reply = {"absent": str(error)}
    while True:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
        line = sys.stdin.readline()
        if not line or worker is None:
            return
        command = json.loads(line)
        try:
            reply = getattr(worker, command.pop("do"))(**command)
        except Exception as error:  # noqa: BLE001 - a peer that fails is reported, and the others go on
            reply = {"failed": f"{type(error).__name__}: {error}"[:300]}


if __name__ == "__main__":
    main()
