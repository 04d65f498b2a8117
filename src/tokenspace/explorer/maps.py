"""Projections for the map: principal axes at once, axes named by tokens, and UMAP or PaCMAP, where installed, in a process of its own."""

from __future__ import annotations

import importlib.util
import multiprocessing
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.analysis.projection import named_axes, principal_axes
from tokenspace.errors import ArgumentError, MissingExtraError
from tokenspace.explorer.columns import Column, placed
from tokenspace.queries import terms_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from numpy.typing import NDArray

    from tokenspace.explorer.opened import Opened

LEARNT = {"umap": "umap", "pacmap": "pacmap", "localmap": "pacmap"}
"""Projections that are learnt, and the package of each."""

FITTED = 50_000
"""Rows that a learnt projection is fitted on, the first ones: UMAP takes a minute and a half for 30,000."""


def pca(opened: Opened) -> tuple[Column, dict[str, Any]]:
    """Return the map of a table's first two principal axes."""

    def make() -> tuple[Column, dict[str, Any]]:
        found = principal_axes(opened.table.matrix, 2, threads=opened.threads)
        document = {"method": "pca", "axes": ["first principal axis", "second principal axis"], "shown": opened.table.n}
        return placed(found.coordinates), document | {"share": found.share.tolist()}

    made: tuple[Column, dict[str, Any]] = opened.keep("pca", make)
    return made


def named(opened: Opened, x: str, y: str) -> tuple[Column, dict[str, Any]]:
    """Return the map whose axes are two expressions, such as "he - she"."""
    directions = [terms_of(opened.table, text)[0] for text in (x, y)]
    found = named_axes(opened.table.matrix, directions, threads=opened.threads)
    along = float(found.axes[0] @ found.axes[1])
    document = {"method": "axes", "axes": [x, y], "shown": opened.table.n, "share": found.share.tolist()}
    return placed(found.coordinates), document | {"between_degrees": float(np.degrees(np.arccos(np.clip(along, -1, 1))))}


def available() -> dict[str, bool]:
    """Return which learnt projections can be had here."""
    return {name: importlib.util.find_spec(package) is not None for name, package in LEARNT.items()}


@dataclass
class Work:
    """A learnt projection on its way, or finished.

    Attributes
    ----------
    state : "working", "done", "failed" or "stopped"
    done : float
        0..1, as far as the method tells.
    note : str
        What it is doing, or why it failed.
    under_way : float, optional
        When it first told how far it was. What came before, a minute of compiling at the first run, says nothing of the time left.
    """

    method: str
    state: str = "working"
    done: float = 0.0
    note: str = "starting"
    began: float = field(default_factory=time.monotonic)
    under_way: float | None = None
    seconds: float | None = None
    column: Column | None = None
    shown: int = 0
    process: Any = None

    def document(self) -> dict[str, Any]:
        """Return what the page shows of it."""
        seconds = self.seconds if self.seconds is not None else time.monotonic() - self.began
        worked = seconds - (self.under_way - self.began) if self.under_way is not None else 0.0
        left = worked * (1 - self.done) / self.done if 0 < self.done < 1 and worked > 0 else None
        return {
            "method": self.method,
            "state": self.state,
            "done": self.done,
            "note": self.note,
            "seconds": seconds,
            "left": left,
            "shown": self.shown,
        }


