"""One shard: some rows of a matrix in a file of their own, known by place, size and digest; any process can open it by that."""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ChecksumError, ShardNotFoundError, TruncatedFileError
from tokenspace.rows import float_type
from tokenspace.shards import remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROOM = 1 << 20
"""Bytes digested at a time."""

_sound: set[tuple[object, ...]] = set()
"""Files whose digest this process has seen to be right, by name, size, time of change and digest: each is read for it once."""


@dataclass(frozen=True)
class Shard:
    """Rows start..stop of a matrix, in a file.

    Attributes
    ----------
    path : str
        The file, on the machine that opened the table.
    start, stop : int
        Its rows, counted in the whole matrix.
    d : int
        Numbers a row.
    dtype : str
        float32, float64, float16 or bfloat16.
    offset : int
        The byte of the file at which the first row begins; rows follow without a gap, little-endian.
    size : int
        Bytes of the file.
    sha256 : str
        Of the whole file, in hexadecimal.
    url : str
        Where a machine without that file fetches it from; empty where files are shared.
    """

    path: str
    start: int
    stop: int
    d: int
    dtype: str
    offset: int
    size: int
    sha256: str
    url: str = ""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.stop - self.start

    @property
    def width(self) -> int:
        """Bytes a row."""
        return self.d * float_type(self.dtype).itemsize

    def cut(self, start: int, stop: int) -> Shard:
        """Return rows start..stop of the matrix, as far as they are here."""
        begin, end = max(start, self.start), min(stop, self.stop)
        return replace(self, start=begin, stop=end, offset=self.offset + (begin - self.start) * self.width)

    def matrix(self) -> NDArray[Any]:
        """Map the rows, after the file has been held against its size and, once a process, its digest.

        Returns
        -------
        array of shape (rows, d), read-only
            Gives its memory back when nobody uses it any more.

        Raises
        ------
        ShardNotFoundError
            If there is no such file, and no address to fetch it from.
        TruncatedFileError
            If it has another size.
        ChecksumError
            If its bytes are not those that were written.
        """
        path = self.file()
        with path.open("rb") as file:
            check_size(self, os.fstat(file.fileno()).st_size)
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        rows = np.frombuffer(whole, float_type(self.dtype), self.rows * self.d, self.offset)
        return rows.reshape(self.rows, self.d)

    def file(self) -> Path:
        """Return the file, fetched where it is not here, once its digest is known to be right.

        Raises
        ------
        ShardNotFoundError, TruncatedFileError, ChecksumError
            As `matrix`.
        """
        path = Path(self.path)
        if not path.is_file():
            if not self.url:
                message = f"the shard with rows {self.start:,} to {self.stop - 1:,} is not there: {path}"
                raise ShardNotFoundError(message, hint="put it back, or write the table anew; every machine must see the folder")
            path = remote.fetched(self.url, self.sha256)
        self.check(path)
        return path

    def check(self, path: Path, told: Callable[[int], object] | None = None) -> None:
        """Hold a file against size and digest; `told` hears of bytes as they are read.

        Raises
        ------
        TruncatedFileError, ChecksumError
            As `matrix`.
        """
        seen = path.stat()
        check_size(self, seen.st_size)
        known = (str(path), seen.st_size, seen.st_mtime_ns, seen.st_ino, self.sha256)
        if known in _sound:
            return
        digest = sha256_of(path, told)
        if digest != self.sha256:
            problem = f"the shard with rows {self.start:,} to {self.stop - 1:,} has the SHA-256 {digest[:16]}..., "
            raise ChecksumError(path, f"{problem}{self.sha256[:16]}... is recorded", hint="put it back, or write the table anew")
        _sound.add(known)


def check_size(shard: Shard, size: int) -> None:
    """Hold the size of a shard's file against what is recorded.

    Raises
    ------
    TruncatedFileError
        If it is another.
    """
    if size != shard.size:
        problem = f"the shard with rows {shard.start:,} to {shard.stop - 1:,} has {size:,} bytes, {shard.size:,} are recorded"
        raise TruncatedFileError(shard.path, problem, offset=min(size, shard.size), hint="put it back, or write the table anew")


def sha256_of(path: Path, told: Callable[[int], object] | None = None) -> str:
    """Return the SHA-256 of a file, about 0.6 s a GB where the processor has instructions for it."""
    digest, room = hashlib.sha256(), bytearray(ROOM)
    with path.open("rb", buffering=0) as file:
        while got := file.readinto(room):
            digest.update(memoryview(room)[:got])
            if told is not None:
                told(got)
    return digest.hexdigest()
