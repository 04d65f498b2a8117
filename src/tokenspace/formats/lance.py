"""Lance: a folder of columnar files, a column of tokens and one of lists; read and written batch by batch through pylance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenspace.formats import arrow_columns as columns
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.extras import needed
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.replacement import replacing_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tokenspace.table import EmbeddingTable

ROWS = 8192
"""Rows in a batch: pylance's own number for its streams."""


def _sniff(head: Head) -> bool:
    return all((head.path / name).is_dir() for name in ("_versions", "data"))


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    lance = needed("lance", extra="lance", why="reading Lance", package="pylance")
    size = sum(part.stat().st_size for part in head.path.rglob("*") if part.is_file())
    with columns.refusals(head.path):
        dataset = lance.dataset(str(head.path))
        chosen = columns.read(head.path, dataset.schema, n=dataset.count_rows(), size=size, reading=reading)
        return chosen.table(_batches(dataset, chosen.names))


def _batches(dataset: Any, names: list[str]) -> Iterator[Any]:
    """Yield the rows in order, each block asked for by itself: as fast as a stream, and an error comes back as one.

    A stream hands its errors over as C strings, and pylance ends the process where one of a broken file's quotes a NUL.
    """
    n = dataset.count_rows()
    for start in range(0, n, ROWS):
        yield from dataset.take(list(range(start, min(start + ROWS, n))), columns=names).to_batches()


def _write(table: EmbeddingTable, path: Path) -> None:
    lance, pa = needed("lance", extra="lance", why="writing Lance", package="pylance"), columns.arrow("writing Lance")
    schema = columns.schema_of(table, path, "writing Lance")
    rows.check_writable(table, path, "lance")
    batches = pa.RecordBatchReader.from_batches(schema, columns.batches_of(table, schema, ROWS))
    with replacing_folder(path, ours=lambda folder: _sniff(Head.of(folder, folders=True))) as folder:
        lance.write_dataset(batches, str(folder), schema=schema)


WAYS = Ways(_sniff, _read, _write)
