"""A table in several files: a folder of native tables with some rows each, one file with all tokens, and a list of both.

Laid out in docs/reference/format.md. Each shard is a table by itself; together they are mapped into one range of addresses, so that
whatever works on a table works on this one, and reads of it what it looks at.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING

from tokenspace import progress
from tokenspace.errors import ArgumentError, FileContentError, HeaderError, ShardNotFoundError
from tokenspace.formats import manifest, native_file
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.replacement import replacing_folder
from tokenspace.formats.safetensors_header import read_header
from tokenspace.shards import Shard, remote, sha256_of, spanned
from tokenspace.table import EmbeddingTable
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tokenspace.formats.manifest import Manifest

VOCABULARY = "vocabulary.safetensors"
KIND = "tokenspace-vocabulary"

PAGES = 16_384
"""A row stands at the same byte of its file as of the whole matrix, counted in multiples of this: pages of 4, 8 and 16 KiB can be mapped.
Where pages are larger (some ARM systems: 64 KiB), the rows are read into memory."""

USUAL = 256 << 20
"""Bytes of a shard where nobody says how many rows it shall have."""


def _sniff(head: Head) -> bool:
    return (head.path / manifest.NAME).is_file()


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    path = head.path / manifest.NAME
    return _table(manifest.parsed(path, path.read_bytes(), f"{head.path}/"), str(head.path), reading)


def open_address(address: str, reading: Reading) -> EmbeddingTable:
    """Open a sharded table behind an address of fsspec; its files are fetched into the cache folder, each held against its digest.

    Raises
    ------
    ShardNotFoundError
        If the list or a file cannot be had.
    HeaderError, ChecksumError, TruncatedFileError
        If they are not what they should be.
    MissingExtraError
        If fsspec is not installed.
    """
    local = remote.local_path(address)
    if local is not None:
        return _read(Head.of(local, folders=True), reading)
    url = f"{address.rstrip('/')}/"
    listed = manifest.parsed(url + manifest.NAME, remote.read(url + manifest.NAME), url, url)
    size, done = listed.vocabulary.size + sum(shard.size for shard in listed.shards), 0

    def here(shard: Shard) -> Shard:
        nonlocal done
        file = shard.file()
        done += shard.size
        progress.report(f"fetching {address}", done, size)
        return Shard(str(file), *(getattr(shard, name) for name in ("start", "stop", "d", "dtype", "offset", "size", "sha256", "url")))

    found = manifest.Manifest(listed.rows, listed.dims, listed.dtype, here(listed.vocabulary), tuple(map(here, listed.shards)))
    return _table(found, address, reading)


def _table(listed: Manifest, source: str, reading: Reading) -> EmbeddingTable:
    """Map what a list says."""
    vocabulary = _vocabulary(Path(listed.vocabulary.path), listed.rows)
    matrix = rows.as_type(Path(source), spanned(listed.shards), reading.dtype, lambda _row: {})
    return EmbeddingTable.mapped(vocabulary, matrix, source=source)


def _vocabulary(path: Path, n: int) -> Vocabulary:
    """Map the file of the tokens."""
    head = Head.of(path)
    header = read_header(path, head.start, head.size, longest=native_file.LONGEST_HEADER)
    if header.metadata.get("format") != KIND or header.metadata.get("version") != native_file.VERSION:
        seen = f"{header.metadata.get('format')!r:.40} version {header.metadata.get('version')!r:.20}"
        raise HeaderError(path, f"expected format '{KIND}' version '{native_file.VERSION}', seen {seen}", offset=8)
    missing = [name for name in native_file.PARTS if name not in header.tensors]
    if missing:
        raise HeaderError(path, f"expected the tensors {', '.join(native_file.PARTS)}; {missing[0]} is missing", offset=8)
    native_file.check_vocabulary(path, header, n)
    with path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return native_file.read_vocabulary(path, header, whole)


def shard(table: EmbeddingTable, folder: Path, count: int | None = None) -> None:
    """Write a table as shards.

    Parameters
    ----------
    table : EmbeddingTable
    folder : Path
        Not there, empty, or a sharded table, which is then replaced whole.
    count : int, optional
        Rows of a shard; the last may have fewer. Left out, as many as 256 MiB hold.

    Raises
    ------
    ArgumentError
        If `count` is not positive, or the folder holds something else.
    UnwritableError, NotFiniteError
        As `tokenspace.formats.save`.

    Notes
    -----
    Reads the table once and holds a few MB of it. The tokens are written twice, with their shard and all together.
    """
    if count is not None and count < 1:
        message = f"a shard needs at least 1 row; seen {count}"
        raise ArgumentError(message)
    rows.check_writable(table, folder, "shards")
    width = table.d * table.dtype.itemsize
    step = max(1, USUAL // width) if count is None else count
    starts = range(0, table.n, step)
    digits = max(5, len(str(len(starts) - 1)))
    shards = []
    with replacing_folder(folder, ours=lambda there: _sniff(Head.of(there, folders=True))) as place:
        for number, start in enumerate(starts):
            name = f"{number:0{digits}}.tokenspace"
            shards.append(_write_shard(table, start, min(start + step, table.n), place, name))
            progress.report(f"writing {folder.name}", shards[-1].stop * width, table.n * width)
        whole = _write_vocabulary(table.vocabulary, place)
        text = manifest.Manifest(table.n, table.d, table.dtype.name, whole, tuple(shards)).text()
        (place / manifest.NAME).write_text(text, encoding="utf-8")


def _write_shard(table: EmbeddingTable, start: int, stop: int, place: Path, name: str) -> Shard:
    """Write some rows as a table of their own."""
    at = start * table.d * table.dtype.itemsize % PAGES
    room = at if at >= native_file.PAGE else at + PAGES
    offsets = table.vocabulary.offsets[start : stop + 1]
    begin = int(offsets[0])
    with (place / name).open("wb") as file:
        writer = native_file.Writer(file, room)
        writer.begin(table.d, table.dtype, stop - start)
        for first, last in rows.blocks(table.matrix[start:stop]):
            writer.add(table.matrix[start + first : start + last])
        writer.finish(Vocabulary.from_arrays(table.vocabulary.data[begin : int(offsets[-1])], offsets - begin))
    return Shard(name, start, stop, table.d, table.dtype.name, room, *_size_and_digest(place / name))


def _write_vocabulary(vocabulary: Vocabulary, place: Path) -> Shard:
    """Write the file of all tokens, whose index also proves that none stands twice."""
    sound = Vocabulary.from_arrays(vocabulary.data, vocabulary.offsets)
    with (place / VOCABULARY).open("wb") as file:
        file.write(bytes(native_file.PAGE))
        entries: dict[str, dict[str, object]] = {}
        digests = native_file.write_vocabulary(file, sound, entries, native_file.PAGE)
        metadata = {"format": KIND, "version": native_file.VERSION, "rows": str(len(sound)), "hash": native_file.HASH}
        file.seek(0)
        file.write(native_file.header_bytes({**metadata, **digests}, entries))
    return Shard(VOCABULARY, 0, len(sound), 1, "float32", 0, *_size_and_digest(place / VOCABULARY))


def _size_and_digest(path: Path) -> tuple[int, str]:
    return path.stat().st_size, sha256_of(path)


def verify(folder: Path) -> None:
    """Read a sharded table whole and check what opening does not: every file's digest, the tokens' index, that numbers are finite.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    ChecksumError, TruncatedFileError, ShardNotFoundError
        If a file is not the one that was written; its rows are named.
    FileContentError
        If the list or the tokens are wrong.
    NotFiniteRowError
        If a number is NaN or infinite.
    """
    path = folder / manifest.NAME
    listed = manifest.parsed(path, path.read_bytes(), f"{folder}/")
    for part in (listed.vocabulary, *listed.shards):
        if not Path(part.path).is_file():
            message = f"{part.path} is not there, and the table needs it"
            raise ShardNotFoundError(message, hint="put it back, or write the table anew")
        part.check(Path(part.path))
    table = _table(listed, str(folder), Reading())
    rows.check_rows(folder, table.matrix, lambda _row: {})
    try:
        table.vocabulary.verify()
    except ArgumentError as error:
        raise FileContentError(listed.vocabulary.path, error.message, hint="make it anew") from None


WAYS = Ways(_sniff, _read, shard)
