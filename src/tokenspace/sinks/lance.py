"""LanceDB: a table (id, token, vector) of a database that is a folder, here or in an object store.

``lancedb://FOLDER`` (``lancedb:///FOLDER`` from the root), ``lancedb+s3://BUCKET/FOLDER``, ``lancedb+gs://``, ``lancedb+az://``: what
stands behind the plus is LanceDB's own address.
"""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, StoreError, TokenspaceError
from tokenspace.formats.extras import needed
from tokenspace.sinks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tokenspace.sinks.address import Address
    from tokenspace.sinks.sink import Content, Mark, Rows, Store

METRICS = {"euclidean": "l2", "inner_product": "dot", "cosine": "cosine"}
NAME = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,100}")
"""What LanceDB takes for the name of a table, and file systems for the name of a folder."""

KEY = b"tokenspace"
FAILURES = (OSError, RuntimeError, ValueError)
"""What LanceDB raises: it has no exceptions of its own."""


@contextlib.contextmanager
def _open(address: Address, content: Content) -> Iterator[Store]:
    if not NAME.fullmatch(content.name):
        message = f"expected a table name of 1 to 100 letters, digits, _ . and -, seen {content.name!r:.80}"
        raise ArgumentError(message, hint="name it with --into")
    try:
        yield Lance(connected(address), content)
    except TokenspaceError:
        raise
    except FAILURES as error:
        message = f"{address.shown}: LanceDB says: {address.scrubbed(error):.500}"
        raise StoreError(message, hint="is there room, and may you write there? The same command goes on from where it stopped") from None


def connected(address: Address) -> Any:
    """Return the database behind an address.

    Raises
    ------
    MissingExtraError
        If LanceDB is not installed.
    ArgumentError
        If no folder is named.
    """
    lancedb = needed("lancedb", extra="lancedb", why="using LanceDB")  # two seconds
    _, plus, scheme = address.scheme.partition("+")
    if not address.rest:
        message = f"expected a folder behind {address.scheme}://, seen none"
        raise ArgumentError(message)
    return lancedb.connect(f"{scheme}://{address.rest}" if plus else str(Path(address.rest).absolute()))


class Lance:
    """A table of a LanceDB database, opened to be filled."""

    unit = False
    batch = 16 << 20

    def __init__(self, database: Any, content: Content) -> None:
        self.database, self.content = database, content
        self.table: Any = None

    def mark(self) -> Mark | None:
        """Return what stands in the schema's metadata."""
        if not self._is_there():
            return None
        self.table = self.database.open_table(self.content.name)
        try:
            mark: Mark = json.loads((self.table.schema.metadata or {}).get(KEY, b"{}"))
        except ValueError:
            return {}
        return mark

    def _is_there(self) -> bool:
        page = None
        while True:
            answer = self.database.list_tables(page_token=page)
            if self.content.name in answer.tables:
                return True
            page = answer.page_token
            if not page:
                return False

    def _schema(self) -> Any:
        import pyarrow as pa  # noqa: PLC0415

        vector = pa.list_(pa.field("item", pa.from_numpy_dtype(self.content.dtype)), self.content.table.d)
        fields = [("id", pa.int64()), ("token", pa.string()), ("vector", vector)]
        return pa.schema([pa.field(*part, nullable=False) for part in fields], {KEY: json.dumps(self.content.mark).encode()})

    def create(self) -> None:
        """Make an empty table."""
        self.table = self.database.create_table(self.content.name, schema=self._schema())

    def drop(self) -> None:
        """Take the table away."""
        self.database.drop_table(self.content.name)

    def write(self, rows: Rows) -> None:
        """Add rows, as a version of their own."""
        import pyarrow as pa  # noqa: PLC0415

        ids, tokens, matrix = rows
        schema = self._schema()
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), type=schema.field("vector").type)
        words = pa.array(tokens, pa.binary()).cast(pa.string())
        self.table.add(pa.Table.from_arrays([pa.array(ids), words, vectors], schema=schema))

    def ids(self) -> Iterator[NDArray[np.int64]]:
        """Yield the ids that are there."""
        for batch in self.table.search().select(["id"]).to_batches(1 << 16):
            yield np.asarray(batch["id"], dtype=np.int64)

    def read(self) -> Iterator[Rows]:
        """Yield all rows."""
        import pyarrow as pa  # noqa: PLC0415

        d = self.content.table.d
        step = max(1, self.batch // (4 * d))
        for batch in self.table.search().select(["id", "token", "vector"]).to_batches(step):
            matrix = np.asarray(batch["vector"].flatten()).reshape(-1, d)
            yield np.asarray(batch["id"], dtype=np.int64), batch["token"].cast(pa.binary()).to_pylist(), matrix

    def finish(self) -> None:
        """Join small files, and make the index if asked."""
        self.table.optimize()
        if self.content.measure is None or any(index.columns == ["vector"] for index in self.table.list_indices()):
            return
        from lancedb.index import HnswSq  # noqa: PLC0415

        self.table.create_index("vector", config=HnswSq(distance_type=METRICS[self.content.measure]))


SCHEMES = ("lancedb", "lancedb+s3", "lancedb+gs", "lancedb+az")
SINK = Sink("lance", "LanceDB", SCHEMES, ("float32", "float16", "float64"), _open)
