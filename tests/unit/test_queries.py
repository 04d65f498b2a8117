"""What may be asked for: tokens first, then row ids, vectors, expressions."""

from __future__ import annotations

import pytest

import tokenspace as ts
from tokenspace.errors import ArgumentError, RowIdError, ShapeError, UnknownTokenError
from tokenspace.queries import terms_of

TABLE = ts.EmbeddingTable(["king", "man", "[1,2]", "#1", "king - man"], [[3, 1], [1, 0], [5, 5], [7, 7], [9, 9]])


@pytest.mark.parametrize(
    ("text", "vector", "rows"),
    [
        ("king", [3, 1], [0]),
        ("king + man", [4, 1], [0, 1]),
        ("king - man", [9, 9], [4]),  # a token as a whole
        ("[1,2]", [5, 5], [2]),
        ("[2,-1]", [2, -1], []),
        ("#1", [7, 7], [3]),
        ("#0", [3, 1], [0]),
    ],
)
def test_a_text_gives_a_vector_and_the_rows_it_names(text, vector, rows):
    found, own = terms_of(TABLE, text)
    assert found.tolist() == vector
    assert own.tolist() == rows


@pytest.mark.parametrize(
    ("text", "error"), [("#5", RowIdError), ("nobody", UnknownTokenError), ("[1,2,3]", ShapeError), ("[1,x]", ArgumentError)]
)
def test_what_names_nothing_is_refused(text, error):
    with pytest.raises(error):
        terms_of(TABLE, text)
