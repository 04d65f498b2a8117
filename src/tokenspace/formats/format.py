"""What a file format is to this package: a name, how it is recognised, how it is read, how it is written."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

from tokenspace.errors import EmptyFileError, TableNotFoundError, UnknownFormatError
from tokenspace.formats.places import Memory
from tokenspace.formats.streams import Peeked, Plain, packing_of
from tokenspace.formats.text_layout import Layout, layout_of
from tokenspace.table import EmbeddingTable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from tokenspace.formats.mending import Mended
    from tokenspace.formats.places import Place
    from tokenspace.formats.streams import Digest, Stream
    from tokenspace.vocabulary import Vocabulary

LOOK = 1 << 16
"""Bytes from a file's beginning by which it is recognised."""


@dataclass(frozen=True)
class Head:
    """A file's beginning, or the place of a folder: all that recognising a format may look at.

    Attributes
    ----------
    path : Path
    size : int
        Bytes of the file; 0 for a folder and where only the end will tell.
    start : bytes
        The first `LOOK` bytes; of a packed file, those it unpacks to.
    folder : bool
        Whether it is a folder.
    stream : Stream or None
        A pipe, which is read instead of a file, and only once.
    packing, member : str
        What packed the file, ``gzip`` say, and which file of an archive is meant; empty for a file as it is.
    digest : hash object or None
        Is shown the file's own bytes as they are read.
    """

    path: Path
    size: int
    start: bytes
    folder: bool = False
    stream: Stream | None = field(default=None, repr=False, compare=False)
    packing: str = ""
    member: str = ""
    digest: Digest | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, path: Path, *, folders: bool = False, pipes: bool = False) -> Head:
        """Look at a file or, where they are welcome, at a folder, whose beginning is empty, or at a pipe, which is then read.

        Raises
        ------
        TableNotFoundError
            If there is none.
        EmptyFileError
            If it holds no byte.
        UnknownFormatError
            If it is a pipe or a device, which can be neither mapped nor read twice, or a socket, which cannot be opened.
        """
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            message = f"no such file: {path}"
            raise TableNotFoundError(message) from None
        if folders and stat.S_ISDIR(mode):
            return cls(path, 0, b"", folder=True)
        if pipes and (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
            return cls.of_pipe(path, path.open("rb", buffering=0))
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a socket" if stat.S_ISSOCK(mode) else "a pipe or a device"
            raise UnknownFormatError(path, f"expected a file, seen {kind}", hint="write its content into a file first")
        with path.open("rb") as file:
            start = file.read(LOOK)
            size = os.fstat(file.fileno()).st_size
        if not start:
            raise EmptyFileError(path, "expected a table, seen a file of 0 bytes", hint="was a download or a copy cut off?")
        return cls(path, size, start)

    @classmethod
    def of_pipe(cls, path: Path, file: IO[bytes], *, close: bool = True) -> Head:
        """Look at a pipe, and keep what was read; `close` it in the end, unless it is somebody else's.

        Raises
        ------
        EmptyFileError
            If it closes without a byte.
        """
        stream = Peeked(Plain(file, size=None, close=close))
        if not stream.start:
            stream.close()
            raise EmptyFileError(path, "expected a table, seen a pipe that closed without a byte")
        return cls(path, 0, stream.start, stream=stream)

    def open(self) -> Stream:
        """Return its bytes, unpacked where it is packed, from the first on."""
        if self.stream is not None:
            return self.stream
        if self.packing == "zip":
            from tokenspace.formats.packed import open_member  # noqa: PLC0415 - four libraries that a file as it is does not need

            return open_member(self.path, self.member)
        file = self.path.open("rb", buffering=0)
        plain = Plain(file, size=os.fstat(file.fileno()).st_size, digest=self.digest)
        return _unpacked(self.path, plain, self.packing) if self.packing else plain

    def unpacked(self, member: str = "") -> Head | None:
        """Look at what a packed file or pipe unpacks to; None where it is not packed."""
        packing = packing_of(self.start)
        if not packing or self.packing or self.folder:
            return None
        if self.stream is not None and packing == "zip":
            raise UnknownFormatError(
                self.path, "expected a stream, seen a zip archive", hint="an archive is read from its end: save it first"
            )
        if self.stream is not None:
            peeked = Peeked(_unpacked(self.path, self.stream, packing))
            return Head(self.path, 0, peeked.start, stream=peeked, packing=packing)
        head = replace(self, size=0, start=b"", packing=packing, member=member)
        stream = head.open()
        try:
            return replace(head, start=Peeked(stream).start)
        finally:
            stream.close()

    def digested(self, digest: Digest) -> Head:
        """Return the same, whose bytes are shown to `digest` as they are read."""
        return replace(self, digest=digest)

    @property
    def whole(self) -> bool:
        """Whether `start` is all there is."""
        return len(self.start) < LOOK or len(self.start) == self.size

    @cached_property
    def layout(self) -> Layout:
        """What the beginning looks like when taken for lines of text; worked out once for all the formats that ask."""
        return layout_of(self.start, whole=self.whole)


def _unpacked(path: Path, below: Stream, packing: str) -> Stream:
    from tokenspace.formats.packed import Unpacked  # noqa: PLC0415 - as above

    return Unpacked(path, below, packing)


@dataclass(frozen=True)
class Reading:
    """How a table is to be read; the same for every format.

    Attributes
    ----------
    dtype : numpy dtype or None
        The element type wanted; None leaves it to the file (float32 for text).
    errors : str
        ``strict`` refuses a token that is not UTF-8; ``surrogateescape`` keeps its bytes.
    tokens : Path or None
        The file that holds the tokens, for formats that keep them apart; None looks beside the table.
    threads : int or None
        Threads that may read at once; None takes every CPU.
    limit : int or None
        Rows wanted from the beginning; None wants all.
    only : Vocabulary or None
        The tokens whose rows are wanted; None wants all.
    mended : Mended or None
        Takes what is mended; None mends nothing and refuses instead.
    part : str or None
        Which tensor or column holds the rows, where there are several.
    """

    dtype: np.dtype[Any] | None = None
    errors: str = "strict"
    tokens: Path | None = None
    threads: int | None = None
    limit: int | None = None
    only: Vocabulary | None = None
    mended: Mended | None = None
    part: str | None = None


@dataclass(frozen=True)
class Ways:
    """What the module of a format does; each has one, of the name `WAYS`.

    Attributes
    ----------
    sniff : callable
        Whether a file that begins so is (or would be, were it sound) of this format. Folders are shown to formats of folders only.
    read : callable
        Reads a table.
    write : callable or None
        Writes a table to a path: beside, then renamed into place. None where the format can only be read.
    pour : callable or None
        Reads a table row by row, from a stream too, into a place for rows: takes the head, the reading and that place, and returns the
        vocabulary. Keeps to the reading's `limit`, `only` and `mended` itself; of other formats `open` takes the rows afterwards.
    """

    sniff: Callable[[Head], bool]
    read: Callable[[Head, Reading], EmbeddingTable]
    write: Callable[[EmbeddingTable, Path], None] | None = None
    pour: Callable[[Head, Reading, Place], Vocabulary] | None = None


@dataclass(frozen=True)
class Format:
    """One file format: what there is to know of it before its module, which knows the rest, is imported.

    Attributes
    ----------
    name : str
        What users call it.
    title : str
        One line that says what it is.
    module : str
        The module whose `WAYS` it has; imported when a file may be of this format, or shall be.
    suffixes : tuple of str
        Endings of file names for which `save` chooses it; reading never looks at names.
    begins : tuple of (int, bytes)
        Where a file of this format has which bytes, one of them; empty where only the module can tell.
    folder : bool
        Whether a table of this format is a folder.
    cached : bool
        Whether reading takes so long that `open` keeps what it read as a native file, which the next `open` maps.
    writes, pours : bool
        Whether its `WAYS` have a `write` and a `pour`.
    parts : str
        What a file may hold several of, "tensor" or "column", from which the caller chooses; empty where there is nothing to choose.
    """

    name: str
    title: str
    module: str = field(repr=False)
    suffixes: tuple[str, ...] = ()
    begins: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)
    folder: bool = False
    cached: bool = False
    writes: bool = False
    pours: bool = False
    parts: str = ""

    @property
    def ways(self) -> Ways:
        """What its module does."""
        return import_module(self.module).WAYS

    def sniff(self, head: Head) -> bool:
        """Return whether a file that begins so is, or would be, were it sound, of this format."""
        likely = not self.begins or any(head.start.startswith(sign, at) for at, sign in self.begins)
        return likely and self.ways.sniff(head)

    def read(self, head: Head, reading: Reading) -> EmbeddingTable:
        """Read a table."""
        return self.ways.read(head, reading)

    @property
    def write(self) -> Callable[[EmbeddingTable, Path], None] | None:
        """What writes a table; None where the format can only be read."""
        return self.ways.write if self.writes else None

    @property
    def pour(self) -> Callable[[Head, Reading, Place], Vocabulary] | None:
        """What reads a table row by row; None where that cannot be done."""
        return self.ways.pour if self.pours else None


def poured(pour: Callable[[Head, Reading, Place], Vocabulary]) -> Callable[[Head, Reading], EmbeddingTable]:
    """Return what reads a table into memory with a format's `pour`."""

    def read(head: Head, reading: Reading) -> EmbeddingTable:
        memory = Memory()
        vocabulary = pour(head, reading, memory)
        return EmbeddingTable.mapped(vocabulary, memory.matrix(), source=str(head.path))

    return read
