"""Arrow IPC, which Feather is too: a column of tokens and one of lists of numbers; mapped where they are one record batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.formats import arrow_columns as columns
from tokenspace.formats import rows_in_files as rows
from tokenspace.formats.format import Head, Reading, Ways
from tokenspace.formats.replacement import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from tokenspace.table import EmbeddingTable

FILE = b"ARROW1\0\0"
STREAM = b"\xff\xff\xff\xff"
"""What a stream's first message begins with, as the caches of Hugging Face's datasets do."""

BATCH = 1 << 31
"""Bytes of rows in a batch that is written: one batch, which can be mapped, for all but the largest tables."""


def _sniff(head: Head) -> bool:
    length = int.from_bytes(head.start[4:8], "little")
    return head.start.startswith(FILE) or (head.start.startswith(STREAM) and 0 < length < head.size and length % 8 == 0)


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    pa = columns.arrow("reading Arrow IPC")
    with columns.refusals(head.path), pa.memory_map(str(head.path)) as file:
        if head.start.startswith(FILE):
            source = pa.ipc.open_file(file)
            n = sum(source.get_batch(number).num_rows for number in range(source.num_record_batches))
            batches = (source.get_batch(number) for number in range(source.num_record_batches))
        else:
            with pa.ipc.open_stream(file) as once:
                n = sum(batch.num_rows for batch in once)
            file.seek(0)
            source = batches = pa.ipc.open_stream(file)
        return columns.read(head.path, source.schema, n=n, size=head.size, reading=reading).table(batches)


def _write(table: EmbeddingTable, path: Path) -> None:
    schema = columns.schema_of(table, path, "writing Arrow IPC")
    rows.check_writable(table, path, "arrow")
    pa = columns.arrow("writing Arrow IPC")
    step = max(1, BATCH // (table.d * table.dtype.itemsize))
    with replacing(path) as file, pa.ipc.new_file(file, schema) as writer:
        for batch in columns.batches_of(table, schema, step):
            writer.write_batch(batch)


WAYS = Ways(_sniff, _read, _write)
