"""What is wrong with one row of a text table, said once the reader has stopped in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.errors import FileContentError, NumberError, RowWidthError
from tokenspace.formats.rows_in_files import not_finite
from tokenspace.formats.text_layout import DECIMAL_COMMA, DELIMITERS, header_of, stripped, trailing_numbers
from tokenspace.native.reference_text import MAX_TOKEN, NUMBER, is_number

if TYPE_CHECKING:
    from pathlib import Path

SURPLUS = "a token with spaces is fine, but none of its later words may be a number"
RETURNS = "lines end with a line feed, and this one holds carriage returns: do they end the lines? tr '\\r' '\\n' < old > new mends that"
SPACES = "a row is a token and its numbers, separated by single spaces"


def fault(path: Path, line: bytes, d: int, *, row: int, number: int, offset: int, largest: float) -> FileContentError:
    """Explain why a line is not a row.

    Parameters
    ----------
    path : Path
        The file.
    line : bytes
        The line, without its line break.
    d : int
        Numbers a row.
    row, number, offset : int
        The row from 0, the line from 1, the byte at which the line begins.
    largest : float
        The largest number that the element type holds.

    Returns
    -------
    FileContentError
        Of the kind that fits; to be raised.
    """
    text = stripped(line)
    fields = text.split(b" ")
    place = {"line": number, "offset": offset}
    token, numbers = b" ".join(fields[:-d]), fields[-d:]
    words = [column for column, field in enumerate(numbers) if not is_number(field)]
    ending = trailing_numbers(line)
    in_front = bool(words) and len(fields) > d + 1 and words == list(range(d - ending))  # the token's words: numbers are missing
    if len(fields) <= d or in_front:
        return _too_few(path, text, d, place)
    if words:
        return _not_a_number(path, fields, len(fields) - d + words[0], words[0], place)
    if any(map(is_number, fields[1:-d])):
        problem = f"expected {d} numbers after the token, seen {ending} in {_shown(text)}"
        return RowWidthError(path, problem, **place, hint=RETURNS if b"\r" in text else SURPLUS)
    if len(token) > MAX_TOKEN:
        problem = f"expected a token of at most {MAX_TOKEN:,} bytes, seen {len(token):,}"
        return FileContentError(path, problem, **place, hint="is a line break missing?")
    for column, field in enumerate(numbers):
        if not NUMBER.fullmatch(field) or not abs(float(field)) <= largest:
            at = offset + sum(len(before) + 1 for before in fields[: len(fields) - d + column])
            return not_finite(path, row, column, _shown(field), line=number, offset=at)
    return RowWidthError(path, f"expected a token and {d} numbers, seen {_shown(text)}", **place, hint=SPACES)


def _too_few(path: Path, text: bytes, d: int, place: dict[str, int]) -> FileContentError:
    seen = trailing_numbers(text)
    for mark, name in DELIMITERS.items():
        if seen < d and (text.count(mark) >= d or mark in text[: 1 + text.find(b" ")]):  # all through, or after the token
            problem = f"expected {d} numbers separated by spaces, seen {name} in {_shown(text)}"
            return RowWidthError(path, problem, **place, hint=f"replace the {name} between fields by spaces")
    problem = f"expected {d} numbers after the token, seen {f'{seen} in {_shown(text)}' if text else 'an empty line'}"
    return RowWidthError(path, problem, **place, hint=SPACES)


def _not_a_number(path: Path, fields: list[bytes], index: int, column: int, place: dict[str, int]) -> FileContentError:
    field = fields[index]
    place = {**place, "offset": place["offset"] + sum(len(before) + 1 for before in fields[:index])}
    problem = f"expected a number as number {column + 1:,} of the row of {_shown(fields[0])}, seen {_shown(field)}"
    if DECIMAL_COMMA.fullmatch(field):
        return NumberError(path, problem + ", which has a decimal comma", **place, hint="write decimals with a point")
    if not field:
        return NumberError(path, problem + ": two spaces in a row", **place, hint=SPACES)
    for mark, name in DELIMITERS.items():
        if mark in field:
            return NumberError(path, problem + f", which holds {name}", **place, hint=SPACES)
    return NumberError(path, problem, **place, hint=SPACES)


def wrong_delimiter(path: Path, line: bytes, name: str, *, number: int, offset: int) -> FileContentError:
    """Explain that the numbers of a whole file are separated, or written, in another way."""
    problem = f"expected numbers separated by spaces, seen {name} in {_shown(stripped(line))}"
    if name == "decimal commas":
        return NumberError(path, problem, line=number, offset=offset, hint="write decimals with a point")
    return RowWidthError(path, problem, line=number, offset=offset, hint=f"replace the {name} between fields by spaces")


def wrong_header(line: bytes, d: int) -> str:
    """Say what is wrong with a line that should be a word2vec header over rows of d numbers; empty if nothing is."""
    claimed = header_of(line)
    if claimed is None or claimed[1] < 1:
        return f"expected a header of two whole numbers above zero, rows and dimension, seen {_shown(stripped(line))}"
    if d and claimed[1] != d:
        return f"the header promises {claimed[1]:,} numbers a row, but most lines from line 2 on have {d:,}"
    return ""


def _shown(text: bytes) -> str:
    """Quote bytes of a file for a message, the middle left out where there are many."""
    cut = text if len(text) <= 60 else text[:40] + b"..." + text[-15:]  # noqa: PLR2004 - what fits on a line
    return repr(cut.decode(errors="backslashreplace"))
