"""GloVe text: a token and d numbers a line, no header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.formats import text_table
from tokenspace.formats.format import Head, Reading, Ways, poured

if TYPE_CHECKING:
    from pathlib import Path

    from tokenspace.formats.places import Place
    from tokenspace.table import EmbeddingTable
    from tokenspace.vocabulary import Vocabulary


def _sniff(head: Head) -> bool:
    return head.layout.header is None and head.layout.rows


def _pour(head: Head, reading: Reading, place: Place) -> Vocabulary:
    return text_table.pour(head, reading, place, header=False)


def _write(table: EmbeddingTable, path: Path) -> None:
    text_table.write(table, path, header=False, name="glove")


WAYS = Ways(_sniff, poured(_pour), _write, _pour)
