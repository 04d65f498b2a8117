"""Ray: the parts as tasks of Ray Core, on this machine's processes or on a cluster's.

Core tasks and nothing else of Ray: a lost worker's task is run again by Ray itself, and so are those of a machine that leaves; a machine
that joins gets tasks at once. What is lost with the driver is `kept`'s to hold.

A new worker process takes a second or two to start and to import what it needs, and Ray ends idle ones after a second while all CPUs have
work. So a cluster that is started here keeps one process more than it has CPUs, which has nothing to do but to be there: the part of a lost
worker goes on in it at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING, Any, TypeVar

from tokenspace.engines.local import one_blas_thread, thread_count
from tokenspace.errors import EngineError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Part = TypeVar("Part")
Common = TypeVar("Common")
Result = TypeVar("Result")

AHEAD = 2
"""Tasks handed to Ray for each CPU: one runs and one waits for it, with its part on the way. More would only fill the object store."""

RETRIES = 3
"""Times that a task is run again after its worker or machine was lost; Ray's own number."""

IDLE = "RAY_idle_worker_killing_time_threshold_ms", "60000"
"""Ray's setting of how long workers stay that no CPU is idle for, and what a cluster that starts here is told; Ray's own is 1 s."""

SPARE = 10.0
"""Seconds after which the spare worker is looked after again: starting a new one takes CPU time, which the lost part needs first."""

SETTLED = 0.3
"""Seconds that the parts of a job have to come to their workers before one is looked for to spare."""

_own_node = ""
"""The node of the cluster that was started here, by which it is told from one that somebody else started."""


class Ray:
    """The engine of Ray's tasks.

    Parameters
    ----------
    address : str, optional
        Of a cluster, ``"auto"`` or ``"HOST:6379"``. Left out, the cluster that this process has joined (`ray.init`), else that of
        ``$RAY_ADDRESS``, else one that is started on this machine when the first work comes, and ends with the process.
    cpus : int, optional
        CPUs of a cluster that is started here; left out, those this process may use.
    retries : int, default 3
        How often a part is begun anew after its worker, or the machine it ran on, was lost.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.

    Notes
    -----
    Starting a cluster on this machine takes some seconds, once a process. Ray's reports of use are switched off before it starts. All
    machines need tokenspace and see the shards under the same path, or can fetch them from an address.
    """

    name = "ray"

    def __init__(self, address: str | None = None, *, cpus: int | None = None, retries: int = RETRIES) -> None:
        _library()
        self.address, self.cpus, self.retries = address or os.environ.get("RAY_ADDRESS"), thread_count(cpus), retries

    def _started(self) -> Any:
        """Return Ray, joined to a cluster."""
        global _own_node  # noqa: PLW0603 - a process has one cluster
        ray = _library()
        if not ray.is_initialized():
            here = {"address": "local", "num_cpus": self.cpus, "include_dashboard": False}  # even where `ray start` has started another
            where: dict[str, Any] = {"address": self.address} if self.address else here
            try:
                with contextlib.nullcontext() if self.address else _idle_workers():
                    ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                message = f"no Ray cluster could be {'joined at ' + self.address if self.address else 'started here'}: {error!s:.300}"
                raise EngineError(message, hint="is it running (ray status), and is its Ray of the same version?") from None
            if not self.address:
                _own_node = ray.get_runtime_context().get_node_id()
        return ray

    def workers(self) -> int:
        """Return how many CPUs the cluster has now."""
        return max(1, int(self._started().cluster_resources().get("CPU", 1)))

    def map(
        self, function: Callable[[Part, Common], Result], parts: Iterable[Part], common: Common, *, job: Callable[[], str] | None = None
    ) -> Iterator[tuple[int, Result]]:
        """Yield the place and result of each part as it is done; as `tokenspace.engines.Engine` says."""
        del job
        ray = self._started()
        task = ray.remote(num_cpus=1, max_retries=self.retries, retry_exceptions=False)(_call)
        shared, source, more = ray.put(common), enumerate(parts), True
        waiting: dict[Any, tuple[int, str]] = {}
        spare = _Spare(ray, function)
        try:
            while more or waiting:
                room = AHEAD * self.workers() - len(waiting)
                while more and room > 0:
                    place, part = next(source, (-1, None))
                    more = place >= 0
                    if more:
                        waiting[task.remote(function, part, shared)] = place, str(part)
                        room -= 1
                if waiting:
                    while not ray.wait(list(waiting), num_returns=1, timeout=spare.looked_after())[0]:
                        pass
                    yield from self._done(ray, waiting)
        finally:
            for reference in waiting:
                with contextlib.suppress(Exception):  # the cluster may be gone
                    ray.cancel(reference)

    def _done(self, ray: Any, waiting: dict[Any, tuple[int, str]]) -> Iterator[tuple[int, Any]]:
        """Yield what is done, at least one, and take it out; each result leaves the object store as it is taken."""
        for reference in ray.wait(list(waiting), num_returns=1)[0]:
            place, part = waiting.pop(reference)
            try:
                result = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                message = f"part {place:,} ({part:.120}) was lost {self.retries + 1} times: {error!s:.300}"
                raise EngineError(message, hint="does a part fit into a worker's memory? `ray status` shows the machines") from None
            yield place, result


class _Spare:
    """The worker that waits for another to be lost, while a function is mapped; nothing, on a cluster that was not started here.

    A task that asks for no CPU is run besides those that have them all: by the idle process, or by a new one where that is gone. What it
    comes to, nobody asks.

    Parameters
    ----------
    ray : module
    function : callable
        What parts will be given to: a worker that was sent it has imported what it needs.
    """

    def __init__(self, ray: Any, function: Callable[[Any, Any], Any]) -> None:
        self._ray, self._function = ray, function
        self._task = ray.remote(num_cpus=0, max_retries=0)(_ready) if _own_node == ray.get_runtime_context().get_node_id() else None
        self._last, self._due = None, time.monotonic() + SETTLED

    def looked_after(self) -> float | None:
        """Let there be a spare worker, if it is time to see to it, and return the seconds until it is again; None if it never will be."""
        if self._task is None:
            return None
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + SPARE
            if self._last is None or self._ray.wait([self._last], timeout=0)[0]:  # else it is still starting
                self._last = self._task.remote(self._function)
        return max(0.0, self._due - time.monotonic())


def _ready(function: Callable[[Any, Any], Any]) -> None:
    """Be a worker that is ready: the function has been imported, and what else the first part would wait for."""
    del function
    with one_blas_thread():
        pass


@contextlib.contextmanager
def _idle_workers() -> Iterator[None]:
    """Let a cluster that is started meanwhile keep its idle workers, unless the user has said for how long."""
    name, value = IDLE
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _call(function: Callable[[Any, Any], Any], part: Any, common: Any) -> Any:
    """Run one part in a worker."""
    with one_blas_thread():
        return function(part, common)


def _library() -> Any:
    """Import Ray, its reports of use switched off.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns of a change to come that does not concern us
    try:
        import ray  # noqa: PLC0415 - an optional package, of 240 MB
    except ImportError as error:
        message = f"the engine ray needs the package ray, which does not load ({error})"
        raise MissingExtraError(message, hint='pip install "tokenspace[ray]"') from error
    return ray
