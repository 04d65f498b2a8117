"""Formats told by content, tables saved by name, converted, replaced whole."""

from __future__ import annotations

import io
import os
import stat
import struct
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

import tokenspace as ts
from tokenspace import errors, formats
from tokenspace.formats import native_file, npy_header, replacement, text_table, word2vec_binary
from tokenspace.formats.format import Head

MATRIX = np.array([[0.1, -2.5], [3e-5, 4.0], [5.25, 1e20]], dtype=np.float32)
TABLE = ts.EmbeddingTable(["the", "of", "king"], MATRIX)
WRITTEN = [known for known in formats.FORMATS if known.write and (known.name != "lance" or find_spec("lance"))]
FILES = [known for known in WRITTEN if not known.folder]
SUFFIXES = [suffix for known in WRITTEN for suffix in known.suffixes]


def written(folder: Path, content: bytes, name: str = "table.any") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def same(table: ts.EmbeddingTable, other: ts.EmbeddingTable = TABLE) -> bool:
    return table.vocabulary == other.vocabulary and table.matrix.tobytes() == other.matrix.tobytes() and table.dtype == other.dtype


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_ending_chooses_what_is_written_and_the_content_what_is_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"table{suffix}"
    ts.save(TABLE, path)
    assert same(ts.open(path))
    assert ts.open(path).source == str(path)
    formats.verify(path)
    if suffix != ".npy":
        assert same(ts.open(path.rename(tmp_path / "table.doc")))


@pytest.mark.parametrize("known", formats.FORMATS, ids=lambda known: known.name)
def test_what_is_said_of_a_format_is_what_its_module_does(known: formats.Format) -> None:
    assert (known.ways.write is not None, known.ways.pour is not None) == (known.writes, known.pours)


def test_opening_a_native_file_imports_no_other_format(tmp_path: Path) -> None:
    ts.save(ts.EmbeddingTable(["king"], [[2, 1]]), tmp_path / "x.tokenspace")
    code = f"import sys, tokenspace; tokenspace.open({str(tmp_path / 'x.tokenspace')!r}); print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())
    others = {known.module for known in formats.FORMATS if known.name != "native"}
    assert not loaded & {*others, "tokenspace.formats.packed", "tokenspace.formats.kept", "zipfile"}


@pytest.mark.parametrize("known", WRITTEN, ids=lambda known: known.name)
def test_a_format_recognises_its_own_files_and_no_other(known: formats.Format, tmp_path: Path) -> None:
    for wide in (TABLE, ts.EmbeddingTable(["a"], np.float32([[1]])), ts.EmbeddingTable(["", "1 x"[:1]], np.float32([[0], [3]]))):
        ts.save(wide, tmp_path / "x", format=known.name)
        head = Head.of(tmp_path / "x", folders=True)
        assert next(other for other in formats.FORMATS if other.folder == head.folder and other.sniff(head)) is known
        assert formats.format_of(tmp_path / "x") is known


def test_every_format_has_a_name_a_title_and_endings_of_its_own() -> None:
    assert len({known.name for known in formats.FORMATS}) == len(formats.FORMATS)
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    assert all(known.title for known in formats.FORMATS)
    assert not any(known.suffixes for known in formats.FORMATS if known.write is None)


def test_what_save_cannot_choose_it_asks_for(tmp_path: Path) -> None:
    with pytest.raises(errors.ArgumentError, match=r"'table.doc' names no format"):
        ts.save(TABLE, tmp_path / "table.doc")
    with pytest.raises(errors.ArgumentError, match="format must be one of native"):
        ts.save(TABLE, tmp_path / "table.txt", format="fancy")
    with pytest.raises(errors.TableNotFoundError, match="no such folder"):
        ts.save(TABLE, tmp_path / "absent" / "table.txt")
    with pytest.raises(errors.ArgumentError, match="is a folder"):
        ts.save(TABLE, tmp_path, format="native")


def test_near_names_are_named(tmp_path: Path) -> None:
    written(tmp_path, b"x", "vectors.txt")
    with pytest.raises(errors.TableNotFoundError) as caught:
        ts.open(tmp_path / "vector.txt")
    assert "vectors.txt" in caught.value.hint
    with pytest.raises(errors.TableNotFoundError) as caught:
        ts.open("glove-6b-50")
    assert "glove-6b-50d" in caught.value.hint
    with pytest.raises(errors.TableNotFoundError) as caught:
        ts.open("???")
    assert "glove-6b-50d" in caught.value.hint


