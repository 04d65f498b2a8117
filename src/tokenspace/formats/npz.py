"""A matrix and its tokens in one .npz file: a zip archive of .npy arrays."""

from __future__ import annotations

import math
import zipfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import CompressionError, EncodingError, FileContentError, HeaderError, TruncatedFileError, UnwritableError
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.npy import check_dtype, in_rows
from tokenspace.formats.npy_header import LONGEST, Array, check_matrix, header_bytes, read_header
from tokenspace.formats.packed import BROKEN_ZIP, RATIO, SLACK
from tokenspace.formats.promises import broken_promise
from tokenspace.formats.replacement import replacing
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MATRIX_NAMES = ("matrix", "embedding", "embeddings", "vectors")
TOKEN_NAMES = ("tokens", "vocab", "words")

DEFLATE_RATIO = 1032
"""The most that a zip member can grow when unpacked (zlib's own bound); a size beyond it is a lie."""

LAST_LETTER = 0x10FFFF
"""Unicode's last code point; the surrogates U+DC80 to U+DCFF stand for bytes that are not UTF-8, all others for nothing."""

LARGEST_TOKENS = 1 << 32
"""Bytes the array of tokens may take: NumPy gives every token the room of the longest, four bytes a character."""


def _sniff(head: Head) -> bool:
    return head.start.startswith(b"PK\x03\x04") and b".npy" in head.start[:300]


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    try:
        with zipfile.ZipFile(head.path) as archive:
            members = _members(head, archive)
            matrix = in_rows(_array(head, archive, members, MATRIX_NAMES))
            tokens = _array(head, archive, members, TOKEN_NAMES)
    except FileContentError:
        raise
    except BROKEN_ZIP as error:
        raise TruncatedFileError(head.path, f"expected a sound zip archive, seen: {error!s:.100}", hint="was a copy cut off?") from None
    if len(tokens) != len(matrix):
        raise HeaderError(head.path, f"expected one token a row, seen {len(tokens):,} tokens and {len(matrix):,} rows")
    rows.check_rows(head.path, matrix, lambda _row: {})
    _check_letters(head, tokens)
    text = [token if isinstance(token, bytes) else token.encode("utf-8", "surrogateescape") for token in tokens.tolist()]
    lengths = np.array([len(token) for token in text], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    data = np.frombuffer(b"".join(text), dtype=np.uint8)
    vocabulary = rows.vocabulary_of(head.path, data, starts, lengths, place=lambda _row: {}, errors=reading.errors)
    converted = rows.as_type(head.path, matrix, reading.dtype, lambda _row: {})
    return EmbeddingTable.mapped(vocabulary, converted, source=str(head.path))


def _members(head: Head, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's arrays by name; none twice, none larger than it can be."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in members:
            raise HeaderError(head.path, f"the archive holds {info.filename!r:.60} twice; expected every array once")
        if not 0 <= info.header_offset < head.size:
            raise HeaderError(head.path, f"{info.filename!r:.60} begins at byte {info.header_offset:,} of {head.size:,}")
        if info.file_size > DEFLATE_RATIO * (info.compress_size + 1) or info.compress_size > head.size:
            problem = f"{info.filename!r:.60} promises {info.file_size:,} bytes out of {info.compress_size:,} compressed ones"
            raise HeaderError(head.path, problem, offset=info.header_offset)
        members[name] = info
    return members


def _array(head: Head, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], names: tuple[str, ...]) -> NDArray[Any]:
    """Read the one array that has one of these names."""
    there = [name for name in names if name in members]
    if len(there) != 1:
        seen = ", ".join(sorted(members)[:8])
        raise HeaderError(head.path, f"expected one array named {' or '.join(names)}, seen {seen or 'none'}")
    info = members[there[0]]
    if info.file_size > max(SLACK, RATIO * info.compress_size):
        problem = f"{info.filename}: {info.compress_size:,} packed bytes unpack to {info.file_size:,}, over {RATIO} times as many"
        raise CompressionError(head.path, problem, offset=info.header_offset, hint="if that is meant, save it unpacked: numpy.savez")
    with archive.open(info) as member:
        start = member.read(LONGEST)
        array = read_header(head.path, start, name=info.filename)
        _check(head, array, info.filename, is_matrix=names is MATRIX_NAMES)
        what = f"{info.filename} of shape {array.shape} in {array.dtype}"
        broken = broken_promise(head.path, what, array.size, info.file_size - array.offset, offset=array.offset)
        if broken:
            raise broken
        data = np.empty(array.size, dtype=np.uint8)
        _fill(head, data.data, start[array.offset :], member)
    flat = data.view(array.dtype)
    return flat.reshape(array.shape[::-1]).T if array.fortran else flat.reshape(array.shape)


def _check_letters(head: Head, tokens: NDArray[Any]) -> None:
    """Hold text against Unicode: NumPy hands 32-bit letters on as they are, and Python dies of those that are none."""
    if tokens.dtype.kind != "U":
        return
    letters = tokens.view(np.dtype(np.uint32).newbyteorder(tokens.dtype.byteorder)).reshape(len(tokens), -1)
    none = (letters > LAST_LETTER) | ((letters >= 0xD800) & (letters < 0xE000) & ~((letters >= 0xDC80) & (letters < 0xDD00)))  # noqa: PLR2004
    if none.any():
        row, at = divmod(int(np.argmax(none)), letters.shape[1])
        raise EncodingError(head.path, f"expected Unicode letters, seen {int(letters[row, at]):#x} in the token of row {row + 1:,}")


def _check(head: Head, array: Array, name: str, *, is_matrix: bool) -> None:
    if is_matrix:
        check_matrix(head.path, array, name=name)
    elif len(array.shape) != 1 or array.dtype.kind not in "US" or array.dtype.itemsize == 0:
        raise HeaderError(head.path, f"{name}: expected tokens as a list of text, seen shape {array.shape} of {array.dtype}")
    if math.prod(array.shape) == 0:
        raise HeaderError(head.path, f"{name}: expected a row, seen shape {array.shape}")


def _fill(head: Head, room: memoryview, first: bytes, member: IO[bytes]) -> None:
    """Fill `room` with the bytes read already and those that follow."""
    at = len(first)
    room[:at] = first
    while at < len(room):
        block = member.read(min(rows.BLOCK, len(room) - at))
        if not block:
            raise TruncatedFileError(head.path, f"expected {len(room):,} bytes of an array, seen {at:,}")
        room[at : at + len(block)] = block
        at += len(block)
    if member.read(1):  # reading to the end is also what compares the checksum
        raise FileContentError(head.path, "an array goes on after its last row")


def _write(table: EmbeddingTable, path: Path) -> None:
    rows.check_writable(table, path, "npz")
    check_dtype(table, path)
    tokens = list(table.vocabulary)
    for row, token in enumerate(tokens):
        if token.endswith("\0"):
            raise rows.refuse(table, path, row, "ends in a NUL, which NumPy drops from text")
    room = 4 * len(tokens) * max(1, *map(len, tokens))
    if room > LARGEST_TOKENS:
        problem = f"not written: NumPy gives each of {len(tokens):,} tokens the room of the longest, together {room:,} bytes"
        raise UnwritableError(path, problem, hint="save it in the native format")
    words = np.array(tokens, dtype=np.str_)
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in (("tokens", words[:, None]), ("matrix", table.matrix)):
            shape = (len(words),) if name == "tokens" else table.shape
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:  # no time: equal tables, equal bytes
                member.write(header_bytes(array.dtype, shape))
                for start, stop in rows.blocks(array):
                    member.write(np.ascontiguousarray(array[start:stop]).view(np.uint8).data.cast("B"))


WAYS = Ways(_sniff, _read, _write)
