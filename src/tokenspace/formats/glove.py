"""GloVe text: a token and d numbers a line, no header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.formats import text_table
from tokenspace.formats.format import Format, Head, Reading

if TYPE_CHECKING:
    from pathlib import Path

    from tokenspace.table import EmbeddingTable


def _sniff(head: Head) -> bool:
    return head.layout.header is None and head.layout.rows


def _read(head: Head, reading: Reading) -> EmbeddingTable:
    return text_table.read(head, reading, header=False)


def _write(table: EmbeddingTable, path: Path) -> None:
    text_table.write(table, path, header=False, name="glove")


FORMAT = Format("glove", "GloVe text: a token and d numbers a line", (".txt", ".glove"), _sniff, _read, _write)
