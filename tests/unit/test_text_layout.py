"""The look of a text: what the kernel says of most lines is what each line's own count says."""

from __future__ import annotations

import tracemalloc
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


def test_a_long_row_takes_no_more_memory_than_a_few_times_its_bytes() -> None:
    row = b"a" + b" 1.5" * 100_000
    tracemalloc.start()
    try:
        assert layout_of((row + b"\n") * 2 + b"b 1\n" * 900, whole=True).d == 1
        assert trailing_numbers(row) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 10 * 2 * len(row)  # two such rows
    finally:
        tracemalloc.stop()
