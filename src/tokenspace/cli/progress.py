"""How far a long piece of work is: one line on standard error, from the second second on."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from types import TracebackType

PATIENCE = 1.0
"""Seconds before the first word: most work is done by then."""

TERMINAL, LOG = 0.2, 10.0
"""Seconds between two words to a terminal, which overwrites them, and to a log, which keeps them."""


class Progress:
    """Writes what is done of how much, at which rate, and how long the rest takes.

    Called as ``progress(what, done, total)``, in bytes; a total of 0 is one that is not known. On a terminal the line is
    overwritten, and gone at the end.
    """

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.last = self.begin
        self.what = ""
        self.shown = False
        self.terminal = sys.stderr.isatty()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say it, if it is time to."""
        now = time.monotonic()
        if what != self.what:
            self.what, self.begin = what, now if self.what else self.begin
        if now - self.begin < PATIENCE or now - self.last < (TERMINAL if self.terminal else LOG):
            return
        self.last, self.shown = now, True
        rate = done / (now - self.begin)
        left = (total - done) / rate if rate else 0.0
        goal = f" of {total / 1e6:,.0f}" if total else ""  # a pipe does not say how much there is
        line = f"{what} {done / 1e6:,.0f}{goal} MB, {rate / 1e6:,.0f} MB/s" + (f", {left:,.0f} s left" if total else "")
        click.echo(f"\r\x1b[K{line}" if self.terminal else line, err=True, nl=not self.terminal)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        """Take the line away."""
        if self.shown and self.terminal:
            click.echo("\r\x1b[K", err=True, nl=False)
