"""The list of a sharded table's files: which rows each holds, its size and digest; every entry held against the others when it is read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenspace.errors import HeaderError
from tokenspace.rows import FLOATS, float_type
from tokenspace.shards import Shard

if TYPE_CHECKING:
    from pathlib import Path

NAME = "tokenspace-shards.json"
FORMAT, VERSION = "tokenspace-shards", "1"

PLAIN = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,200}")
"""Names of files in the folder: no path leads out of it, and none is hidden."""

DIGEST = re.compile(r"[0-9a-f]{64}")
LONGEST = 1 << 26
"""Bytes of a manifest: some 300,000 shards."""


@dataclass(frozen=True)
class Manifest:
    """What the list says.

    Attributes
    ----------
    rows, dims : int
    dtype : str
    vocabulary : Shard
        The file of the tokens, of which only place, size and digest count.
    shards : tuple of Shard
        Adjacent, from row 0 to the last.
    """

    rows: int
    dims: int
    dtype: str
    vocabulary: Shard
    shards: tuple[Shard, ...]

    def text(self) -> str:
        """Return it as JSON, a line a shard."""
        head = {"format": FORMAT, "version": VERSION, "rows": self.rows, "dims": self.dims, "dtype": self.dtype}
        head["vocabulary"] = {"file": self.vocabulary.path, "bytes": self.vocabulary.size, "sha256": self.vocabulary.sha256}
        lines = [
            json.dumps({"file": s.path, "rows": [s.start, s.stop], "offset": s.offset, "bytes": s.size, "sha256": s.sha256})
            for s in self.shards
        ]
        return json.dumps(head)[:-1] + ', "shards": [\n' + ",\n".join(lines) + "\n]}\n"


def parsed(path: Path | str, data: bytes, place: str, url: str = "") -> Manifest:
    """Read a list.

    Parameters
    ----------
    path : path or str
        Where it stands, for messages.
    data : bytes
    place : str
        The folder of the files, with a slash behind it.
    url : str
        The same as an address from which machines without the files fetch them, with a slash behind it; empty where there is none.

    Returns
    -------
    Manifest
        Its shards' paths lead into `place`.

    Raises
    ------
    HeaderError
        If it is not JSON of this kind, or its entries contradict each other.
    """
    if len(data) > LONGEST:
        raise HeaderError(path, f"expected a list of at most {LONGEST:,} bytes, seen {len(data):,}")
    try:
        seen = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise HeaderError(path, f"expected JSON: {error!s:.80}") from None
    if not isinstance(seen, dict) or (seen.get("format"), seen.get("version")) != (FORMAT, VERSION):
        what = f"{seen.get('format')!r:.40} version {seen.get('version')!r:.20}" if isinstance(seen, dict) else type(seen).__name__
        raise HeaderError(path, f"expected format '{FORMAT}' version '{VERSION}', seen {what}", hint="upgrade tokenspace")
    rows, dims, dtype, listed = (seen.get(name) for name in ("rows", "dims", "dtype", "shards"))
    sound = _whole(rows, 1) and _whole(dims, 1) and dtype in FLOATS and isinstance(listed, list) and bool(listed)
    if not sound:
        raise HeaderError(
            path, f"expected rows, dims, one of {', '.join(FLOATS)} and shards, seen {rows!r:.20}, {dims!r:.20}, {dtype!r:.20}"
        )
    vocabulary = _file(path, "vocabulary", seen.get("vocabulary"), {"rows": [0, rows], "offset": 0}, (1, "float32"), place, url)
    shards, at = [], 0
    names = {vocabulary.path}
    for number, entry in enumerate(listed):  # type: ignore[arg-type] # a list, as was seen above
        shard = _file(path, f"shard {number:,}", entry, {}, (dims, dtype), place, url)  # type: ignore[arg-type] # both were looked at above
        if shard.start != at or shard.stop <= at or shard.stop > rows:  # type: ignore[operator]
            problem = f"shard {number:,} ({shard.path!r:.80}) should begin with row {at:,}, seen rows {shard.start:,} to {shard.stop:,}"
            raise HeaderError(path, problem)
        item = float_type(shard.dtype).itemsize
        if shard.offset % item or shard.offset + shard.rows * shard.width > shard.size:
            problem = f"{shard.rows:,} rows of {shard.width:,} bytes from byte {shard.offset:,} do not fit into {shard.size:,} bytes"
            raise HeaderError(path, f"shard {number:,} ({shard.path!r:.80}): {problem}")
        if shard.path in names:
            raise HeaderError(path, f"shard {number:,} names the file {shard.path!r:.80} a second time")
        names.add(shard.path)
        at = shard.stop
        shards.append(shard)
    if at != rows:
        raise HeaderError(path, f"expected shards for {rows:,} rows, seen rows up to {at:,}")
    return Manifest(rows, dims, dtype, vocabulary, tuple(shards))  # type: ignore[arg-type]


def _file(path: Path | str, what: str, entry: Any, more: dict[str, Any], kind: tuple[int, str], place: str, url: str) -> Shard:
    """Read the entry of one file."""
    fields: dict[str, Any] = {**entry, **more} if isinstance(entry, dict) else {}
    values: list[Any] = [fields.get(key) for key in ("file", "rows", "offset", "bytes", "sha256")]
    name, bounds, offset, size, digest = values
    sound = (
        isinstance(name, str)
        and PLAIN.fullmatch(name)
        and isinstance(bounds, list)
        and len(bounds) == 2  # noqa: PLR2004 - first and last
        and all(_whole(bound, 0) for bound in bounds)
        and _whole(offset, 0)
        and _whole(size, 1)
        and isinstance(digest, str)
        and DIGEST.fullmatch(digest)
    )
    if not sound:
        raise HeaderError(path, f"expected a plain file name, rows, offset, bytes and sha256 for {what}, seen {entry!r:.120}")
    start, stop = bounds
    return Shard(f"{place}{name}", start, stop, *kind, offset, size, digest, f"{url}{name}" if url else "")


def _whole(value: object, least: int) -> bool:
    return type(value) is int and least <= value < 1 << 62
