"""word2vec text, which fastText's .vec is too: a line with rows and dimension, then a token and d numbers a line."""

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
    return head.layout.header is not None and not head.layout.binary


def _pour(head: Head, reading: Reading, place: Place) -> Vocabulary:
    return text_table.pour(head, reading, place, header=True)


def _write(table: EmbeddingTable, path: Path) -> None:
    text_table.write(table, path, header=True, name="word2vec-text")


WAYS = Ways(_sniff, poured(_pour), _write, _pour)
