"""Sentence vectors from a table: means, weights, common directions; lines of text into a table, stopped and taken up again."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.encode import Static, common_components, encode_lines, open_encoder, sif_weights, stream
from tokenspace.encode.stream import numbers
from tokenspace.errors import ArgumentError, EmptyFileError, EncodingError, LineTooLongError, OutputError, ShapeError, TokenError
from tokenspace.progress import watching
from tokenspace.subwords import Subwords, SubwordTable
from tokenspace.texts import reading

WORDS = ["the", "cat", "dog", "sat", "mat", "on", "a", "king", "queen", "rare"]


@pytest.fixture
def table() -> ts.EmbeddingTable:
    return ts.EmbeddingTable(WORDS, np.random.default_rng(3).standard_normal((len(WORDS), 12)).astype(np.float32))


def mean(table: ts.EmbeddingTable, text: str, weights: np.ndarray | None = None) -> np.ndarray:
    rows = [table.vocabulary.id(word) for word in text.split() if word in table]
    wide = table.matrix[rows].astype(np.float64) * (1 if weights is None else weights[rows][:, None])
    return wide.mean(axis=0) if rows else np.zeros(table.d)


TEXTS = ["the cat sat on the mat", "", "nothing known", "king", "a  queen\tand the\u00a0dog\n the", "the " * 5000]


def test_a_sentence_is_the_mean_of_its_known_tokens(table: ts.EmbeddingTable) -> None:
    found, counts = Static(table).counted(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [mean(table, text) for text in TEXTS], rtol=1e-6, atol=1e-7)
    assert counts.tolist() == [6, 0, 0, 1, 5, 5000]
    np.testing.assert_array_equal(Static(table).encode(TEXTS[0]), found[0])
    assert Static(table).encode([]).shape == (0, 12)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_vectors_are_the_same_for_any_number_of_threads_and_texts(table: ts.EmbeddingTable, threads: int) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice([*WORDS, "x"], rng.integers(0, 9))) for _ in range(9000)]
    whole = Static(table).encode(texts, threads=threads)
    np.testing.assert_array_equal(whole[[0, 4096, 8999]], [Static(table).encode(texts[row]) for row in (0, 4096, 8999)])


def test_weights_length_and_unit_vectors(table: ts.EmbeddingTable) -> None:
    weights = sif_weights(table.n)
    found = Static(table, weights="sif").encode(TEXTS[0])
    np.testing.assert_allclose(found, mean(table, TEXTS[0], weights), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(Static(table, length=2).encode(TEXTS[0]), mean(table, "the cat"), rtol=1e-6)
    lengths = np.linalg.norm(Static(table, normalize=True).encode(TEXTS), axis=1)
    np.testing.assert_allclose(lengths, [1, 0, 0, 1, 1, 1], atol=1e-6)


def test_sif_weights_are_a_over_a_plus_p() -> None:
    counts = np.array([80, 15, 5, 0])
    np.testing.assert_allclose(sif_weights(4, counts, a=0.1), 0.1 / (0.1 + counts / 100))
    zipf = 1 / np.arange(2, 7)
    np.testing.assert_allclose(sif_weights(5, zipf), sif_weights(5))
    for wrong in ({"a": 0}, {"counts": [-1, 2, 3, 4]}, {"counts": [0, 0, 0, 0]}, {"counts": [np.nan] * 4}):
        with pytest.raises(ArgumentError):
            sif_weights(4, **wrong)
    with pytest.raises(ShapeError):
        sif_weights(4, [1, 2])


def test_common_components_are_the_first_right_singular_vectors(table: ts.EmbeddingTable) -> None:
    rows = np.random.default_rng(1).standard_normal((50, 6)) + 2
    _, _, vectors = np.linalg.svd(rows)
    found = common_components(rows.T @ rows, 2)
    np.testing.assert_allclose(np.abs((found * vectors[:2]).sum(axis=1)), 1)
    texts = [f"{a} {b}" for a in WORDS for b in WORDS]
    fitted = Static(table).fitted(texts, components=2)
    left = fitted.encode(texts)
    np.testing.assert_allclose(left @ fitted.components.T, 0, atol=1e-6)
    np.testing.assert_allclose(fitted.components @ fitted.components.T, np.eye(2), atol=1e-12)
    with pytest.raises(ArgumentError):
        Static(table).fitted(texts, components=13)


def test_words_without_a_row_are_made_of_their_pieces_where_a_table_can() -> None:
    rng = np.random.default_rng(5)
    subwords = Subwords(rng.standard_normal((40, 4)).astype(np.float32), min_n=3, max_n=5)
    table = SubwordTable.of(ts.Vocabulary(["king", "cat"]), rng.standard_normal((2, 4)).astype(np.float32), subwords)
    encoder = Static(table, weights=[0.5, 0.5])
    expected = (0.5 * table["king"] + table["kings"] + table["catty"]) / 3
    np.testing.assert_allclose(encoder.encode("king kings catty"), expected, rtol=1e-5)
    np.testing.assert_allclose(encoder.encode([f"w{i}" for i in range(500)]), [table[f"w{i}"] for i in range(500)], rtol=1e-5)
    np.testing.assert_allclose(Static(table, tokenizer="words").encode("KING, zyx"), (table["king"] + table["zyx"]) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("texts", "match"), [(["a", 3], "int 3 at 1"), (["a", "b\ud800"], "in text 1"), ([None], "NoneType"), (b"bytes", "list of texts")]
)
def test_what_is_no_text_is_named(table: ts.EmbeddingTable, texts, match: str) -> None:
    with pytest.raises(TokenError, match=match):
        Static(table).encode(texts)


def test_arguments_are_checked(table: ts.EmbeddingTable) -> None:
    for wrong in ({"weights": "tfidf"}, {"length": 0}, {"weights": np.ones(3)}, {"components": np.ones((1, 5))}):
        with pytest.raises((ArgumentError, ShapeError)):
            Static(table, **wrong)
    with pytest.raises(ArgumentError, match="kind"):
        open_encoder(table, kind="other")
    with pytest.raises(ArgumentError, match="batch"):
        open_encoder(table, batch=3)


# ------------------------------------------------------------------------------------------------------------------- lines of text


def text_of(n: int) -> bytes:
    rng = np.random.default_rng(n)
    return "".join(" ".join(rng.choice([*WORDS, "x"], rng.integers(0, 9))) + "\n" for _ in range(n)).encode()


def test_each_line_is_a_row_named_by_its_number(table: ts.EmbeddingTable, tmp_path) -> None:
    (tmp_path / "text").write_bytes(b"the cat\r\n\nzzz\nking queen")
    done = encode_lines(Static(table), tmp_path / "text", tmp_path / "out")
    found = ts.open(tmp_path / "out")
    assert list(found) == ["1", "2", "3", "4"]
    np.testing.assert_array_equal(found.matrix, Static(table).encode(["the cat", "", "zzz", "king queen"]))
    assert (done.lines, done.rows, done.unknown, done.tokens) == (4, 4, 2, 4)
    ts.formats.native_file.verify(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "text"]
    with pytest.raises(OutputError, match="there already"):
        encode_lines(Static(table), tmp_path / "text", tmp_path / "out")


def test_lines_may_name_their_rows_each_once(table: ts.EmbeddingTable, tmp_path) -> None:
    (tmp_path / "text").write_bytes("the cat\n\nking\nthe cat\nä dog\n".encode() * 3)
    done = encode_lines(Static(table), tmp_path / "text", tmp_path / "out", names="text")
    found = ts.open(tmp_path / "out")
    assert list(found) == ["the cat", "king", "ä dog"]
    np.testing.assert_array_equal(found.matrix, Static(table).encode(list(found)))
    assert (done.lines, done.rows) == (15, 3)


def test_common_directions_are_taken_away(table: ts.EmbeddingTable, tmp_path) -> None:
    (tmp_path / "text").write_bytes(text_of(300))
    encode_lines(Static(table, weights="sif"), tmp_path / "text", tmp_path / "out", remove=1)
    lines = text_of(300).decode().split("\n")[:-1]
    expected = Static(table, weights="sif").fitted(lines, components=1).encode(lines)
    np.testing.assert_allclose(ts.open(tmp_path / "out").matrix, expected, atol=1e-6)


class EnoughError(Exception):
    """Stops the work, as Ctrl-C would."""


@pytest.mark.parametrize("names", ["number", "text"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, EnoughError])
def test_what_was_stopped_goes_on_and_ends_the_same(table: ts.EmbeddingTable, tmp_path, monkeypatch, names: str, stop) -> None:
    monkeypatch.setattr(reading, "PIECE", 1000)
    (tmp_path / "text").write_bytes(text_of(400))
    whole = encode_lines(Static(table), tmp_path / "text", tmp_path / "whole", names=names)

    def interrupt(what: str, done: int, total: int) -> None:
        if done > 0.6 * total:
            raise stop

    with pytest.raises(stop), watching(interrupt):
        encode_lines(Static(table), tmp_path / "text", tmp_path / "out", names=names, threads=1)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ArgumentError, match="another encoder"):
        encode_lines(Static(table, normalize=True), tmp_path / "text", tmp_path / "out", names=names, resume=True)
    (tmp_path / "other").write_bytes(b"other" + text_of(400))
    with pytest.raises(ArgumentError, match="does not begin as"):
        encode_lines(Static(table), tmp_path / "other", tmp_path / "out", names=names, resume=True)
    (tmp_path / "short").write_bytes(text_of(400)[:100])
    with pytest.raises(ArgumentError, match="the text ends"):
        encode_lines(Static(table), tmp_path / "short", tmp_path / "out", names=names, resume=True)
    done = encode_lines(Static(table), tmp_path / "text", tmp_path / "out", names=names, resume=True)
    assert 0 < done.resumed < done.lines == 400
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()
    assert (done.rows, done.tokens, done.unknown) == (whole.rows, whole.tokens, whole.unknown)
    with pytest.raises(ArgumentError, match="nothing to go on with"):
        encode_lines(Static(table), tmp_path / "text", tmp_path / "new", resume=True)


def test_packed_text_is_read_and_bad_text_is_named(table: ts.EmbeddingTable, tmp_path, monkeypatch) -> None:
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"the cat\nking\n"))
    assert encode_lines(Static(table), [tmp_path / "text.gz"] * 2, tmp_path / "out").lines == 4
    (tmp_path / "bad").write_bytes(b"the\n\xff\n")
    with pytest.raises(EncodingError, match="line 2"):
        encode_lines(Static(table), tmp_path / "bad", tmp_path / "o2")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(EmptyFileError):
        encode_lines(Static(table), tmp_path / "empty", tmp_path / "o3")
    monkeypatch.setattr(reading, "LINE", 5000)
    (tmp_path / "long").write_bytes(b"a\nb\n" + b"x" * 3_000_000)
    with pytest.raises(LineTooLongError, match="line 3"):
        encode_lines(Static(table), tmp_path / "long", tmp_path / "o4")
    with pytest.raises(ArgumentError):
        encode_lines(Static(table), tmp_path / "text.gz", tmp_path / "o5", names="other")
    with pytest.raises(ArgumentError):
        encode_lines(Static(table), tmp_path / "text.gz", tmp_path / "o5", remove=13)


def test_a_line_of_a_megabyte_is_a_line(table: ts.EmbeddingTable, tmp_path) -> None:
    (tmp_path / "text").write_bytes(b"the cat " * 200_000 + b"\n" + b"x" * 1_500_000 + b" king\n")
    encode_lines(Static(table), tmp_path / "text", tmp_path / "out")
    expected = [mean(table, "the cat"), table["king"]]
    np.testing.assert_allclose(ts.open(tmp_path / "out").matrix, expected, rtol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 9, 10, 1234])
def test_numbers_name_rows(n: int) -> None:
    assert list(numbers(n)) == [str(number) for number in range(1, n + 1)]
    assert stream.NAMES == ("number", "text")


@pytest.mark.parametrize("names", ["number", "text"])
def test_an_engine_gives_the_same_table(table, tmp_path, names, monkeypatch):
    lines = [f"{WORDS[i % len(WORDS)]} the {WORDS[i * 7 % 5]} {i % 50}" for i in range(3000)]
    (tmp_path / "text").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(Static, "together", 500)  # some hundred blocks
    saved = tmp_path / "table.tokenspace"
    ts.formats.save(table, saved)
    encode_lines(Static(table, weights="sif"), tmp_path / "text", tmp_path / "whole", names=names)
    for number, given in enumerate((table, ts.open(saved))):
        engine = Backwards()
        encode_lines(Static(given, weights="sif"), tmp_path / "text", tmp_path / f"out{number}", names=names, engine=engine)
        assert (tmp_path / f"out{number}").read_bytes() == (tmp_path / "whole").read_bytes()
        assert isinstance(engine.source, Path if number else ts.EmbeddingTable)
        assert engine.most == 4 * engine.workers()


class Backwards:
    """An engine that is done with the last part first."""

    name, most, source = "backwards", 0, None

    def workers(self):
        return 2

    def map(self, function, parts, common, *, job=None):
        parts = list(parts)
        self.most, self.source = max(self.most, len(parts)), common[0].source
        for place, part in reversed(list(enumerate(parts))):
            yield place, function(part, common)


def test_the_ending_is_the_format(table, tmp_path):
    (tmp_path / "text").write_text("the cat\nking\n")
    encode_lines(Static(table), tmp_path / "text", tmp_path / "whole.tokenspace")
    whole = ts.open(tmp_path / "whole.tokenspace")
    encode_lines(Static(table), tmp_path / "text", tmp_path / "whole.vec")
    assert ts.formats.format_of(tmp_path / "whole.vec").name == "word2vec-text"
    np.testing.assert_allclose(ts.open(tmp_path / "whole.vec").matrix, whole.matrix)
    encode_lines(Static(table), tmp_path / "text", tmp_path / "whole.npy")
    assert np.array_equal(np.load(tmp_path / "whole.npy"), whole.matrix)
    assert not list(tmp_path.glob("*.encoding*"))
    with pytest.raises(ArgumentError, match=r"the ending of 'whole.xyz' names no format to write"):
        encode_lines(Static(table), tmp_path / "not-there", tmp_path / "whole.xyz")
