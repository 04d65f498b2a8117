"""Some of a table's rows: the first so many, those of some tokens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.errors import ArgumentError
from tokenspace.subwords import SubwordTable
from tokenspace.table import EmbeddingTable
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def wanted_tokens(given: str | os.PathLike[str] | Iterable[str] | None) -> Vocabulary | None:
    """Return the tokens wanted, each once: given in Python, or one a line in a file."""
    if given is None or isinstance(given, Vocabulary):
        return given
    if isinstance(given, str | os.PathLike):
        lines = Path(given).read_bytes().split(b"\n")
        given = (line.removesuffix(b"\r").decode("utf-8", "surrogateescape") for line in lines if line.strip(b"\r"))
    return Vocabulary(dict.fromkeys(given))


def checked_limit(limit: int | None) -> int | None:
    """Return the limit.

    Raises
    ------
    ArgumentError
        If it is below 1.
    """
    if limit is not None and limit < 1:
        message = f"limit must be at least 1; seen {limit}"
        raise ArgumentError(message)
    return limit


def selected(table: EmbeddingTable, limit: int | None, only: Vocabulary | None) -> EmbeddingTable:
    """Return the rows of the tokens in `only`, in the table's order, and of these the first `limit`; the table itself where all."""
    if only is None and (limit is None or limit >= table.n):
        return table
    whole = table.vocabulary
    if only is None:
        count = limit or 0
        offsets = whole.offsets[: count + 1]
        return _like(table, Vocabulary.from_arrays(whole.data[: int(offsets[-1])], offsets), table.matrix[:count])
    found = native.find_tokens(whole.data, whole.offsets, whole.index, only.data, only.offsets)
    rows = np.sort(found[found >= 0])[:limit]
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(whole.offsets[rows + 1] - whole.offsets[rows])])
    vocabulary = Vocabulary.from_arrays(native.gather(whole.data, whole.offsets[rows], offsets), offsets)
    return _like(table, vocabulary, table.matrix[rows])


def _like(table: EmbeddingTable, vocabulary: Vocabulary, matrix: NDArray[Any]) -> EmbeddingTable:
    """Return some rows of a table, with what it knows of other words."""
    if isinstance(table, SubwordTable):
        return SubwordTable.of(vocabulary, matrix, table.subwords, source=table.source)
    return EmbeddingTable.mapped(vocabulary, matrix, source=table.source)
