"""Streams packed by gzip, bzip2, xz, zstd or zip, unpacked as they are read.

Nothing is unpacked to disk and no more than a block is held. Of a packed file at most `RATIO` times its own bytes are believed: a table
of numbers packs to between a half and a fifth, so that beyond a hundredfold a file is made to fill the memory or the disk.
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, Protocol

from tokenspace.errors import CompressionError, FileContentError, MissingExtraError, TruncatedFileError
from tokenspace.formats.streams import LONGEST_SIGN, PACKINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tokenspace.formats.streams import Stream

RATIO = 100
"""Times its packed bytes that a file may unpack to. Deflate reaches 1032, the others millions; tables of numbers 2 to 5."""

SLACK = 1 << 22
"""Bytes that a file may unpack to whatever its size. One of some kilobytes takes 50 MB of memory at the most; with 64 MiB it took 460, as
rows of six bytes are kept with 40 bytes of where they began and ended."""

PIECE = 1 << 16
"""Packed bytes handed to a decompressor at a time."""

WINDOW = 1 << 28
"""Bytes of memory that a decompressor may take: a packed file says itself how much it wants, up to gigabytes."""

WINDOW_LOG = 27
"""The same for zstd, as a power of two: what its own tool allows without being asked."""


BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError, RuntimeError, OverflowError)
"""What zipfile raises over a damaged archive: the seek to a negative place is an OSError, an unknown packing a RuntimeError, a name that is
not UTF-8 a ValueError."""


class Decompressor(Protocol):
    """What bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool: ...  # noqa: D102 - the library's own, as are the next two
    @property
    def unused_data(self) -> bytes: ...  # noqa: D102
    @property
    def needs_input(self) -> bool: ...  # noqa: D102
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...  # noqa: D102 - the library's own


