"""The door to the kernels: which library it picks, what it refuses, and that every level agrees with the twins bit by bit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from tokenspace import native
from tokenspace.errors import ArgumentError, DtypeError
from tokenspace.native import door, reference, signatures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_libraries = pytest.mark.skipif(not door.levels(), reason="no kernel was compiled")


@pytest.fixture(name="shut_door")
def fixture_shut_door(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Give a door that nobody has opened yet, and shut it again afterwards."""
    monkeypatch.delenv("TOKENSPACE_NATIVE", raising=False)
    for function in (door.level, door.load):
        function.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    for function in (door.level, door.load):
        function.cache_clear()


def run(code: str, **environment: str) -> str:
    """Run `code` in a process of its own, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True).stdout.strip()


# ------------------------------------------------------------------------------------------------------------ which library


@needs_libraries
def test_the_highest_level_that_the_processor_runs_is_picked(shut_door: pytest.MonkeyPatch) -> None:
    assert door.levels()[-1] == native.LEVEL


@needs_libraries
def test_every_level_present_can_be_asked_for() -> None:
    for level in door.levels():
        assert run("from tokenspace import native; print(native.LEVEL)", TOKENSPACE_NATIVE=level) == level


def test_the_twins_serve_without_a_word_where_they_are_asked_for() -> None:
    assert run("from tokenspace import native; print(native.LEVEL)", TOKENSPACE_NATIVE="numpy") == "numpy"


def test_a_level_that_is_not_there_is_refused_by_name(shut_door: pytest.MonkeyPatch) -> None:
    shut_door.setenv("TOKENSPACE_NATIVE", "vax")
    with pytest.raises(ArgumentError, match="TOKENSPACE_NATIVE is 'vax'; expected one of auto, numpy"):
        native.find_tokens(*[np.zeros(1, np.uint8), np.zeros(1, np.int64), np.zeros(1, np.uint32)], *no_tokens())  # type: ignore[arg-type]


def test_without_libraries_one_warning_is_given_and_the_twins_serve(shut_door: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shut_door.setattr(door, "FOLDER", tmp_path)
    with pytest.warns(RuntimeWarning, match="computes with NumPy.*were not compiled") as caught:
        assert native.LEVEL == "numpy"
    assert len(caught) == 1
    with warnings.catch_warnings(action="error"):
        assert door.kernel("pair_sums") is None


@needs_libraries
def test_a_library_older_than_its_sources_is_never_called(shut_door: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for file in door.FOLDER.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    shut_door.setattr(door, "FOLDER", tmp_path)
    assert door.levels()
    door.load.cache_clear()
    with (tmp_path / "levels.c").open("a") as source:
        source.write("/* changed */\n")
    with pytest.warns(RuntimeWarning, match="do not fit their sources"):
        assert native.LEVEL == "numpy"


def test_a_library_that_is_none_is_as_good_as_absent(shut_door: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shut_door.setattr(door, "FOLDER", tmp_path)
    for level in door.LEVELS:
        door.path(level).write_bytes(b"not a library")
    assert door.levels() == ()


@needs_libraries
def test_importing_the_package_loads_no_library() -> None:
    code = "from tokenspace import native; from tokenspace.native import door; print(door.load.cache_info().currsize)"
    assert run(code) == "0"


@needs_libraries
def test_loading_leaves_subnormal_numbers_alone() -> None:
    """A library linked with -ffast-math by GCC before 13 sets them to zero in the whole process."""
    code = (
        "import numpy as np; from tokenspace.native import door\n"
        "assert door.levels(); print(np.float32(1e-40) * np.float32(1) > 0, np.float64(5e-324) * 1 > 0)"
    )
    assert run(code) == "True True"


# ---------------------------------------------------------------------------------------------------- threads and processes


@needs_libraries
def test_many_threads_may_open_the_door_at_once(shut_door: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(16) as pool:
        sums = list(pool.map(lambda _: native.pair_sums("product", np.ones((1, 9)), np.ones((3, 9))).tolist(), range(64)))
    assert sums == [[9.0, 9.0, 9.0]] * 64


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_computes_with_the_library_of_its_parent() -> None:
    code = (
        "import os, numpy as np; from tokenspace import native\n"
        "one = lambda: native.pair_sums('product', np.ones((1, 9)), np.ones((1, 9)))[0]\n"
        "assert one() == 9; child = os.fork()\n"
        "if child: print(os.waitpid(child, 0)[1])\n"
        "else: os._exit(0 if one() == 9 else 1)"
    )
    assert run(code, TOKENSPACE_NATIVE=native.LEVEL, OPENBLAS_NUM_THREADS="1") == "0"


# -------------------------------------------------------------------------------------------------------- what is refused

ROWS = signatures.ROWS
WRONG: list[tuple[signatures.Array, Any, type[Exception], str]] = [
    (signatures.IDS, np.zeros(3, np.int32), DtypeError, "array of int64, and got int32"),
    (signatures.IDS, np.zeros(3, ">i8"), DtypeError, "array of int64, and got >i8"),
    (signatures.IDS, [1, 2], DtypeError, "array of int64, and got list"),
    (signatures.IDS, None, DtypeError, "array of int64, and got NoneType"),
    (signatures.IDS, np.zeros((3, 2), np.int64)[:, 0], ArgumentError, "adjacent"),
    (ROWS, np.zeros((3, 4), np.float32)[:, ::2], ArgumentError, "adjacent"),
    (ROWS, np.zeros((3, 4), np.complex64), DtypeError, "float32 or float64 or float16 or bfloat16"),
    (signatures.IDS, np.zeros(17, np.uint8)[1:].view(np.int64), ArgumentError, "aligned"),
    (signatures.NEW_IDS, np.broadcast_to(np.int64(0), (1,)), ArgumentError, "read-only"),
]


@pytest.mark.parametrize(("kind", "array", "error", "words"), WRONG, ids=[words for *_, words in WRONG])
def test_an_array_that_a_kernel_cannot_read_is_refused(kind: signatures.Array, array: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        kind.from_param(array)


def test_an_array_that_a_kernel_can_read_gives_its_address() -> None:
    matrix = np.zeros((4, 6), np.float32)
    assert ROWS.from_param(matrix[::2, :3]).value == matrix.ctypes.data
    assert ROWS.from_param(np.zeros((2, 2), ml_dtypes.bfloat16)).value
    assert signatures.SOME_IDS.from_param(None).value is None


# ------------------------------------------------------------------------------------------------------------- bit by bit


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 300])
def test_sums_over_pairs_are_those_of_the_twin(native_level: str, d: int, dtype: Any) -> None:
    random = np.random.default_rng(d)
    queries, rows = random.normal(size=(5, d)), random.normal(size=(11, d)).astype(dtype)
    query_ids, row_ids = random.integers(0, 5, 40), random.integers(0, 11, 40)
    for term in ("product", "difference"):
        ours = native.pair_sums(term, queries, rows, query_ids=query_ids, row_ids=row_ids)  # type: ignore[arg-type]
        twin = reference.pair_sums(term == "difference", queries, rows, query_ids, row_ids)
        assert ours.tobytes() == twin.tobytes()
        alone = native.pair_sums(term, queries[:1], rows[::2])  # type: ignore[arg-type]
        assert alone.tobytes() == reference.pair_sums(term == "difference", queries[:1], rows[::2], None, None).tobytes()


def test_every_float16_widens_to_the_number_it_is(native_level: str) -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[~np.isnan(halves)].reshape(-1, 1)
    assert native.pair_sums("product", np.ones((1, 1)), halves).tolist() == halves[:, 0].astype(np.float64).tolist()


def packed(tokens: list[bytes]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.frombuffer(b"".join(tokens), np.uint8), np.cumsum([0, *map(len, tokens)], dtype=np.int64)


def no_tokens() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return packed([])


def test_an_index_of_tokens_is_that_of_the_twin(native_level: str) -> None:
    tokens = [b"", b"king", *(f"token {i}".encode() for i in range(500)), "日本".encode()]
    data, offsets = packed(tokens)
    slots, twin = np.zeros(1024, np.uint32), np.zeros(1024, np.uint32)
    assert native.hash_tokens(data, offsets, slots) is None
    assert reference.hash_tokens(data, offsets, twin) is None
    assert slots.tobytes() == twin.tobytes()
    wanted = [b"token 499", b"nobody", b"", b"king", "日本".encode(), b"token"]
    assert native.find_tokens(data, offsets, slots, *packed(wanted)).tolist() == [501, -1, 0, 1, 502, -1]


def test_a_token_that_stands_twice_is_found_with_both_rows(native_level: str) -> None:
    assert native.hash_tokens(*packed([b"a", b"b", b"c", b"b", b"a"]), np.zeros(16, np.uint32)) == (1, 3)


def test_a_corrupt_index_is_told_apart_from_an_absent_token(native_level: str) -> None:
    data, offsets = packed([b"a", b"b"])
    full = np.full(4, 1, np.uint32)  # no free slot: a probe must still end
    outside = np.full(4, 99, np.uint32)
    assert native.find_tokens(data, offsets, full, *packed([b"zebra"])).tolist() == [-2]
    assert native.find_tokens(data, offsets, outside, *packed([b"zebra"])).tolist() == [-2]
    lying = offsets.copy()
    lying[1] = 1 << 40
    assert native.find_tokens(data, lying, np.full(4, 1, np.uint32), *packed([b"a"])).tolist() == [-2]


def test_an_empty_choice_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = door.level.__wrapped__
    monkeypatch.delenv("TOKENSPACE_NATIVE", raising=False)
    left_out = chosen() if door.levels() else "numpy"
    monkeypatch.setenv("TOKENSPACE_NATIVE", "" if door.levels() else "numpy")
    assert chosen() == left_out
