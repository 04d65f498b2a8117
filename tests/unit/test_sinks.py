"""Filling a store: what is asked of it, sent to it and read back, and what never gets into a message."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

import tokenspace as ts
from tokenspace import errors, sinks
from tokenspace.sinks import filling
from tokenspace.sinks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tokenspace.sinks.sink import Content, Mark, Rows

N, D = 100, 5
TABLE = ts.EmbeddingTable([f"word {row} é" for row in range(N)], np.random.default_rng(1).standard_normal((N, D)).astype(np.float32))


class Memory:
    """A store in memory: what a sink must do, and no more."""

    unit = False
    batch = 7 * D * 4
    tables: dict[str, tuple[Mark, dict[int, tuple[bytes, NDArray[Any]]]]]

    def __init__(self, tables: Any, content: Content) -> None:
        self.tables, self.content, self.finished = tables, content, 0
        self.before_write: Callable[[int], None] = lambda _count: None
        self.batches: list[int] = []

    def mark(self) -> Mark | None:
        return self.tables[self.content.name][0] if self.content.name in self.tables else None

    def create(self) -> None:
        self.tables[self.content.name] = (self.content.mark, {})

    def drop(self) -> None:
        del self.tables[self.content.name]

    @property
    def rows(self) -> dict[int, tuple[bytes, NDArray[Any]]]:
        return self.tables[self.content.name][1]

    def ids(self) -> Iterator[NDArray[np.int64]]:
        yield np.array(list(self.rows), dtype=np.int64)

    def write(self, rows: Rows) -> None:
        self.before_write(len(self.batches))
        self.batches.append(len(rows[0]))
        for row, token, vector in zip(*rows, strict=True):
            self.rows[int(row)] = (token, vector.copy())

    def read(self) -> Iterator[Rows]:
        for start in range(0, len(self.rows), 9):
            ids = list(self.rows)[::-1][start : start + 9]
            yield np.array(ids), [self.rows[row][0] for row in ids], np.array([self.rows[row][1] for row in ids])

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the scheme memory:// to stores in one dictionary; `last` is the store opened last, `before` what it calls."""

    class Opened:
        tables: dict[str, Any]
        last: Any = None
        before: Callable[[int], None] = staticmethod(lambda _count: None)

    opened = Opened()
    opened.tables = {}

    @contextlib.contextmanager
    def open_(_address: sinks.Address, content: Content) -> Iterator[Memory]:
        opened.last = Memory(opened.tables, content)
        opened.last.before_write = opened.before
        yield opened.last

    sink = Sink("memory", "a dictionary", ("memory",), ("float32", "float16"), open_)
    monkeypatch.setitem(filling.SINKS, "memory", sink)
    return opened


def test_every_row_is_written_once_and_read_back(memory: Any) -> None:
    said: list[tuple[str, int, int]] = []
    done = sinks.fill(TABLE, "memory://x", into="words", watcher=lambda *word: said.append(word))
    assert (done.rows, done.written, done.rounding, done.unit, done.name) == (N, N, 0.0, False, "words")
    rows = memory.tables["words"][1]
    assert sorted(rows) == list(range(N))
    assert all(rows[row][0].decode() == token and rows[row][1].tobytes() == TABLE.matrix[row].tobytes() for row, token in enumerate(TABLE))
    assert memory.last.batches == [7] * 14 + [2]
    assert said[14] == ("writing", N * D * 4, N * D * 4)
    assert said[-1] == ("reading back", N * D * 4, N * D * 4)
    assert memory.last.finished == 1
    assert sinks.fill(TABLE, "memory://x", into="words").written == 0


def test_a_stopped_run_goes_on_with_the_rows_that_are_missing(memory: Any) -> None:
    def stop(count: int) -> None:
        if count == 3:
            raise KeyboardInterrupt

    memory.before = stop
    with pytest.raises(KeyboardInterrupt):
        sinks.fill(TABLE, "memory://x", into="words")
    rows = memory.tables["words"][1]
    assert sorted(rows) == list(range(21))
    del rows[5]  # the store is asked, not a counter
    memory.before = lambda _count: None
    assert sinks.fill(TABLE, "memory://x", into="words").written == N - 20
    assert memory.last.batches[0] == 7
    assert sorted(rows) == list(range(N))


def test_another_table_is_replaced_only_with_force_and_only_if_it_is_ours(memory: Any) -> None:
    sinks.fill(TABLE, "memory://x", into="words")
    other = ts.EmbeddingTable(["a"], [[1.0, 2.0]])
    with pytest.raises(errors.StoreTakenError, match=r"expected 1 x 2 x float32, seen 100 x 5 x float32\n.*--force") as caught:
        sinks.fill(other, "memory://x", into="words")
    assert isinstance(caught.value, FileExistsError)
    assert sinks.fill(other, "memory://x", into="words", force=True).written == 1
    changed = ts.EmbeddingTable(["b"], [[1.0, 2.0]])
    with pytest.raises(errors.StoreTakenError, match="that with other content"):
        sinks.fill(changed, "memory://x", into="words")
    memory.tables["theirs"] = ({}, {})
    with pytest.raises(errors.StoreTakenError, match="that tokenspace made; seen another"):
        sinks.fill(TABLE, "memory://x", into="theirs", force=True)
    assert memory.tables["theirs"] == ({}, {})


@pytest.mark.parametrize(("row", "says"), [(-1, "holds the row -1"), (N, "holds the row 100 and the table has 100")])
def test_rows_of_somebody_else_are_named(memory: Any, row: int, says: str) -> None:
    sinks.fill(TABLE, "memory://x", into="words")
    memory.tables["words"][1][row] = (b"x", TABLE[0])
    with pytest.raises(errors.StoreTakenError, match=says):
        sinks.fill(TABLE, "memory://x", into="words")


