"""What a notebook shows: valid HTML, tokens as text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

import tokenspace as ts

TABLE = ts.EmbeddingTable(["<script>alert(1)</script>", "a&b", "zero", "\udcff"], [[1, 2], [3, 4], [0, 0], [1, 1]])


@pytest.mark.parametrize(
    "shown",
    [TABLE, TABLE.nearest("a&b"), TABLE.nearest(["a&b", "zero"]), ts.compare([1, 2], [0, 0])],
    ids=["table", "list", "batch", "pair"],
)
def test_html_is_well_formed_and_holds_no_element_of_a_token(shown):
    text = shown._repr_html_()
    root = ET.fromstring(f"<div>{text}</div>")
    assert {element.tag for element in root.iter()} <= {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "bdi", "p"}
    text.encode("utf-8")


def test_a_cosine_that_is_not_defined_is_called_so():
    assert "undefined" in ts.compare([1, 2], [0, 0])._repr_html_()
    assert "undefined" in TABLE.nearest(["a&b"])._repr_html_()
