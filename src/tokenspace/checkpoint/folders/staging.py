"""A folder written beside and renamed into place: whoever looks sees no output, or all of it."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tokenspace.errors import ArgumentError, OutputError
from tokenspace.formats.replacement import settle

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL_FILES = ("config.json", "modules.json", "adapter_config.json", "tokenizer.json", "model.safetensors")
"""Only a folder with one of these is ever replaced: ``--force`` on a mistyped name must not cost a home directory."""

WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO, errno.ENAMETOOLONG}
"""Errors that speak of the place written to."""

AT_FDCWD, RENAME_EXCHANGE = -100, 2
"""From Linux's fcntl.h and fs.h."""


@contextlib.contextmanager
def new_folder(out: Path, *, source: Path, force: bool = False) -> Iterator[Path]:
    """Make a folder that becomes `out` when the block ends without an exception.

    Parameters
    ----------
    out : Path
        Must not be there, unless `force`; its parent must be.
    source : Path
        What is read meanwhile: `out` may be neither it, nor in it, nor around it.
    force : bool, default False
        Replace a model folder that is there, at one blow where the system can exchange two names (Linux).

    Yields
    ------
    Path
        A folder beside `out`; removed if the block raises anything, Ctrl-C included.

    Raises
    ------
    OutputError
        If `out` is there, is no model folder, or cannot be written.
    ArgumentError
        If `out` and `source` lie in one another.
    """
    target = Path(os.path.abspath(out))  # noqa: PTH100 - resolve() would follow a link that is to be replaced or refused
    check_place(out, source=source, force=force)
    beside = target.with_name(f".{target.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        try:
            beside.mkdir()
            yield beside
            _settle(beside)
            _put_in_place(beside, target)
        except OSError as error:
            if isinstance(error, OutputError) or error.errno not in WRITING:
                raise
            free = _free(target.parent)
            message = f"cannot write {out}: {error.strerror} ({free} free there)"
            raise OutputError(message, hint="nothing was left there; the source is as it was") from error
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    shutil.rmtree(beside, ignore_errors=True)  # what was replaced


def check_room(folder: Path, size: int) -> None:
    """Raise before a copy begins that cannot end.

    Raises
    ------
    OutputError
        If the disk has less than `size` bytes free.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        message = f"cannot write {size / 1e6:,.1f} MB to {folder}: the disk has {free / 1e6:,.1f} MB free"
        raise OutputError(message, hint="make room, or name another disk; untouched='link' shares the files that stay as they are")


def check_place(out: Path, *, source: Path, force: bool) -> None:
    """Raise where a folder cannot be written, before any work is done for it.

    Raises
    ------
    OutputError, ArgumentError
        As `new_folder`.
    """
    target = Path(os.path.abspath(out))  # noqa: PTH100 - as above
    real, origin = target.resolve(), source.resolve()
    if real == origin or real in origin.parents or origin in real.parents:
        message = f"the output {target} and the source {source} must not lie in one another"
        raise ArgumentError(message, hint="name a folder of its own: the source stays as it is")
    if not target.parent.is_dir():
        message = f"cannot write {target}: there is no folder {target.parent}"
        raise OutputError(message, hint="create it first")
    if not target.exists() and not target.is_symlink():
        return
    if not force:
        message = f"{target} is there already"
        raise OutputError(message, hint="name another folder, or replace it with force=True (--force)")
    if target.is_symlink() or not target.is_dir() or not any((target / name).exists() for name in MODEL_FILES):
        message = f"{target} is not a model folder; only those are replaced"
        raise OutputError(message, hint="name another folder")


def _put_in_place(beside: Path, target: Path) -> None:
    """Give the new folder the old one's name; what was there is at `beside` then."""
    if not target.exists():
        beside.rename(target)
    elif not _exchange(beside, target):
        old = beside.with_suffix(".old")
        target.rename(old)
        try:
            beside.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    settle(target.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names at one blow; False where the system cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    return rename is not None and rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0


def _settle(folder: Path) -> None:
    """Force the names in a folder to disk; the files' bytes are there already."""
    for path, _, _ in os.walk(folder):
        settle(Path(path))


def _free(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB"
    return "unknown room"