def test_a_folder_with_one_table_is_that_table(tmp_path: Path) -> None:
    written(tmp_path, b"read me", "README")
    ts.save(TABLE, tmp_path / "x.npy")
    assert same(ts.open(tmp_path))
    ts.save(TABLE, tmp_path / "y.vec")
    with pytest.raises(errors.UnknownFormatError, match=r"seen x.npy, y.vec"):
        ts.open(tmp_path)


REAL = {
    "no last line break": b"a 1 2\nb 3 4",
    "CRLF": b"a 1 2\r\nb 3 4\r\n",
    "spaces at the end": b"a 1 2 \nb 3 4  \n",
    "empty lines at the end": b"a 1 2\nb 3 4\n\n\r\n",
    "byte order mark": b"\xef\xbb\xbfa 1 2\nb 3 4\n",
    "header": b"2 2\na 1 2\nb 3 4\n",
    "header with CRLF": b"2 2\r\na 1 2\r\nb 3 4\r\n",
    "header after a byte order mark": b"\xef\xbb\xbf2 2\na 1 2\nb 3 4\n",
    "other ways to write numbers": b"a +1 .2e1\nb 3. 0.4E+01\n",
    "many digits": b"a 1." + b"0" * 400 + b" 2\nb 3 3.99999999999999999999999999999999\n",
}


@pytest.mark.parametrize("name", REAL)
def test_what_real_text_files_do(name: str, tmp_path: Path, native_level: str) -> None:
    table = ts.open(written(tmp_path, REAL[name]))
    assert list(table) == ["a", "b"]
    assert table.matrix.tolist() == [[1, 2], [3, 4]]


def test_tokens_that_other_readers_lose(tmp_path: Path, native_level: str) -> None:
    words = ['"', '""', "#", "NA", "null", "nan", "", ". . .", "at name@domain.com", "\u0085", "a\u00a0b", "\u2028", "-1", "x\0y"]
    rows = "".join(f"{word} {i} 0.5\n" for i, word in enumerate(words))
    table = ts.open(written(tmp_path, rows.encode()))
    assert list(table) == words
    assert table["nan"].tolist() == [5, 0.5]


def test_bytes_that_are_not_utf_8_are_kept_where_asked(tmp_path: Path) -> None:
    path = written(tmp_path, b"caf\xe9 1 2\nb 3 4\n")
    table = ts.open(path, errors="surrogateescape")
    assert list(table) == ["caf\udce9", "b"]
    ts.save(table, tmp_path / "again.txt")
    assert (tmp_path / "again.txt").read_bytes() == b"caf\xe9 1.0 2.0\nb 3.0 4.0\n"
    with pytest.raises(errors.ArgumentError, match="errors must be one of"):
        ts.open(path, errors="ignore")


def test_one_dimension_and_whole_numbers_are_rows_and_not_a_header(tmp_path: Path) -> None:
    assert ts.open(written(tmp_path, b"1 0.5\n2 1.5\n")).shape == (2, 1)
    table = ts.open(written(tmp_path, b"5 1\n6 2\n7 3\n"), format="glove")
    assert (list(table), table.matrix.ravel().tolist()) == (["5", "6", "7"], [1, 2, 3])
    assert ts.open(written(tmp_path, b"5 3\n"), format="glove").shape == (1, 1)


def test_the_width_is_that_of_most_rows(tmp_path: Path) -> None:
    rows = b". . . 1 2\nroute 66 1 2\n" + b"".join(b"w%d 1 2\n" % i for i in range(20))
    with pytest.raises(errors.RowWidthError) as caught:
        ts.open(written(tmp_path, rows))
    assert caught.value.line == 2


def test_parts_read_by_many_threads_make_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.random.default_rng(1).standard_normal((3000, 7)).astype(np.float32)
    table = ts.EmbeddingTable([f"w{i}" for i in range(3000)], matrix)
    path = tmp_path / "x.vec"
    monkeypatch.setattr(text_table, "PART", 1000)
    ts.save(table, path)
    for threads in (1, 2, 5):
        assert same(ts.open(path, threads=threads), table)
    lines = path.read_bytes().split(b"\n")
    lines[2001] = b"w2000 1 2 x 4 5 6 7"
    lines[2901] = b"w2900 1"
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(errors.NumberError) as caught:
        ts.open(path, threads=4)
    assert (caught.value.line, caught.value.offset) == (2002, len(b"\n".join(lines[:2001])) + 1 + len(b"w2000 1 2 "))


