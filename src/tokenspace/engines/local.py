"""Threads of this process over parts of the work, with BLAS held to one thread inside, so that cores are not asked for twice."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from threadpoolctl import ThreadpoolController

Part = TypeVar("Part")
Common = TypeVar("Common")
Result = TypeVar("Result")


def available_cpus() -> int:
    """Return how many CPUs this process may use, by its affinity mask where the system has one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count(threads: int | None) -> int:
    """Return the number of threads to use: `threads`, or every available CPU where it is None.

    Raises
    ------
    ArgumentError
        If it is not positive.
    """
    if threads is None:
        return available_cpus()
    if threads < 1:
        message = f"threads must be at least 1; seen {threads}"
        raise ArgumentError(message)
    return threads


def ranges(n: int, parts: int) -> list[tuple[int, int]]:
    """Return at most `parts` adjacent ranges (start, end) that cover 0..n in sizes that differ by one at the most."""
    count = max(1, min(parts, n))
    return [(n * i // count, n * (i + 1) // count) for i in range(count)]


def run(function: Callable[[Part], Result], parts: Sequence[Part], *, threads: int) -> list[Result]:
    """Return ``[function(part) for part in parts]``, computed by `threads` threads.

    The first exception is raised once the parts in flight are done; parts not begun are dropped. Where there is a thread for each part,
    the caller's takes the first: to start one and to wait for it takes 0.2 ms, and several times that where all processors are busy.
    """
    with one_blas_thread():
        if threads == 1 or len(parts) == 1:
            return [function(part) for part in parts]
        own = 1 if len(parts) <= threads else 0
        with ThreadPoolExecutor(min(threads, len(parts) - own)) as pool:
            futures = [pool.submit(function, part) for part in parts[own:]]
            try:
                return [*map(function, parts[:own]), *(future.result() for future in futures)]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def stream(function: Callable[[Part], Result], parts: Iterable[Part], *, threads: int) -> Iterator[Result]:
    """Yield ``function(part)`` for each part, in order, computed by `threads` threads while the caller's makes the parts.

    At most ``threads + 1`` parts are made and not yet yielded, so whoever makes them needs room for two more than threads.
    The first exception is raised once the parts in flight are done.
    """
    if threads == 1:
        yield from map(function, parts)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for part in parts:
                waiting.append(pool.submit(function, part))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def drawn(function: Callable[[Part], Result], parts: Iterable[Part], *, threads: int) -> Iterator[Result]:
    """Yield ``function(part)`` for each part, in order; the threads draw the parts as well, one at a time and in order.

    For parts whose making is half the work: each is still in the cache of the thread that made it. The vice: a thread that waits for a
    part, as from a pipe, hears of no Ctrl-C. At most ``threads + 1`` parts are drawn and not yet yielded. What drawing raises, or
    `function`, is raised in its turn.
    """
    if threads == 1:
        yield from map(function, parts)
        return
    source, end = iter(parts), object()

    def one(mine: threading.Event, following: threading.Event) -> Any:
        mine.wait()
        try:
            part: Any = next(source, end)
        finally:
            following.set()
        return end if part is end else function(part)

    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Any]] = deque()
        following = threading.Event()
        following.set()
        try:
            while True:
                while len(waiting) <= threads:  # none that runs waits for one that does not: they begin in order
                    mine, following = following, threading.Event()
                    waiting.append(pool.submit(one, mine, following))
                result = waiting.popleft().result()
                if result is end:
                    return
                yield result
        finally:
            for future in waiting:
                future.cancel()


class Local:
    """The engine of this process: threads.

    Parameters
    ----------
    threads : int, optional
        Default: as many as CPUs this process may use.
    """

    name = "local"

    def __init__(self, threads: int | None = None) -> None:
        self.threads = thread_count(threads)

    def workers(self) -> int:
        """Return how many parts are worked on at a time."""
        return self.threads

    def map(
        self, function: Callable[[Part, Common], Result], parts: Iterable[Part], common: Common, *, job: Callable[[], str] | None = None
    ) -> Iterator[tuple[int, Result]]:
        """Yield the place and result of each part as it is done; as `tokenspace.engines.Engine` says."""
        del job
        with one_blas_thread(), ThreadPoolExecutor(self.threads) as pool:
            waiting: dict[Future[Result], int] = {}
            try:
                for place, part in enumerate(parts):
                    waiting[pool.submit(function, part, common)] = place
                    if len(waiting) > self.threads:
                        yield from _done(waiting)
                while waiting:
                    yield from _done(waiting)
            finally:
                for future in waiting:
                    future.cancel()


def _done(waiting: dict[Future[Result], int]) -> Iterator[tuple[int, Result]]:
    """Yield what is done, at least one, and take it out."""
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        yield waiting.pop(future), future.result()


_controller: ThreadpoolController | None = None
_lock = threading.Lock()
_inside = 0
_limits: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread while any caller is inside.

    BLAS has one setting for the whole process, so callers are counted: the first sets it, the last puts back what it was.
    """
    global _controller, _inside, _limits  # noqa: PLW0603 - the setting is the process's, and so is the count
    with _lock:
        if _controller is None:
            from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - finding the libraries costs milliseconds

            _controller = ThreadpoolController()
        if _inside == 0:
            _limits = _controller.limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limits.restore_original_limits()


def _forget_threads() -> None:
    """Start anew in a forked child: the parent's threads, and so their count, are not there."""
    global _lock, _inside  # noqa: PLW0603 - see above
    _lock = threading.Lock()
    _inside = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