class Workshop:
    """Learns projections one at a time, each in a process that can be stopped and whose memory comes back.

    The numbers go to the process through a pipe, the coordinates come back the same way; nothing touches the disk.
    """

    def __init__(self) -> None:
        self._works: dict[tuple[str, str], Work] = {}
        self._lock = threading.Lock()

    def find(self, opened: Opened, method: str) -> Work | None:
        """Return a work by table and method; None if it was never begun."""
        return self._works.get((opened.name, method))

    def begin(self, opened: Opened, method: str) -> Work:
        """Begin a projection, or return it where it is under way or done.

        Raises
        ------
        ArgumentError
            If there is no such method, or another is still being learnt.
        MissingExtraError
            If its package is not installed.
        """
        if method not in LEARNT:
            message = f"expected one of {', '.join(LEARNT)}; seen {method!r:.40}"
            raise ArgumentError(message)
        if not available()[method]:
            message = f"{method} needs the package {LEARNT[method]}, which is not installed"
            raise MissingExtraError(message, hint=f"pip install {'umap-learn' if method == 'umap' else 'pacmap'}")
        with self._lock:
            known = self._works.get((opened.name, method))
            if known is not None and known.state in {"working", "done"}:
                return known
            busy = next((work for work in self._works.values() if work.state == "working"), None)
            if busy is not None:
                message = f"{busy.method} is still being learnt"
                raise ArgumentError(message, hint="wait for it, or stop it")
            work = self._works[opened.name, method] = Work(method, shown=min(opened.table.n, FITTED))
            rows = np.ascontiguousarray(opened.table.matrix[: work.shown]).astype(np.float32)
            here, there = multiprocessing.get_context("spawn").Pipe()
            work.process = multiprocessing.get_context("spawn").Process(target=learn, args=(method, there), daemon=True)
            threading.Thread(target=_follow, args=(work, here, there, rows), daemon=True).start()
            return work

    def stop(self) -> None:
        """Stop what is being learnt."""
        with self._lock:
            for work in self._works.values():
                if work.state == "working":
                    work.state, work.note = "stopped", "stopped"
                    if work.process.pid is not None:
                        work.process.terminate()


def _follow(work: Work, here: Connection, there: Connection, rows: NDArray[np.float32]) -> None:
    """Start the process, hand it the rows, and write down what it tells until it is done."""
    try:
        work.process.start()
        there.close()
        here.send(rows)
        while work.state == "working":
            kind, value = here.recv()
            if kind == "progress":
                work.done, work.note = value
                if work.done and work.under_way is None:
                    work.under_way = time.monotonic()
            elif kind == "failed":
                work.state, work.note = "failed", value
            else:
                work.column, work.done, work.note, work.state = placed(value), 1.0, "done", "done"
    except (EOFError, OSError) as error:
        if work.state == "working":
            work.state, work.note = "failed", f"its process ended: {type(error).__name__}"
    work.seconds = time.monotonic() - work.began
    if work.state == "stopped":
        work.process.terminate()
    work.process.join(5)


def learn(method: str, pipe: Connection) -> None:
    """Learn a projection; what runs in the other process. What the package prints of its progress is sent on."""
    rows = pipe.recv()
    sys.stdout = sys.stderr = _Telling(pipe)
    try:
        n = len(rows)
        if method == "umap":
            import umap  # noqa: PLC0415 - takes seconds, and only here

            model = umap.UMAP(n_neighbors=max(2, min(15, n - 1)), random_state=7, n_jobs=1, verbose=True, init="pca")
        else:
            import pacmap  # noqa: PLC0415 - as above

            model = {"pacmap": pacmap.PaCMAP, "localmap": pacmap.LocalMAP}[method](random_state=7, verbose=True)
        pipe.send(("done", np.asarray(model.fit_transform(rows), dtype=np.float32)))
    except Exception as error:  # noqa: BLE001 - whatever another package raises is told, not lost
        pipe.send(("failed", f"{type(error).__name__}: {error}"[:300]))


class _Telling:
    """A stream that reads how far a package is from what it prints, "12%" or "Iteration: 30"."""

    ITERATIONS = 450
    """PaCMAP's, in its default of three phases."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._last = pipe, 0.0

    def write(self, text: str) -> int:
        percent, iteration = re.search(r"(\d+)%", text), re.search(r"Iteration:\s*(\d+)", text)
        done = int(percent[1]) / 100 if percent else int(iteration[1]) / self.ITERATIONS if iteration else self._last
        if text.strip() and (done != self._last or not (percent or iteration)):
            self._last = min(done, 0.99)
            self._pipe.send(("progress", (self._last, text.strip().splitlines()[-1][:120])))
        return len(text)

    def flush(self) -> None:
        """Do nothing: each line is sent as it is written."""

    def isatty(self) -> bool:
        """Say that nobody watches."""
        return False
