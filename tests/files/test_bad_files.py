"""Files that are damaged, that lie or that attack: each gets its named error, with the place, at once, and nothing is executed.

Kept as the code that makes them, a line each on what they attack. Text and word2vec binary here, arrays and the native format in
test_bad_arrays.py.
"""

from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import errors

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A file's content, what it attacks, and the error it must get."""

    attacks: str
    content: bytes
    error: type[errors.FileContentError]
    says: tuple[str, ...] = ()
    line: int | None = None
    offset: int | None = None
    format: str | None = None


def floats(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


GOOD = b"the 0.1 0.2 0.3 0.4\nof 0.5 0.6 0.7 0.8\nking 1 2 3 4\n"
BINARY = b"3 2\nthe " + floats(0.1, 0.2) + b"\nof " + floats(0.3, 0.4) + b"\nking " + floats(0.5, 0.6) + b"\n"
PAGE = b"<!DOCTYPE html>\n<html><body>\n<p>404 Not Found</p>\n</body></html>\n"
W2T, W2B = "word2vec-text", "word2vec-binary"

TEXT = {
    "empty": Case("a download that never began", b"", errors.EmptyFileError, ("0 bytes",)),
    "blank": Case("lines, but none with a row", b"\n\r\n\n", errors.EmptyFileError, format="glove"),
    "no-rows": Case("a header that promises nothing", b"0 4\n", errors.EmptyFileError, ("0 rows",), 1),
    "header-alone": Case("a file cut after its header", b"400000 50\n", errors.HeaderError, ("400,000", "none"), 1),
    "too-few-rows": Case("a header that promises more rows", b"7 4\n" + GOOD, errors.HeaderError, ("7 rows", "seen 3"), 4, 55),
    "too-many-rows": Case("a header that promises fewer rows", b"2 4\n" + GOOD, errors.HeaderError, ("2 rows", "seen 3"), 4, 43),
    "header-narrow": Case("a header with another dimension", b"3 3\n" + GOOD, errors.HeaderError, ("3 numbers", "have 4", "line 2"), 1),
    "header-wide": Case("the same, wider", b"3 5\n" + GOOD, errors.HeaderError, ("5 numbers", "have 4"), 1),
    "header-minus": Case("a negative number of rows", b"-3 4\n" + GOOD, errors.HeaderError, ("-3 4",), 1),
    "header-zero": Case("dimension 0", b"3 0\n" + GOOD, errors.HeaderError, ("3 0",), 1),
    "header-underscore": Case("Python's int() reads 1_0 as 10", b"1_0 4\n" + GOOD, errors.HeaderError, ("1_0 4",), 1),
    "header-three": Case("a header of three numbers", b"3 4 7\n" + GOOD, errors.HeaderError, ("3 4 7",), 1),
    "header-huge": Case(
        "1.1 TiB to be allocated", b"1000000000 300\nking" + b" 0.1" * 300, errors.HeaderError, ("1,000,000,000 rows", "seen 1"), 2
    ),
    "header-huge-d": Case("a row of 10^12 numbers", b"5 1000000000000\n" + GOOD, errors.HeaderError, (), 1),
    "header-digits": Case("int() of 5,000 digits", b"9" * 5000 + b" 4\n" + GOOD, errors.HeaderError, (), 1),
    "short-row": Case("a row with a number too few", GOOD + b"queen 0.1 0.2 0.3\n", errors.RowWidthError, ("queen", "4", "seen 3"), 4, 52),
    "long-row": Case("a row with a number too many", GOOD + b"queen 1 2 3 4 5\n", errors.RowWidthError, ("4", "seen 5"), 4, 52),
    "long-first": Case("the same in the first row", b"a 1 2 3 4 5\n" + GOOD, errors.RowWidthError, ("seen 5",), 1, 0),
    "spaced-short": Case("a token with spaces, a number missing", GOOD + b". . . 1 2 3\n", errors.RowWidthError, ("seen 3",), 4),
    "cut-row": Case("a file cut in its last row", GOOD + b"queen 0.1 0.", errors.RowWidthError, ("seen 2",), 4, 52),
    "empty-line": Case("an empty line between rows", GOOD + b"\nqueen 1 2 3 4\n", errors.RowWidthError, ("empty line",), 4, 52),
    "word": Case("a word among the numbers", GOOD + b"queen 1 2 x 4\n", errors.NumberError, ("'x'", "number 3", "queen"), 4, 62),
    "first-word": Case("a word for the first number", GOOD + b"queen abc 2 3 4\n", errors.NumberError, ("abc",), 4, 58),
    "two-spaces": Case("two spaces between numbers", GOOD + b"queen 1 2  4\n", errors.NumberError, ("two spaces",), 4),
    "hexadecimal": Case("strtod reads 0x1p3", GOOD + b"queen 1 0x1p3 3 4\n", errors.NumberError, ("0x1p3",), 4),
    "underscore": Case("Python's float() reads 1_0", GOOD + b"queen 1 1_0 3 4\n", errors.NumberError, ("1_0",), 4),
    "infinity-word": Case("float() reads infinity", GOOD + b"queen 1 infinity 3 4\n", errors.NumberError, ("infinity",), 4),
    "sparse": Case("PPMI rows of index:value", GOOD + b"queen 1:0.5 2:0.1 3:1 4:2\n", errors.FileContentError, (), 4),
    "nan": Case("NaN", GOOD + b"queen 1 nan 3 4\n", errors.NotFiniteRowError, ("nan", "number 2"), 4, 60),
    "minus-inf": Case("infinity", GOOD + b"queen 1 2 3 -INF\n", errors.NotFiniteRowError, ("-INF",), 4),
    "overflow": Case("1e39 becomes infinite in float32", GOOD + b"queen 1 1e39 3 4\n", errors.NotFiniteRowError, ("1e39",), 4),
    "overflow-64": Case("1e400 becomes infinite in float64", GOOD + b"queen 1e400 2 3 4\n", errors.NotFiniteRowError, ("1e400",), 4),
    "exponent": Case("an exponent that overflows an integer", GOOD + b"q 1 2 3 1e99999999999999999999\n", errors.NotFiniteRowError, (), 4),
    "duplicate": Case("one token in two rows", GOOD + b"of 9 9 9 9\n", errors.DuplicateRowError, ("line 2", "line 4", "'of'"), 4, 52),
    "latin-1": Case("a token in Latin-1", GOOD + b"caf\xe9 1 2 3 4\n", errors.EncodingError, ("0xE9",), 4, 55),
    "cut-utf-8": Case("a token cut inside a character", GOOD + b"\xe2\x82 1 2 3 4\n", errors.EncodingError, ("0xE2",), 4, 52),
    "split-utf-8": Case("a character over two tokens", GOOD + b"\xc3 1 2 3 4\n\xa9 1 2 3 4\n", errors.EncodingError, ("0xC3",), 4),
    "surrogate": Case("a surrogate in UTF-8", GOOD + b"\xed\xa0\x80 1 2 3 4\n", errors.EncodingError, ("0xED",), 4),
    "tabs": Case("tabs between fields", GOOD.replace(b" ", b"\t"), errors.RowWidthError, ("tabs",), 1),
    "tab-row": Case("one row with tabs", GOOD + b"queen\t1\t2\t3\t4\n", errors.RowWidthError, ("tabs",), 4),
    "tab-token": Case("a tab after the token only", GOOD.replace(b"the ", b"the\t"), errors.RowWidthError, ("tabs",), 1),
    "csv": Case("commas between fields", GOOD.replace(b" ", b","), errors.RowWidthError, ("commas",), 1),
    "csv-spaced": Case("commas and spaces", GOOD.replace(b" ", b", "), errors.RowWidthError, ("commas",), 1),
    "decimal-commas": Case("decimal commas", GOOD.replace(b".", b","), errors.NumberError, ("decimal comma",), 1),
    "one-decimal-comma": Case("one of them", GOOD + b"queen 1 0,5 3 4\n", errors.NumberError, ("decimal comma",), 4),
    "long-token": Case("a token of 100 kB", GOOD + b"x" * 100_000 + b" 1 2 3 4\n", errors.FileContentError, ("100,000",), 4),
    "endless-line": Case("no line break", b"x" * (17 << 20), errors.RowWidthError, ("16,777,216",), 1, format="glove"),
    "backtracking": Case("a number that makes regular expressions slow", GOOD + b"q " + b"1" * 200_000 + b"x 2 3 4\n", errors.NumberError),
    "bare-cr": Case("old Macintosh line ends", GOOD.replace(b"\n", b"\r"), errors.FileContentError, (), format="glove"),
    "html": Case("an error page instead of the file", PAGE, errors.UnknownFormatError, ("HTML",)),
    "png": Case("an image", b"\x89PNG\r\n\x1a\n" + bytes(100), errors.UnknownFormatError, ("image",)),
    "gzip": Case("a compressed file of nothing sound", b"\x1f\x8b\x08" + bytes(50), errors.FileContentError, ("gzip",)),
    "zip": Case("an archive without a directory", b"PK\x03\x04" + bytes(100), errors.CompressionError, ("zip",)),
    "utf-16": Case("text in UTF-16", GOOD.decode().encode("utf-16"), errors.UnknownFormatError, ("UTF-16",)),
    "prose": Case("text, but no table", b"It was a dark night.\nRain fell.\n", errors.UnknownFormatError, ("do not end in numbers",)),
    "noise": Case("random bytes", np.random.default_rng(5).bytes(5000), errors.UnknownFormatError),
    "zeros": Case("a file of zeros, as a crash leaves it", bytes(5000), errors.UnknownFormatError),
    "text-as-binary": Case("text opened as binary", b"3 4\n" + GOOD, errors.FileContentError, ("word2vec-text",), format=W2B),
}

WORD2VEC = {
    "cut-vector": Case("a file cut in a vector", BINARY[:-4], errors.TruncatedFileError, ("row 3 of 3", "cut short"), offset=24 + 4),
    "cut-token": Case("a file cut in a token", BINARY[:30], errors.TruncatedFileError, ("row 3 of 3",), offset=28),
    "cut-early": Case("a file of 1.2 kB for 2,000,000 x 300", b"2000000 300\nthe " + bytes(1200), errors.HeaderError, ("2,000,000",), 1),
    "huge-rows": Case("1.2 TB to be allocated", b"1000000000000 300\nthe " + bytes(1200), errors.HeaderError, (), 1),
    "huge-d": Case("18 TiB to be allocated", b"5 1000000000000\nthe " + bytes(1200), errors.HeaderError, (), 1),
    "overflow": Case("4 d n beyond 64 bits", b"999999999999999999 999999999999999999\nthe \0\0\0\0", errors.HeaderError, (), 1),
    "minus": Case("negative rows", BINARY.replace(b"3 2", b"-3 2", 1), errors.HeaderError, ("-3 2",), 1),
    "zero": Case("dimension 0", BINARY.replace(b"3 2", b"3 0", 1), errors.HeaderError, ("3 0",), 1),
    "no-rows": Case("0 rows, and bytes after them", BINARY.replace(b"3 2", b"0 2", 1), errors.EmptyFileError, ("0 rows",), 1),
    "trailing": Case("63 bytes after the last row", BINARY + bytes(63), errors.TrailingBytesError, ("64 more",), offset=42),
    "fewer": Case("a header that promises fewer rows", BINARY.replace(b"3 2", b"2 2", 1), errors.TrailingBytesError, (), offset=28),
    "wide": Case("a wrong dimension", BINARY.replace(b"3 2", b"3 3", 1), errors.FileContentError),
    "nan": Case("NaN", BINARY.replace(floats(0.4), floats(float("nan"))), errors.NotFiniteRowError, ("row 2", "number 2"), offset=24),
    "inf": Case("infinity", BINARY.replace(floats(0.5), floats(float("inf"))), errors.NotFiniteRowError, ("row 3",)),
    "duplicate": Case("one token twice", BINARY.replace(b"\nof ", b"\nthe "), errors.DuplicateRowError, ("row 1", "row 2")),
    "latin-1": Case("a token in Latin-1", BINARY.replace(b"king", b"k\xefng"), errors.EncodingError, ("0xEF",), offset=30),
    "no-space": Case("no end of a token", BINARY[:16] + b"x" * 70_000, errors.FileContentError, (), format=W2B),
    "no-header": Case("no header", b"the " + floats(0.1, 0.2), errors.HeaderError, (), 1, format=W2B),
    "as-text": Case("binary opened as text", BINARY, errors.FileContentError, (), format=W2T),
}


@pytest.mark.parametrize("case", [*TEXT.values(), *WORD2VEC.values()], ids=[*TEXT, *(f"word2vec-{name}" for name in WORD2VEC)])
def test_a_bad_file_gets_its_named_error_with_its_place(case: Case, tmp_path: Path, native_level: str) -> None:
    path = tmp_path / "table.any"
    path.write_bytes(case.content)
    tracemalloc.start()
    try:
        with pytest.raises(case.error) as caught:
            ts.open(path, format=case.format, threads=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    error = caught.value
    assert str(path) in str(error)
    for words in case.says:
        assert words in str(error)
    assert case.line is None or error.line == case.line
    assert case.offset is None or error.offset == case.offset
    assert peak < 8 * len(case.content) + (4 << 20)
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.any"]


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "attacked"),)

    path = tmp_path / "vectors.kv"
    for protocol in range(2, 6):
        path.write_bytes(pickle.dumps(Attack(), protocol=protocol))
        with pytest.raises(errors.UnknownFormatError, match="pickle"):
            ts.open(path)
        for known in ts.formats.FORMATS:
            with pytest.raises(errors.FileContentError):
                ts.open(path, format=known.name)
    assert not (tmp_path / "attacked").exists()


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(errors.TableNotFoundError, match="no such file"):
        ts.open(tmp_path / "absent.txt")
    with pytest.raises(errors.UnknownFormatError, match="one table in it, seen none"):
        ts.open(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(errors.UnknownFormatError, match="one table in it, seen none"):
            ts.open(tmp_path)  # the pipe is not opened, which would wait for ever
