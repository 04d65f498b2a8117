"""Packed files, pipes and caches that are damaged, that lie or that attack: each gets its named error, in bounded memory, or is made anew.

Kept as the code that makes them, a line each on what they attack.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import errors
from tokenspace.formats import packed, streams, text_table

GOOD = b"".join(b"w%d 0.%d 0.25\n" % (i, i) for i in range(2000))
PACKED = {"gzip": gzip.compress(GOOD), "bzip2": bz2.compress(GOOD), "xz": lzma.compress(GOOD)}


def zipped(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


PACKED["zip"] = zipped(("glove.txt", GOOD))
try:
    try:
        from compression import zstd
    except ImportError:
        from backports import zstd
    PACKED["zstd"] = zstd.compress(GOOD)
except ImportError:
    zstd = None


def written(folder: Path, content: bytes, name: str = "table.any") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packing", PACKED)
def test_a_packed_table_is_the_table(packing: str, tmp_path: Path) -> None:
    plain = ts.open(written(tmp_path, GOOD, "plain.txt"))
    table = ts.open(written(tmp_path, PACKED[packing]))
    assert table.vocabulary == plain.vocabulary
    assert table.matrix.tobytes() == plain.matrix.tobytes()
    assert ts.open(tmp_path / "table.any", format="glove", limit=3).n == 3


ROWS = b"of 0.5 1.5\nBZh 2.5 3.5\n"


def stored() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", ROWS)
    return file.getvalue()


AS_IT_IS = {"zip": stored(), "gzip": gzip.compress(ROWS, 0), "bzip2": bz2.compress(ROWS), "plain": ROWS, "token": b"BZh9 1 2\n" + ROWS}
if zstd:
    skipped = (0x184D2A5E).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"x 1 2"
    AS_IT_IS["zstd"] = zstd.compress(ROWS)
    AS_IT_IS["zstd with frames to be skipped"] = skipped + zstd.compress(ROWS) + skipped


@pytest.mark.parametrize("how", AS_IT_IS)
def test_rows_that_a_packed_file_holds_as_they_are_are_not_taken_for_its_own(how: str, tmp_path: Path) -> None:
    assert list(ts.open(written(tmp_path, AS_IT_IS[how])))[-2:] == ["of", "BZh"]


def test_a_member_may_begin_wherever_a_piece_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, b"".join(gzip.compress(b"w%d 0.5 1.5\n" % i) for i in range(12)))
    for piece in range(18, 60):
        monkeypatch.setattr(packed, "PIECE", piece)
        assert ts.open(path, format="glove").n == 12


def test_an_archive_with_a_password_says_so(tmp_path: Path) -> None:
    content = bytearray(stored())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(errors.CompressionError, match="password"):
        ts.open(written(tmp_path, bytes(content)))


def test_a_small_npz_does_not_fill_the_memory(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in {"tokens": np.array(["a", "b"]), "matrix": np.zeros((2, 1 << 24), np.float32)}.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(errors.CompressionError, match="over 100 times"):
        ts.open(tmp_path / "t.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB


def test_a_socket_is_no_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(tmp_path / "s"))  # the address of a socket is 108 bytes long at the most
        with pytest.raises(errors.UnknownFormatError, match="socket"):
            ts.open(tmp_path / "s")


def test_lines_that_end_with_carriage_returns_alone_are_named(tmp_path: Path) -> None:
    with pytest.raises(errors.RowWidthError, match="carriage returns"):
        ts.open(written(tmp_path, b"a 1 2\rb 3 4\rc 5 6\r"))


@pytest.mark.parametrize("packing", [name for name in PACKED if name != "zip"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_packed_table_cut_short_is_named_so_with_the_packed_byte(packing: str, share: float, tmp_path: Path) -> None:
    cut = PACKED[packing][: int(len(PACKED[packing]) * share)]
    with pytest.raises(errors.TruncatedFileError) as caught:
        ts.open(written(tmp_path, cut))
    assert caught.value.offset == len(cut)
    assert packing in str(caught.value)


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zip"])
def test_one_wrong_bit_is_damage_and_not_a_wrong_number(packing: str, tmp_path: Path) -> None:
    for at in np.linspace(60, len(PACKED[packing]) - 200, 12).astype(int):
        content = bytearray(PACKED[packing])
        content[at] ^= 4
        with pytest.raises((errors.CompressionError, errors.TruncatedFileError)):
            ts.open(written(tmp_path, bytes(content)))


def test_members_one_behind_the_other_are_one_table_and_junk_is_not(tmp_path: Path) -> None:
    half = GOOD.index(b"w1000 ")
    for pack, zeros in ((gzip.compress, 512), (bz2.compress, 0), (lzma.compress, 0)):
        two = pack(GOOD[:half]) + pack(GOOD[half:])
        assert ts.open(written(tmp_path, two + bytes(zeros))).n == 2000
        with pytest.raises(errors.CompressionError) as caught:
            ts.open(written(tmp_path, two + b"junk"))
        assert caught.value.offset == len(two)


def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    rows = b"".join(b"w%d 0 0 0 0 0 0 0 0\n" % i for i in range(1000))
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(rows)]
    parts += [packer.compress(b"x" + b" 0" * 8 + b"\n" * 3_000_000) for _ in range(40)]  # 120 MB of almost nothing
    path = written(tmp_path, b"".join(parts) + packer.flush())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(errors.FileContentError):
        ts.open(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120_000  # kB
    endless = packed.Unpacked(path, streams.Plain(path.open("rb", buffering=0), size=path.stat().st_size), "gzip")
    room = memoryview(bytearray(1 << 22))
    with pytest.raises(errors.CompressionError, match="over 100 times"):
        list(iter(lambda: endless.fill(room), 0))
    endless.close()


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize(
    "attack", ["rows of six bytes", "a line without end", "a row of a million million", "a row of two thousand million"]
)
def test_a_file_of_some_kilobytes_takes_no_hundred_megabytes(attack: str, packing: str, tmp_path: Path) -> None:
    if packing not in PACKED:
        pytest.skip("zstd is not here")
    content = {
        "rows of six bytes": b"a 0 0\n" * 10_000_000,
        "a line without end": b"a" + b" 0" * 30_000_000,
        "a row of a million million": b"1 1000000000000\na " + bytes(60_000_000),
        "a row of two thousand million": b"1 2147483647\na \0\0\0\0",  # its room is made when it has come, and this one never does
    }[attack]
    path = written(tmp_path, gzip.compress(content, 9) if packing == "gzip" else zstd.compress(content))
    tracemalloc.start()
    try:
        with pytest.raises((errors.CompressionError, errors.TruncatedFileError)):
            ts.open(path)
        assert tracemalloc.get_traced_memory()[1] < 80 << 20
    finally:
        tracemalloc.stop()


def test_a_member_whose_name_is_nothing_is_damage(tmp_path: Path) -> None:
    content = bytearray(stored())
    content[content.index(b"PK\1\2") + 46] = 0  # a name ends at its first zero
    with pytest.raises(errors.CompressionError):
        ts.open(written(tmp_path, bytes(content)))


def test_a_member_whose_name_is_not_utf_8_is_damage(tmp_path: Path) -> None:
    content = bytearray(stored())
    content[7] |= 8  # says that it is
    content[30] = 0x94
    with pytest.raises(errors.CompressionError, match="0x94"):
        ts.open(written(tmp_path, bytes(content)))


def test_an_archive_has_one_table_or_says_which(tmp_path: Path) -> None:
    path = written(tmp_path, zipped(("a.txt", GOOD), ("b/c.txt", b"x 1 2\n"), ("__MACOSX/._a.txt", b"junk")), "two.zip")
    with pytest.raises(errors.CompressionError, match=r"'a.txt', 'b/c.txt'") as caught:
        ts.open(path)
    assert str(path / "a.txt") in caught.value.hint
    assert ts.open(path / "b/c.txt").n == 1
    with pytest.raises(errors.CompressionError, match=r"one file 'd.txt'"):
        ts.open(path / "d.txt")
    with pytest.raises(errors.UnknownFormatError, match="expected a zip archive with the file"):
        ts.open(written(tmp_path, GOOD) / "a.txt")
    with pytest.raises(errors.CompressionError, match="none"):
        ts.open(written(tmp_path, zipped(("empty/", b""))))
    with pytest.raises(errors.UnknownFormatError, match="HTML.*in zip data"):
        ts.open(written(tmp_path, zipped(("a.html", b"<html></html>"))))


def test_what_must_be_mapped_does_not_come_out_of_a_stream(tmp_path: Path) -> None:
    ts.save(ts.EmbeddingTable(["a"], [[1.0]]), tmp_path / "x.tokenspace")
    with pytest.raises(errors.UnknownFormatError, match="read row by row"):
        ts.open(written(tmp_path, gzip.compress((tmp_path / "x.tokenspace").read_bytes())))
    with pytest.raises(errors.UnknownFormatError, match="gzip data"):
        ts.open(written(tmp_path, gzip.compress(gzip.compress(GOOD))))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
@pytest.mark.parametrize("packing", ["", "gzip", "zip"])
def test_a_named_pipe_is_read_once(packing: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = PACKED.get(packing, GOOD)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(content))
    feeder.start()
    try:
        if packing == "zip":
            with pytest.raises(errors.UnknownFormatError, match="save it first"):
                ts.open(pipe)
        else:
            assert ts.open(pipe).n == 2000
    finally:
        feeder.join(10)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def start(*arguments: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "tokenspace", *arguments], input=stdin, capture_output=True, timeout=60, check=False)


def test_standard_input_of_each_kind(tmp_path: Path) -> None:
    out = tmp_path / "x.tokenspace"
    binary = b"1 2\nking " + np.float32([1, 2]).tobytes()
    for content, n in ((GOOD, 2000), (PACKED["gzip"], 2000), (b"2000 2\n" + GOOD, 2000), (binary, 1)):
        done = start("convert", "-", str(out), "--force", stdin=content)
        assert (done.returncode, done.stderr) == (0, b"")
        assert ts.open(out).n == n
    done = start("convert", "-", str(tmp_path / "y.tokenspace"), stdin=GOOD + b"queen 1 x\n")
    assert done.returncode == 1
    assert b"<stdin>, line 2,001, byte " in done.stderr
    assert start("info", "-", stdin=b"").returncode == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.tokenspace"]


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_ctrl_c_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    out = tmp_path / "x.tokenspace"
    command = [sys.executable, "-m", "tokenspace", "convert", "-", str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        for start in range(0, 400_000, 2000):  # 8 MB, so that rows are on their way to the file; the pipe stays open
            process.stdin.write(b"".join(b"w%d 0.5 0.25\n" % i for i in range(start, start + 2000)))
        process.stdin.flush()
        for _ in range(600):
            if any(tmp_path.iterdir()):
                break
            time.sleep(0.1)
        assert [entry.name.endswith(".new") for entry in tmp_path.iterdir()] == [True]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err.splitlines()[-1]) == (130, b"error: stopped")  # click ends the line of ^C first
    assert list(tmp_path.iterdir()) == []


BROKEN = {
    "a row among empty lines": (b"a 1 2\n\n\nb 3 4\n", errors.RowWidthError, 2, 6),
    "a line without an end": (b"a 1 2\n" + b"x" * (40 << 20), errors.RowWidthError, None, 6),
    "more rows than promised": (b"3 2\na 1 2\nb 3 4\nc 5 6\nd 7 8\n", errors.HeaderError, 5, 22),
    "fewer rows than promised": (b"3 2\na 1 2\nb 3 4\n\n", errors.HeaderError, 3, 15),
    "a row of the next width": (b"a 1 2\n" * 0 + b"a 1 2\nb 3 4\nc 5 6 7\n", errors.RowWidthError, 3, 12),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("part", [16, 1 << 21])
def test_the_place_is_right_wherever_blocks_end(name: str, part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, kind, line, offset = BROKEN[name]
    monkeypatch.setattr(text_table, "PART", part)
    monkeypatch.setattr(text_table, "SAMPLE", 64)
    for threads in (1, 3):
        with pytest.raises(kind) as caught:
            ts.open(written(tmp_path, content), threads=threads)
        assert (caught.value.line, caught.value.offset) in {(line, offset), (line, None)}


def test_a_table_of_line_breaks_takes_no_room(tmp_path: Path) -> None:
    path = written(tmp_path, b"3000000 300\na" + b" 1" * 300 + b"\n" * 3_000_000 + b"x 1\n")  # an empty row would be 1.2 kB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(errors.FileContentError):
        ts.open(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_circle_of_links_and_a_device(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises((errors.TokenspaceError, OSError), match="a"):
        ts.open(tmp_path / "a")
    if Path("/dev/zero").exists():
        with pytest.raises(errors.UnknownFormatError):
            ts.open("/dev/zero")
        with pytest.raises(errors.EmptyFileError):
            ts.open("/dev/null")
