"""Bytes on their way from file to file: the same ones, whether the kernel's cache has them, lacks them or cannot be passed by."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tokenspace.checkpoint.streams import comparing, copying, source
from tokenspace.checkpoint.streams.pieces import Stretch
from tokenspace.errors import TruncatedFileError

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = np.random.default_rng(5).integers(0, 256, 50_001, dtype=np.uint8)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a file that counts as large and as not in the cache, and is read two blocks at a time."""
    monkeypatch.setattr(source, "LARGE", 0)
    monkeypatch.setattr(source, "ROOM", 8192)
    monkeypatch.setattr(source, "cached_share", lambda _: 0.0)
    path = tmp_path / "file"
    path.write_bytes(CONTENT.tobytes())
    return path


def past_the_cache(path: Path) -> None:
    """Skip where the system reads this disk through its cache alone."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except (AttributeError, OSError):
        pytest.skip("this disk is read through the cache alone")


@pytest.mark.parametrize("refused", [None, "open", "preadv"])
@pytest.mark.parametrize(
    ("offset", "size", "block"), [(0, 50_001, 4096), (3, 49_000, 5000), (4095, 2, 1), (50_000, 1, 9), (8192, 8192, 8192)]
)
def test_a_large_file_that_is_not_cached_has_the_same_bytes(
    file: Path, monkeypatch: pytest.MonkeyPatch, offset: int, size: int, block: int, refused: str | None
) -> None:
    past: list[int] = []

    def recorded(*arguments: Any) -> Any:
        past.append(1)
        return read(*arguments)

    def refuses(*arguments: Any) -> Any:
        if refused == "preadv" or arguments[1] & getattr(os, "O_DIRECT", 0):
            raise OSError(errno.EINVAL, "Invalid argument")
        return plain(*arguments)

    past_the_cache(file)
    read = os.preadv
    monkeypatch.setattr(os, "preadv", recorded)
    if refused is not None:
        plain = getattr(os, refused)
        monkeypatch.setattr(os, refused, refuses)
    parts = [part.copy() for part in comparing.blocks(Stretch(file, offset, size), size=block)]
    np.testing.assert_array_equal(np.concatenate(parts), CONTENT[offset : offset + size])
    assert bool(past) == (refused is None)


def test_copied_and_compared_past_the_cache(file: Path, tmp_path: Path) -> None:
    copying.write(tmp_path / "new", [Stretch(file, 7, 40_000), np.frombuffer(b"end", dtype=np.uint8)])
    assert (tmp_path / "new").read_bytes() == CONTENT[7:40_007].tobytes() + b"end"
    assert comparing.first_difference(Stretch(file, 7, 40_010), comparing.whole(tmp_path / "new")) == 40_000


def test_a_file_that_ends_early_is_said_to(file: Path) -> None:
    stretch = Stretch(file, 1, 50_001)
    with pytest.raises(TruncatedFileError):
        list(comparing.blocks(stretch))
    with pytest.raises(TruncatedFileError):
        copying.write(file.with_name("new"), [stretch])


def test_an_error_of_the_disk_is_not_swallowed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> int:
        raise OSError(errno.EIO, "Input/output error")

    past_the_cache(file)
    monkeypatch.setattr(os, "preadv", fails)
    with pytest.raises(OSError, match="Input/output"):
        list(comparing.blocks(Stretch(file, 0, 100)))


def test_what_was_just_written_lies_in_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    (tmp_path / "empty").touch()
    with path.open("rb") as full, (tmp_path / "empty").open("rb") as empty:
        assert source.cached_share(full.fileno()) > 0.5
        assert source.cached_share(empty.fileno()) == 1.0
