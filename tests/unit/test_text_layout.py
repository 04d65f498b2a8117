"""The look of a text: what the kernel says of most lines is what each line's own count says."""

from __future__ import annotations

from collections import Counter

import pytest

from tokenspace.formats.text_layout import layout_of, trailing_numbers

ROWS = [
    b"the 1 2 3",
    b"new york 1 2 3",
    b"b 5 c 1 2 3",
    b"x 1 2 3 4",
    b"of 1 2",
    b"y 1 1e999 3",
    b"z 1 nan 3",
    b"w 1 2 3\r",
    b"v 1 2 3  ",
    b"u",
]


@pytest.mark.parametrize("first", range(len(ROWS)))
def test_the_width_is_that_of_most_rows(first: int) -> None:
    rows = ROWS[first:] + 3 * ROWS
    widths = Counter(filter(None, map(trailing_numbers, rows)))
    layout = layout_of(b"\n".join(rows) + b"\n", whole=True)
    assert layout.d == widths.most_common(1)[0][0]
    assert layout.header is None


def test_a_header_is_told_by_the_rows_under_it() -> None:
    assert layout_of(b"2 3\nthe 1 2 3\nof 4 5 6\n", whole=True).header == b"2 3"
    assert layout_of(b"2 3\nthe 1\nof 4\n", whole=True).header is None  # a token that is a number, and its own
