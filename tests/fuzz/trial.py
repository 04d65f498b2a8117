"""One trial: files are written, read, and whatever comes out is judged."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

from tokenspace.errors import TokenspaceError

if TYPE_CHECKING:
    from parsers import Parser

    Files = dict[str, bytes]

CONSTANT = 40 << 20
"""Bytes that reading may take beside twice the file: what a text table is looked at to settle its width."""


class ViolationError(AssertionError):
    """Something else happened than a table that the slow reading finds too, or a named error."""


def put(files: Files, place: Path) -> None:
    """Write the files into a folder, which holds nothing else afterwards."""
    shutil.rmtree(place, ignore_errors=True)
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def judged(parser: Parser, files: Files, place: Path, *, traced: bool) -> str:
    """Read the files; return ``table`` or the name of the error.

    Raises
    ------
    ViolationError
        If it was another exception, more memory than twice the file and a constant, another table, or if anything was written.
    """
    put(files, place)
    before = sorted(os.walk(place))
    if traced:
        tracemalloc.start()
    try:
        found = parser.read(place)
        outcome = "table"
    except TokenspaceError as error:
        outcome = type(error).__name__
        if not str(error).strip() or (parser.named and str(place) not in str(error)):
            message = f"{outcome} does not name the file: {error!s:.200}"
            raise ViolationError(message) from error
    except BaseException as error:
        message = f"{type(error).__name__} instead of a table or a named error: {error!s:.200}"
        raise ViolationError(message) from error
    finally:
        peak = tracemalloc.get_traced_memory()[1] if traced else 0
        tracemalloc.stop()
    allowed = 2 * sum(map(len, files.values())) + CONSTANT
    if peak > allowed:
        message = f"{peak:,} bytes taken for {outcome}, {allowed:,} allowed"
        raise ViolationError(message)
    if sorted(os.walk(place)) != before:
        message = f"the folder is not what it was: {sorted(os.walk(place))}"
        raise ViolationError(message)
    if outcome == "table":
        try:
            parser.slow(files, found)
        except TokenspaceError as error:  # what opening does not check, a lookup may refuse
            return f"table, then {type(error).__name__}"
        except Exception as error:
            message = f"the slow reading finds another table: {type(error).__name__} {error!s:.300}"
            raise ViolationError(message) from error
    return outcome


def place_for(name: str) -> Path:
    """Return a folder for the trials of this process, in memory where the system has such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    root = memory if os.access(memory, os.W_OK) else Path(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108
    place = root / f"tokenspace-fuzz-{name}-{os.getpid()}"
    place.mkdir(exist_ok=True)
    return place
