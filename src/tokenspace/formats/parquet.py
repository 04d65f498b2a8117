"""Parquet: a column of tokens and one of lists of numbers, read group by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.formats import arrow_columns as columns
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.extras import needed
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.replacement import replacing

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tokenspace.table import EmbeddingTable

MAGIC = b"PAR1"

ROWS = 4096
"""Rows read at a time: 5 MB at 300 numbers a row."""

GROUP = 1 << 26
"""Bytes of rows in a row group that is written: the format's own advice is 128 MB and more, a reader holds one in memory."""


def _parquet() -> Any:
    return needed("pyarrow.parquet", extra="arrow", why="Parquet")


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    parquet = _parquet()
    with (
        columns.refusals(head.path),
        parquet.ParquetFile(head.path, memory_map=True, pre_buffer=False, page_checksum_verification=True) as file,
    ):
        chosen = columns.read(head.path, file.schema_arrow, n=file.metadata.num_rows, size=head.size, reading=reading)
        return chosen.table(file.iter_batches(batch_size=ROWS, columns=chosen.names, use_threads=reading.threads != 1))


def _write(table: EmbeddingTable, path: Path) -> None:
    schema = columns.schema_of(table, path, "writing Parquet")
    rows.check_writable(table, path, "parquet")
    step = max(1, GROUP // (table.d * table.dtype.itemsize))
    options = {"use_dictionary": False, "write_page_checksum": True, "compression": "snappy", "store_schema": True}
    with replacing(path) as file, _parquet().ParquetWriter(file, schema, **options) as writer:
        for batch in columns.batches_of(table, schema, step):
            writer.write_batch(batch, row_group_size=step)


WAYS = Ways(lambda head: head.start.startswith(MAGIC), _read, _write)
