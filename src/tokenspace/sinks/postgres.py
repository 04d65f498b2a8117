"""PostgreSQL with pgvector: a table (id bigint, token text, embedding vector or halfvec), filled by binary COPY.

Rows go into NAME_filling, which takes the name in one transaction once it is whole: whoever reads sees the old table or the new one.
The wire form of a vector is pgvector's own (``vector_send``): int16 dimensions, int16 zero, then the numbers, all big-endian.
"""

from __future__ import annotations

import contextlib
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, StoreError, StoreTakenError, StoreUnreachableError, UnwritableError
from tokenspace.formats import rows_in_files
from tokenspace.formats.extras import needed
from tokenspace.sinks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tokenspace.sinks.address import Address
    from tokenspace.sinks.sink import Content, Mark, Rows, Store


@dataclass(frozen=True)
class Kind:
    """A column type of pgvector: its name, its numbers on the wire, the most dimensions that an index and a row hold, since when."""

    column: str
    wire: str
    indexed: int
    stored: int
    since: tuple[int, int]


KINDS = {
    "float32": Kind("vector", ">f4", 2000, 16_000, (0, 5)),
    "float16": Kind("halfvec", ">f2", 4000, 16_000, (0, 7)),
}
OPERATORS = {"euclidean": "l2_ops", "inner_product": "ip_ops", "cosine": "cosine_ops"}
"""Operator classes, behind the column type's name; they serve <->, <#> and <=>."""

LONGEST_NAME = 45
"""Bytes of a name: PostgreSQL cuts names at 63 without an error, and ours get up to 18 more for indexes."""

COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
PATIENCE = 10
"""Seconds to wait for an answer, unless the address has a connect_timeout."""

UNREACHED = "is the server running there, is the database created, is the password right? PGPASSWORD or ~/.pgpass may hold it"
"""One hint for all of these: on connecting the driver has no SQLSTATE, and the server's words depend on its language."""

HINTS = {
    "42501": "the user needs the right to create tables in this schema",
    "53100": "make room, then run the same command again: it goes on from there",
    "53": "run the same command again: it goes on from there",
    "57": "run the same command again: it goes on from there",
    "08": "run the same command again: it goes on from there",
    "2BP01": "something depends on the old table, a view perhaps: take that away, then run the same command again",
    "0A000": "pgvector is not installed on that server",
    "58P01": "pgvector is not installed on that server",
    "22021": "the database's encoding lacks letters of a token: make a database in UTF8",
    "22P05": "the database's encoding lacks letters of a token: make a database in UTF8",
}
"""SQLSTATE, or its class, and what to do."""


@contextlib.contextmanager
def _open(address: Address, content: Content) -> Iterator[Store]:
    psycopg = needed("psycopg", extra="postgres", why="filling PostgreSQL")
    _check(address, content)
    url = f"postgresql://{address.rest}"
    try:
        known = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:  # whose message quotes the address
        message = f"{address.shown} is not an address that PostgreSQL knows: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        raise ArgumentError(message, hint="a name with other letters than a-z and 0-9 is written in %XX") from None
    waiting = {} if "connect_timeout" in known else {"connect_timeout": PATIENCE}
    try:
        connection = psycopg.connect(url, autocommit=True, client_encoding="utf8", application_name="tokenspace", **waiting)
    except psycopg.Error as error:
        message = f"{address.shown}: {address.scrubbed(error)}"
        raise StoreUnreachableError(message, hint=UNREACHED) from None
    try:
        with _speaking(address):
            yield Postgres(connection, address, content)
    finally:
        connection.close()


def _check(address: Address, content: Content) -> None:
    """Hold name, width and tokens against what PostgreSQL takes."""
    kind, d = KINDS[content.dtype.name], content.table.d
    if not content.name or len(content.name.encode()) > LONGEST_NAME or "\0" in content.name:
        message = f"expected a table name of 1 to {LONGEST_NAME} bytes without NUL, seen {content.name!r:.80}"
        raise ArgumentError(message, hint="name it with --into")
    if d > (most := kind.stored if content.measure is None else kind.indexed):
        what = f"a {kind.column} column{'' if content.measure is None else ' with an index'}"
        wider = [name for name, other in KINDS.items() if other.indexed >= d]
        hint = f"--dtype {wider[0]} makes it a {KINDS[wider[0]].column}, which goes to {KINDS[wider[0]].indexed:,}" if wider else ""
        if content.measure is not None and d <= kind.stored:
            hint += f"{'; ' if hint else ''}without --measure there is no index, and {kind.stored:,} fit"
        raise UnwritableError(address.shown, f"not written: {what} has at most {most:,} dimensions, seen {d:,}", hint=hint)
    for row in rows_in_files.rows_with(content.table, b"\0").tolist():
        raise rows_in_files.refuse(content.table, address.shown, row, "holds a NUL, which PostgreSQL's text cannot", hint="rename it")


