"""Files written beside and renamed into place: whoever reads sees the old file or the new one, never a part."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tokenspace.errors import ArgumentError, TableNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of a write that do not say of which file."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes the place of `path` when the block ends without an exception.

    Parameters
    ----------
    path : Path
        A file, there or not; a symbolic link is followed.

    Yields
    ------
    binary file
        In the same folder, under a name of its own; removed if the block raises.

    Raises
    ------
    TableNotFoundError
        If the folder is not there.
    ArgumentError
        If `path` is a folder, a pipe or a device.

    Notes
    -----
    A table mapped from the old file goes on reading the old bytes, so a table may be saved over its own file. The new file is
    forced to disk before it is renamed.
    """
    target = Path(os.path.realpath(path))
    mode = _replaceable_mode(target)
    beside = target.with_name(f".{target.name[:80]}.{os.getpid()}-{os.urandom(4).hex()}.new")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(beside, flags, 0o666)
    except FileNotFoundError:
        message = f"no such folder: {target.parent}"
        raise TableNotFoundError(message, hint="create it first") from None
    try:
        with os.fdopen(descriptor, "w+b", buffering=1 << 20) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            beside.chmod(mode)
        beside.replace(target)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
            error.filename = os.fspath(path)
        raise
    settle(target.parent)


def _replaceable_mode(target: Path) -> int | None:
    """Return the permissions of the file that is there, None if there is none."""
    try:
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        message = f"a table is written into a file of its own; {target} is {kind}"
        raise ArgumentError(message, hint="name a file in it" if kind == "a folder" else "write a file, then copy it there")
    return stat.S_IMODE(mode)


@contextlib.contextmanager
def replacing_folder(path: Path, *, ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Make a folder that takes the place of `path` when the block ends without an exception.

    Parameters
    ----------
    path : Path
        Not there, an empty folder, or one that `ours` knows.
    ours : callable
        Whether a folder that is there is a table of the same format, and so may be replaced: a mistyped name must not cost a home
        directory.

    Yields
    ------
    Path
        An empty folder beside it; removed if the block raises.

    Raises
    ------
    TableNotFoundError
        If the folder around it is not there.
    ArgumentError
        If something else is there.
    """
    import shutil  # noqa: PLC0415 - it brings every packing there is, 6 ms, and only folders need it

    target = Path(os.path.realpath(path))
    if target.exists() and not (target.is_dir() and (ours(target) or not any(target.iterdir()))):
        message = f"a table is written into a folder of its own; {target} is there and holds something else"
        raise ArgumentError(message, hint="name a folder that is not there")
    name = f".{target.name[:80]}.{os.getpid()}-{os.urandom(4).hex()}"
    beside, old = target.with_name(f"{name}.new"), target.with_name(f"{name}.old")
    try:
        beside.mkdir()
    except FileNotFoundError:
        message = f"no such folder: {target.parent}"
        raise TableNotFoundError(message, hint="create it first") from None
    try:
        yield beside
        for at, _, files in os.walk(beside):
            for file in files:
                with Path(at, file).open("rb") as written:
                    os.fsync(written.fileno())
            settle(Path(at))
        if target.exists():
            target.rename(old)
        beside.rename(target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
    settle(target.parent)


def settle(folder: Path) -> None:
    """Force the names in a folder to disk, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
