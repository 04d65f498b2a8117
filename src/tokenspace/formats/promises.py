"""Sizes that a header promises, held against the size of the file before anything is allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.errors import FileContentError, HeaderError, TrailingBytesError, TruncatedFileError

if TYPE_CHECKING:
    from pathlib import Path

ABSURD = 1024
"""Times the file's size from which on a promise is a lie rather than the sign of a file cut short."""


def broken_promise(path: Path, what: str, promised: int, present: int, *, offset: int) -> FileContentError | None:
    """Compare the bytes that a header promises after byte `offset` with those present; return the error to raise, if any."""
    if promised == present:
        return None
    problem = f"{what} takes {promised:,} bytes from byte {offset:,} on, seen {present:,}"
    if promised > ABSURD * (present + ABSURD):
        return HeaderError(path, problem, offset=0, hint="the header cannot be right")
    if promised > present:
        return TruncatedFileError(path, problem, offset=offset + present, hint="was a download or a copy cut off?")
    return TrailingBytesError(path, problem, offset=offset + promised, hint="what follows is not part of the table")
