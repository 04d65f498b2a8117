"""The files that break readers, numbered; a line each on what it attacks, what is right, and how gensim is asked for it.

The numbers are those of the list of 60 with which the readers were planned: 1 to 3 are the sound files, and a number that stands twice
has two files. `right` is the table that the file holds, None where there is none and it has to be refused. `test_attacks.py` holds
tokenspace against it; `bench/cases/bad_inputs.py` holds gensim beside it. What needs a folder or a program around it is in `ELSEWHERE`.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save as save_safetensors

if TYPE_CHECKING:
    from collections.abc import Callable

Right = tuple[list[str], list[list[float]]]


@dataclass(frozen=True)
class Attack:
    """A file and what is right about it.

    Attributes
    ----------
    number : int
    attacks : str
        What it attacks.
    content : bytes, or callable that makes them
        Callables need another package, or time.
    right : (tokens, rows) or None
    gensim : str
        How gensim would be asked for it: ``text``, ``headless``, ``binary``, ``kv``, ``fasttext``; empty where it has no reader.
    format : str or None
        Given to tokenspace; None lets it find out.
    suffix : str
        The file's ending.
    needs : str
        A package without which the file cannot be made.
    """

    number: int
    attacks: str
    content: bytes | Callable[[], bytes]
    right: Right | None = None
    gensim: str = ""
    format: str | None = None
    suffix: str = ".any"
    needs: str = ""

    def bytes(self) -> bytes:
        """Return the file's content."""
        return self.content if isinstance(self.content, bytes) else self.content()


