"""What was mended in a table on request: counted, and the first of each kind listed with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.errors import (
    DuplicateTokenError,
    EncodingError,
    HeaderError,
    NotFiniteError,
    NumberError,
    RowWidthError,
    TrailingBytesError,
    TruncatedFileError,
)

if TYPE_CHECKING:
    from tokenspace.errors import FileContentError

LISTED = 100
"""Places listed of each kind; the rest is counted."""

KINDS: tuple[tuple[type[Exception], str], ...] = (
    (DuplicateTokenError, "duplicate tokens"),
    (NotFiniteError, "rows with NaN or infinity"),
    (EncodingError, "tokens that are not UTF-8"),
    (NumberError, "rows with something else than a number"),
    (RowWidthError, "rows too short or too long"),
    (HeaderError, "headers that lie"),
    (TruncatedFileError, "rows cut short at the end"),
    (TrailingBytesError, "bytes after the last row"),
)
"""What each kind of error is called once it is mended; a row with any other is a "row that breaks another rule"."""


class Mended:
    """What was mended while a table was read.

    Every row that breaks a rule is left out, and of rows with one token the first is kept. No number is ever made up.

    Attributes
    ----------
    counts : dict of str to int
        How often each kind was met.
    listed : list of FileContentError
        The first `LISTED` of each kind, with path, line and byte.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.listed: list[FileContentError] = []

    def add(self, error: FileContentError) -> None:
        """Count what would have been an error."""
        kind = next((name for of, name in KINDS if isinstance(error, of)), "rows that break another rule")
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= LISTED:
            self.listed.append(error)

    def __bool__(self) -> bool:
        """Return whether anything was mended."""
        return bool(self.counts)

    def __str__(self) -> str:
        """Return the counts in one line."""
        return ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items()) or "nothing"

    def __repr__(self) -> str:
        """Show the counts."""
        return f"Mended({self.counts})"
