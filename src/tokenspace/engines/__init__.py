"""Where work runs: maps a function over parts, and knows no table and no arithmetic.

An engine is anything with the three names of `Engine`. Two are here, threads of this process (`local`) and Ray's tasks on one machine or
many (`ray`); `kept` lays a folder beneath either, so that parts that are done stay done when the program is started again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tokenspace.engines.local import Local
from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["ENGINES", "Engine", "Local", "engine_of"]

Part = TypeVar("Part")
Common = TypeVar("Common")
Result = TypeVar("Result")

ENGINES = ("local", "ray")
"""What `engine` may be by name."""


class Engine(Protocol):
    """What is asked of an engine."""

    name: str

    def workers(self) -> int:
        """Return how many parts are worked on at a time, now: machines may come and go."""

    def map(
        self, function: Callable[[Part, Common], Result], parts: Iterable[Part], common: Common, *, job: Callable[[], str] | None = None
    ) -> Iterator[tuple[int, Result]]:
        """Map a function over parts.

        Parameters
        ----------
        function : callable
            Of a module, so that another process finds it by name; gives the same result whenever it is called with the same arguments,
            as it is called again where a worker is lost.
        parts : iterable
            Taken as there is room for them: parts and results that wait are few, however many there are in all.
        common : object
            Handed to every call; sent to each machine once.
        job : callable, optional
            Gives what the work is known by where results are kept: a digest of all that the results depend on.

        Yields
        ------
        int, object
            The place of a part among the parts, and its result, in the order in which they are done.

        Raises
        ------
        EngineError
            If a part is lost again and again.
        TokenspaceError
            What the function raises.
        """


def engine_of(
    engine: str | Engine, *, address: str | None = None, threads: int | None = None, keep: str | os.PathLike[str] | None = None
) -> Engine:
    """Return an engine by name, or the one that is given.

    Parameters
    ----------
    engine : "local", "ray" or Engine
    address : str, optional
        Of a Ray cluster; left out, the one this process has joined, else one of this machine's CPUs.
    threads : int, optional
        CPUs to use on this machine; left out, all.
    keep : path, optional
        A folder for the results of parts that are done; the same job taken up again does only the others.

    Returns
    -------
    Engine

    Raises
    ------
    ArgumentError
        If there is no such engine, or an address for one that has none.
    MissingExtraError
        If Ray is not installed.
    """
    found: Any = engine
    if isinstance(engine, str):
        if engine not in ENGINES:
            message = f"engine must be one of {', '.join(ENGINES)}; seen {engine!r}"
            raise ArgumentError(message)
        if engine == "local" and address is not None:
            message = f"the engine local has no address; seen {address!r:.80}"
            raise ArgumentError(message, hint="use the engine ray (--engine ray)")
        if engine == "ray":
            from tokenspace.engines.ray import Ray  # noqa: PLC0415 - an optional package

            found = Ray(address, cpus=threads)
        else:
            found = Local(threads)
    if keep is not None:
        from tokenspace.engines.kept import Kept  # noqa: PLC0415 - brings NumPy

        found = Kept(found, keep)
    return found
