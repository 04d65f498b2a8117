"""Damaged, lying and hostile files of other libraries' formats, a line each on what they attack.

Made from the sound files in tests/files/foreign by changing a field. Each must get its named error at once, in memory bounded by the
file's size, and nothing may be executed.
"""

from __future__ import annotations

import json
import shutil
import struct
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import errors

if TYPE_CHECKING:
    from collections.abc import Callable

FOREIGN = Path(__file__).parent / "foreign"
HEADER, TRUNCATED, TRAILING = errors.HeaderError, errors.TruncatedFileError, errors.TrailingBytesError
TABLE = ts.EmbeddingTable(["the", "of", "new york"], np.array([[0.5, 1.5], [2.5, 3.5], [4.5, 5.5]], dtype=np.float32))
Error = type[errors.TokenspaceError]
Case = tuple[str, Error, str]


def check(error: Error, says: str, path: Path, **options: Any) -> None:
    size = sum(part.stat().st_size for part in path.rglob("*") if part.is_file()) if path.is_dir() else path.stat().st_size
    with pytest.raises(error, match=says):
        ts.open(path, **options)
    tracemalloc.start()  # not before: what the first reading of a format imports is no memory of the file's
    try:
        with pytest.raises(error):
            ts.open(path, **options)
        assert tracemalloc.get_traced_memory()[1] < 8 * size + (4 << 20)
    finally:
        tracemalloc.stop()
    assert not Path("attacked").exists()


def put(content: bytes, at: int, code: str, *values: Any) -> bytes:
    """Return content with numbers written over it."""
    return content[:at] + struct.pack(code, *values) + content[at + struct.calcsize(code) :]


FASTTEXT, FIFU, GGUF = ((FOREIGN / name).read_bytes() for name in ("fasttext.bin", "plain.fifu", "F16.gguf"))
QUANTISED, FTZ = (FOREIGN / "quantised.fifu").read_bytes(), (FOREIGN / "fasttext.ftz").read_bytes()
INPUT = FASTTEXT.index(struct.pack("<qq", 47, 4))  # the header of the input matrix: 7 words and 40 buckets
EMBEDDING = GGUF.index(b"token_embd.weight") + len("token_embd.weight")  # then axes, shape, type, place
KIND = FASTTEXT.index(b"\0", 92) + 9  # of the first word
OTHER = GGUF.index(b"output.weight") + len("output.weight")
TOKENS = GGUF.index(b"tokenizer.ggml.tokens") + len("tokenizer.ggml.tokens")  # then type, type of entries, count

