"""Which format a file or folder is, by its content; which one is written, by name or ending."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

from tokenspace.errors import ArgumentError, FileContentError, TableNotFoundError, UnknownFormatError
from tokenspace.formats import lookalikes
from tokenspace.formats.format import Format, Head
from tokenspace.formats.streams import packing_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tokenspace.table import EmbeddingTable

    Formats = Sequence[Format]


def head_of(path: Path, names: Sequence[str]) -> tuple[Head, str]:
    """Look at a file, a folder or a pipe, or at a file in a zip archive, ``archive.zip/vectors.txt``; return that and the file's name.

    Raises
    ------
    TableNotFoundError
        If there is none; the nearest of `names` and of the files beside it are in the hint.
    """
    try:
        return Head.of(path, folders=True, pipes=True), ""
    except TableNotFoundError:
        for parent in path.parents:
            if parent.is_file():
                return Head.of(parent), path.relative_to(parent).as_posix()
        message = f"no table of the name {os.fspath(path)!r}, and no such file or folder"
        raise TableNotFoundError(message, hint=_near(path, names)) from None


def recognised(formats: Formats, head: Head, name: str | None, member: str = "") -> tuple[Format, Head]:
    """Return the format of a file, folder or pipe, the one named or by its content, and where the table is: in the folder, or unpacked.

    Raises
    ------
    UnknownFormatError
        If no format knows it, or the one that does cannot be read from a pipe or out of a packed file.
    """
    if head.folder:
        fitting = [known for known in formats if known.folder and (known.name == name if name else known.sniff(head))]
        if fitting:
            return fitting[0], head
        head = Head.of(_only_table(formats, head.path))
    if name is not None and named(formats, name).folder:
        raise UnknownFormatError(head.path, f"expected a folder, as {name} is one; seen a file")
    known = _by_content(formats, head) if name is None and not member else None
    if name is not None and not member and (not named(formats, name).pours or not head.unpacked()):
        known = named(formats, name)
    if known is None:
        inner = head.unpacked(member)
        if inner is None:
            raise _unknown(formats, head, member)
        head = inner
        known = _by_content(formats, head) if name is None else named(formats, name)
        if known is None:
            raise _unknown(formats, head, "")
    if not known.pours and (head.stream is not None or head.packing):
        where = f"in {head.packing} data" if head.packing else "in a pipe"
        problem = f"expected a table that is read row by row, {_streamed(formats)}; seen {known.title!r} {where}"
        raise UnknownFormatError(head.path, problem, hint="unpack it, or write it into a file, first")
    return known, head


def _streamed(formats: Formats) -> str:
    return ", ".join(known.name for known in formats if known.pours)


def _by_content(formats: Formats, head: Head) -> Format | None:
    packed = packing_of(head.start) != ""  # what is packed may be stored as it is, and look like rows; a sign of its own tells more
    asked = (known for known in formats if not known.folder and (known.begins or not packed))
    return next((known for known in asked if known.sniff(head)), None)


def _unknown(formats: Formats, head: Head, member: str) -> UnknownFormatError:
    """Say what a file is that is no table."""
    if member:
        return UnknownFormatError(head.path, f"expected a zip archive with the file {member!r:.80}, seen {head.start[:16]!r}")
    seen, hint = lookalikes.description(head.start)
    problem = f"expected one of {', '.join(known.name for known in formats)}; {seen}{f' in {head.packing} data' if head.packing else ''}"
    return UnknownFormatError(head.path, problem, hint=hint or "name the format if you know it: format=...")


def named(formats: Formats, name: str) -> Format:
    """Return the format of that name.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    for known in formats:
        if known.name == name:
            return known
    message = f"format must be one of {', '.join(known.name for known in formats)}; seen {name!r}"
    raise ArgumentError(message)


def writer(formats: Formats, path: Path, name: str | None) -> tuple[Format, Callable[[EmbeddingTable, Path], None]]:
    """Return the format named, else the one whose ending `path` has, and what writes it.

    Raises
    ------
    ArgumentError
        If there is none, or it is read only.
    """
    writable = [known for known in formats if known.writes]
    for known in writable if name is None else [named(formats, name)]:
        if (name is not None or path.suffix.lower() in known.suffixes) and (write := known.write) is not None:
            return known, write
    names = ", ".join(known.name for known in writable)
    if name is not None:
        message = f"the format {name} is read, not written; written are {names}"
        raise ArgumentError(message)
    endings = ", ".join(suffix for known in writable for suffix in known.suffixes)
    message = f"the ending of {path.name!r} names no format to write; known are {endings}"
    raise ArgumentError(message, hint=f"or name the format: {names}")


def _only_table(formats: Formats, folder: Path) -> Path:
    """Return the one table in a folder; no pipe is opened, and no cache taken for one."""
    found = []
    for path in sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")):
        try:
            recognised(formats, Head.of(path), None)
        except FileContentError:
            continue
        found.append(path)
    if len(found) == 1:
        return found[0]
    seen = ", ".join(path.name for path in found[:8]) or "none"
    raise UnknownFormatError(folder, f"expected a folder with one table in it, seen {seen}", hint="name the file to open")


def _near(path: Path, names: Sequence[str]) -> str:
    """Return names like the one asked for, of tables and of files beside it, as a hint."""
    try:
        beside = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        beside = []
    near = difflib.get_close_matches(path.name, [*names, *beside[:10_000]], n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(str(path.parent / name) if name in beside else name for name in near)}?"
    return f"tables known by name: {', '.join(names)}"
