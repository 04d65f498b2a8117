"""Files that other libraries wrote (tests/files/foreign, made by make.py there), and what these libraries answer from them."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import tokenspace as ts
from tokenspace import cli, errors, formats
from tokenspace.subwords import Subwords, SubwordTable

FOREIGN = Path(__file__).parents[1] / "files" / "foreign"
EXPECTED: dict[str, dict[str, list[float]]] = json.loads((FOREIGN / "expected.json").read_text(encoding="utf-8"))
FORMATS = {
    "fasttext.bin": "fasttext-bin",
    "fasttext.ftz": "fasttext-bin",
    "plain.fifu": "finalfusion",
    "quantised.fifu": "finalfusion",
    "spacy": "spacy",
    "gensim.kv": "gensim",
    "gensim-fasttext.model": "gensim",
    "F16.gguf": "gguf",
    "Q8_0.gguf": "gguf",
    "Q4_K.gguf": "gguf",
    "Q6_K.gguf": "gguf",
    "table.lance": "lance",
}
NEEDS = {"Q8_0.gguf": "gguf", "Q4_K.gguf": "gguf", "Q6_K.gguf": "gguf", "table.lance": "lance"}
NOT_EXACT = {"gensim-fasttext.model": 1e-8, "quantised.fifu": 1e-6}
"""Sums in another order: gensim adds n-grams its own way, a rotation is a product of matrices."""

WORDS = ["king", "queen", "naïve", "москва", "new_york", "東京"]


@pytest.fixture(params=sorted(FORMATS))
def name(request: pytest.FixtureRequest) -> str:
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param])
    return str(request.param)


def opened(name: str) -> ts.EmbeddingTable:
    return ts.open(FOREIGN / name, format="gensim" if FORMATS[name] == "gensim" else None)


def test_every_file_that_is_kept_is_expected_something_of() -> None:
    assert EXPECTED.keys() == FORMATS.keys()


def test_a_table_of_another_library_answers_as_that_library_does(name: str) -> None:
    table = opened(name)
    assert set(table) <= {*EXPECTED[name], *WORDS}
    for word, numbers in EXPECTED[name].items():
        np.testing.assert_allclose(table[word], np.array(numbers, np.float32), rtol=0, atol=NOT_EXACT.get(name, 0))


def test_it_is_told_by_its_content_and_passes_verification(name: str) -> None:
    if FORMATS[name] == "gensim":
        with pytest.raises(errors.UnknownFormatError, match="pickle"):
            formats.format_of(FOREIGN / name)
        return
    assert formats.format_of(FOREIGN / name).name == FORMATS[name]
    formats.verify(FOREIGN / name)


def test_it_is_converted_described_and_searched_on_the_command_line(name: str, tmp_path: Path) -> None:
    target = tmp_path / "table.tokenspace"
    named = ["--from", "gensim"] if FORMATS[name] == "gensim" else []
    done = CliRunner().invoke(cli.main, ["convert", str(FOREIGN / name), str(target), *named], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    table = opened(name)
    again = ts.open(target)
    assert list(again) == list(table)
    assert again.matrix.tobytes() == table.matrix.tobytes()
    assert type(again) is type(table)
    done = CliRunner().invoke(cli.main, ["info", str(target if named else FOREIGN / name), "--json"], catch_exceptions=False)
    assert json.loads(done.output)["rows"] == len(table)
    done = CliRunner().invoke(cli.main, ["near", "king", "-k", "2", "-m", "cosine", "-t", str(target), "--json"], catch_exceptions=False)
    assert [row["token"] for row in json.loads(done.output)["neighbours"]["cosine"]] == table.nearest("king", k=2).tokens


@pytest.mark.parametrize("name", ["fasttext.bin", "fasttext.ftz", "gensim-fasttext.model"])
def test_n_grams_outlive_a_native_file_and_a_pickle(name: str, tmp_path: Path) -> None:
    table = opened(name)
    assert isinstance(table, SubwordTable)
    ts.save(table, tmp_path / "x.tokenspace")
    for again in (ts.open(tmp_path / "x.tokenspace"), pickle.loads(pickle.dumps(table))):  # noqa: S301 - made here
        assert isinstance(again, SubwordTable)
        for word in ("unseen", "kings", "king"):
            assert again[word].tobytes() == table[word].tobytes()
    half = ts.open(tmp_path / "x.tokenspace", dtype="float16")
    assert half["unseen"].dtype == half["king"].dtype == np.float16


def test_n_grams_of_a_former_table_are_not_taken_for_those_of_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "x.tokenspace"
    ts.save(opened("fasttext.bin"), path)
    beside = (tmp_path / "x.tokenspace.subwords").read_bytes()
    ts.save(ts.EmbeddingTable(["a"], [[1, 2, 3, 4]]), path)
    assert not (tmp_path / "x.tokenspace.subwords").exists()
    (tmp_path / "x.tokenspace.subwords").write_bytes(beside)
    assert type(ts.open(path)) is ts.EmbeddingTable
    ts.save(opened("fasttext.bin"), path)
    (tmp_path / "x.tokenspace.subwords").write_bytes(beside[:-1])
    with pytest.raises(errors.TruncatedFileError):
        ts.open(path)


def test_a_format_without_n_grams_says_that_they_are_left_out(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="only the native format keeps"):
        ts.save(opened("fasttext.bin"), tmp_path / "x.vec")


def test_words_without_a_row_are_searched_and_added_up_but_are_not_in_the_table() -> None:
    table = opened("fasttext.bin")
    assert "kings" not in table
    with pytest.raises(errors.UnknownTokenError):
        table.rows("kings")
    assert table[["king", "kings"]].tobytes() == table["king"].tobytes() + table["kings"].tobytes()
    assert table[np.array([["king"], ["kings"]])].shape == (2, 1, 4)
    np.testing.assert_array_equal(table.vector("kings - king"), table["kings"] - table["king"])
    assert table.nearest("kings", k=3).ids.tolist() == table.nearest(np.array(table["kings"]), k=3).ids.tolist()
    assert "king" not in table.nearest("kings - king", k=6).tokens
    together = table.nearest(["kings", "king"], k=2)
    assert together.tokens[1] == table.nearest("king", k=2).tokens
    np.testing.assert_array_equal(table[2:4], table.matrix[2:4])
    with pytest.raises(errors.UnknownTokenError, match="no row|vocabulary"):
        SubwordTable.of(table.vocabulary, table.matrix, Subwords(np.zeros((4, 4), np.float32), min_n=5, max_n=6))["a"]


def test_the_command_line_looks_unseen_words_up() -> None:
    done = CliRunner().invoke(cli.main, ["near", "kings", "-k", "1", "-t", str(FOREIGN / "fasttext.bin"), "--json"], catch_exceptions=False)
    assert json.loads(done.output)["query"] == "kings"


def test_words_that_share_a_row_get_one_each() -> None:
    table = opened("spacy")
    assert len(table) == 7
    assert table["shared"].tobytes() == table["king"].tobytes()


def test_a_lance_folder_that_ends_pylances_process_does_not_end_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lance")
    from tokenspace.formats import lance_apart

    monkeypatch.setattr(lance_apart, "START", "import os; os.abort()")
    with pytest.raises(errors.HeaderError, match="it ended pylance's process with (signal SIGABRT|exit code 3)"):
        opened("table.lance")
    monkeypatch.setattr(lance_apart, "START", "import sys; sys.stderr.write('noise\\nno such version\\n'); sys.exit(1)")
    with pytest.raises(errors.HeaderError, match="cannot be read: no such version"):
        opened("table.lance")


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for module in ("gguf", "gguf.quants", "lance", "pyarrow"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(errors.MissingExtraError, match=r"Q4_K needs the package gguf(.|\n)*tokenspace\[gguf\]"):
        opened("Q4_K.gguf")
    with pytest.raises(errors.MissingExtraError, match=r"needs the package pylance(.|\n)*tokenspace\[lance\]"):
        opened("table.lance")
    with pytest.raises(errors.MissingExtraError, match=r"needs the package pyarrow(.|\n)*tokenspace\[arrow\]"):
        ts.save(ts.EmbeddingTable(["a"], [[1]]), "x.parquet")


def copy(name: str, target: Path) -> Path:
    source = FOREIGN / name
    return Path(shutil.copytree(source, target / name) if source.is_dir() else shutil.copy(source, target / name))


@pytest.mark.parametrize("missing", ["vectors", "key2row", "strings.json"])
def test_a_spacy_folder_with_a_part_missing_is_refused(missing: str, tmp_path: Path) -> None:
    folder = copy("spacy", tmp_path)
    (folder / "vocab" / missing).unlink()
    with pytest.raises(errors.FileContentError, match=missing):
        ts.open(folder, format="spacy")


def test_floret_vectors_of_spacy_are_refused_by_name(tmp_path: Path) -> None:
    folder = copy("spacy", tmp_path)
    (folder / "vocab" / "vectors.cfg").write_text('{"mode": "floret"}')
    with pytest.raises(errors.HeaderError, match="floret"):
        ts.open(folder)


def test_gensim_files_that_lack_a_companion_are_refused(tmp_path: Path) -> None:
    path = copy("gensim.kv", tmp_path)
    with pytest.raises(errors.MissingPartError, match=r"gensim\.kv\.vectors\.npy"):
        ts.open(path, format="gensim")
    np.save(tmp_path / "gensim.kv.vectors.npy", np.zeros((5, 4), np.float32))
    with pytest.raises(errors.HeaderError, match="6 words and 5 rows"):
        ts.open(path, format="gensim")


def test_rows_of_a_gguf_file_without_a_token_are_left_out_and_its_other_tensors_can_be_named(tmp_path: Path) -> None:
    assert opened("F16.gguf").shape == (6, 8)
    (tmp_path / "words.txt").write_text("a\nb\nc\n")
    table = ts.open(FOREIGN / "F16.gguf", tensor="output.weight", tokens=tmp_path / "words.txt")
    assert table.shape == (3, 8)
    with pytest.raises(errors.HeaderError, match=r"'nothing'.*there is none.*token_embd\.weight"):
        ts.open(FOREIGN / "F16.gguf", tensor="nothing")


def test_choosing_a_tensor_where_there_is_nothing_to_choose_is_an_error() -> None:
    with pytest.raises(errors.ArgumentError, match="holds one matrix"):
        ts.open(FOREIGN / "fasttext.bin", tensor="x")


def test_formats_that_are_only_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(errors.ArgumentError, match="gguf is read, not written"):
        ts.save(ts.EmbeddingTable(["a"], [[1]]), tmp_path / "x", format="gguf")


def test_the_reference_lists_every_format() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
    for known in formats.FORMATS:
        assert f"| `{known.name}` |" in page


def test_a_library_that_panics_refuses_a_file_and_ctrl_c_does_not(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from tokenspace.formats.arrow_columns import refusals

    panic = type("PanicException", (BaseException,), {})("range end index 9 out of range")  # as libraries in Rust raise it
    with pytest.raises(errors.HeaderError, match="range end index 9"), refusals(tmp_path / "x"):
        raise panic
    with pytest.raises(KeyboardInterrupt), refusals(tmp_path / "x"):
        raise KeyboardInterrupt
