"""What the commands write: tables for people on a terminal, tab-separated lines in a pipe, JSON when asked."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Unicode's marks that turn the direction of what follows, a way to disguise text; joiners, which emoji need, stay."""

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
ESCAPED = re.compile(r"[\\\t\n\r]")


def on_terminal() -> bool:
    """Whether standard output is a terminal, so that somebody reads along."""
    return sys.stdout.isatty()


def console() -> Console:
    """Return rich's console on standard output; imported here because a pipe never needs it (60 ms)."""
    from rich.console import Console  # noqa: PLC0415

    return Console(highlight=False, markup=False, emoji=False)


def bold(text: str) -> str:
    """Return a heading: bold on a terminal, unless NO_COLOR asks for plain text."""
    return click.style(text, bold=True) if on_terminal() and not os.environ.get("NO_COLOR") else text


def write_json(document: Any) -> None:
    """Print a document as JSON: NaN and infinities, which JSON lacks, as null; letters that the stream cannot hold as escapes."""
    document = _plain(document)
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, allow_nan=False, indent=2)
    sys.stdout.write(text + "\n")


def _plain(value: Any) -> Any:
    """Replace NumPy's scalars and what is not finite, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_lines(names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as tab-separated values under one line of names; nothing at all if finding the first row fails.

    Written as they are, where click.echo would take colour codes out of a token.
    """
    above = "\t".join(names) + "\n"
    for row in rows:
        sys.stdout.write(above + "\t".join(map(_field, row)) + "\n")
        above = ""
    sys.stdout.write(above)


def _field(value: object) -> str:
    """Write one value: a number with all its digits, text with tab, line ends and backslash escaped, nothing as nothing."""
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    text = "" if value is None else str(value)
    return text.translate(ESCAPES) if ESCAPED.search(text) else text


def note(message: str) -> None:
    """Say something beside the data, on standard error."""
    click.echo(f"note: {message}", err=True)


def printable(text: str) -> str:
    """Return text that a terminal shows and does not obey: control letters, surrogates and marks that turn the line as escapes."""
    return "".join(letter.encode("unicode_escape").decode() if _obeyed(letter) else letter for letter in text)


def _obeyed(letter: str) -> bool:
    return unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(letter) in TURNING


def short(value: float) -> str:
    """Write a number for people: four decimals where they say something, five digits otherwise."""
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else f"{value} (beyond float64)"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.5g}"  # noqa: PLR2004 - where four decimals serve


def megabytes(size: int) -> str:
    """Write a number of bytes for people."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"  # noqa: PLR2004 - a million is the unit