class Gzip:
    """zlib's decompressor of one gzip member, with the face of the others."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the member."""
        return self._object.unused_data

    @property
    def needs_input(self) -> bool:
        """Whether all that was given has been used."""
        return not self._object.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Unpack at most `max_length` bytes."""
        return self._object.decompress(self._object.unconsumed_tail + data, max_length)


def zstd_module() -> Any:
    """Return the module that knows zstd: Python's own from 3.14 on, else the same as a package.

    Raises
    ------
    MissingExtraError
        If there is none.
    """
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - Python 3.14 has it
    except ImportError:
        try:
            from backports import zstd  # noqa: PLC0415 - the same module for older ones
        except ImportError as error:
            message = "unpacking zstd needs Python 3.14 or the package backports.zstd, which is not installed"
            raise MissingExtraError(message, hint='pip install "tokenspace[zstd]", or unpack it first: unzstd') from error
    return zstd


def _zstd() -> Decompressor:
    zstd = zstd_module()
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})


UNPACKERS: dict[str, Callable[[], Decompressor]] = {
    "gzip": Gzip,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(memlimit=WINDOW),
    "zstd": _zstd,
}
"""What unpacks one member of each packing."""


class Unpacked:
    """What a packed stream unpacks to; members that follow one another count as one, as their own tools have it."""

    size: int | None = None
    packed = True

    def __init__(self, path: Path, below: Stream, packing: str, *, ratio: float = RATIO) -> None:
        self.path, self.below, self.packing, self.ratio = path, below, packing, ratio
        self.total = below.total
        self.make = UNPACKERS[packing]
        self.member: Decompressor | None = self.make()
        self.made = 0
        self.left = b""

    @property
    def taken(self) -> int:
        """Packed bytes read."""
        return self.below.taken

    def fill(self, room: memoryview) -> int:
        """Fill `room` with unpacked bytes."""
        at = 0
        while at < len(room) and (piece := self._next(len(room) - at)):
            room[at : at + len(piece)] = piece
            at += len(piece)
        self.made += at
        _check_ratio(self.path, self.made, self.taken, self.ratio)
        return at

    def _next(self, count: int) -> bytes:
        """Return some unpacked bytes, none at the end."""
        while self.member is not None:
            hungry = self.member.needs_input
            data = (self.left or self._packed()) if hungry else b""
            self.left = b"" if hungry else self.left
            try:
                made = self.member.decompress(data, count)
            except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError) as error:
                raise _damaged(self.path, self.packing, self.taken, error) from None
            except Exception as error:  # zstd has an exception of its own, and is not imported to name it
                if type(error).__name__ != "ZstdError":
                    raise
                raise _damaged(self.path, self.packing, self.taken, error) from None
            if self.member.eof:
                self._begin_member(self.member.unused_data)
            elif hungry and not data and not made:  # asked even so: zlib may still hold bytes of what it was given
                problem = f"the {self.packing} data ends early; expected more after {self.taken:,} packed bytes"
                raise TruncatedFileError(self.path, problem, offset=self.taken, hint="was a download or a copy cut off?")
            if made:
                return made
        return b""

    def _begin_member(self, left: bytes) -> None:
        """Go on with the next member, if there is one; zeros may fill up the last, as tape drives leave them."""
        left = left or self._packed()
        while left and not left.strip(b"\0"):
            left = self._packed()
        while left and len(left) < LONGEST_SIGN and (more := self._packed()):  # a sign that is cut by the end of a piece
            left += more
        if left and not PACKINGS[self.packing].match(left):
            at = self.taken - len(left)
            raise CompressionError(self.path, f"expected the end of the {self.packing} data, seen {left[:16]!r}", offset=at)
        self.member, self.left = (self.make(), left) if left else (None, b"")

    def _packed(self) -> bytes:
        """Return the next packed bytes, none at the end."""
        room = bytearray(PIECE)
        return bytes(room[: self.below.fill(memoryview(room))])

    def close(self) -> None:
        """Close what is beneath."""
        self.below.close()


class Member:
    """The bytes of one file in a zip archive."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, *, ratio: float = RATIO) -> None:
        self.path, self.archive, self.info, self.ratio = path, archive, info, ratio
        self.size: int | None = None
        self.total: int | None = info.compress_size
        self.packed = True
        self.taken = self.made = 0
        with _zip_errors(path, 0):
            self.file = archive.open(info)

    def fill(self, room: memoryview) -> int:
        """Fill `room` with unpacked bytes."""
        at = 0
        with _zip_errors(self.path, self.info.header_offset):
            while at < len(room) and (piece := self.file.read(min(PIECE, len(room) - at))):
                room[at : at + len(piece)] = piece
                at += len(piece)
        self.made += at
        self.taken = min(self.info.compress_size, self.made * self.info.compress_size // max(1, self.info.file_size))
        _check_ratio(self.path, self.made, self.info.compress_size, self.ratio)
        return at

    def close(self) -> None:
        """Close the archive."""
        self.file.close()
        self.archive.close()


@contextlib.contextmanager
def _zip_errors(path: Path, offset: int) -> Any:
    try:
        yield
    except BROKEN_ZIP as error:
        if isinstance(error, FileContentError):
            raise
        raise _damaged(path, "zip", offset, error) from None


def _damaged(path: Path, packing: str, at: int, error: Exception) -> CompressionError:
    problem = f"the {packing} data is damaged at or before packed byte {at:,}: {error!s:.120}"
    return CompressionError(path, problem, offset=at, hint="fetch or copy it again")


def _check_ratio(path: Path, made: int, packed: int, ratio: float) -> None:
    if made > SLACK and made > ratio * packed:
        problem = f"{packed:,} packed bytes unpack to more than {made:,}, over {ratio} times as many"
        raise CompressionError(path, problem, offset=packed, hint="if that is meant, unpack it first")


def open_member(path: Path, name: str = "", *, ratio: float = RATIO) -> Member:
    """Open the one file in a zip archive, or the one named.

    Raises
    ------
    CompressionError
        If the archive is damaged, or there is not exactly one such file; the names that there are stand in the message.
    """
    with _zip_errors(path, 0):
        archive = zipfile.ZipFile(path)
    files = [info for info in archive.infolist() if not info.filename.endswith("/") and not info.filename.startswith("__MACOSX/")]
    wanted = [info for info in files if info.filename == name] if name else files
    if len(wanted) != 1:
        archive.close()
        seen = ", ".join(f"{info.filename!r:.60}" for info in files[:8]) or "none"
        problem = f"expected {f'one file {name!r:.60}' if name else 'one file'} in the archive, seen {seen}"
        raise CompressionError(path, problem, hint=f"name one: {path}/{files[0].filename}" if files else "")
    if wanted[0].flag_bits & 1:
        archive.close()
        problem = f"expected a file that can be read, seen {wanted[0].filename!r:.60} encrypted"
        raise CompressionError(path, problem, offset=wanted[0].header_offset, hint="unpack it with its password first")
    return Member(path, archive, wanted[0], ratio=ratio)
