"""What the shell offers when Tab is pressed: tables by name or as files, and the tokens of a table that opens at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    import click

LOOKED_AT = 50_000
"""Tokens looked at, the first ones of a table, in most of them the frequent ones; 30 ms."""
OFFERED = 50


def tables(_ctx: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Offer the tables known by a name that begins so, else files: bash offers only one of the two."""
    from tokenspace.formats.named import NAMED  # noqa: PLC0415 - brings NumPy, which --help does not need

    known = [CompletionItem(table.name) for table in NAMED if begun and table.name.startswith(begun)]
    return known or [CompletionItem(begun, type="file")]


def tokens(ctx: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Offer tokens of the table that the line names; none where opening it would take longer than typing."""
    import tokenspace as ts  # noqa: PLC0415
    from tokenspace.cli.arguments import DEFAULT_TABLE  # noqa: PLC0415
    from tokenspace.formats.named import NAMED  # noqa: PLC0415

    name = ctx.params.get("table") or os.environ.get("TOKENSPACE_TABLE") or DEFAULT_TABLE
    if not begun or not (name in {known.name for known in NAMED} or Path(name).suffix == ".tokenspace"):
        return []
    try:
        vocabulary = ts.open(name).vocabulary
    except (ts.TokenspaceError, OSError):  # Enter will say what is wrong with the table
        return []
    some = vocabulary.tokens_of(range(min(len(vocabulary), LOOKED_AT)))
    return [CompletionItem(token) for token in some if token.startswith(begun)][:OFFERED]
