"""What a notebook shows of tables and results: small HTML tables without style sheets or scripts."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHOWN = 10
"""Rows of a table, and queries of a batch, that are shown."""


def table_html(names: Sequence[str], rows: Iterable[Sequence[Any]], caption: str) -> str:
    """Return an HTML table: the first cell of each row its heading, numbers with four decimals to the right.

    Parameters
    ----------
    names : sequence of str
    rows : iterable of sequences
        Cells are written as text: nothing in a token is taken for HTML.
    caption : str

    Returns
    -------
    str
    """
    head = "".join(
        f'<th scope="col" style="text-align:{"left" if place == 0 else "right"}">{escape(name)}</th>' for place, name in enumerate(names)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row" style="text-align:left;font-weight:normal"><bdi>{escape(_text(cell))}</bdi></th>'
            if place == 0
            else f'<td style="text-align:right">{escape(_text(cell))}</td>'
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f'<table><caption style="text-align:left">{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _text(cell: Any) -> str:
    """Write a cell; what UTF-8 cannot hold as a question mark."""
    if isinstance(cell, float):
        return "undefined" if math.isnan(cell) else f"{cell:.4f}"
    return str(cell).encode("utf-8", "replace").decode()


class Displayed:
    """An embedding table as a notebook shows it: its first tokens, their norms and first numbers."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """Show the first rows."""
        table: Any = self
        ids = list(range(min(SHOWN, table.n)))
        firsts = table.matrix[: len(ids), :4].astype(float).tolist()
        lengths = [math.hypot(*row) for row in table.matrix[: len(ids)].astype(float).tolist()]
        names = ("token", "norm", *(f"{place + 1}" for place in range(min(4, table.d))))
        rows = [(token, length, *first) for token, length, first in zip(table.vocabulary.tokens_of(ids), lengths, firsts, strict=True)]
        return table_html(names, rows, f"EmbeddingTable: {table.n:,} tokens, {table.d} numbers each, {table.dtype}; the first {len(ids)}")