class Bomb:
    """Makes a folder when it is unpickled; gensim's own way of loading a .kv runs it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("attacked",)


TOKENS = ["the", "of", "and", "king", "queen"]
ROWS = [[0.5, 1.0, 1.5, 2.0], [2.5, 3.0, 3.5, 4.0], [4.5, 5.0, 5.5, 6.0], [6.5, 7.0, 7.5, 8.0], [8.5, 9.0, 9.5, 10.0]]
GOOD: Right = (TOKENS, ROWS)


def line(token: bytes, row: list[float]) -> bytes:
    return token + b"".join(b" %r" % number for number in row) + b"\n"


def body(tokens: list[bytes] | None = None, end: bytes = b"\n") -> bytes:
    words = [token.encode() for token in TOKENS] if tokens is None else tokens
    return b"".join(line(word, row) for word, row in zip(words, ROWS, strict=False)).replace(b"\n", end)


def text(head: bytes = b"5 4\n", last: bytes = b"") -> bytes:
    return head + body() + last


def binary(head: bytes = b"5 4\n", tokens: list[bytes] | None = None, rows: list[list[float]] | None = None) -> bytes:
    words = [token.encode() for token in TOKENS] if tokens is None else tokens
    return head + b"".join(word + b" " + struct.pack("<4f", *row) + b"\n" for word, row in zip(words, rows or ROWS, strict=False))


def changed(row: int, column: int, value: float) -> list[list[float]]:
    rows = [list(numbers) for numbers in ROWS]
    rows[row][column] = value
    return rows


def renamed(row: int, token: bytes) -> list[bytes]:
    words = [word.encode() for word in TOKENS]
    words[row] = token
    return words


def npy(head: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + data


def saved_npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def parquet(change: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.array(ROWS, np.float32).ravel()), 4)
    file = io.BytesIO()
    table = pa.table({"token": TOKENS, "vector": vectors})
    pq.write_table(table, file, compression="none", write_page_checksum=True, use_dictionary=False)
    content = bytearray(file.getvalue())
    if change == "cut":
        return bytes(content[: len(content) // 2])
    at = content.index(struct.pack("<2f", 7.5, 8.0))
    content[at + 1] ^= 16
    return bytes(content)


def arrow(change: str) -> bytes:
    import pyarrow as pa

    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.array(ROWS, np.float32).ravel()), 4)
    table = pa.table({"token": TOKENS, "vector": vectors})
    file = io.BytesIO()
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    content = bytearray(file.getvalue())
    if change == "cut":
        return bytes(content[: len(content) // 2])
    at = content.index(struct.pack("<3i", 0, 3, 5))
    content[at + 8 : at + 12] = struct.pack("<i", 1 << 30)
    return bytes(content)


def torch_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(Bomb()))
        archive.writestr("model/version", b"3\n")
    return file.getvalue()


def safetensors(change: Callable[[dict[str, Any]], object], last: bytes = b"", *, cut: int = 0) -> bytes:
    content = save_safetensors({"embedding": np.array(ROWS, np.float32)})
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    changed_ = json.dumps(header).encode()
    whole = len(changed_).to_bytes(8, "little") + changed_ + content[8 + length :] + last
    return whole[: len(whole) - cut]


FASTTEXT = struct.pack("<2i", 793712314, 12) + struct.pack("<12id", 4, 5, 1, 5, 5, 1, 2, 1, 0, 3, 6, 0, 1e-4)
QUOTES = [b'"', b'""', b"#", b"NA", b"null"]
BLANKS = ["\u00a0", "\u0085", "\u2028", "", "x"]
HEADERLESS: Right = (["1", "2"], [[0.5], [1.5]])
SHAPE = "{'descr': '<f4', 'fortran_order': False, 'shape': %s}"


def wide_header() -> bytes:
    return b"1000000000 300\nking" + b" 0.1" * 300 + b"\n"


ATTACKS = (
    Attack(1, "nothing: word2vec text", text(), GOOD, "text"),
    Attack(2, "nothing: GloVe text", body(), GOOD, "headless"),
    Attack(3, "nothing: word2vec binary", binary(), GOOD, "binary"),
    Attack(4, "a header that promises 7 rows over 5", text(b"7 4\n"), None, "text"),
    Attack(5, "a header that promises 3 rows over 5", text(b"3 4\n"), None, "text"),
    Attack(6, "a header of dimension 3 over rows of 4", text(b"5 3\n"), None, "text"),
    Attack(7, "no header", body(), GOOD, "text"),
    Attack(8, "a row with 3 of 4 numbers", b"6 4\n" + body() + b"x 1 2 3\n", None, "text"),
    Attack(9, "a row with 5 of 4 numbers", b"6 4\n" + body() + b"x 1 2 3 4 5\n", None, "text"),
    Attack(10, "a token with spaces", body(renamed(2, b". . .")), (["the", "of", ". . .", *TOKENS[3:]], ROWS), "headless"),
    Attack(11, "tokens that str.split and str.splitlines take for blanks", body([t.encode() for t in BLANKS]), (BLANKS, ROWS), "headless"),
    Attack(12, "NaN in text", text().replace(b"7.5", b"nan"), None, "text"),
    Attack(13, "a word among the numbers", text().replace(b"7.5", b"abc"), None, "text"),
    Attack(14, "a token twice in text", b"5 4\n" + body(renamed(3, b"of")), None, "text"),
    Attack(15, "a token in Latin-1", b"5 4\n" + body(renamed(3, b"caf\xe9")), None, "text"),
    Attack(16, "a token cut inside a character", b"5 4\n" + body(renamed(3, b"\xe2\x82")), None, "text"),
    Attack(17, "binary cut in a vector", binary()[:-6], None, "binary"),
    Attack(18, "binary cut in a token", binary()[: -(16 + 4)], None, "binary"),
    Attack(19, "a header of 10^12 rows of 300", b"1000000000000 300\nthe " + bytes(100), None, "binary"),
    Attack(20, "a header of dimension 10^12", b"5 1000000000000\nthe " + bytes(100), None, "binary"),
    Attack(21, "a header of -5 rows", binary(b"-5 4\n"), None, "binary"),
    Attack(22, "a header of dimension 0", binary(b"5 0\n"), None, "binary"),
    Attack(23, "a header of three numbers", text(b"5 4 7\n"), None, "text"),
    Attack(24, "no byte at all", b"", None, "text"),
    Attack(25, "text opened as binary", text(), None, "binary", "word2vec-binary"),
    Attack(26, "binary opened as text", binary(), None, "text", "word2vec-text"),
    Attack(27, "NaN in binary", binary(rows=changed(3, 2, float("nan"))), None, "binary"),
    Attack(28, "a token twice in binary", binary(tokens=renamed(3, b"of")), None, "binary"),
    Attack(29, "63 bytes after the last row", binary() + b"\7" * 63, None, "binary"),
    Attack(30, "a header of dimension 3 over binary rows of 4", binary(b"5 3\n"), None, "binary"),
    Attack(31, "CRLF at line ends", b"5 4\r\n" + body(end=b"\r\n"), GOOD, "text"),
    Attack(32, "tabs between fields", text().replace(b" ", b"\t").replace(b"5\t4\n", b"5 4\n", 1), None, "text"),
    Attack(33, "a byte order mark", b"\xef\xbb\xbf" + text(), GOOD, "text"),
    Attack(34, "decimal commas", text().replace(b".", b","), None, "text"),
    Attack(35, "no line break at the end", text()[:-1], GOOD, "text"),
    Attack(36, "an error page instead of a file", b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n", None, "text"),
    Attack(37, "gzip cut in the middle", lambda: gzip.compress(text(), mtime=0)[:-20], None, "text", None, ".gz"),
    Attack(37, "gzip with a bit flipped", lambda: _flipped(gzip.compress(text(), mtime=0)), None, "text", None, ".gz"),
    Attack(38, "NUL in a token", b"5 4\n" + body(renamed(3, b"k\0g")), (["the", "of", "and", "k\0g", "queen"], ROWS), "text"),
    Attack(39, "1e39, infinite in float32", text().replace(b"7.5", b"1e39"), None, "text"),
    Attack(39, "1e400, infinite in float64", text().replace(b"7.5", b"1e400"), None, "text"),
    Attack(40, "1_0 rows, which int() reads as 10", text(b"1_0 4\n"), None, "text"),
    Attack(41, "a token of 5 MB", lambda: b"5 4\n" + body(renamed(3, b"x" * 5_000_000))),  # a table, if an absurd one: gensim is not asked
    Attack(42, "a first row that looks like a header", b"1 0.5\n2 1.5\n", HEADERLESS, "headless"),
    Attack(43, "a pickle that runs code", lambda: pickle.dumps(Bomb()), None, "kv", None, ".kv"),
    Attack(44, "an .npy of pickled objects", lambda: saved_npy(np.array([[Bomb()]], dtype=object)), None, "", None, ".npy"),
    Attack(45, "a PyTorch file whose pickle runs code", torch_zip, None, "", None, ".pt"),
    Attack(46, "a text header that asks for 1.1 TiB", wide_header, None, "text"),
    Attack(47, "1.2 kB of binary that claim 2,000,000 x 300", b"2000000 300\nthe " + bytes(1200), None, "binary"),
    Attack(50, "quotes, # and NA for tokens", body(QUOTES), ([token.decode() for token in QUOTES], ROWS), "headless"),
    Attack(51, "half a fastText model", FASTTEXT[:60], None, "fasttext", None, ".bin"),
    Attack(
        51, "fastText of dimension 2^31 - 1", FASTTEXT[:8] + struct.pack("<i", 2**31 - 1) + FASTTEXT[12:], None, "fasttext", None, ".bin"
    ),
    Attack(51, "fastText with another magic number", struct.pack("<i", 7) + FASTTEXT[4:], None, "fasttext", None, ".bin"),
    Attack(51, "an empty fastText model", b"", None, "fasttext", None, ".bin"),
    Attack(52, "safetensors cut short", safetensors(lambda _h: 0, cut=1)),
    Attack(52, "safetensors whose shape is not that of its bytes", safetensors(lambda h: h["embedding"].update(shape=[5, 5]))),
    Attack(52, "safetensors of 2^62 x 2^62", safetensors(lambda h: h["embedding"].update(shape=[1 << 62, 1 << 62]))),
    Attack(52, "overlapping tensors", safetensors(lambda h: h.update(b={"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}))),
    Attack(52, "bytes after the last tensor", safetensors(lambda _h: 0, last=b"x")),
    Attack(52, "a safetensors header of 2^60 bytes", (1 << 60).to_bytes(8, "little") + b'{"a":1}'),
    Attack(52, "a safetensors header and nothing else", (2).to_bytes(8, "little") + b"{}"),
    Attack(53, "one name for two tensors in a header", safetensors(lambda _h: 0).replace(b'{"emb', b'{"embedding": {}, "emb', 1)),
    Attack(55, "a cut .npy", lambda: saved_npy(np.array(ROWS, np.float32))[:-3], None, "", None, ".npy"),
    Attack(55, "an .npy that claims 364 TiB", npy(SHAPE % "(2000000000000, 50)"), None, "", None, ".npy"),
    Attack(55, "an .npy of a negative shape", npy(SHAPE % "(-5, 4)", bytes(80)), None, "", None, ".npy"),
    Attack(56, "half a Parquet file", lambda: parquet("cut"), None, "", None, ".parquet", "pyarrow"),
    Attack(56, "Parquet with a bit flipped in a page", lambda: parquet("flip"), None, "", None, ".parquet", "pyarrow"),
    Attack(57, "half an Arrow file", lambda: arrow("cut"), None, "", None, ".arrow", "pyarrow"),
    Attack(57, "an Arrow string that begins at byte 2^30", lambda: arrow("offset"), None, "", None, ".arrow", "pyarrow"),
    Attack(58, "GGUF of 2^40 tensors", b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0), None, "", None, ".gguf"),
    Attack(58, "GGUF with a key of 2^62 letters", b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62) + b"x" * 50, None, "", None, ".gguf"),
    # Beyond the list.
    Attack(61, "minus infinity in text", text().replace(b"7.5", b"-inf"), None, "text"),
    Attack(62, "infinity in binary", binary(rows=changed(3, 2, float("inf"))), None, "binary"),
    Attack(63, "1_0 among the numbers, which float() reads", text().replace(b"7.5", b"7_5"), None, "text"),
    Attack(64, "an empty line between rows", text().replace(b"king", b"\nking"), None, "text"),
    Attack(65, "text in UTF-16", text().decode().encode("utf-16"), None, "text"),
    Attack(66, "random bytes", np.random.default_rng(5).bytes(5000), None, "binary", "word2vec-binary"),
    Attack(67, "a file of zeros, as a crash leaves it", bytes(5000), None, "text"),
    Attack(68, "a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", None, "text"),
    Attack(69, "binary that promises 3 of its 5 rows", binary(b"3 4\n"), None, "binary"),
    Attack(70, "rows of index:value", b"2 2\na 0:0.5 1:0.25\nb 0:1.5 1:2.5\n", None, "text"),
    Attack(71, "a number in fullwidth digits, which float() reads", text().replace(b"7.5", "\uff17.\uff15".encode()), None, "text"),
    Attack(72, "a letter of no alphabet in an .npz", lambda: _npz_letter(), None, "", None, ".npz"),  # noqa: PLW0108 - made when asked
    Attack(73, "an element type that NumPy's parser dies of", npy("{'descr': '<f(4, 2)4', 'fortran_order': False, 'shape': (1, 1)}")),
)

ELSEWHERE = {
    48: (
        "a token with a space, written to word2vec binary and read back",
        "tests/laws/test_round_trips.py::test_a_table_is_read_back_as_it_was_or_refused",
    ),
    49: ("a token with a line break, written as text", "tests/laws/test_round_trips.py::test_a_table_is_read_back_as_it_was_or_refused"),
    54: ("a Fortran-ordered matrix, written", "tests/laws/test_round_trips.py::test_a_table_is_read_back_as_it_was_or_refused"),
    59: ("paths in an index that lead outside", "tests/files/test_bad_checkpoints.py::test_weights_that_are_not_what_they_should_be"),
    60: (
        "a native file with an index that points outside, offsets that fall, a wrong checksum",
        "tests/files/test_bad_arrays.py::test_offsets_and_index_that_point_outside_are_found_when_used_and_by_verify",
    ),
    74: ("a pipe for a file", "tests/files/test_bad_files.py::test_what_is_no_file_is_not_read"),
    75: ("a run that is killed while it fills a database", "tests/reference/test_stores.py::test_a_killed_run_is_continued"),
    76: ("names in an index that no file can have", "tests/files/test_bad_checkpoints.py::test_weights_that_are_not_what_they_should_be"),
}
"""Numbers that take more than a file, what they attack, and the test that holds them."""


def _flipped(content: bytes) -> bytes:
    return content[:40] + bytes([content[40] ^ 4]) + content[41:]


def _npz_letter() -> bytes:
    file = io.BytesIO()
    np.savez(file, matrix=np.ones((1, 2), np.float32), tokens=np.array([0x110000], np.uint32).view("<U1"))
    return file.getvalue()
