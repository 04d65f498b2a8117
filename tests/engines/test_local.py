"""The engine of threads, what is kept beneath an engine, and damaged shards: all that needs no cluster."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
import work

import tokenspace as ts
from tokenspace import errors
from tokenspace.analysis.analogies import solve
from tokenspace.analysis.duplicates import duplicates
from tokenspace.engines import Local, engine_of
from tokenspace.engines.kept import Kept
from tokenspace.search import Exact, neighbour_graph
from tokenspace.shards import Shard, shards_of


def test_parts_are_taken_as_there_is_room_for_them():
    taken = []

    def parts():
        for part in range(50):
            taken.append(part)
            yield part

    for done, (place, result) in enumerate(Local(2).map(work.doubled, parts(), 0), start=1):
        assert result["value"] == 2 * place
        assert len(taken) <= done + 4
    assert len(taken) == 50


def test_an_error_of_a_part_comes_out_as_it_is():
    with pytest.raises(errors.ZeroVectorError, match="part 0 of x has no cosine"):
        list(Local(2).map(work.refuses, [0], "x"))


def test_an_engine_is_named_or_given():
    one = Local(1)
    assert engine_of(one) is one
    assert engine_of("local", threads=3).workers() == 3
    with pytest.raises(errors.ArgumentError, match="engine must be one of local, ray; seen 'spark'"):
        engine_of("spark")
    with pytest.raises(errors.ArgumentError, match="the engine local has no address"):
        engine_of("local", address="auto")


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(errors.MissingExtraError, match="needs the package ray") as caught:
        engine_of("ray")
    assert 'pip install "tokenspace[ray]"' in caught.value.hint


class Counting:
    """An engine that counts what it is given, and may stop in the middle."""

    name = "counting"

    def __init__(self, stop=None):
        self.done, self.stop = [], stop

    def workers(self):
        return 1

    def map(self, function, parts, common, *, job=None):
        for place, part in enumerate(parts):
            if len(self.done) == self.stop:
                raise KeyboardInterrupt
            result = function(part, common)
            self.done.append(part[1])
            yield place, result


def test_finished_parts_are_not_done_again(sharded, tmp_path):
    table, _ = sharded
    queries = table.matrix[:20]
    expected = Exact(table.matrix, "euclidean").search(queries, 7)
    first = Counting(stop=5)
    with pytest.raises(KeyboardInterrupt):
        Exact(table.matrix, "euclidean", engine=Kept(first, tmp_path)).search(queries, 7)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 5
    kept[0].write_bytes(kept[0].read_bytes()[:100])  # a damaged one is done again
    second = Counting()
    heard = []
    found = Exact(table.matrix, "euclidean", engine=Kept(second, tmp_path)).search(queries, 7, progress=lambda *told: heard.append(told))
    assert len(second.done) == 4
    assert np.array_equal(found.ids, expected.ids)
    assert found.scores.tobytes() == expected.scores.tobytes()
    assert heard == [(done, 8) for done in range(1, 9)]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("measure", ["euclidean", "inner_product", "cosine"])
def test_a_large_shard_is_gone_through_piece_by_piece(sharded, measure, monkeypatch):
    table, _ = sharded
    whole = Exact(np.array(table.matrix), measure)
    monkeypatch.setattr("tokenspace.search.spread.MAPPED", 130 * 24 * 4)
    queries = table.matrix[[5, 100, 3000, 17]]
    found, expected = Exact(table.matrix, measure, engine="local").search(queries, 300), whole.search(queries, 300)
    assert np.array_equal(found.ids, expected.ids)
    assert np.nan_to_num(found.scores).tobytes() == np.nan_to_num(expected.scores).tobytes()


def test_kept_parts_of_another_search_are_not_taken(sharded, tmp_path):
    table, _ = sharded
    with pytest.raises(KeyboardInterrupt):
        Exact(table.matrix, engine=Kept(Counting(stop=3), tmp_path)).search(table.matrix[:5], 7)
    for queries, k, measure in ((table.matrix[1:6], 7, "cosine"), (table.matrix[:5], 8, "cosine"), (table.matrix[:5], 7, "euclidean")):
        engine = Counting()
        found = Exact(table.matrix, measure, engine=Kept(engine, tmp_path)).search(queries, k)
        assert len(engine.done) == 8
        assert np.array_equal(found.ids, Exact(table.matrix, measure).search(queries, k).ids)
    assert len(list(tmp_path.iterdir())) == 3


def test_graph_evaluation_and_duplicates_are_those_of_the_whole(sharded, tmp_path):
    table, _ = sharded
    plain = np.array(table.matrix)
    heard = []
    graph = table.neighbour_graph(5, "cosine", engine="local", out=tmp_path / "graph", progress=lambda *told: heard.append(told))
    expected = neighbour_graph(plain, 5, "cosine")
    assert np.array_equal(graph.ids, expected.ids)
    assert np.nan_to_num(graph.scores).tobytes() == np.nan_to_num(expected.scores).tobytes()
    assert heard[-1] == (4000, 4000)
    assert heard == sorted(heard)
    found, whole = duplicates(table.matrix, 0.3, engine="local"), duplicates(plain, 0.3)
    assert [ids.tolist() for ids in found.equal] == [ids.tolist() for ids in whole.equal] != []
    assert np.array_equal(found.near, whole.near)
    assert found.distances.tobytes() == whole.distances.tobytes()
    random = np.random.default_rng(0)
    questions = random.integers(6, 3998, (50, 3))
    for method in ("3CosAdd", "3CosMul"):
        answers = solve(table.matrix, questions, list(questions), method, engine="local")
        assert np.array_equal(answers, solve(plain, questions, list(questions), method))


def a_copy(sharded, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(sharded[1], folder)
    return folder


def test_a_missing_shard_is_named(sharded, tmp_path):
    folder = a_copy(sharded, tmp_path)
    table = ts.open(folder)
    (folder / "00003.tokenspace").unlink()
    with pytest.raises(errors.ShardNotFoundError, match=r"rows 1,500 to 1,999 is not there: .*00003.tokenspace"):
        ts.open(folder)
    with pytest.raises(errors.ShardNotFoundError, match=r"rows 1,500 to 1,999 is not there: .*00003.tokenspace"):
        Exact(table.matrix, engine="local").search(table.matrix[0])
    with pytest.raises(errors.ShardNotFoundError, match=r"00003.tokenspace is not there"):
        ts.formats.verify(folder)


def test_a_damaged_shard_is_named(sharded, tmp_path):
    folder = a_copy(sharded, tmp_path)
    path = folder / "00005.tokenspace"
    data = bytearray(path.read_bytes())
    data[-300_0 % len(data)] ^= 1
    path.write_bytes(data)
    table = ts.open(folder)
    for call in (lambda: Exact(table.matrix, engine="local").search(table.matrix[0]), lambda: ts.formats.verify(folder)):
        with pytest.raises(errors.ChecksumError, match=r"00005.tokenspace.*rows 2,500 to 2,999 has the SHA-256"):
            call()
    path.write_bytes(data[:-1])
    with pytest.raises(errors.TruncatedFileError, match=r"rows 2,500 to 2,999 has"):
        ts.open(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "expected format 'tokenspace-shards' version '1', seen 'other' version '1'"),
        ({"version": "2"}, "seen 'tokenspace-shards' version '2'"),
        ({"rows": 4001}, "expected shards for 4,001 rows, seen rows up to 4,000"),
        ({"rows": -1}, "expected rows, dims"),
        ({"dims": 10**9}, "do not fit into"),
        ({"dtype": "int8"}, "expected rows, dims, one of float32"),
        ({"shards": []}, "expected rows, dims"),
        ({"shards": [7]}, "expected a plain file name, rows, offset, bytes and sha256 for shard 0"),
        ({"vocabulary": None}, "for vocabulary, seen None"),
    ],
)
def test_a_list_that_lies_is_refused(sharded, tmp_path, change, message):
    folder = a_copy(sharded, tmp_path)
    path = folder / "tokenspace-shards.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(errors.HeaderError, match=message):
        ts.open(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": "../00001.tokenspace"}, "expected a plain file name"),
        ({"file": "/etc/passwd"}, "expected a plain file name"),
        ({"file": "00000.tokenspace"}, "names the file .* a second time"),
        ({"rows": [501, 1000]}, "should begin with row 500, seen rows 501 to 1,000"),
        ({"rows": [500, 500]}, "should begin with row 500, seen rows 500 to 500"),
        ({"offset": 10**12}, "do not fit"),
        ({"offset": 4097}, "do not fit"),
        ({"bytes": 10**15}, "has .* bytes, 1,000,000,000,000,000 are recorded"),
        ({"sha256": "x"}, "expected a plain file name, rows, offset, bytes and sha256 for shard 1"),
    ],
)
def test_an_entry_that_lies_is_refused(sharded, tmp_path, change, message):
    folder = a_copy(sharded, tmp_path)
    path = folder / "tokenspace-shards.json"
    listed = json.loads(path.read_text())
    listed["shards"][1] |= change
    path.write_text(json.dumps(listed))
    with pytest.raises(errors.FileContentError, match=message):
        ts.open(folder)


def test_rows_cut_out_of_a_table_know_their_shards(sharded):
    table, _ = sharded
    cut = shards_of(table.matrix[700:1600])
    assert [(shard.start, shard.stop) for shard in cut] == [(700, 1000), (1000, 1500), (1500, 1600)]
    assert b"".join(shard.matrix().tobytes() for shard in cut) == table.matrix[700:1600].tobytes()
    assert shards_of(table.matrix[::2]) is None
    assert shards_of(np.array(table.matrix)) is None
    assert shards_of(table.matrix[:, :3]) is None


def test_a_table_of_shards_is_read_only_mapped_and_lazy(sharded):
    table, folder = sharded
    assert not table.matrix.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        table.matrix.base.flags.writeable = True
    assert isinstance(shards_of(table.matrix)[0], Shard)
    assert ts.formats.format_of(folder).name == "shards"
    assert ts.open(folder, limit=600).n == 600
    assert ts.open(folder, dtype="float16").dtype == np.float16
    assert table.extend(["new"], np.ones((1, 24), np.float32)).proof(table)


def test_shards_behind_an_address_are_fetched_and_checked(sharded, tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("TOKENSPACE_CACHE", str(tmp_path / "cache"))
    table, folder = sharded
    store = fsspec.filesystem("memory")
    store.put(str(folder), "/bucket/words", recursive=True)
    heard = []
    far = ts.open("memory://bucket/words", progress=lambda *told: heard.append(told))
    assert far.matrix.tobytes() == table.matrix.tobytes()
    assert far.vocabulary == table.vocabulary
    assert heard[-1][1] == heard[-1][2] > table.matrix.nbytes
    shards = shards_of(far.matrix)
    assert shards[2].url == "memory://bucket/words/00002.tokenspace"
    for copied in (tmp_path / "cache" / "shards").iterdir():
        copied.unlink()  # as on another machine
    assert np.array_equal(shards[2].matrix(), table.matrix[1000:1500])
    assert ts.open(folder.as_uri())["t7"].tobytes() == table["t7"].tobytes()
    store.pipe("/bucket/words/00001.tokenspace", b"x" * shards[1].size)
    with pytest.raises(errors.ChecksumError, match="rows 500 to 999 has the SHA-256"):
        shards[1].matrix()
    with pytest.raises(errors.ShardNotFoundError, match="memory://bucket/other"):
        ts.open("memory://bucket/other")


@pytest.mark.parametrize("measure", ["euclidean", "inner_product", "cosine"])
def test_some_rows_only_are_searched_with_an_engine_as_without(measure: str) -> None:
    matrix = np.random.default_rng(3).normal(size=(60, 5)).astype(np.float32)
    one, other = (Exact(matrix, measure, engine=engine).search(matrix[:4], 3, among=[2, 3, 5, 7, 11]) for engine in (None, "local"))
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.scores, other.scores)
