"""Tables that take long to read, kept: read once into a native file beside the source, which the next opening maps.

A kept file is believed only while its source is what it was. Its header records the source's size, a digest of samples of it, the SHA-256
of all of it, and a stamp: what the system says of the file (device, inode, size, times of change of content and of anything). Size and
samples must agree. Then either the stamp does, or the whole source is digested again; if that agrees, the new stamp is noted. The time of
change of anything cannot be set by a program, so putting the old time of change back after an edit deceives nobody. A stamp is not
taken within a clock's tick of the change it records, as a second change within that tick would leave it as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tokenspace import progress
from tokenspace.cache import cache_folder
from tokenspace.errors import FileContentError, HeaderError, TokenspaceError
from tokenspace.formats import native_file
from tokenspace.formats.format import Head, Reading
from tokenspace.formats.replacement import replacing
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from tokenspace.formats.format import Format

SUFFIX = ".tokenspace-cache"

RULES = "1"
"""The version of the rules by which sources are read; a file kept under other rules is made anew."""

SAMPLES, SAMPLE = 32, 4096
"""Pieces spread over the source, its beginning and end among them, and their bytes; digested in a millisecond."""

TICK, COARSE_TICK = 50_000_000, 2_000_000_000
"""Nanoseconds within which two changes may get one time: Linux counts in 1 to 10 ms; where times are whole milliseconds, be it seconds,
the two seconds of FAT."""

UNSTAMPED = "0" * 32


def opened(known: Format, head: Head, reading: Reading, *, folder: Path | None = None, make: bool = True) -> EmbeddingTable | None:
    """Open the kept file of a source, made now where there is none that holds.

    Parameters
    ----------
    known : Format
        The source's format.
    head : Head
        The source; a regular file.
    reading : Reading
        Its `limit` and `only` are the caller's business, its `mended` must be None.
    folder : Path, optional
        Where the file is kept. Left out: beside the source, else in the user's cache folder.
    make : bool
        False only looks for one.

    Returns
    -------
    EmbeddingTable or None
        Mapped; None where none is kept and none can be, or shall be, made.

    Raises
    ------
    FileContentError
        If the source is read, and is no sound table.
    """
    source = Path(os.path.realpath(head.path))
    of = json.dumps([RULES, known.name, head.member])
    places = _places(source, reading, head.member, folder)
    for place in places:
        table = _fresh(place, source, of, reading)
        if table is not None:
            return EmbeddingTable.mapped(table.vocabulary, table.matrix, source=str(head.path))
    refused: list[str] = []
    for place in places if make else []:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(place.parent).free < 2 * source.stat().st_size:
                refused.append(f"{place.parent} has too little room left")
                continue
            _make(known, head, reading, place, source, of)
            table = native_file.WAYS.read(Head.of(place), Reading())
        except FileContentError:
            raise
        except (OSError, TokenspaceError) as error:
            refused.append(str(error))
            continue
        return EmbeddingTable.mapped(table.vocabulary, table.matrix, source=str(head.path))
    if refused:
        message = f"no cache of {head.path} could be written ({'; '.join(refused)}), so it is read anew each time it is opened. "
        warnings.warn(message + "Set TOKENSPACE_CACHE to a folder that can be written to, or cache=False.", RuntimeWarning, stacklevel=4)
    return None


def _places(source: Path, reading: Reading, member: str, folder: Path | None) -> list[Path]:
    """Return where the file may be kept, the best first; one name for one source and type."""
    dtype = "float32" if reading.dtype is None else reading.dtype.name
    usual = dtype == "float32" and not member and len(source.name) <= 120  # noqa: PLR2004 - names end at 255 bytes
    tag = (
        ""
        if usual
        else "-" + hashlib.blake2b(f"{source.name}\0{dtype}\0{member}".encode(errors="surrogateescape"), digest_size=6).hexdigest()
    )
    name = f".{source.name[:60] if tag else source.name}{tag}{SUFFIX}"
    apart = hashlib.blake2b(os.fsencode(source), digest_size=8).hexdigest() + name
    if folder is not None:
        return [folder / apart]
    return [source.parent / name, cache_folder() / "tables" / apart]


def _fresh(place: Path, source: Path, of: str, reading: Reading) -> EmbeddingTable | None:
    """Return the table kept in a file, if it is there, is what it says, and its source is what it was."""
    try:
        if not _trusted(place, source):
            return None
        head = Head.of(place)
        recorded = native_file.checked_header(head).metadata
        size = source.stat().st_size
        if (recorded.get("cache.of"), recorded.get("cache.size")) != (of, str(size)) or recorded.get("cache.sample") != _sample(
            source, size
        ):
            return None
        if reading.errors == "strict" and recorded.get("tokens") != "utf-8":
            return None
        if recorded.get("cache.stamp") in {UNSTAMPED, None} or recorded["cache.stamp"] != stamp_of(source):
            stamp = _settled_stamp(source)
            if _digest(source, size) != recorded.get("cache.sha256"):
                return None
            if _settled_stamp(source) == stamp != UNSTAMPED:
                _note(place, head, recorded["cache.stamp"], stamp)
        return native_file.WAYS.read(head, Reading())
    except (FileContentError, OSError):  # a damaged file is made anew
        return None


def _trusted(place: Path, source: Path) -> bool:
    """Whether a file belongs to somebody who could as well have changed the source, or this program: a folder may be open to all."""
    here = place.lstat()
    if not stat.S_ISREG(here.st_mode):
        return False
    return not hasattr(os, "geteuid") or here.st_uid in {os.geteuid(), 0, source.stat().st_uid}


def _make(known: Format, head: Head, reading: Reading, place: Path, source: Path, of: str) -> None:
    """Read the source into a kept file."""
    before, size = stamp_of(source), source.stat().st_size
    whole = hashlib.sha256()
    with replacing(place) as file:
        writer = native_file.Writer(file)
        if known.pour is not None:
            vocabulary = known.pour(head.digested(whole), Reading(reading.dtype, reading.errors, threads=reading.threads), writer)
        else:
            table = known.read(head, reading)
            writer.begin(table.d, table.dtype, table.n)
            writer.add(table.matrix)
            vocabulary = table.vocabulary
        digest = whole.hexdigest() if known.pour is not None and head.packing != "zip" else _digest(source, size)
        if stamp_of(source) != before:
            raise HeaderError(head.path, "the file changed while it was read", hint="open it again once it is written whole")
        recorded = {"cache.of": of, "cache.size": str(size), "cache.sample": _sample(source, size), "cache.sha256": digest}
        writer.finish(vocabulary, **recorded, **{"cache.stamp": _settled_stamp(source)})


def stamp_of(source: Path) -> str:
    """Return 32 hexadecimal digits that stand for what the system says of a file."""
    seen = source.stat()
    text = f"{seen.st_dev} {seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _settled_stamp(source: Path) -> str:
    """Return the stamp, or none where the file changed so lately that a further change might not show in it."""
    seen = source.stat()
    last = max(seen.st_mtime_ns, seen.st_ctime_ns)
    tick = COARSE_TICK if last % 1_000_000 == 0 else TICK
    return stamp_of(source) if abs(time.time_ns() - last) > tick else UNSTAMPED


def _sample(source: Path, size: int) -> str:
    """Return a digest of pieces spread over a file."""
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with source.open("rb", buffering=0) as file:
        for at in np.linspace(0, max(0, size - SAMPLE), SAMPLES).astype(np.int64).tolist():
            file.seek(at)
            digest.update(file.read(SAMPLE))
    return digest.hexdigest()


def _digest(source: Path, size: int) -> str:
    """Return the SHA-256 of a file, about 0.6 s a GB where the processor has instructions for it."""
    digest, room, done = hashlib.sha256(), bytearray(1 << 20), 0
    with source.open("rb", buffering=0) as file:
        while got := file.readinto(room):
            digest.update(memoryview(room)[:got])
            done += got
            progress.report(f"checking {source.name}", done, size)
    return digest.hexdigest()


def _note(place: Path, head: Head, old: str, new: str) -> None:
    """Write the new stamp over the old one, of the same length; whoever reads half of it digests the source once more."""
    at = head.start.find(f'"cache.stamp":"{old}"'.encode())
    with contextlib.suppress(OSError), place.open("r+b", buffering=0) as file:
        file.seek(at + len('"cache.stamp":"'))
        file.write(new.encode())
