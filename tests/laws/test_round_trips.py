"""Laws of files: what is written is read back bit for bit or refused; no bytes bring a reader down; kernel and twin agree."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tokenspace as ts
from tokenspace import errors, native
from tokenspace.native import door, reference_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
NAMES = [known.name for known in ts.formats.FORMATS if known.write and known.name != "lance"]  # which takes 30 ms a table
FOREIGN = Path(__file__).parents[1] / "files" / "foreign"
TEXT = ("glove", "word2vec-text")
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
counter = itertools.count()

AWKWARD = ["", " ", "  ", "a b", "a 1", "1 a", "1984", "nan", "a nan", "#", '"', "\t", "a\tb", "a\t5", "\r", "a\r", "\u0085", "\u2028"]
AWKWARD += ["\n", "a\nb", "\ufeff", "x\0", "\0", ". . .", "3 2", "\udcff", "é", "👑", "a ", " a", "-1", "1e5", "inf", "0x1", "1_0", ","]
tokens = st.lists(st.one_of(st.sampled_from(AWKWARD), st.text(max_size=6)), min_size=1, max_size=6, unique=True)


@st.composite
def tables(draw: st.DrawFn) -> ts.EmbeddingTable:
    """Draw a table of any element type, its numbers any finite bit patterns."""
    words = draw(tokens.filter(lambda some: all(valid(word) for word in some)))
    dtype = np.dtype(DTYPES[draw(st.sampled_from(list(DTYPES)))])
    d = draw(st.integers(1, 5))
    raw = draw(st.binary(min_size=len(words) * d * dtype.itemsize, max_size=len(words) * d * dtype.itemsize))
    matrix = np.frombuffer(raw, dtype).reshape(len(words), d)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        matrix = np.where(np.isfinite(matrix), matrix, np.zeros((), dtype)).astype(dtype)
    order = draw(st.sampled_from("CF"))
    return ts.EmbeddingTable(words, np.array(matrix, order=order))


def valid(word: str) -> bool:
    try:
        word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def bits(matrix: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(matrix).tobytes()


@pytest.mark.parametrize("name", NAMES)
@settings(suppress_health_check=CHECKS, max_examples=150, deadline=None)
@given(table=tables())
def test_a_table_is_read_back_as_it_was_or_refused(name: str, table: ts.EmbeddingTable, tmp_path: Path) -> None:
    folder = tmp_path / str(next(counter))
    folder.mkdir()
    path = folder / ("x.npy" if name == "npy" else "x")
    try:
        ts.save(table, path, format=name)
    except errors.UnwritableError:
        assert list(folder.iterdir()) == []
        assert name != "native"
        return
    dtype = table.dtype if name in {*TEXT, "projector"} else None
    back = ts.open(path, format=name, errors="surrogateescape", dtype=dtype)
    assert back.vocabulary == table.vocabulary
    expected = table.matrix.astype(np.float32) if name == "word2vec-binary" else table.matrix
    assert back.dtype == expected.dtype
    assert bits(back.matrix) == bits(expected)
    assert back.vocabulary.ids(list(table)).tolist() == list(range(len(table)))


@settings(suppress_health_check=CHECKS, max_examples=100, deadline=None)
@given(table=tables())
def test_text_gives_the_float32_numbers_where_no_type_is_named(table: ts.EmbeddingTable, tmp_path: Path) -> None:
    path = tmp_path / f"{next(counter)}.txt"
    with np.errstate(over="ignore"):
        narrow = table.matrix.astype(np.float32)
    try:
        ts.save(table, path)
        back = ts.open(path, format="glove", errors="surrogateescape")
    except errors.UnwritableError:
        return
    except errors.NotFiniteRowError:
        assert not np.isfinite(narrow).all()
        return
    assert bits(back.matrix) == bits(narrow)


SEEDS = [
    b"the 0.1 0.2\nof 0.3 0.4\n",
    b"2 2\nthe 0.1 0.2\nof 0.3 0.4\n",
    b"2 2\nthe " + struct.pack("<2f", 0.1, 0.2) + b"\nof " + struct.pack("<2f", 0.3, 0.4) + b"\n",
]
pieces = st.sampled_from([b" ", b"\n", b"\r", b"\t", b"1", b"-", b".", b"e", b"nan", b"\xff", b"\xc3", b"0" * 30, b"1e400", b"", b"x"])


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("seeds")
    table = ts.EmbeddingTable(["the", "york"], np.array([[1, 2], [3, 4]], dtype=np.float32))
    names = [known.name for known in ts.formats.FORMATS if known.write and not known.folder]
    for name in names:
        ts.save(table, folder / name, format=name)
    foreign = [FOREIGN / name for name in ("F16.gguf", "fasttext.bin", "fasttext.ftz", "plain.fifu", "quantised.fifu")]
    return [*SEEDS, *((folder / name).read_bytes() for name in names), *(path.read_bytes() for path in foreign)]


@settings(suppress_health_check=CHECKS, max_examples=400, deadline=None)
@given(data=st.data())
def test_changed_files_give_a_table_or_a_named_error(data: st.DataObject, seeds: list[bytes], tmp_path: Path) -> None:
    content = bytearray(data.draw(st.sampled_from(seeds)))
    for _ in range(data.draw(st.integers(1, 4))):
        near = data.draw(st.booleans())  # the beginning, where the headers are
        at = data.draw(st.integers(0, min(len(content), 200) if near else len(content)))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.one_of(pieces, st.binary(max_size=4)))
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    (tmp_path / "x.tokens").write_bytes(b"the\nof\n")
    for name in (None, *NAMES):
        try:
            table = ts.open(path, format=name, threads=1)
        except errors.TokenspaceError as error:
            if str(path.parent) not in str(error):
                pytest.fail(f"no path in {error}")
        else:
            try:
                assert table.vocabulary.find(["the"]).shape == (1,)
            except errors.TokenspaceError:
                assert table.source == str(path)


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda x: f"{x:.9g}"),
    st.from_regex(r"[+-]?[0-9]{0,25}\.?[0-9]{0,25}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.integers(-(10**19), 10**19).flatmap(lambda m: st.integers(-40, 20).map(lambda e: f"{m}e{e}")),
    st.sampled_from(
        ["nan", "inf", "-Inf", "infinity", "0x1p3", "1_0", "", "1e", ".", "+", "1.5.2", "1e5.5", "\u0661", "1e+", "--1", "1d5"]
    ),
)


@pytest.mark.parametrize("following", [b"", b"y 1\n" * 12, b"9" * 60 + b"\n"], ids=["nothing", "rows", "digits"])
@settings(max_examples=300, deadline=None)
@given(text=numbers)
@example("9999999.9999999999999999")
@example("9007199.25474099312345678")
@example("90071991.99999999")
@example("0.1234567812345678")
@example("0.12345678")
@example("-0.0")
@example("-8.123456")
@example("8.1234567")
@example("0.12345-")
@example("5.")
@example("9007199254740993")  # 2^53 + 1, a tie between two float64
@example("1.00000005960464477539062500")  # a tie between two float32, and 26 digits
@example("7.038531e-26")  # the float32 nearest to it is not the one nearest to the float64 nearest to it
@example("3.4028235677973366e38")
@example("3.4028235677973362e38")
@example("2.2250738585072011e-308")
@example("0e999999999999")
def test_a_number_is_what_python_reads(following: bytes, text: str) -> None:
    row_bytes = b"x " + text.encode() + b"\n"
    line = np.frombuffer(row_bytes + following, np.uint8)  # with more behind it the kernel may look at eight bytes at a time
    token = np.empty((2, 1), np.int64)
    expected = float(text) if reference_text.NUMBER.fullmatch(text.encode()) else None
    for dtype in (np.float32, np.float64):
        out = np.zeros((1, 1), dtype)
        row, stop = native.parse_text(line, 0, len(line), out, (0, 1), token[0], token[1])
        with np.errstate(over="ignore"):
            value = None if expected is None else dtype(expected)
        if value is None or not np.isfinite(value):
            assert (row, stop) == (0, 0)
        else:
            assert (row, stop) == (1, len(row_bytes))
            assert out.tobytes() == np.array([value], dtype).tobytes()


lines = st.lists(
    st.one_of(
        st.lists(st.one_of(numbers, st.text(" \t\rab1.\u0085", max_size=4)), max_size=5).map(lambda fields: " ".join(fields).encode()),
        st.builds(lambda word, values: " ".join([word, *map(repr, values)]).encode(), st.text(max_size=3), st.lists(st.floats(width=32))),
        st.binary(max_size=20),
    ),
    max_size=8,
).map(b"\n".join)


@settings(suppress_health_check=CHECKS, max_examples=300, deadline=None)
@given(text=lines, d=st.integers(1, 4), wide=st.integers(0, 1), cut=st.integers(0, 6), bare=st.booleans(), more=st.sampled_from([0, 12]))
def test_the_text_kernel_and_its_twin_stop_at_the_same_place(
    text: bytes, d: int, wide: int, cut: int, *, bare: bool, more: int, native_level: str
) -> None:
    text = (text.replace(b" ", b"\t") if bare else text) + (b"\n1" + (b"\t0.5" if bare else b" 0.5") * (d - bare)) * more
    data = np.frombuffer(text + b"\n", np.uint8)
    n = text.count(b"\n") + 1
    begin = min(cut, len(data))
    results = []
    for parse in (native.parse_text, reference_text.text_rows):
        out = np.zeros((n, d), np.float64 if wide else np.float32)
        starts, lengths = np.zeros(n, np.int64), np.zeros(n, np.int64)
        row, stop = parse(data, begin, len(data), out, (0, n), starts, lengths, bare=bare)
        results.append((row, stop, out[:row].tobytes(), starts[:row].tolist(), lengths[:row].tolist()))
    assert results[0] == results[1]
    assert native.count_lines(data, begin, len(data)) == data[begin:].tobytes().count(b"\n")


@settings(suppress_health_check=CHECKS, max_examples=200, deadline=None)
@given(data=st.binary(max_size=80), d=st.integers(1, 3), rows=st.integers(0, 6), at=st.integers(0, 5))
def test_the_word2vec_kernels_and_their_twins_agree(data: bytes, d: int, rows: int, at: int, native_level: str) -> None:
    content = np.frombuffer(data.replace(b"~", b" ") + b" ", np.uint8)
    begin = min(at, len(content))
    starts, lengths, stop = native.scan_word2vec(content, begin, d, rows)
    twins = np.empty(rows, np.int64), np.empty(rows, np.int64)
    found, twin_stop = reference_text.word2vec_rows(content, begin, d, *twins)
    assert (len(starts), stop) == (found, twin_stop)
    assert starts.tolist() == twins[0][:found].tolist()
    assert lengths.tolist() == twins[1][:found].tolist()
    outs = np.zeros((2, found, d), np.float32)
    span = (0, found)
    row = native.copy_word2vec(content, starts, lengths, span, outs[0])
    assert row == reference_text.word2vec_copy(content, starts, lengths, *span, outs[1])
    assert outs[0][:row].tobytes() == outs[1][:row].tobytes()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    pieces = [data[begin : begin + length] for begin, length in zip(starts.tolist(), lengths.tolist(), strict=True)]
    assert len(native.gather(content, starts, offsets)) == sum(map(len, pieces))


@settings(suppress_health_check=CHECKS, max_examples=300, deadline=None)
@given(raw=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_a_float32_is_written_with_the_fewest_digits_that_read_back(raw: list[int], native_level: str) -> None:
    matrix = np.array(raw, np.uint32).view(np.float32).reshape(-1, 1)
    matrix = np.where(np.isfinite(matrix), matrix, np.float32(0))
    offsets = np.zeros(len(matrix) + 1, np.int64)
    text = native.spell_rows(matrix, np.empty(0, np.uint8), offsets, (0, len(matrix)))
    assert text == reference_text.text_write(matrix, np.empty(0, np.uint8), offsets, 0, len(matrix))
    for x, spelled in zip(matrix.ravel(), text.split(), strict=True):
        assert np.float32(float(spelled)).tobytes() == x.tobytes()
        assert (
            len(spelled.strip(b"-0.").split(b"e")[0]) <= len(str(np.format_float_scientific(x, unique=True)).strip("-").split("e")[0]) + 1
        )


def test_every_level_is_tested() -> None:
    assert set(door.levels()) <= set(door.LEVELS)
