"""The processes that `worker.py` runs in, seen from the one that asks them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

WORKER = Path(__file__).with_name("worker.py")
SOURCES = Path(__file__).parents[2] / "src"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "TBB_NUM_THREADS")
WAITING = {"OMP_WAIT_POLICY": "passive"}
"""Threads that wait give their processor up. On a machine with other work FAISS's BLAS path is otherwise six times slower (12.5 s against
2.1 s for 1,000 queries on GloVe, two threads), which is the machine's doing and not the library's; set the variable to choose."""


class Process:
    """A worker with one peer, one table, one measure and one number of threads; a context that ends it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        threads = str(settings["threads"])
        path = os.pathsep.join(filter(None, [str(SOURCES), os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**WAITING, **os.environ, **dict.fromkeys(THREADS, threads), "PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"},
        )
        self._asked: Any = self._process.stdin
        self._said: Any = self._process.stdout
        self.state = self._exchange(settings)

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Send a command and wait for its reply."""
        return self._exchange({"do": do, **more})

    def _exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            self._asked.write(json.dumps(message) + "\n")
            self._asked.flush()
            line = self._said.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"failed": "the process ended"}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *failure: object) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self._asked.close()
        self._said.close()
        self._process.wait()
