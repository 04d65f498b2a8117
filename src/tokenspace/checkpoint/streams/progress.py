"""Who wants to know how far a long copy or comparison is."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Watcher = Callable[[str, int, int], None]

_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextlib.contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Tell a function of what is done within the block.

    Parameters
    ----------
    watcher : callable
        Called as ``watcher(what, done, total)`` about every 64 MB, in bytes; what it raises stops the work, which then leaves
        nothing behind.

    Examples
    --------
    >>> with watching(lambda what, done, total: print(what, done, "of", total)):
    ...     report("copying", 5, 10)
    copying 5 of 10
    """
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def report(what: str, done: int, total: int) -> None:
    """Say that `done` bytes of `total` are done, to whoever watches."""
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(what, done, total)