BINARY: dict[str, tuple[str, bytes, Error, str]] = {
    "fasttext cut in the words": ("a download that stopped", FASTTEXT[:100], HEADER, "a dictionary within"),
    "fasttext cut in the matrix": ("a download that stopped", FASTTEXT[: INPUT + 40], TRUNCATED, "input matrix takes 752 bytes"),
    "fasttext that goes on": ("bytes behind the model", FASTTEXT + b"\0", TRAILING, "expected 1,105 bytes, seen 1,106"),
    "fasttext of a later version": ("a layout not known", put(FASTTEXT, 4, "<i", 13), HEADER, "version 11 or 12, seen 13"),
    "fasttext of huge dim": ("2^31 numbers a row", put(FASTTEXT, 8, "<i", 2**31 - 1), HEADER, "seen 2,147,483,647"),
    "fasttext of dim 0": ("rows without numbers", put(FASTTEXT, 8, "<i", 0), HEADER, "dim of at least 1"),
    "fasttext of minus one bucket": ("a division by zero", put(FASTTEXT, 40, "<i", -1), HEADER, "bucket of at least 0"),
    "fasttext of long n-grams": ("2^31 passes over each word", put(FASTTEXT, 48, "<i", 2**31 - 1), HEADER, "maxn <= 64"),
    "fasttext of many words": ("2^31 words", put(FASTTEXT, 64, "<ii", 2**31 - 1, 2**31 - 1), HEADER, "cannot be right"),
    "fasttext of fewer words": ("a count of words that is no sum", put(FASTTEXT, 68, "<i", 3), HEADER, "3 words"),
    "fasttext of no words": ("an empty table", put(FASTTEXT, 64, "<ii", 0, 0), errors.EmptyFileError, "seen none"),
    "fasttext of many kept n-grams": ("2^62 pairs", put(FASTTEXT, 84, "<q", 2**62), HEADER, "cannot be right"),
    "fasttext of many rows": ("2^60 rows", put(FASTTEXT, INPUT, "<q", 2**60), TRUNCATED, "left"),
    "fasttext of minus one row": ("a size below zero", put(FASTTEXT, INPUT, "<q", -1), HEADER, "at least 7 rows"),
    "fasttext of other buckets": ("rows for n-grams that are not there", put(FASTTEXT, 40, "<i", 39), HEADER, "39 of n-grams, seen 47"),
    "fasttext of NaN": ("NaN among the rows", put(FASTTEXT, INPUT + 16, "<f", float("nan")), errors.NotFiniteRowError, "nan as number 1"),
    "fasttext of large rows": (
        "numbers whose sum is infinite",
        put(FASTTEXT, INPUT + 16, "<188f", *[3e38] * 188),
        errors.NotFiniteRowError,
        "inf",
    ),
    "fasttext with a label for a word": (
        "an entry of an unknown kind",
        put(FASTTEXT, KIND, "<b", 7),
        HEADER,
        "seen type 7",
    ),
    "fasttext with a token twice": (
        "two rows for one word",
        FASTTEXT.replace(b"queen\0", b"kinga\0").replace(b"king\0", b"king\0").replace("naïve".encode(), b"kinga\xc3"[:6]),
        errors.FileContentError,
        "kinga",
    ),
    "ftz cut": ("a download that stopped", FTZ[:-6000], TRUNCATED, "takes"),
    "fifu cut": ("a download that stopped", FIFU[:-1], TRUNCATED, "takes"),
    "fifu that goes on": ("bytes behind the last chunk", FIFU + b"\0", TRAILING, "expected 288 bytes, seen 289"),
    "fifu of a later version": ("a layout not known", put(FIFU, 4, "<I", 1), HEADER, "version 0, seen 1"),
    "fifu of many chunks": ("2^32 chunks", put(FIFU, 8, "<I", 2**32 - 1), HEADER, "room"),
    "fifu of an unknown chunk": ("a chunk of a later day", put(FIFU, 12, "<I", 99), HEADER, "seen"),
    "fifu of many words": ("2^61 words", put(FIFU, 36, "<Q", 2**61), HEADER, "words, for which there is room"),
    "fifu of a huge chunk": ("a chunk beyond the file", put(FIFU, 28, "<Q", 2**63), TRUNCATED, "takes 9,223,372,036,854,775,808"),
    "fifu of a word beyond": ("a word longer than the file", put(FIFU, 44, "<I", 2**32 - 1), TRUNCATED, "bytes for 0"),
    "quantised fifu cut": ("codes that are not there", QUANTISED[:-30], TRUNCATED, "takes"),
    "gguf cut": ("a download that stopped", GGUF[:-120], TRUNCATED, "ends at byte"),
    "gguf of many tensors": ("2^40 tensors, an IndexError in the gguf package", put(GGUF, 8, "<Q", 2**40), HEADER, "cannot be right"),
    "gguf of much metadata": ("2^60 entries", put(GGUF, 16, "<Q", 2**60), HEADER, "cannot be right"),
    "gguf of a huge shape": ("2^62 rows", put(GGUF, EMBEDDING + 12, "<Q", 2**62), errors.FileContentError, "token_embd"),
    "gguf of nine axes": ("axes beyond the format's", put(GGUF, EMBEDDING, "<I", 9), HEADER, "1 to 4 axes"),
    "gguf of a far place": ("a tensor beyond the file", put(GGUF, EMBEDDING + 24, "<Q", 2**40), TRUNCATED, "ends at byte"),
    "gguf of tensors that overlap": ("two tensors in one place", put(GGUF, OTHER + 24, "<Q", 0), HEADER, "overlaps"),
    "gguf at an odd place": ("a place that is no multiple", put(GGUF, EMBEDDING + 24, "<Q", 1), HEADER, "multiple of 32"),
    "gguf of an unknown type": ("a type of a later day", put(GGUF, EMBEDDING + 20, "<I", 999), HEADER, "it is type 999"),
    "gguf of many tokens": ("2^61 tokens", put(GGUF, TOKENS + 8, "<Q", 2**61), HEADER, "cannot be right"),
    "gguf of deep lists": ("lists in lists", put(GGUF, TOKENS + 4, "<I", 9), errors.FileContentError, "list|value|left"),
    "gguf of the other byte order": ("a big-endian file", put(GGUF, 4, ">I", 3), HEADER, "big-endian"),
    "gguf of version 1": ("counts of 32 bits", put(GGUF, 4, "<I", 1), HEADER, "version 2 or 3, seen 1"),
}


