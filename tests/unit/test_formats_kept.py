"""Caches of text tables: mapped at once, believed only while their source is what it was, safe with many makers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import errors
from tokenspace.formats import Mended, kept, native_file
from tokenspace.formats.format import Head

if TYPE_CHECKING:
    from pathlib import Path

N = 20_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"".join(b"w%05d 0.25 0.%04d\n" % (i, i % 10000) for i in range(N)))
    long_ago = time.time() - 1000
    os.utime(path, (long_ago, long_ago))
    return path


def cache_of(source: Path) -> Path:
    return source.with_name(f".{source.name}{kept.SUFFIX}")


def is_mapped(table: ts.EmbeddingTable) -> bool:
    owner = table.matrix
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return owner.base is not None


def test_the_first_opening_makes_a_cache_that_the_second_maps(source: Path) -> None:
    first = ts.open(source)
    assert cache_of(source).is_file()
    made = cache_of(source).stat().st_ino
    second = ts.open(source)
    plain = ts.open(source, cache=False)
    for table in (first, second):
        assert is_mapped(table)
        assert table.vocabulary == plain.vocabulary
        assert table.matrix.tobytes() == plain.matrix.tobytes()
        assert table.source == str(source)
    assert not is_mapped(plain)
    assert cache_of(source).stat().st_ino == made
    ts.formats.verify(cache_of(source))
    assert [entry.name for entry in source.parent.iterdir() if not entry.name.startswith(".")] == [source.name]
    assert ts.open(source.parent).n == N  # the cache is not taken for a second table


def test_a_small_table_is_not_cached(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"a 1 2\n" * 1)
    ts.open(tmp_path / "x.txt")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.txt"]


def test_a_change_that_keeps_size_and_time_is_seen(source: Path) -> None:
    ts.open(source)
    before = source.stat()
    content = bytearray(source.read_bytes())
    at = content.index(b"w10007 0.25") + 7
    content[at : at + 4] = b"0.75"
    source.write_bytes(content)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert source.stat().st_size == before.st_size
    assert source.stat().st_mtime_ns == before.st_mtime_ns
    assert ts.open(source)["w10007"][0] == 0.75
    assert ts.open(source)["w10007"][0] == 0.75


def test_a_file_touched_or_moved_is_digested_once_and_not_read_again(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ts.open(source)
    inode = cache_of(source).stat().st_ino
    os.utime(source)
    time.sleep(0.1)  # the clock ticks, so that the new stamp can be noted
    ts.open(source)
    assert cache_of(source).stat().st_ino == inode

    def digested(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr(kept, "_digest", digested)
    assert ts.open(source).n == N


def test_a_stamp_within_a_tick_of_a_change_is_not_taken(source: Path) -> None:
    source.write_bytes(source.read_bytes())
    assert kept._settled_stamp(source) == kept.UNSTAMPED
    os.utime(source, (1_000_000, 1_000_000))
    time.sleep(0.1)
    assert kept._settled_stamp(source) == kept.stamp_of(source)


def test_a_longer_file_another_format_and_a_damaged_cache_are_made_anew(source: Path) -> None:
    ts.open(source)
    with source.open("ab") as file:
        file.write(b"queen 1 2\n")
    assert ts.open(source)["queen"].tolist() == [1, 2]
    for damage in (b"", b"x" * 100, cache_of(source).read_bytes()[:-1]):
        cache_of(source).write_bytes(damage)
        assert ts.open(source).n == N + 1
        ts.formats.verify(cache_of(source))
    lines = source.read_bytes()
    source.write_bytes(f"{N + 1} 2\n".encode() + lines)
    assert ts.open(source).n == N + 1
    with pytest.raises(errors.FileContentError):
        ts.open(source, format="glove")
    assert ts.open(source).n == N + 1


def test_the_type_has_a_cache_of_its_own(source: Path) -> None:
    for dtype in ("float64", "float16", "float32"):
        for _ in range(2):
            table = ts.open(source, dtype=dtype)
            assert table.dtype == np.dtype(dtype)
            assert is_mapped(table)
    assert len(list(source.parent.glob(f".*{kept.SUFFIX}"))) == 3


def test_a_folder_that_cannot_be_written_leaves_the_users_cache_folder(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TOKENSPACE_CACHE", str(folder))
    real = kept._make

    def unwritable(known: object, head: object, reading: object, place: Path, *rest: object) -> None:
        if place.parent == source.parent:
            raise PermissionError(13, "Permission denied", str(place))
        real(known, head, reading, place, *rest)

    monkeypatch.setattr(kept, "_make", unwritable)
    assert is_mapped(ts.open(source))
    assert not cache_of(source).exists()
    assert len(list((folder / "tables").iterdir())) == 1
    assert is_mapped(ts.open(source))
    monkeypatch.setenv("TOKENSPACE_CACHE", str(source))  # a file: no cache at all
    with pytest.warns(RuntimeWarning, match="Set TOKENSPACE_CACHE"):
        assert not is_mapped(ts.open(source))
    assert is_mapped(ts.open(source, cache=tmp_path / "mine"))
    assert len(list((tmp_path / "mine").iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_cache_that_somebody_else_put_there_is_not_believed(source: Path) -> None:
    ts.open(source)
    os.chown(cache_of(source), 4321, 4321)
    inode = cache_of(source).stat().st_ino
    ts.open(source)
    assert cache_of(source).stat().st_ino != inode
    cache_of(source).rename(source.parent / "elsewhere")
    cache_of(source).symlink_to(source.parent / "elsewhere")
    assert ts.open(source).n == N
    assert not cache_of(source).is_symlink() or (source.parent / "elsewhere").exists()


def test_bytes_that_are_not_utf_8_in_a_cache_do_not_pass_as_text(source: Path) -> None:
    with source.open("ab") as file:
        file.write(b"caf\xe9 1 2\n")
    with pytest.raises(errors.EncodingError):
        ts.open(source)
    assert not cache_of(source).exists()
    assert "caf\udce9" in ts.open(source, errors="surrogateescape")
    assert native_file.checked_header(Head.of(cache_of(source))).metadata["tokens"] == "bytes"
    with pytest.raises(errors.EncodingError):
        ts.open(source)


def test_a_broken_source_leaves_nothing(source: Path) -> None:
    with source.open("ab") as file:
        file.write(b"queen 1 nan\n")
    with pytest.raises(errors.NotFiniteRowError):
        ts.open(source)
    assert [entry.name for entry in source.parent.iterdir()] == [source.name]


def test_limit_and_tokens_are_the_same_with_and_without_a_cache(source: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.lst"
    words.write_bytes(b"w00007\r\nabsent\nw00003\nw00007\n")
    for _ in range(2):
        for cache in (True, False):
            assert list(ts.open(source, limit=3, cache=cache)) == ["w00000", "w00001", "w00002"]
            assert list(ts.open(source, only_tokens=words, cache=cache)) == ["w00003", "w00007"]
            assert ts.open(source, only_tokens=["w00007", "w00003"], limit=1, cache=cache)["w00003"].tolist() == [0.25, np.float32(0.0003)]
        assert ts.open(source).n == N
    with pytest.raises(errors.ArgumentError, match="limit must be at least 1"):
        ts.open(source, limit=0)
    ts.save(ts.open(source, limit=5), tmp_path / "x.npy")
    assert list(ts.open(tmp_path / "x.npy", only_tokens=["w00004", "w00001"])) == ["w00001", "w00004"]


def test_a_row_after_the_limit_is_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"a 1 2\nb 3 4\nc x 4\nd 5\n")
    assert list(ts.open(tmp_path / "x.txt", limit=2)) == ["a", "b"]
    with pytest.raises(errors.NumberError):
        ts.open(tmp_path / "x.txt", limit=3)


MENDABLE = b"".join(b"w%d 1 2\n" % i for i in range(2000)) + b"a 1\nw7 8 9\nb nan 2\n\ncaf\xe9 1 2\nd 1 2 3\ne 1 x\nf 1 1e39\nlast 5 6\n"


@pytest.mark.parametrize("header", [b"", b"2000 2\n"])
def test_repair_counts_and_lists_what_it_left_out(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(header + MENDABLE)
    mended = Mended()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = ts.open(path, repair=mended)
    assert list(table) == [*(f"w{i}" for i in range(2000)), "last"]
    assert table["w7"].tolist() == [1, 2]
    expected = {
        "rows too short or too long": 3,
        "rows with NaN or infinity": 2,
        "tokens that are not UTF-8": 1,
        "rows with something else than a number": 1,
        "duplicate tokens": 1,
    }
    assert mended.counts == expected | ({"headers that lie": 1} if header else {})
    lines = sorted(error.line for error in mended.listed if not isinstance(error, errors.HeaderError))
    assert lines == [2001 + bool(header) + k for k in (0, 1, 2, 3, 4, 5, 6, 7)]
    content = path.read_bytes()
    for error in (error for error in mended.listed if not isinstance(error, errors.HeaderError)):
        assert content[error.offset - 1 : error.offset] in {b"\n", b" ", b"f"}
    with pytest.warns(RuntimeWarning, match=r"left out .*1 duplicate tokens.*; the first places:\n.*line 2,00"):
        ts.open(path, repair=True)
    assert "caf\udce9" in ts.open(path, repair=Mended(), errors="surrogateescape")


def test_repair_is_never_kept_and_not_for_what_is_no_table(source: Path, tmp_path: Path) -> None:
    ts.save(ts.open(source, limit=2), tmp_path / "x.npy")
    with pytest.raises(errors.ArgumentError, match="row by row"):
        ts.open(tmp_path / "x.npy", repair=True)
    ts.open(source, repair=Mended())
    assert not cache_of(source).exists()
    broken = tmp_path / "y.txt"
    broken.write_bytes(b"a 1 2\n" + b"b x 2\n" * 5000)
    with pytest.raises(errors.DuplicateRowError):  # most rows end in one number, and then "b x" is their token
        ts.open(broken, repair=Mended(), format="glove")


def test_repair_of_word2vec_binary(tmp_path: Path) -> None:
    rows = [(b"a", 1, 2), (b"b", float("nan"), 2), (b"a", 3, 4), (b"\xff", 5, 6), (b"c", 7, 8)]
    body = b"".join(token + b" " + np.float32(numbers).tobytes() + b"\n" for token, *numbers in rows)
    path = tmp_path / "x.bin"
    for promised, kind in ((5, None), (9, "rows cut short at the end"), (4, "bytes after the last row")):
        path.write_bytes(f"{promised} 2\n".encode() + body)
        mended = Mended()
        table = ts.open(path, format="word2vec-binary", repair=mended)
        assert list(table) == (["a", "c"] if promised != 4 else ["a"])
        assert mended.counts.pop(kind, 0) == (kind is not None)
        assert mended.counts == {"rows with NaN or infinity": 1, "tokens that are not UTF-8": 1, "duplicate tokens": 1}


def test_progress_is_told_and_may_stop_the_work(source: Path) -> None:
    told: list[tuple[str, int, int]] = []
    ts.open(source, progress=lambda *words: told.append(words))
    assert told[-1][0] == "reading vectors.txt"
    assert told[-1][1] == told[-1][2] == source.stat().st_size
    cache_of(source).unlink()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ts.open(source, progress=stop)
    assert [entry.name for entry in source.parent.iterdir()] == [source.name]


PROGRAM = """
import sys, tokenspace as ts
table = ts.open(sys.argv[1])
assert table.n == int(sys.argv[2])
assert table.matrix[:, 0].min() == table.matrix[:, 0].max() == 0.25
"""


def test_processes_that_make_it_at_once_leave_one_whole_cache(source: Path) -> None:
    makers = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(source), str(N)], stderr=subprocess.PIPE) for _ in range(4)]
    for maker in makers:
        _, err = maker.communicate(timeout=120)
        assert (maker.returncode, err) == (0, b"")
    ts.formats.verify(cache_of(source))
    assert sorted(entry.name for entry in source.parent.iterdir()) == [cache_of(source).name, source.name]


def test_a_file_that_grows_while_it_is_read_is_not_kept(source: Path) -> None:
    def grow(*_: object) -> None:
        with source.open("ab") as file:
            file.write(b"another%d 0.25 1\n" % time.monotonic_ns())

    with pytest.raises(errors.FileContentError, match="changed while it was read"):
        ts.open(source, progress=grow)
    assert not cache_of(source).exists()


def test_converting_text_to_native_goes_from_file_to_file(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "x.tokenspace"
    out.parent.mkdir()
    table = ts.convert(source, out, dtype="float16", limit=100)
    assert is_mapped(table)
    assert (table.n, table.dtype) == (100, np.float16)
    assert not cache_of(source).exists()
    ts.save(ts.open(source, cache=False), tmp_path / "y.tokenspace")
    ts.convert(source, out)
    assert out.read_bytes() == (tmp_path / "y.tokenspace").read_bytes()
    with source.open("ab") as file:
        file.write(b"w00001 1 2\n")
    before = out.read_bytes()
    with pytest.raises(errors.DuplicateRowError) as caught:
        ts.convert(source, out)
    assert caught.value.rows == (1, N)
    assert caught.value.line == N + 1
    assert out.read_bytes() == before
    assert [entry.name for entry in out.parent.iterdir()] == ["x.tokenspace"]
