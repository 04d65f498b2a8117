"""Results that outlive the program: what each part came to, in a file of its own, until the job is done.

Ray recovers lost workers and machines, but nothing recovers a driver that is gone. So results of finished parts, arrays by name, are
written to a folder; a driver that does the same job again reads them and hands only the other parts to its engine.
"""

from __future__ import annotations

import os
import re
import secrets
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from tokenspace.engines import Engine

    Arrays = dict[str, NDArray[Any]]

NAME = re.compile(r"([0-9a-f]+)-(\d+)\.npz")


class Kept:
    """An engine whose finished parts stay in a folder.

    Parameters
    ----------
    engine : Engine
        Does the work.
    folder : path
        Made where it is not there. A job's files are removed when all of it has been handed over; those of other jobs stay.
    """

    def __init__(self, engine: Engine, folder: str | os.PathLike[str]) -> None:
        self.engine, self.folder, self.name = engine, Path(folder), engine.name

    def workers(self) -> int:
        """Return how many parts are worked on at a time."""
        return self.engine.workers()

    def map(
        self, function: Callable[[Any, Any], Arrays], parts: Iterable[Any], common: Any, *, job: Callable[[], str] | None = None
    ) -> Iterator[tuple[int, Arrays]]:
        """Yield the place and result of each part, first those that are kept; as `tokenspace.engines.Engine` says.

        Raises
        ------
        ArgumentError
            If the work has no `job` to be known by.
        OSError
            If a result cannot be written.
        """
        if job is None:
            message = "results are kept under what their job is known by, and this work has no job"
            raise ArgumentError(message, hint="use the engine without a folder")
        known = job()
        self.folder.mkdir(parents=True, exist_ok=True)
        done = {}
        for place, path in self._there(known):
            result = _read(path)
            if result is not None:
                done[place] = path
                yield place, result
        places: list[int] = []

        def left() -> Iterator[Any]:
            for place, part in enumerate(parts):
                if place not in done:
                    places.append(place)
                    yield part

        for number, result in self.engine.map(function, left(), common):
            place = places[number]
            done[place] = self.folder / f"{known}-{place}.npz"
            _write(done[place], result)
            yield place, result
        for path in done.values():
            path.unlink(missing_ok=True)

    def _there(self, known: str) -> list[tuple[int, Path]]:
        """Return the places of a job that have a file."""
        found = [(NAME.fullmatch(path.name), path) for path in self.folder.iterdir()]
        return sorted((int(named[2]), path) for named, path in found if named and named[1] == known)


def _read(path: Path) -> Arrays | None:
    """Return what a file holds; None for one that is damaged, whose part is then done again."""
    try:
        with path.open("rb") as data, np.load(data, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def _write(path: Path, result: Arrays) -> None:
    """Write a result beside, and rename it into place."""
    beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        with beside.open("xb") as file:
            np.savez(file, allow_pickle=False, **result)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