@pytest.mark.parametrize("name", BINARY)
def test_a_bad_file_of_another_library(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, content, error, says = BINARY[name]
    (tmp_path / "x").write_bytes(content)
    check(error, says, tmp_path / "x")


def test_a_gguf_file_with_more_tokens_than_rows(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(put(GGUF, EMBEDDING + 12, "<Q", 5))
    check(HEADER, "6 tokens, the embedding 5 rows", tmp_path / "x")


def safetensors(tensors: dict[str, Any], metadata: dict[str, str] | None = None, data: bytes = b"") -> bytes:
    text = json.dumps(({"__metadata__": metadata} if metadata else {}) | tensors).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


ROWS = np.arange(4, dtype="<f4").tobytes()
GOOD = tensor("F32", [2, 2], 0, 16)
TENSORS: dict[str, tuple[str, bytes, Error, str]] = {
    "two tables": (
        "a choice that nothing tells",
        safetensors({"a": tensor("F32", [1, 2], 0, 8), "b": tensor("F32", [1, 2], 8, 16)}, data=ROWS),
        HEADER,
        r"more than one tensor may hold the rows: a F32 \[1, 2\], b(.|\n)*tensor=",
    ),
    "no table": ("lists alone", safetensors({"a": tensor("F32", [4], 0, 16)}, data=ROWS), HEADER, r"seen a F32 \[4\]"),
    "whole numbers": ("a table of ids", safetensors({"a": tensor("I32", [2, 2], 0, 16)}, data=ROWS), HEADER, "float rows"),
    "no rows": ("an empty table", safetensors({"a": tensor("F32", [0, 2], 0, 0)}), errors.EmptyFileError, "expected a row"),
    "overlapping tensors": ("one tensor's bytes are another's", safetensors({"a": GOOD, "b": GOOD}, data=ROWS), HEADER, "overlaps"),
    "a tensor beyond the end": ("lying offsets", safetensors({"a": tensor("F32", [2, 3], 0, 24)}, data=ROWS), TRUNCATED, "expected"),
    "a huge shape": ("2^62 rows", safetensors({"a": tensor("F32", [2**62, 2], 0, 16)}, data=ROWS), HEADER, "takes"),
    "tokens that are no list": ("metadata of another kind", safetensors({"a": GOOD}, {"tokens": "{}"}, ROWS), HEADER, "list of strings"),
    "tokens that are no JSON": ("metadata of another kind", safetensors({"a": GOOD}, {"tokens": "[" * 9999}, ROWS), HEADER, "as JSON"),
    "one token": ("a list that is too short", safetensors({"a": GOOD}, {"tokens": '["x"]'}, ROWS), HEADER, "1 tokens, expected 2"),
    "a token twice": ("two rows", safetensors({"a": GOOD}, {"tokens": '["x","x"]'}, ROWS), errors.DuplicateRowError, "two rows"),
    "half a character": ("a lone surrogate", safetensors({"a": GOOD}, {"tokens": '["x","\\ud800"]'}, ROWS), errors.EncodingError, "UTF-8"),
    "no tokens": ("a matrix alone", safetensors({"a": GOOD}, data=ROWS), errors.TableNotFoundError, "x.tokens"),
    "NaN": ("NaN", safetensors({"a": GOOD}, {"tokens": '["x","y"]'}, b"\xff" * 16), errors.NotFiniteRowError, "row 1"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_bad_safetensors_file_of_any_maker(name: str, tmp_path: Path) -> None:
    _, content, error, says = TENSORS[name]
    (tmp_path / "x").write_bytes(content)
    check(error, says, tmp_path / "x")


def arrow(folder: Path, kind: str, **columns: Any) -> Path:
    pa = pytest.importorskip("pyarrow")
    table, path = pa.table(columns), folder / f"x.{kind}"
    if kind == "parquet":
        from pyarrow import parquet

        parquet.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=1)
    return path


COLUMNS: dict[str, tuple[str, dict[str, Any], Error, str]] = {
    "ragged rows": ("rows of two lengths", {"token": ["a", "b"], "vector": [[1.0, 2.0], [3.0]]}, errors.RowWidthError, "1 in row 2"),
    "an empty row": ("an entry that is none", {"token": ["a", "b"], "vector": [[1.0], None]}, HEADER, "empty entry in row 2"),
    "an empty number": ("a number that is none", {"token": ["a", "b"], "vector": [[1.0], [None]]}, HEADER, "number 1 of row 2"),
    "an empty token": ("a token that is none", {"token": ["a", None], "vector": [[1.0], [2.0]]}, HEADER, "token in every row.* row 2"),
    "a token twice": ("two rows", {"token": ["a", "a"], "vector": [[1.0], [2.0]]}, errors.DuplicateRowError, "row 1 and row 2"),
    "NaN": ("NaN", {"token": ["a", "b"], "vector": [[1.0], [float("nan")]]}, errors.NotFiniteRowError, "row 2"),
    "two columns of rows": ("a choice", {"t": ["a"], "x": [[1.0]], "y": [[1.0]]}, HEADER, "more than one column"),
    "two columns of text": ("a choice", {"x": ["a"], "y": ["a"], "vector": [[1.0]]}, HEADER, "more than one column may hold the tokens"),
    "no rows at all": ("a table of text", {"token": ["a"]}, HEADER, "seen token string"),
    "no tokens": ("a matrix alone", {"vector": [[1.0]]}, errors.TableNotFoundError, "x.tokens"),
    "rows of nothing": ("rows without numbers", {"token": ["a"], "vector": [[1.0][:0]]}, errors.FileContentError, "seen"),
}


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("name", COLUMNS)
def test_bad_columns(name: str, kind: str, tmp_path: Path) -> None:
    _, columns, error, says = COLUMNS[name]
    check(error, says, arrow(tmp_path, kind, **columns))


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_damaged_columns(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "x"
    ts.save(ts.EmbeddingTable([f"w{i}" for i in range(200)], np.ones((200, 50), np.float32) * np.arange(200)[:, None]), path, format=kind)
    good = path.read_bytes()
    for content in (good[:-9], good[: len(good) // 2], good[:20]):
        path.write_bytes(content)
        check(errors.FileContentError, ".", path)
    if kind == "parquet":  # whose pages have checksums; a flipped bit in Arrow is another number
        path.write_bytes(good[:3000] + bytes([good[3000] ^ 1]) + good[3001:])
        check(HEADER, "CRC|checksum|cannot be read", path)


PICKLES: dict[str, tuple[str, bytes]] = {
    "os.system": ("a command", b"\x80\x04cos\nsystem\n\x8c\x0etouch attacked\x85R."),
    "posix.system": ("the same by its other name", b"\x80\x04cposix\nsystem\n\x8c\x0etouch attacked\x85R."),
    "eval": ("code", b"\x80\x04cbuiltins\neval\n\x8c\x19open('attacked','w').close\x85R."),
    "eval of Python 2": ("code", b"\x80\x02c__builtin__\neval\n\x8c\x011\x85R."),
    "getattr": ("a way to every attribute of what is allowed", b"\x80\x04cbuiltins\ngetattr\ncnumpy\nndarray\n\x8c\x04dump\x86R."),
    "a name with dots": ("a way through a module's attributes", b"\x80\x04\x8c\x05numpy\x8c\x1acore.multiarray.sys.modules\x93."),
    "numpy's load": ("another reader of pickles", b"\x80\x04cnumpy\nload\n\x8c\x01x\x85R."),
    "numpy's f2py": ("a compiler", b"\x80\x04cnumpy.f2py\ncompile\n\x8c\x01x\x85R."),
    "a call of a call's result": ("chains", b"\x80\x04cnumpy\nndarray\n)R)R."),
    "a change of a class": ("monkey-patching", b"\x80\x04cgensim.models.keyedvectors\nKeyedVectors\n}b."),
    "a name that is no text": ("confusion", b"\x80\x04K\x01K\x02\x93."),
    "extension registry": ("names by number", b"\x80\x02\x82\x01."),
    "persistent id": ("a call of the reader", b"\x80\x02cos\nsystem\nQ."),
    "a buffer outside": ("what is not in the file", b"\x80\x05\x97."),
    "protocol 0": ("text instructions", b"cos\nsystem\n(S'touch attacked'\ntR."),
    "bytes of 2^62": ("an allocation", b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"."),
    "bytearray of 2^40": ("an allocation before reading", b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b"."),
    "text of 2^40": ("an allocation", b"\x80\x04\x8d" + (2**40).to_bytes(8, "little") + b"."),
    "value 2^32 - 1 kept": ("a list of 2^32 kept values", b"\x80\x02Nr\xff\xff\xff\xff."),
    "a long number": ("a number of megabytes", b"\x80\x04\x8b" + (10**6).to_bytes(4, "little") + b"\1" * 10**6 + b"."),
    "a frame of 2^60": ("a frame beyond the file", b"\x80\x04\x95" + (2**60).to_bytes(8, "little") + b"N."),
    "nothing to take": ("an empty stack", b"\x80\x04R."),
    "no mark": ("a list without a beginning", b"\x80\x04]Ne."),
    "unkept value": ("a value that is not there", b"\x80\x04h\x07."),
    "no end": ("a download that stopped", b"\x80\x04N"),
    "goes on": ("bytes behind the end", b"\x80\x04N.N."),
    "half a dictionary": ("a key without a value", b"\x80\x04}(Nu."),
    "not of gensim": ("another program's data", b"\x80\x04}."),
    "itself": ("a list that holds itself", b"\x80\x04]\x94h\x00a."),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_hostile_pickle_is_walked_and_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.kv").write_bytes(PICKLES[name][1])
    check(errors.FileContentError, ".", tmp_path / "x.kv", format="gensim")
    check(errors.FileContentError, ".", tmp_path / "x.kv")


KV = (FOREIGN / "gensim-fasttext.model").read_bytes()


def gensim_record(**attributes: bytes) -> bytes:
    """Return the pickle of gensim's word vectors with these attributes, each a pickled value."""
    state = b"".join(b"\x8c" + bytes([len(name)]) + name.encode() + value for name, value in attributes.items())
    return b"\x80\x04cgensim.models.keyedvectors\nKeyedVectors\n)\x81}(" + state + b"ub."


def array(shape: tuple[int, ...], raw: bytes, code: str = "f4") -> bytes:
    axes = b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", axis) for axis in shape) + b"t"
    dtype = b"cnumpy\ndtype\n(\x8c" + bytes([len(code)]) + code.encode() + b"\x89\x88tR"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    return made + b"(K\x01" + axes + dtype + b"\x89B" + struct.pack("<I", len(raw)) + raw + b"tb"


MADE = array((2, 2), ROWS)
SET = b"cbuiltins\nset\n)R"
TWO = b"](\x8c\x01a\x8c\x01be"
GENSIM: dict[str, tuple[str, bytes, Error, str]] = {
    "sound": (
        "nothing: the others differ by one thing",
        gensim_record(index_to_key=TWO, vectors=MADE),
        OSError,
        ".",
    ),
    "huge shape": ("2^40 rows", gensim_record(index_to_key=TWO, vectors=array((2**40, 2), ROWS)), HEADER, "does not take the 16 bytes"),
    "shape below zero": ("a size that NumPy would infer", gensim_record(index_to_key=TWO, vectors=array((-1, 2), ROWS)), HEADER, "shape"),
    "one axis": ("a list", gensim_record(index_to_key=TWO, vectors=array((4,), ROWS)), HEADER, r"\(rows, d\)"),
    "objects": ("references in an array", gensim_record(index_to_key=TWO, vectors=array((2, 1), ROWS, "O8")), HEADER, "expected floats"),
    "a long type": ("a type with fields", gensim_record(index_to_key=TWO, vectors=array((2, 2), ROWS, "f4,O")), HEADER, "expected floats"),
    "three rows": ("rows without a word", gensim_record(index_to_key=TWO, vectors=array((3, 1), ROWS[:12])), HEADER, "2 words and 3 rows"),
    "a word twice": (
        "two rows",
        gensim_record(index_to_key=TWO.replace(b"b", b"a"), vectors=MADE),
        errors.DuplicateRowError,
        "two",
    ),
    "words that are numbers": (
        "no text",
        gensim_record(index_to_key=b"](K\x01K\x02e", vectors=MADE),
        HEADER,
        "list of words",
    ),
    "no rows": ("a part that is missing", gensim_record(index_to_key=TWO), errors.MissingPartError, "expected the rows"),
    "a call for an array": (
        "a function that is allowed",
        gensim_record(index_to_key=TWO, vectors=b"cbuiltins\nset\n)R"),
        HEADER,
        "expected an array",
    ),
    "a file named from inside": (
        "a path",
        gensim_record(index_to_key=TWO, vectors=b"N", __numpys=b"](\x8c\x13../../../etc/passwde"),
        errors.MissingPartError,
        "expected the rows",
    ),
    "NaN": ("NaN", gensim_record(index_to_key=TWO, vectors=array((2, 2), b"\xff" * 16)), errors.NotFiniteRowError, "nan"),
}


@pytest.mark.parametrize("name", GENSIM)
def test_a_bad_file_of_gensim(name: str, tmp_path: Path) -> None:
    _, content, error, says = GENSIM[name]
    (tmp_path / "x").write_bytes(content)
    if name == "sound":
        assert ts.open(tmp_path / "x", format="gensim").matrix.tobytes() == ROWS
    else:
        check(error, says, tmp_path / "x", format="gensim")


def test_large_values_used_again_and_again_are_not_copied(tmp_path: Path) -> None:
    """100,000 times a list of the same 100 kB text: the text is there once."""
    text = b"\x8d" + (10**5).to_bytes(8, "little") + b"x" * 10**5
    (tmp_path / "x").write_bytes(b"\x80\x04(" + text + b"\x94" + b"h\x00" * 10**5 + b"t.")
    check(errors.UnknownFormatError, "expected an object of gensim", tmp_path / "x", format="gensim")


SPACY: dict[str, tuple[str, str, Callable[[bytes], bytes], Error, str]] = {
    "a map of 2^32": ("a count", "key2row", lambda old: b"\xdf\xff\xff\xff\xff" + old[1:], HEADER, "for which there is room"),
    "no map": ("another kind of value", "key2row", lambda old: b"\x93" + old[1:], HEADER, "expected a map"),
    "text for a hash": ("another kind of key", "key2row", lambda old: old[:1] + b"\xa1" + old[2:], HEADER, "seen 0xA1"),
    "a row below zero": ("a sign", "key2row", lambda old: old[:-1] + b"\xff", HEADER, "seen 0xFF"),
    "a row beyond": (
        "a row that is not there",
        "key2row",
        lambda old: old[:-1] + b"\x7f",
        HEADER,
        "expected rows below 100, seen 127",
    ),
    "a row of 2^64 - 1": (
        "a row that is -1 in 64 bits with a sign",
        "key2row",
        lambda old: old[:-1] + b"\xcf" + b"\xff" * 8,
        HEADER,
        "seen 18,446,744,073,709,551,615",
    ),
    "one word twice": (
        "two rows for one hash",
        "key2row",
        lambda old: b"\x82" + 2 * old[1:11],
        errors.DuplicateRowError,
        "'king' has two rows",
    ),
    "one entry more": ("a count", "key2row", lambda old: bytes([old[0] + 1]) + old[1:], TRUNCATED, "entry 8 of 8"),
    "one entry fewer": ("a count", "key2row", lambda old: bytes([old[0] - 1]) + old[1:], HEADER, "expected 61 bytes, seen 71"),
    "cut in a hash": ("a download that stopped", "key2row", lambda old: old[:5], TRUNCATED, "entry 1 of 7 takes 9 bytes, and 4 are left"),
    "a count cut": ("a download that stopped", "key2row", lambda _: b"\xdf\0\0", TRUNCATED, "takes 4 bytes, and 2 are left"),
    "an empty map": ("no word", "key2row", lambda _: b"\x80", errors.EmptyFileError, "seen none"),
    "cut": ("a download that stopped", "key2row", lambda old: old[:-3], errors.FileContentError, "left|expected"),
    "goes on": ("bytes behind the map", "key2row", lambda old: old + b"\0", HEADER, "expected"),
    "other words": ("another pipeline's list", "strings.json", lambda _: b'["x"]', HEADER, "7 of 7 words with a row are not in the list"),
    "no words": ("an empty list", "strings.json", lambda _: b"[]", HEADER, "7 of 7"),
    "deep words": ("a deep list", "strings.json", lambda _: b"[" * 10**5, HEADER, "expected JSON"),
    "words that are numbers": ("no text", "strings.json", lambda _: b"[1]", HEADER, "list of strings"),
    "vectors cut": ("a download that stopped", "vectors", lambda old: old[:-1], TRUNCATED, "takes"),
    "vectors in one line": ("a shape", "vectors", lambda old: old.replace(b"(100, 4), }", b"(400,), }  "), HEADER, "seen shape .400,"),
    "vectors of no numbers": ("a shape", "vectors", lambda old: old.replace(b"(100, 4)", b"(100, 0)"), HEADER, "seen shape .100, 0"),
    "vectors of fewer rows": (
        "a shape",
        "vectors",
        lambda old: old.replace(b"(100, 4)", b"(4, 100)"),
        HEADER,
        "expected rows below 4, seen 5",
    ),
    "vectors of NaN": ("NaN among the rows", "vectors", lambda old: old[:-4] + b"\0\0\xc0\x7f", errors.NotFiniteRowError, "of row 100"),
    "words in no UTF-8": (
        "bytes that are no text",
        "strings.json",
        lambda old: old.replace(b'"king"', b'"k\xffng"'),
        HEADER,
        "expected JSON",
    ),
    "settings cut": ("a download that stopped", "vectors.cfg", lambda old: old[:-3], HEADER, "expected JSON"),
    "settings of a list": ("another kind of value", "vectors.cfg", lambda _: b"[]", HEADER, "expected vectors of the mode 'default', seen"),
    "vectors of objects": ("a pickle", "vectors", lambda old: old.replace(b"'<f4'", b"'|O' "), HEADER, "unpickled"),
}


@pytest.mark.parametrize("name", SPACY)
def test_a_bad_folder_of_spacy(name: str, tmp_path: Path) -> None:
    _, part, change, error, says = SPACY[name]
    folder = Path(shutil.copytree(FOREIGN / "spacy", tmp_path / "x"))
    (folder / "vocab" / part).write_bytes(change((folder / "vocab" / part).read_bytes()))
    check(error, says, folder)


def test_a_folder_in_the_place_of_spacys_words(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOREIGN / "spacy", tmp_path / "x"))
    (folder / "vocab/strings.json").unlink()
    (folder / "vocab/strings.json").mkdir()
    check(errors.MissingPartError, "expected this file", folder)


def test_a_thousand_words_for_one_wide_row_do_not_fill_the_memory(tmp_path: Path) -> None:
    from tokenspace.formats.murmur import murmur64
    from tokenspace.formats.rows_in_files import joined

    words = [f"w{i}" for i in range(1000)]
    keys = murmur64(*joined(words), seed=1)
    entries = b"".join(b"\xcf" + int(key).to_bytes(8, "big") + b"\0" for key in keys)
    home = tmp_path / "x"
    home.mkdir()
    np.save(home / "rows.npy", np.ones((1, 10**5), np.float32))
    (home / "rows.npy").rename(home / "vectors")
    (home / "key2row").write_bytes(b"\xde" + (1000).to_bytes(2, "big") + entries)
    (home / "strings.json").write_text(json.dumps(words))
    check(HEADER, "more than 64 times", home)


def model(folder: Path, *, tokens: dict[str, int] | None = None, **tensors: np.ndarray[Any, Any]) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"vocab_size": 3, "model_type": "bert"}))
    vocab = {"a": 0, "b": 1, "c": 2} if tokens is None else tokens
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": [], "model": {"type": "WordLevel", "vocab": vocab}}))
    data, entries, at = b"", {}, 0
    for name, rows in (tensors or {"embeddings.word_embeddings.weight": np.ones((3, 2), np.float32)}).items():
        entries[name] = tensor("F32", list(rows.shape), at, at + rows.nbytes)
        data, at = data + rows.tobytes(), at + rows.nbytes
    (folder / "model.safetensors").write_bytes(safetensors(entries, data=data))
    return folder


@pytest.mark.parametrize("shift", range(4))
def test_rows_that_begin_at_any_byte_can_be_searched(shift: int, tmp_path: Path) -> None:
    """Headers of other makers end anywhere; the kernels want numbers where they belong."""
    folder = model(tmp_path / "x")
    content = safetensors(
        {"embeddings.word_embeddings.weight": tensor("F32", [3, 2], 0, 24)}, {"": "x" * shift}, np.eye(3, 2, dtype="<f4").tobytes()
    )
    (folder / "model.safetensors").write_bytes(content)
    assert ts.open(folder).nearest("b", k=1, measure="inner_product").ids.tolist() == [0]
    (folder / "tokenizer.json").unlink()
    (folder / "model.tokens").write_text("a\nb\nc\n")
    assert ts.open(folder / "model.safetensors").nearest("b", k=1, measure="inner_product").ids.tolist() == [0]


@pytest.mark.parametrize("number", [3, 2**63, 2**64 - 1, -1])
def test_an_added_token_that_is_no_row(number: int, tmp_path: Path) -> None:
    folder = model(tmp_path / "x")
    document = json.loads((folder / "tokenizer.json").read_text())
    document["added_tokens"] = [{"id": number, "content": "<x>", "special": True}]
    (folder / "tokenizer.json").write_text(json.dumps(document))
    check(errors.TokenizerMismatchError, f"seen the id {number:,} for '<x>'", folder)


def test_model_folders_that_lie(tmp_path: Path) -> None:
    check(errors.TokenizerMismatchError, "seen the id 3 for 'd'", model(tmp_path / "1", tokens={"a": 0, "d": 3}))
    check(errors.TokenizerMismatchError, "one id", model(tmp_path / "2", tokens={"a": 0, "b": 0}))
    check(errors.FileContentError, ".", model(tmp_path / "3", tokens={}))
    folder = model(tmp_path / "4")
    (folder / "tokenizer.json").unlink()
    check(errors.MissingPartError, "expected a tokenizer", folder)
    (folder / "sentencepiece.bpe.model").write_bytes(b"\x0a\x03\x0a\x01a")
    check(errors.SlowTokenizerError, "shifted", folder)
    for content, says in (
        (b"\x0a\xff\xff\xff\x7f", "left"),
        (b"\x0a" + b"\xff" * 20, "without an end"),
        (b"\x0b", "kind 3"),
        (b"", "no piece"),
    ):
        (folder / "spiece.model").write_bytes(content)
        check(HEADER, says, folder)
    (folder / "vocab.txt").write_bytes(b"a\nb\n\xff\n")
    check(errors.EncodingError, "line 3", folder)
    (folder / "vocab.txt").write_bytes(b"a\nb\na\n")
    check(errors.DuplicateRowError, "two rows", folder)
    (folder / "vocab.txt").write_bytes(b"a\nb\n")
    (folder / "added_tokens.json").write_text('{"<x>": -1}')
    check(HEADER, "added token", folder)
    (folder / "added_tokens.json").write_text('{"<x>": 1}')
    check(errors.TokenizerMismatchError, "the id 1 has the token 'b'", folder)
    two = model(tmp_path / "5", x=np.ones((3, 2), np.float32), y=np.ones((3, 2), np.float32))
    check(errors.UnknownArchitectureError, "no tensor is named like an input embedding", two)
    assert ts.open(two, tensor="y").shape == (3, 2)
    check(errors.UnknownArchitectureError, "there is no tensor 'z'", two, tensor="z")


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "a/../../secret.safetensors", "link.safetensors"])
def test_an_index_that_leads_out_of_its_folder(shard: str, tmp_path: Path) -> None:
    folder = model(tmp_path / "x")
    (folder / "model.safetensors").rename(tmp_path / "secret.safetensors")
    if shard.startswith("link"):
        (folder / shard).symlink_to(tmp_path / "secret.safetensors")
    index = {"weight_map": {"embeddings.word_embeddings.weight": shard}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    check(errors.OutsideFolderError, "folder", folder)


def test_a_shard_that_is_a_link_to_itself(tmp_path: Path) -> None:
    folder = model(tmp_path / "x")
    (folder / "model.safetensors").unlink()
    (folder / "one.safetensors").symlink_to("one.safetensors")
    index = {"weight_map": {"embeddings.word_embeddings.weight": "one.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    check(errors.ModelFolderError, "one.safetensors", folder)


def test_a_model2vec_folder_that_lies(tmp_path: Path) -> None:
    def folder(name: str, **tensors: np.ndarray[Any, Any]) -> Path:
        made = model(tmp_path / name, embeddings=np.ones((2, 2), np.float32))
        parts = {"embeddings": np.ones((2, 2), np.float32), **tensors}
        data, entries = b"", {}
        for part, values in parts.items():
            code = {"float32": "F32", "int64": "I64", "int32": "I32"}[values.dtype.name]
            entries[part] = tensor(code, list(values.shape), len(data), len(data) + values.nbytes)
            data += values.tobytes()
        (made / "model.safetensors").write_bytes(safetensors(entries, data=data))
        return made

    assert ts.open(folder("good", mapping=np.array([1, 0, 1]), weights=np.ones(3, np.float32))).shape == (3, 2)
    check(HEADER, "rows below 2, seen 7", folder("1", mapping=np.array([1, 0, 7])))
    check(HEADER, "a weight for each of 3", folder("2", mapping=np.array([1, 0, 1]), weights=np.ones(2, np.float32)))
    check(HEADER, "expected mapping as a list", folder("3", mapping=np.ones((3, 1), np.int64)))
    check(errors.TokenizerMismatchError, "ids below 2", folder("4"))


def test_the_native_n_grams_that_lie(tmp_path: Path) -> None:
    path = tmp_path / "x.tokenspace"
    ts.save(ts.open(FOREIGN / "fasttext.bin"), path)
    beside = tmp_path / "x.tokenspace.subwords"
    good = beside.read_bytes()
    for old, new, says in (
        (b'"min_n": "2"', b'"min_n": "9"', "min_n=9"),
        (b'"max_n": "4"', b'"max_n": "x"', "min_n, max_n, buckets"),
        (b'"buckets": "40"', b'"buckets": "41"', "41 buckets"),
        (b'"rows"', b'"rowz"', "expected rows"),
        (b"tokenspace-subwords", b"tokenspace-subword?", "subword"),
    ):
        assert old in good
        beside.write_bytes(good.replace(old, new))
        check(HEADER, says, path)
