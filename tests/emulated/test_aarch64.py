"""The kernels' AArch64 form under an emulator: the same bits as here. Skipped without the packages ziglang and qemu-user."""

from __future__ import annotations

import importlib.util
import shutil

import ml_dtypes
import numpy as np
import pytest
from elsewhere import Emulated

import tokenspace as ts
from tokenspace import native
from tokenspace.native import door, screens, settling, sums, text, tiles, tokens
from tokenspace.search import Exact

EMULATOR = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not EMULATOR, reason="no qemu-aarch64"),
    pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="no package ziglang"),
    pytest.mark.skipif(not door.levels(), reason="nothing compiled to compare with"),
]

MODULES = (screens, settling, sums, text, tiles, tokens)


@pytest.fixture(name="emulated", scope="module")
def fixture_emulated(tmp_path_factory):
    machine = Emulated(tmp_path_factory.mktemp("aarch64"), "aarch64-linux-musl", EMULATOR)
    yield machine
    machine.close()


@pytest.fixture(name="both")
def fixture_both(emulated, monkeypatch):
    """Run a function here and with the emulated kernels; return both results."""

    def both(function):
        here = function()
        with monkeypatch.context() as patch:
            for module in MODULES:
                patch.setattr(module, "kernel", emulated.kernel)
            there = function()
        return here, there

    return both


def rows_of(seed, n, d, dtype=np.float32):
    random = np.random.default_rng(seed)
    return (random.standard_normal((n, d)) * np.exp(random.standard_normal((n, 1))) + random.standard_normal(d)).astype(dtype)


def test_it_is_another_processor(emulated):
    assert emulated.kernel("screen_tile")() == 4
    assert emulated.kernel("cpu_level")() == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("d", [1, 7, 50, 97])
def test_sums_codes_and_packed_rows_have_the_same_bits(both, dtype, d):
    rows, queries = rows_of(d, 300, d, dtype), rows_of(1, 3, d, np.float64)
    query, row = np.arange(300) % 3, np.arange(300)[::-1].copy()
    middle = rows[:9].astype(np.float64).mean(axis=0)

    def run():
        coded = native.CodedRows.room(300, d, (int(np.float32(100).view(np.int32)) | 0xFFFFF) + 1 - (255 << 20), 0.5 * d**0.5 / 254)
        native.code_rows(rows, middle, coded.base, float(np.float32(coded.unit)), coded, 0)
        packed = np.zeros((19, d, 16), np.float32)
        native.pack_rows(rows, middle, packed)
        found = [native.pair_sums(term, queries, rows, query_ids=query, row_ids=row) for term in ("product", "difference")]
        return [*found, native.row_sums(rows), packed, *coded.arrays().values()]

    for here, there in zip(*both(run), strict=True):
        np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("sums", ["float32", "float64"])
@pytest.mark.parametrize("measure", ts.MEASURES)
def test_all_pairs_have_the_same_bits(both, measure, sums):
    x, y = rows_of(2, 70, 210), rows_of(3, 45, 210)
    here, there = both(lambda: ts.pairwise(x, y, measure=measure, sums=sums, threads=1))
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("path", ["every", "floats", "bytes"])
@pytest.mark.parametrize("measure", ts.MEASURES)
@pytest.mark.parametrize("d", [5, 50])
def test_searches_find_the_same_rows_with_the_same_scores(both, measure, path, d):
    matrix, queries = rows_of(4, 5000, d), rows_of(5, 9, d)
    matrix[2000::7] = matrix[1]

    def run():
        search = Exact(matrix, measure, path=path, threads=1)
        batch, alone = search.search(queries, 10), [search.search(query, 10) for query in queries[:3]]
        return [batch.ids, batch.scores, *(found.ids for found in alone), *(found.scores for found in alone)]

    for here, there in zip(*both(run), strict=True):
        np.testing.assert_array_equal(here, there)


def test_tables_of_text_are_read_and_written_alike(both, tmp_path):
    table = ts.EmbeddingTable([f"w{i}" for i in range(60)], rows_of(6, 60, 11))

    def run():
        ts.save(table, tmp_path / "table.txt", format="word2vec-text")
        again = ts.open(tmp_path / "table.txt")
        return [(tmp_path / "table.txt").read_bytes(), again.matrix.tobytes(), [again.vocabulary.id(f"w{i}") for i in range(60)]]

    here, there = both(run)
    assert here == there
