"""Lance: a folder of columnar files, a column of tokens and one of lists; read and written batch by batch through pylance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.formats import arrow_columns as columns
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.extras import check_installed, needed
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.lance_apart import ROWS, Apart
from tokenspace.formats.replacement import replacing_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tokenspace.table import EmbeddingTable


def _sniff(head: Head) -> bool:
    return all((head.path / name).is_dir() for name in ("_versions", "data"))


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    check_installed("lance", extra="lance", why="reading Lance", package="pylance")
    size = sum(part.stat().st_size for part in head.path.rglob("*") if part.is_file())
    with columns.refusals(head.path), Apart(head.path) as apart:
        chosen = columns.read(head.path, apart.schema, n=apart.n, size=size, reading=reading)
        return chosen.table(apart.batches(chosen.names))


def _write(table: EmbeddingTable, path: Path) -> None:
    lance, pa = needed("lance", extra="lance", why="writing Lance", package="pylance"), columns.arrow("writing Lance")
    schema = columns.schema_of(table, path, "writing Lance")
    rows.check_writable(table, path, "lance")
    batches = pa.RecordBatchReader.from_batches(schema, columns.batches_of(table, schema, ROWS))
    with replacing_folder(path, ours=lambda folder: _sniff(Head.of(folder, folders=True))) as folder:
        lance.write_dataset(batches, str(folder), schema=schema)


WAYS = Ways(_sniff, _read, _write)