def test_word2vec_binary_in_parts_by_many_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same table, the first flaw in the order of the file, and no flaw beyond the rows that were asked for."""
    matrix = np.random.default_rng(1).standard_normal((3000, 7)).astype(np.float32)
    table = ts.EmbeddingTable([f"w{i}" for i in range(3000)], matrix)
    path, broken = tmp_path / "x.bin", tmp_path / "y.bin"
    monkeypatch.setattr(word2vec_binary, "PART", 1000)
    ts.save(table, path)
    content = path.read_bytes()
    at = content.index(b"w2000 ") + len(b"w2000 ")
    broken.write_bytes(content[:at] + b"\0\0\xc0\x7f" + content[at + 4 : -20])
    for threads in (1, 2, 5):
        assert same(ts.open(path, threads=threads), table)
        with pytest.raises(errors.NotFiniteRowError) as caught:
            ts.open(broken, threads=threads)
        assert caught.value.offset == at
        assert same(
            ts.open(broken, threads=threads, limit=2000, cache=False),
            ts.EmbeddingTable(table.vocabulary.tokens_of(range(2000)), matrix[:2000]),
        )
        flaws = formats.Mended()
        mended = ts.open(broken, threads=threads, repair=flaws)
        assert [error.offset for error in flaws.listed] == [at, content.index(b"w2999 ") - 1]  # with the line break in front of it
        assert list(mended.vocabulary) == [f"w{i}" for i in range(2999) if i != 2000]


def test_word2vec_binary_with_and_without_line_breaks(tmp_path: Path, native_level: str) -> None:
    rows = [word.encode() + b" " + vector.tobytes() for word, vector in zip(TABLE, MATRIX, strict=True)]
    for joint in (b"\n", b""):
        assert same(ts.open(written(tmp_path, b"3 2\n" + joint.join(rows))))
        assert same(ts.open(written(tmp_path, b"3 2\n" + joint.join(rows) + b"\n")))


def test_the_element_type_is_the_one_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("a 0.1 1e39\n")
    assert ts.open(path, dtype="float64").matrix.tolist() == [[0.1, 1e39]]
    for dtype in (None, "float32", "float16", "bfloat16"):
        with pytest.raises(errors.NotFiniteRowError):
            ts.open(path, dtype=dtype)
    with pytest.raises(errors.DtypeError):
        ts.open(path, dtype="int8")
    for suffix in SUFFIXES:
        ts.save(ts.EmbeddingTable(["a"], np.float32([[0.1]])), tmp_path / f"y{suffix}")
        for dtype in (np.float16, np.float64, ml_dtypes.bfloat16):
            table = ts.open(tmp_path / f"y{suffix}", dtype=dtype)
            assert table.dtype == np.dtype(dtype)
            assert table.matrix.tobytes() in {np.array([[0.1]], dtype).tobytes(), np.array([[np.float32(0.1)]], dtype).tobytes()}


UNWRITABLE = [
    ("a\nb", ("glove", "word2vec-text", "npy", "projector")),
    ("route 66", ("glove", "word2vec-text", "word2vec-binary")),
    ("not nan", ("glove", "word2vec-text", "word2vec-binary")),
    ("tab\t5", ("glove", "word2vec-text", "projector")),
    ("new york", ("word2vec-binary",)),
    ("\nx", ("glove", "word2vec-text", "word2vec-binary", "npy", "projector")),
    ("\ufeffx", ("glove",)),
    ("a\0", ("npz",)),
    ("a\r", ("npy", "projector")),
    ("x" * 70_000, ("glove", "word2vec-text", "word2vec-binary", "npy", "projector")),
]


@pytest.mark.parametrize(("token", "names"), UNWRITABLE, ids=[repr(token)[:12] for token, _ in UNWRITABLE])
def test_a_token_that_a_format_cannot_hold_is_refused_before_anything_is_written(token: str, names: Any, tmp_path: Path) -> None:
    table = ts.EmbeddingTable([token], np.float32([[1, 2]]))
    for known in FILES:
        path = written(tmp_path, b"old", f"old-{known.name}")
        if known.name in names:
            with pytest.raises(errors.UnwritableError, match="not written"):
                ts.save(table, path, format=known.name)
            assert path.read_bytes() == b"old"
        else:
            ts.save(table, path, format=known.name)
            assert same(ts.open(path, format=known.name), table)


def test_numbers_that_a_format_cannot_hold_are_refused(tmp_path: Path) -> None:
    wide = ts.EmbeddingTable(["a"], np.array([[0.1]], np.float64))
    with pytest.raises(errors.UnwritableError, match="float32"):
        ts.save(wide, tmp_path / "x.bin")
    brain = ts.EmbeddingTable(["a"], np.array([[0.1]], ml_dtypes.bfloat16))
    for suffix in (".npy", ".npz"):
        with pytest.raises(errors.UnwritableError, match="bfloat16"):
            ts.save(brain, tmp_path / f"x{suffix}")
    broken = ts.EmbeddingTable.mapped(TABLE.vocabulary, np.float32([[1, 2], [3, np.nan], [5, 6]]))
    for suffix in SUFFIXES:
        with pytest.raises(errors.NotFiniteError, match="'of'"):
            ts.save(broken, tmp_path / f"x{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_rows_is_native_only(tmp_path: Path) -> None:
    empty = ts.EmbeddingTable([], np.zeros((0, 3), np.float32))
    ts.save(empty, tmp_path / "x.tokenspace")
    assert ts.open(tmp_path / "x.tokenspace").shape == (0, 3)
    formats.verify(tmp_path / "x.tokenspace")
    with pytest.raises(errors.UnwritableError, match="without rows"):
        ts.save(empty, tmp_path / "x.txt")


def test_a_table_may_be_saved_over_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "x.tokenspace"
    ts.save(TABLE, path)
    table = ts.open(path)
    ts.save(table, path)
    ts.save(table.extend(["queen"], init="zeros"), path)
    assert same(table)
    assert list(ts.open(path)) == ["the", "of", "king", "queen"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in FILES:
        folder = tmp_path / known.name
        folder.mkdir()
        path = written(folder, b"old", "x.npy")

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(replacement.os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                ts.save(TABLE, path, format=known.name)
        assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == {"x.npy": b"old"}


@pytest.mark.parametrize("known", [known for known in WRITTEN if known.folder], ids=lambda known: known.name)
def test_a_folder_replaces_one_of_its_own_kind_and_nothing_else(
    known: formats.Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table"
    ts.save(ts.EmbeddingTable(["old"], [[1]]), path, format=known.name)
    with monkeypatch.context() as patch:
        patch.setattr(replacement.os, "fsync", lambda _descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            ts.save(TABLE, path, format=known.name)
    assert list(ts.open(path)) == ["old"]
    ts.save(TABLE, path, format=known.name)
    assert same(ts.open(path))
    assert list(tmp_path.iterdir()) == [path]
    home = tmp_path / "home"
    home.mkdir()
    written(home, b"dear diary", "diary.txt")
    for taken in (home, home / "diary.txt"):
        with pytest.raises(errors.ArgumentError, match="holds something else"):
            ts.save(TABLE, taken, format=known.name)
    with pytest.raises(errors.TableNotFoundError, match="no such folder"):
        ts.save(TABLE, tmp_path / "absent" / "table", format=known.name)
    with pytest.raises(errors.UnknownFormatError, match="expected a folder"):
        ts.open(home / "diary.txt", format=known.name)
    assert (home / "diary.txt").read_bytes() == b"dear diary"


@pytest.mark.skipif(os.name == "nt", reason="permissions and links as POSIX has them")
def test_links_are_followed_and_permissions_kept(tmp_path: Path) -> None:
    path = written(tmp_path, b"old")
    path.chmod(0o640)
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    ts.save(TABLE, link)
    assert link.is_symlink()
    assert same(ts.open(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    mask = os.umask(0o022)
    os.umask(mask)
    ts.save(TABLE, tmp_path / "new.txt")
    assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) == 0o666 & ~mask
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(errors.ArgumentError, match="a pipe or a device"):
        ts.save(TABLE, tmp_path / "pipe.txt")


def test_convert_reads_one_format_and_writes_another(tmp_path: Path) -> None:
    source = tmp_path / "x.txt"
    ts.save(TABLE, source)
    for suffix in SUFFIXES:
        assert same(ts.convert(source, tmp_path / f"y{suffix}"))
        assert same(ts.open(tmp_path / f"y{suffix}"))
    table = ts.convert(source, tmp_path / "z", source_format="glove", format="native", dtype="float64")
    assert table.dtype == ts.open(tmp_path / "z").dtype == np.float64
    with pytest.raises(errors.ArgumentError, match="names no format"):
        ts.convert(tmp_path / "absent", tmp_path / "y.doc")


def test_a_native_file_is_plain_safetensors_aligned_and_mapped(tmp_path: Path) -> None:
    for n in (1, 3, 10):  # 3 x 3 halves: the next tensor would begin at an odd place
        table = ts.EmbeddingTable([f"w{i}" for i in range(n)], np.asfortranarray(np.arange(3.0 * n).reshape(n, 3), np.float16))
        path = tmp_path / f"{n}.safetensors"
        ts.save(table, path)
        tensors = load_file(path)
        assert tensors["embedding"].tolist() == table.matrix.tolist()
        assert tensors["vocab.bytes"].tobytes() == "".join(table).encode()
        assert tensors["vocab.offsets"].tolist() == table.vocabulary.offsets.tolist()
        opened = ts.open(path)
        assert not opened.matrix.flags.owndata
        assert not opened.matrix.flags.writeable
        header = native_file.checked_header(Head.of(path))
        assert header.tensors["embedding"].offset == 4096
        assert all(tensor.offset % 64 == 0 for name, tensor in header.tensors.items() if not name.startswith("padding"))
        again = tmp_path / "again.tokenspace"
        ts.save(opened, again)
        assert again.read_bytes() == path.read_bytes()


def test_npy_in_either_order_byte_order_and_precision(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"the\r\nof\r\nking")
    for order in "CF":
        for dtype in ("<f4", ">f4", "<f8", "<f2"):
            np.save(tmp_path / "x.npy", np.array([[1, 2], [3, 4], [5, 6]], dtype=dtype, order=order))
            table = ts.open(tmp_path / "x.npy")
            assert table.matrix.tolist() == [[1, 2], [3, 4], [5, 6]]
            assert table.matrix.flags.c_contiguous
            assert table.dtype == np.dtype(dtype[1:])
            assert list(table) == ["the", "of", "king"]
    words = written(tmp_path, b"a\n\nnew york\n", "words.lst")
    assert list(ts.open(tmp_path / "x.npy", tokens=words)) == ["a", "", "new york"]


def test_npz_from_numpy_itself(tmp_path: Path) -> None:
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", tokens=np.array(list(TABLE)), vectors=np.asfortranarray(MATRIX), spare=np.zeros(3))
        assert same(ts.open(tmp_path / "x.npz"))
    ts.save(TABLE, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert arrays["tokens"].tolist() == list(TABLE)
        assert arrays["matrix"].tobytes() == MATRIX.tobytes()


def test_the_npy_header_is_numpys_own() -> None:
    for array in (MATRIX, np.zeros((3, 1), np.float16), np.array(["a", "bcd"])):
        file = io.BytesIO()
        np.save(file, array)
        assert np.load(io.BytesIO(npy_header.header_bytes(array.dtype, array.shape) + array.tobytes())).tolist() == array.tolist()
        assert npy_header.read_header(Path("x"), file.getvalue()).shape == array.shape


def test_two_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x.tokenspace"
    tables = [ts.EmbeddingTable([f"{i}-{j}" for j in range(500)], np.full((500, 8), i, np.float32)) for i in range(4)]
    threads = [threading.Thread(target=ts.save, args=(table, path)) for table in tables for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    formats.verify(path)
    assert any(same(ts.open(path), table) for table in tables)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.tokenspace"]


def test_a_rows_numbers_may_look_like_a_line_break(tmp_path: Path) -> None:
    awkward = np.frombuffer(struct.pack("<4I", 0x0A0A0A0A, 0x20202020, 0x0A200A20, 0x200A3020), np.float32).reshape(2, 2)
    table = ts.EmbeddingTable(["a", "b"], awkward)
    ts.save(table, tmp_path / "x.bin")
    assert same(ts.open(tmp_path / "x.bin", format="word2vec-binary"), table)
