"""A training under way: its parts handed to threads in order, stopped at any of them, and what is told meanwhile."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TICK = 0.1
"""Seconds between two looks at how far the threads are; Ctrl-C is heard meanwhile."""


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes
    ----------
    done, total : int
        Of `unit`, over all epochs.
    unit : str
        "words", or "pairs" for GloVe.
    rate : float
        Of `unit`, a second, since this call began.
    left : float
        Seconds, at that rate.
    epoch, epochs : int
        The one under way, from 1, and how many are asked for.
    alpha : float
        The learning rate now.
    loss : float
        Mean of the parts done in this epoch: exact, of each as the rows were when it was its turn. NaN before the first is done.
    held_out : float
        Loss on the text held out, after the last epoch that is done; NaN where none is.
    """

    done: int
    total: int
    unit: str
    rate: float
    left: float
    epoch: int
    epochs: int
    alpha: float
    loss: float
    held_out: float

    def __str__(self) -> str:
        """Say it in one line."""
        held = "" if math.isnan(self.held_out) else f" (held out {self.held_out:.4f})"
        return (
            f"epoch {self.epoch} of {self.epochs}, {self.done / max(1, self.total):.1%}, {self.rate:,.0f} {self.unit}/s, "
            f"{self.left:,.0f} s left, alpha {self.alpha:.5f}, loss {self.loss:.4f}{held}"
        )


def fell_no_more(held: Sequence[float], patience: int | None) -> bool:
    """Return whether the losses of the text held out, one an epoch, have had no lower one for so many epochs."""
    return bool(patience and held) and len(held) - 1 - int(np.argmin(held)) >= (patience or 0)


class Stopped(Exception):  # noqa: N818 - no error: what ends the loop
    """Ctrl-C came while parts were under way; all parts before `part` are done.

    Parameters
    ----------
    part : int
    """

    def __init__(self, part: int) -> None:
        super().__init__(part)
        self.part = part


def run_parts(
    work: Callable[[int], None], first: int, last: int, *, threads: int, tick: Callable[[int], None], until: float = float("inf")
) -> int:
    """Run ``work(part)`` for the parts first..last-1, begun in that order.

    Parameters
    ----------
    work : callable
    first, last : int
    threads : int
        With one, each part is done before the next begins.
    tick : callable
        Called as ``tick(begun)`` now and then, in this thread.
    until : float
        By ``time.monotonic()``: no part begins later.

    Returns
    -------
    int
        The first part that was not begun; all before it are done.

    Raises
    ------
    Stopped
        If KeyboardInterrupt came.
    """
    lock = threading.Lock()
    begun, halted = first, False

    def loop() -> None:
        nonlocal begun
        while True:
            with lock:
                part = begun
                if halted or part >= last:
                    return
                begun += 1
            work(part)

    with ThreadPoolExecutor(threads) as pool:
        tasks = [pool.submit(loop) for _ in range(threads)]
        try:
            pending = set(tasks)
            while pending:
                done, pending = wait(pending, timeout=TICK)
                halted = halted or time.monotonic() > until or any(task.exception() for task in done)
                tick(begun)
        except KeyboardInterrupt:
            halted = True
            wait(tasks)
            for task in tasks:
                task.result()
            raise Stopped(begun) from None
        finally:
            halted = True
    for task in tasks:
        task.result()
    return begun
