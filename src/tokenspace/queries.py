"""What a table may be asked for, as people write it: a token, an expression, or a vector of numbers in brackets."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from tokenspace.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tokenspace.table import EmbeddingTable

ROW_ID = re.compile(r"#[0-9]{1,18}")
"""A row by its number: the way to a token that cannot be typed."""


def numbers_in(text: str) -> list[str] | None:
    """Read a vector written as ``[2,-1,3]``.

    Returns
    -------
    list of str, or None
        The numbers as written; None where the text is no vector but a token, such as ``[UNK]``.

    Raises
    ------
    ArgumentError
        If it looks like a vector and one of its parts is no number.

    Examples
    --------
    >>> numbers_in("[2, -1.5 3]"), numbers_in("[UNK]"), numbers_in("king")
    (['2', '-1.5', '3'], None, None)
    """
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    parts = re.split(r"\s*,\s*|\s+", text[1:-1].strip())
    if "," not in text and _number(parts[0]) is None:
        return None
    for place, part in enumerate(parts):
        if _number(part) is None:
            message = f"expected a vector of numbers such as [2,-1,3], got {part!r} as number {place + 1} of {text!r:.60}"
            raise ArgumentError(message)
    return parts


def _number(text: str) -> float | None:
    """Read a decimal or a fraction a/b; None where it is neither, or not finite."""
    top, bar, bottom = text.partition("/")
    try:
        value = float(top) / float(bottom) if bar else float(text)
    except (ValueError, ZeroDivisionError):
        return None
    return value if math.isfinite(value) and "_" not in text else None


def vector_of(parts: list[str]) -> Any:
    """Return numbers as written as an array of shape (d,), float64."""
    import numpy as np  # noqa: PLC0415 - the command line's --help and completion load this module, and need no arrays

    return np.array([_number(part) for part in parts], dtype=np.float64)


def check_length(vector: Any, table: Any, text: str) -> None:
    """Raise ShapeError where a vector typed in does not fit a table."""
    if len(vector) != table.d:
        message = f"expected a vector of {table.d} numbers, as the table's rows have; got {len(vector)} in {text!r:.60}"
        raise ShapeError(message)


def query_of(text: str) -> Any:
    """Return what a table is asked for: an array for a vector in brackets, else the token or expression itself."""
    parts = numbers_in(text)
    return text if parts is None else vector_of(parts)


def terms_of(table: EmbeddingTable, text: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the vector that a text asks a table for, and the rows of the tokens it names.

    Parameters
    ----------
    table : EmbeddingTable
    text : str
        A token, an expression such as "king - man + woman", a row id as in "#12", or a vector of d numbers in brackets. What is a
        token as a whole is that token.

    Returns
    -------
    array of shape (d,), float64, and array of shape (m,), int64
        No rows for a vector given as numbers.

    Raises
    ------
    UnknownTokenError
        If a token has no row.
    RowIdError
        If a row id is outside 0..n-1.
    ArgumentError, ShapeError, TokenError
        If it looks like a vector and is none, has another length, or a sign lacks its token.
    """
    import numpy as np  # noqa: PLC0415 - as above

    from tokenspace.expressions import split  # noqa: PLC0415

    if ROW_ID.fullmatch(text) and text not in table:
        row = table.rows(int(text[1:]))
        return table.matrix[row].astype(np.float64), np.array([row])
    query = query_of(text) if text not in table else text
    if not isinstance(query, str):
        check_length(query, table, text)
        return query, np.empty(0, dtype=np.int64)
    own = table.vocabulary.find(split(query, table.vocabulary)[0])  # a table with n-grams has a vector for words without a row
    return table.vector(query).astype(np.float64), own[own >= 0]