def _hint(error: Any) -> str:
    state = getattr(error, "sqlstate", None) or ""
    return HINTS.get(state) or HINTS.get(state[:2], "")


@contextlib.contextmanager
def _speaking(address: Address) -> Iterator[None]:
    """Turn the driver's errors into ours, without the address's secrets."""
    import psycopg  # noqa: PLC0415

    try:
        yield
    except psycopg.Error as error:
        message = f"{address.shown}: PostgreSQL says: {address.scrubbed(error)}"
        kind = StoreTakenError if isinstance(error, (psycopg.errors.DuplicateTable, psycopg.errors.UniqueViolation)) else StoreError
        lost = "" if error.sqlstate else "the connection was lost; run the same command again: it goes on from there"
        raise kind(message, hint=_hint(error) or lost) from None


class Postgres:
    """A table of a database, opened to be filled."""

    unit = False
    batch = 8 << 20

    def __init__(self, connection: Any, address: Address, content: Content) -> None:
        from psycopg import sql  # noqa: PLC0415

        self.sql, self.connection, self.address, self.content = sql, connection, address, content
        self.kind = KINDS[content.dtype.name]
        self.place = f"{content.name}_filling"
        locked = self._run("SELECT pg_try_advisory_lock(hashtextextended({}, 0))", sql.Literal(f"tokenspace {content.name}"))
        if not locked[0][0]:
            message = f"{address.shown}: somebody else is filling {content.name!r:.80} at this moment"
            raise StoreTakenError(message, hint="wait for the other run to end")
        self.schema = self._extension()

    def _run(self, text: str, *parts: Any) -> list[tuple[Any, ...]]:
        """Run a statement; `parts` are quoted where they stand."""
        cursor = self.connection.execute(self.sql.SQL(text).format(*parts))
        found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        return found

    def _extension(self) -> Any:
        """Make sure of pgvector; return the schema in which its types are."""
        self._run("SET client_min_messages = warning")
        known = "SELECT nspname, extversion FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'"
        found = self._run(known)
        if not found:
            self._run("CREATE EXTENSION IF NOT EXISTS vector")
            found = self._run(known)
        schema, version = found[0]
        if tuple(map(int, version.split(".")[:2])) < self.kind.since:
            needed = ".".join(map(str, self.kind.since))
            message = f"{self.address.shown}: the type {self.kind.column} came with pgvector {needed}; this database has {version}"
            raise StoreError(message, hint="ALTER EXTENSION vector UPDATE, or another --dtype")
        return self.sql.Identifier(schema)

    def _mark_of(self, name: str) -> Mark | None:
        text = "SELECT obj_description(to_regclass({0})::oid, 'pg_class') WHERE to_regclass({0}) IS NOT NULL"
        found = self._run(text, self.sql.Literal(self.sql.Identifier(name).as_string(self.connection)))
        if not found:
            return None
        try:
            mark = json.loads(found[0][0] or "{}")
        except ValueError:
            return {}
        return mark if isinstance(mark, dict) and "tokenspace" in mark else {}

    def mark(self) -> Mark | None:
        """Return the mark of the finished table if that is ours or in the way, else that of the half-filled one."""
        finished, half = self._mark_of(self.content.name), self._mark_of(self.place)
        if finished == self.content.mark:
            self.place = self.content.name
        elif finished == {} or (finished is not None and not self.content.force):
            return finished
        return finished if self.place == self.content.name else half

    def create(self) -> None:
        """Make the table NAME_filling."""
        column = self.sql.Identifier(self.kind.column)
        parts = (self.sql.Identifier(self.place), self.schema, column, self.sql.Literal(self.content.table.d), self._named("pkey"))
        with self.connection.transaction():
            self._run(
                "CREATE TABLE {0} (id bigint CONSTRAINT {4} PRIMARY KEY, token text NOT NULL, embedding {1}.{2}({3}) NOT NULL)", *parts
            )
            self._run("COMMENT ON TABLE {} IS {}", parts[0], self.sql.Literal(json.dumps(self.content.mark)))

    def drop(self) -> None:
        """Take the half-filled table away."""
        self._run("DROP TABLE {}", self.sql.Identifier(self.place))

    def ids(self) -> Iterator[NDArray[np.int64]]:
        """Yield the ids that are there."""
        for rows in self._copied("COPY (SELECT id FROM {}) TO STDOUT (FORMAT BINARY)", ["int8"]):
            yield np.array([row[0] for row in rows], dtype=np.int64)

    def write(self, rows: Rows) -> None:
        """Copy rows in, in a transaction of their own."""
        ids, tokens, matrix = rows
        numbers = matrix.astype(self.kind.wire).tobytes()
        d, width = matrix.shape[1], matrix.shape[1] * matrix.dtype.itemsize
        shape = struct.pack(">ihh", 4 + width, d, 0)
        pack = struct.Struct(">hiqi").pack
        parts = [
            pack(3, 8, row, len(token)) + token + shape + numbers[place * width : (place + 1) * width]
            for place, (row, token) in enumerate(zip(ids.tolist(), tokens, strict=True))
        ]
        text = self.sql.SQL("COPY {} (id, token, embedding) FROM STDIN (FORMAT BINARY)").format(self.sql.Identifier(self.place))
        with self.connection.cursor() as cursor, cursor.copy(text) as copy:
            copy.write(COPY_HEAD)
            copy.write(b"".join(parts))
            copy.write(COPY_END)

    def read(self) -> Iterator[Rows]:
        """Yield all rows."""
        d, dtype = self.content.table.d, np.dtype(self.kind.wire)
        record = np.dtype([("d", ">i2"), ("zero", ">i2"), ("numbers", dtype, (d,))])
        for rows in self._copied("COPY (SELECT id, token, embedding FROM {}) TO STDOUT (FORMAT BINARY)", ["int8", "bytea", "bytea"]):
            ids, tokens, vectors = zip(*rows, strict=True)
            raw = b"".join(vectors)
            if len(raw) != len(rows) * record.itemsize:
                message = f"{self.address.shown}: expected vectors of {d:,} dimensions in {self.content.name!r:.80}, seen others"
                raise StoreTakenError(message, hint="somebody else has written there")
            matrix = np.frombuffer(raw, record)["numbers"].astype(self.content.dtype)
            yield np.array(ids, dtype=np.int64), list(tokens), matrix

    def _copied(self, text: str, types: list[str]) -> Iterator[list[tuple[Any, ...]]]:
        """Yield what COPY sends, some thousand rows at a time."""
        step = max(1, self.batch // (4 * self.content.table.d))
        with self.connection.cursor() as cursor, cursor.copy(self.sql.SQL(text).format(self.sql.Identifier(self.place))) as copy:
            copy.set_types(types)
            rows = []
            for row in copy.rows():
                rows.append(row)
                if len(rows) == step:
                    yield rows
                    rows = []
            if rows:
                yield rows

    def _named(self, what: str) -> Any:
        """Name an index: with a part of the digest, since the old table's have theirs until it goes."""
        return self.sql.Identifier(f"{self.content.name}_{self.content.digest[:6]}_{what}")

    def finish(self) -> None:
        """Index the tokens, and the vectors if asked; then give the table its name."""
        place, name = self.sql.Identifier(self.place), self.sql.Identifier(self.content.name)
        self._run("CREATE INDEX IF NOT EXISTS {} ON {} USING hash (token)", self._named("token"), place)
        if self.content.measure is not None:
            operator = OPERATORS[self.content.measure]
            parts = (self._named(operator), place, self.schema, self.sql.Identifier(f"{self.kind.column}_{operator}"))
            self._run("CREATE INDEX IF NOT EXISTS {} ON {} USING hnsw (embedding {}.{})", *parts)
        self._run("ANALYZE {}", place)
        if self.place == self.content.name:
            return
        with self.connection.transaction():
            if self.content.force:
                self._run("DROP TABLE IF EXISTS {}", name)
            self._run("ALTER TABLE {} RENAME TO {}", place, name)
        self.place = self.content.name


SINK = Sink("postgres", "PostgreSQL with pgvector", ("postgresql", "postgres"), tuple(KINDS), _open)
