"""Damaged and lying .npy, .npz and native files, kept as the code that makes them, a line each on what they attack."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import errors, formats

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = ts.EmbeddingTable(["the", "of", "new york"], np.array([[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]], dtype=np.float32))


class Attack:
    """Makes a folder when unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("attacked",)


def npy(array: Any, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def npy_header(text: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode("latin-1") + data


def npz(how: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def shape(text: str) -> str:
    return f"{{'descr': '<f4', 'fortran_order': False, 'shape': {text}}}"


MATRIX = npy(np.array(TABLE.matrix))
NAN = npy(np.array([[1, 2], [3, np.nan], [5, 6]], dtype=np.float32))
TOKENS = b"the\nof\nnew york\n"
WORDS = npy(np.array(["the", "of", "new york"]))
HEADER, TRUNCATED = errors.HeaderError, errors.TruncatedFileError

NPY: dict[str, tuple[bytes, bytes, type[errors.FileContentError], str]] = {
    "cut": (MATRIX[:-1], TOKENS, TRUNCATED, "24 bytes from byte 128 on, seen 23"),
    "trailing": (MATRIX + b"\0", TOKENS, errors.TrailingBytesError, "seen 25"),
    "huge shape": (npy_header(shape("(100000000000000, 50)")), TOKENS, HEADER, "cannot be right"),
    "shape beyond 64 bits": (npy_header(shape("(4611686018427387903, 4611686018427387903)")), TOKENS, HEADER, "cannot be right"),
    "negative shape": (npy_header(shape("(-3, 2)"), bytes(24)), TOKENS, HEADER, r"seen \(-3, 2\)"),
    "boolean shape": (npy_header(shape("(True, 2)"), bytes(8)), TOKENS, HEADER, "seen"),
    "one axis": (npy(np.zeros(6, np.float32)), TOKENS, HEADER, r"shape \(rows, d\)"),
    "three axes": (npy(np.zeros((3, 2, 1), np.float32)), TOKENS, HEADER, "one or two"),
    "no rows": (npy(np.zeros((0, 2), np.float32)), b"\n", errors.EmptyFileError, "expected a row"),
    "objects, which are a pickle": (npy(np.array([[Attack()]]), pickled=True), b"x\n", HEADER, "unpickled"),
    "a record type": (npy(np.zeros(3, [("a", "f4")])), TOKENS, HEADER, "unpickled"),
    "integers": (npy(np.zeros((3, 2), np.int64)), TOKENS, HEADER, "int64"),
    "long double": (npy(np.zeros((3, 2), np.longdouble)), TOKENS, HEADER, "expected float16"),
    "complex": (npy(np.zeros((3, 2), np.complex64)), TOKENS, HEADER, "complex64"),
    "NaN": (NAN, TOKENS, errors.NotFiniteRowError, "nan as number 2 of row 2"),
    "code in the header": (npy_header("__import__('os').mkdir('attacked')"), TOKENS, HEADER, "dictionary"),
    "a deep header": (npy_header("(" * 60_000), TOKENS, HEADER, "dictionary"),
    "a header that is no dictionary": (npy_header("[1, 2]"), TOKENS, HEADER, "dictionary"),
    "a list for a shape": (npy_header(shape("[3, 2]"), bytes(24)), TOKENS, HEADER, "seen"),
    "an unknown type": (npy_header("{'descr': 'q9', 'fortran_order': False, 'shape': (3, 2)}"), TOKENS, HEADER, "q9"),
    "a type that NumPy dies of": (npy_header("{'descr': '<f(4, 2)4', 'fortran_order': False, 'shape': (3, 2)}"), TOKENS, HEADER, "4, 2"),
    "another": (npy_header("{'descr': 'f4,,', 'fortran_order': False, 'shape': (3, 2)}"), TOKENS, HEADER, "f4,,"),
    "a blank that is none": (npy_header(shape("(3, 2)") + "\xa0", bytes(24)), TOKENS, HEADER, "dictionary"),
    "an unknown version": (npy_header(shape("(3, 2)"), bytes(24), b"\x09\x00"), TOKENS, HEADER, "version"),
    "a header longer than the file": (MATRIX[:8] + b"\xff\xff" + MATRIX[10:], TOKENS, HEADER, "65,535"),
    "too few tokens": (MATRIX, b"the\nof\n", HEADER, "expected 3 tokens.* seen 2"),
    "too many tokens": (MATRIX, TOKENS + b"king\n", HEADER, "expected 3 tokens.* seen 4"),
    "a token twice": (MATRIX, b"the\nof\nthe\n", errors.DuplicateRowError, "line 1 and line 3"),
    "a token in Latin-1": (MATRIX, b"the\nof\ncaf\xe9\n", errors.EncodingError, "line 3, byte 10.*0xE9"),
    "a token of 100 kB": (MATRIX, b"the\nof\n" + b"x" * 100_000, HEADER, "65,536"),
    "no tokens": (MATRIX, b"", errors.EmptyFileError, "0 bytes"),
}

NPZ: dict[str, tuple[bytes, type[errors.FileContentError], str]] = {
    "cut": (npz(tokens=WORDS, matrix=MATRIX)[:-30], TRUNCATED, "zip"),
    "no tokens": (npz(matrix=MATRIX), HEADER, "tokens"),
    "no matrix": (npz(tokens=WORDS), HEADER, "matrix or embedding"),
    "two matrices": (npz(tokens=WORDS, matrix=MATRIX, vectors=MATRIX), HEADER, "one array named"),
    "fewer tokens": (npz(tokens=npy(np.array(["a", "b"])), matrix=MATRIX), HEADER, "2 tokens and 3 rows"),
    "objects for tokens": (npz(tokens=npy(np.array([Attack()]), pickled=True), matrix=MATRIX), HEADER, "unpickled"),
    "objects for the matrix": (npz(tokens=WORDS, matrix=npy(np.array([[Attack()]]), pickled=True)), HEADER, "unpickled"),
    "letters beyond Unicode": (
        npz(tokens=npy(np.array([97, 0x110000, 99], np.uint32).view("<U1")), matrix=MATRIX),
        errors.EncodingError,
        "0x110000 in the token of row 2",
    ),
    "half a letter": (npz(tokens=npy(np.array(["a", "\ud800", "c"])), matrix=MATRIX), errors.EncodingError, "0xd800"),
    "letters the other way round": (
        npz(tokens=npy(np.array([97, 98, 0x110000], ">u4").view(">U1")), matrix=MATRIX),
        errors.EncodingError,
        "0x110000 in the token of row 3",
    ),
    "numbers for tokens": (npz(tokens=npy(np.arange(3)), matrix=MATRIX), HEADER, "list of text"),
    "NaN": (npz(tokens=WORDS, matrix=NAN), errors.NotFiniteRowError, "row 2"),
    "a token twice": (npz(tokens=npy(np.array(["a", "b", "a"])), matrix=MATRIX), errors.DuplicateRowError, "row 1 and row 3"),
    "a huge shape": (npz(tokens=WORDS, matrix=npy_header(shape("(100000000000000, 50)"))), HEADER, "cannot be right"),
    "a cut member": (npz(tokens=WORDS, matrix=MATRIX[:-1]), TRUNCATED, "seen 23"),
    "a flipped bit": (
        npz(tokens=WORDS, matrix=MATRIX).replace(MATRIX[-8:], b"\0" * 8),
        TRUNCATED,
        "CRC",
    ),
}


def check(error: type[errors.FileContentError], says: str, path: Path, **options: Any) -> None:
    size = path.stat().st_size
    tracemalloc.start()
    try:
        with pytest.raises(error, match=says):
            ts.open(path, **options)
        assert tracemalloc.get_traced_memory()[1] < 8 * size + (4 << 20)
    finally:
        tracemalloc.stop()
    assert not Path("attacked").exists()


@pytest.mark.parametrize("name", NPY)
def test_a_bad_npy_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matrix, tokens, error, says = NPY[name]
    (tmp_path / "x.npy").write_bytes(matrix)
    (tmp_path / "x.tokens").write_bytes(tokens)
    check(error, says, tmp_path / "x.npy")


@pytest.mark.parametrize("name", NPZ)
def test_a_bad_npz_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content, error, says = NPZ[name]
    (tmp_path / "x.npz").write_bytes(content)
    check(error, says, tmp_path / "x.npz")


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packed_npz_file_with_any_byte_changed(how: int, tmp_path: Path) -> None:
    """Each of the decompressors has an error of its own for what is broken, LZMA's one that is no error of zipfile's or of the system."""
    path = tmp_path / "x.npz"
    content = npz(how, tokens=WORDS, matrix=MATRIX)
    path.write_bytes(content)
    assert ts.open(path).matrix.tobytes() == TABLE.matrix.tobytes()
    seen = set()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            ts.open(path, format="npz")
        except errors.FileContentError as error:
            seen.add(type(error))
    assert TRUNCATED in seen


def test_a_matrix_without_tokens_says_where_they_were_looked_for(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(MATRIX)
    with pytest.raises(errors.TableNotFoundError, match=r"x\.tokens, x\.vocab, x\.txt"):
        ts.open(tmp_path / "x.npy")


def native(change: Callable[[dict[str, Any]], object] | None = None, folder: Path | None = None) -> bytes:
    """Return the bytes of a native file, its header changed."""
    assert folder is not None
    ts.save(TABLE, folder / "good.tokenspace")
    content = (folder / "good.tokenspace").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if change is not None:
        change(header)
    return with_header(json.dumps(header).encode(), content[8 + length :])


def with_header(text: bytes, data: bytes) -> bytes:
    text += b" " * (-(8 + len(text)) % 4096)
    return len(text).to_bytes(8, "little") + text + data


def entry(name: str, **fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda header: header[name].update(fields)


def meta(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda header: header["__metadata__"].update(fields)


NATIVE: dict[str, tuple[Callable[[dict[str, Any]], object], type[errors.FileContentError], str]] = {
    "a shape that its bytes are not": (entry("embedding", shape=[3, 3]), HEADER, "takes 36 bytes"),
    "a shape beyond 64 bits": (entry("embedding", shape=[1 << 62, 1 << 62]), HEADER, "takes"),
    "a shape of 10,000 axes": (entry("embedding", shape=[1 << 62] * 10_000), HEADER, "expected a shape"),
    "a negative shape": (entry("embedding", shape=[-3, -2]), HEADER, "expected a shape"),
    "a shape of true": (entry("embedding", shape=[True, 6]), HEADER, "expected a shape"),
    "an unknown type": (entry("embedding", dtype="Q4"), HEADER, "expected dtype"),
    "a type that holds no table": (entry("embedding", dtype="I32"), HEADER, "expected an embedding"),
    "falling offsets": (entry("embedding", data_offsets=[24, 0]), HEADER, "rising offsets"),
    "overlapping tensors": (entry("embedding", data_offsets=[8, 32]), HEADER, "hole|overlaps"),
    "a tensor behind the end": (entry("vocab.bytes", data_offsets=[1 << 40, (1 << 40) + 13]), HEADER, "hole"),
    "a missing tensor": (lambda header: header.update({"spare": header.pop("vocab.index")}), HEADER, "vocab.index is missing"),
    "offsets for other rows": (entry("embedding", shape=[2, 3]), HEADER, r"expected vocab.offsets as I64 \[3\]"),
    "an index that is no power of two": (entry("vocab.index", dtype="U8", shape=[32]), HEADER, "vocab.index as U32"),
    "another format": (meta(format="tablespoon", other="tokenspace"), HEADER, "tablespoon"),
    "a later version": (meta(version="99"), HEADER, "upgrade"),
    "metadata that disagrees": (meta(rows="4"), HEADER, "promises"),
    "metadata of numbers": (meta(rows=3), HEADER, "metadata of strings"),
    "half a letter": (meta(note="\ud800"), HEADER, "JSON"),
    "NaN as JSON": (meta(rows=float("nan")), HEADER, "NaN"),
}


@pytest.mark.parametrize("name", NATIVE)
def test_a_native_file_whose_header_lies(name: str, tmp_path: Path) -> None:
    change, error, says = NATIVE[name]
    path = tmp_path / "x.tokenspace"
    path.write_bytes(native(change, tmp_path))
    check(error, says, path, format="native")


def test_a_native_file_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.tokenspace"
    good = native(None, tmp_path)
    length = int.from_bytes(good[:8], "little")
    twice = good[8 : 8 + length].replace(b'"embedding"', b'"vocab.bytes"', 1)
    cases: tuple[tuple[bytes, type[errors.FileContentError], str], ...] = (
        (good[:-1], TRUNCATED, "expected .* bytes"),
        (good[:100], TRUNCATED, "header"),
        (good + b"\0", errors.TrailingBytesError, "expected .* bytes"),
        ((1 << 60).to_bytes(8, "little") + good[8:], HEADER, "at most 1,048,576"),
        (b"\0" * 8 + good[8:], HEADER, "JSON"),
        (with_header(twice, good[8 + length :]), HEADER, "twice"),
        (with_header(b'{"tokenspace":' + b"[" * 100_000, b""), HEADER, "JSON"),
        (with_header(b'{"tokenspace":' + b"9" * 5_000 + b"}", b""), HEADER, "JSON|expected dtype"),
        (with_header(b'{"tokenspace":"\xff"}', b""), HEADER, "JSON"),
        (with_header(good[8 : 8 + length].replace(b"[0,", b"[-0,", 1), good[8 + length :]), HEADER, "whole numbers, seen -0"),
        (with_header(b"[1]", b""), HEADER, "object"),
        (good[:5], HEADER, "length"),
    )
    for content, error, says in cases:
        path.write_bytes(content)
        check(error, says, path, format="native")


def test_offsets_and_index_that_point_outside_are_found_when_used_and_by_verify(tmp_path: Path, native_level: str) -> None:
    good = native(None, tmp_path)
    length = int.from_bytes(good[:8], "little")
    header = json.loads(good[8 : 8 + length])
    path = tmp_path / "x.tokenspace"

    def damaged(tensor: str, array: np.ndarray[Any, Any]) -> ts.EmbeddingTable:
        begin, end = (8 + length + at for at in header[tensor]["data_offsets"])
        assert array.nbytes == end - begin
        path.write_bytes(good[:begin] + array.tobytes() + good[end:])
        with pytest.raises(errors.FileContentError):
            formats.verify(path)
        return ts.open(path)

    slots = header["vocab.index"]["shape"][0]
    for array in (np.full(slots, 0xFFFFFFFF, np.uint32), np.full(slots, 4, np.uint32), np.full(slots, 1, np.uint32)):
        with pytest.raises(errors.TokenspaceError):
            damaged("vocab.index", array).vocabulary.ids(["king"])
    wild = damaged("vocab.offsets", np.array([0, 1 << 60, -5, 13], np.int64))
    with pytest.raises(errors.TokenspaceError):
        wild.vocabulary.ids(["the", "of", "new york"])
    with pytest.raises(errors.HeaderError, match="from 0 to 13"):
        damaged("vocab.offsets", np.array([0, 3, 5, 14], np.int64))
    damaged("embedding", np.zeros((3, 2), np.float32))
    damaged("embedding", np.full((3, 2), np.nan, np.float32))
    damaged("vocab.bytes", np.frombuffer(b"xxxxxxxxxxxxx", np.uint8))