def test_rows_there_twice_are_named(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sinks.fill(TABLE, "memory://x", into="words")
    for parts in ([[3, 4, 3]], [[1, 3], [4, 3]]):
        monkeypatch.setattr(Memory, "ids", lambda _self, parts=parts: iter([np.array(part) for part in parts]))
        with pytest.raises(errors.StoreTakenError, match="holds the row 3 twice"):
            sinks.fill(TABLE, "memory://x", into="words")


@pytest.mark.parametrize("change", ["bit", "token", "zero", "lost"])
def test_a_row_that_reads_back_otherwise_is_named(memory: Any, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = ts.EmbeddingTable(["a", "b", "c"], np.array([[1, 2], [3, 0], [5, 6]], np.float32))
    write = Memory.write

    def damaged(self: Memory, rows: Rows) -> None:
        write(self, rows)
        token, vector = self.rows[1]
        vector[1] = -0.0 if change == "zero" else np.nextafter(vector[1], 9) if change == "bit" else vector[1]
        self.rows[1] = (token + b" " if change == "token" else token, vector)
        if change == "lost":
            del self.rows[1]

    monkeypatch.setattr(Memory, "write", damaged)
    with pytest.raises(errors.ReadBackError, match="the row 1 "):
        sinks.fill(table, "memory://x", into="words")
    assert memory.last.finished == 0


def test_half_precision_states_its_rounding_and_refuses_what_it_cannot_hold(memory: Any) -> None:
    done = sinks.fill(TABLE, "memory://x", into="half", dtype="float16")
    assert 0 < done.rounding <= 2**-11
    assert memory.tables["half"][1][3][1].tobytes() == TABLE[3].astype(np.float16).tobytes()
    with pytest.raises(errors.UnwritableError, match=r"'b' of row 1 has a number too large for float16"):
        sinks.fill(ts.EmbeddingTable(["a", "b"], [[1.0], [65520.0]]), "memory://x", dtype="float16")
    with pytest.raises(errors.UnwritableError, match=r"float32 or float16, which a dictionary keeps; seen float64"):
        sinks.fill(ts.EmbeddingTable(["a"], np.ones((1, 2))), "memory://x")
    brain = ts.EmbeddingTable(["a"], np.array([[1.5, -3]], ml_dtypes.bfloat16))
    assert sinks.fill(brain, "memory://x", into="brain").dtype == "float32"
    assert memory.tables["brain"][1][0][1].tolist() == [1.5, -3.0]


def test_what_no_store_can_hold_is_refused_before_it_is_opened(memory: Any) -> None:
    bad = ts.EmbeddingTable.mapped(ts.Vocabulary(["a"]), np.array([[np.nan]], np.float32))
    for table, kind in (
        (bad, errors.NotFiniteError),
        (ts.EmbeddingTable(["caf\udce9"], [[1.0]]), errors.UnwritableError),
        (ts.EmbeddingTable([], np.ones((0, 2), np.float32)), errors.UnwritableError),
    ):
        with pytest.raises(kind):
            sinks.fill(table, "memory://x")
    assert memory.last is None


def test_a_name_is_made_from_the_file() -> None:
    names = {
        "/a/b/GloVe 6B.50d.txt": "glove_6b_50d",
        "glove-6b-50d": "glove_6b_50d",
        "50d.bin": "t_50d",
        "": "embedding",
        "é.vec": "embedding",
    }
    assert {source: sinks.default_name(source) for source in names} == names


# ------------------------------------------------------------------------------------------------------------------ addresses

SECRET = "s3cr%40t"  # noqa: S105 - nobody's
ADDRESSES = [
    f"postgresql://me:{SECRET}@db.example:5432/words",
    f"postgresql:///words?user=me&password={SECRET}",
    f"qdrant+https://:{SECRET}@host:6333",
    f"qdrant://host?api_key={SECRET}",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_no_secret_is_shown(text: str) -> None:
    address = sinks.Address.of(text)
    for form in (SECRET, "s3cr@t"):
        assert form not in address.shown
        assert form not in address.scrubbed(f"server says: cannot\nlog in with '{form}'")
    assert "***" in address.shown
    assert address.scrubbed("a\nb") == "a b"


@pytest.mark.parametrize("password", ["p@ss", "pa/ss", "p?ss", "p#ss", "a@b@c"])
def test_a_password_that_cannot_be_told_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(errors.ArgumentError, match="cannot be taken apart") as caught:
        sinks.Address.of(f"postgresql://me:{password}@host/words")
    assert password not in str(caught.value)
    assert "%40" in caught.value.hint


def test_what_is_an_address() -> None:
    assert sinks.Address.of("lancedb:///data/me@home/x?key=y").shown == "lancedb:///data/me@home/x?key=y"
    assert all(map(sinks.is_address, [*ADDRESSES, "lancedb://a b", "PostgreSQL://x"]))
    assert not any(map(sinks.is_address, ["words.txt", "/a/b", r"C:\words.txt", "C://x", "a:b", "", "://x"]))
    with pytest.raises(errors.ArgumentError, match="no store has the scheme 'mysql'; known are postgresql"):
        sinks.fill(TABLE, "mysql://x")
    with pytest.raises(errors.ArgumentError, match="expected the address of a store"):
        sinks.fill(TABLE, "words.txt")
    with pytest.raises(errors.ArgumentError, match="measure must be one of"):
        sinks.fill(TABLE, "postgresql://x", measure="manhattan")  # type: ignore[arg-type]
