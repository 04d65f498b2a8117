"""What ``tokenspace info --duplicates`` writes: rows that are equal, and pairs that are nearly so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tokenspace.cli import output

if TYPE_CHECKING:
    from tokenspace.analysis.duplicates import Duplicates
    from tokenspace.engines import Engine
    from tokenspace.table import EmbeddingTable

SHOWN = 20
"""Groups, and pairs, shown on a terminal."""

WORDS = 8
"""Tokens of a group shown on a terminal."""


def write(table: EmbeddingTable, tolerance: float, *, as_json: bool, engine: Engine | None = None) -> None:
    """Look for duplicates and print them."""
    from tokenspace.analysis.duplicates import duplicates  # noqa: PLC0415 - brings NumPy, which --help does not need

    found = duplicates(table.matrix, tolerance, engine=engine)
    if as_json:
        output.write_json(document(table, found))
    elif output.on_terminal():
        _show(table, found)
    else:
        output.write_lines(("group", "distance", "row", "token"), _lines(table, found))
    if found.found > len(found.near):
        output.note(f"the {len(found.near):,} closest of {found.found:,} pairs")


def document(table: EmbeddingTable, found: Duplicates) -> dict[str, Any]:
    """Return all that was found as plain values."""
    name = table.vocabulary.tokens_of
    return {
        "tolerance": found.tolerance,
        "equal": [{"rows": ids.tolist(), "tokens": name(ids)} for ids in found.equal],
        "near": [
            {"rows": pair.tolist(), "tokens": name(pair), "distance": distance}
            for pair, distance in zip(found.near, found.distances.tolist(), strict=True)
        ],
        "pairs": found.found,
    }


def _lines(table: EmbeddingTable, found: Duplicates) -> list[tuple[object, ...]]:
    """Return one line a row: rows of one group number belong together, at distance 0 where they are equal."""
    groups = [(0.0, ids) for ids in found.equal] + list(zip(found.distances.tolist(), found.near, strict=True))
    return [
        (number, distance, row, token)
        for number, (distance, ids) in enumerate(groups)
        for row, token in zip(ids.tolist(), table.vocabulary.tokens_of(ids), strict=True)
    ]


def _show(table: EmbeddingTable, found: Duplicates) -> None:
    def names(ids: Any) -> str:
        more = f"  and {len(ids) - WORDS:,} more" if len(ids) > WORDS else ""
        return "  ".join(output.printable(token) for token in table.vocabulary.tokens_of(ids[:WORDS])) + more

    click.echo(output.bold(str(found)))
    for ids in found.equal[:SHOWN]:
        click.echo(f"equal      {names(ids)}")
    for pair, distance in list(zip(found.near, found.distances.tolist(), strict=True))[:SHOWN]:
        click.echo(f"{distance:<10.3g} {names(pair)}")
    hidden = max(0, len(found.equal) - SHOWN) + max(0, len(found.near) - SHOWN)
    if hidden:
        click.echo(f"and {hidden:,} more: pipe the output, or use --json")
