"""The picture of a pair is well-formed, true to scale, and legible in every position of the two vectors."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tokenspace import geometry
from tokenspace.errors import NotFiniteError, ShapeError
from tokenspace.geometry import DISTANCE, INK, picture

SVG = "{http://www.w3.org/2000/svg}"


def at(degrees: float, length: float = 1.0) -> list[float]:
    return [length * math.cos(math.radians(degrees)), length * math.sin(math.radians(degrees))]


CASES = {
    "lecture": ([2, -1, 3], [1, 2, -1]),
    "right angle": ([1, 0], [0, 1]),
    "same direction": ([1, 2], [2, 4]),
    "equal": ([1, 2], [1, 2]),
    "opposite": ([1, 0], [-2, 0]),
    "one dimension": ([3], [-2]),
    "tiny": ([1, 0], at(60, 1e-3)),
    "vanishing": ([1, 0], at(60, 1e-12)),
    "huge": ([1, 0], at(30, 1e6)),
    "narrow": (at(0), at(4, 1.5)),
    "wide": (at(0), at(176, 0.8)),
    "zero u": ([0, 0], [1, 1]),
    "zero v": ([1, 1], [0, 0]),
    "both zero": ([0, 0], [0, 0]),
    "long numbers": (at(0, 1.234567e100), at(50, 1.234567e100)),
    "short numbers": (at(0, 1e-200), at(50, 1e-200)),
}


@pytest.fixture(params=CASES, ids=list(CASES))
def svg(request: pytest.FixtureRequest) -> ET.Element:
    return parsed(picture(*CASES[request.param], names=("first", "second")))


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def test_it_is_a_standalone_document(svg: ET.Element) -> None:
    assert svg.tag == f"{SVG}svg"
    assert {node.tag.removeprefix(SVG) for node in svg.iter()} <= {"svg", "title", "desc", "line", "path", "circle", "text"}
    assert not any("href" in name or name.startswith("on") for node in svg.iter() for name in node.attrib)
    assert all("nan" not in value and "inf" not in value for node in svg.iter() for value in node.attrib.values())


def test_everything_stands_on_the_sheet(svg: ET.Element) -> None:
    width, height = float(svg.attrib["width"]), float(svg.attrib["height"])
    for line in svg.iter(f"{SVG}line"):
        assert all(0 <= float(line.attrib[name]) <= width for name in ("x1", "x2"))
        assert all(0 <= float(line.attrib[name]) <= height for name in ("y1", "y2"))
    for box in boxes(svg):
        assert box[0] >= 0
        assert box[1] >= 0
        assert box[2] <= width
        assert box[3] <= height


def test_no_label_covers_another(svg: ET.Element) -> None:
    for a, b in itertools.combinations(boxes(svg), 2):
        assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]), (a, b)


def boxes(svg: ET.Element) -> list[tuple[float, float, float, float]]:
    """Boxes around the texts, at a width that no sans-serif font exceeds by much."""
    found = []
    for text in svg.iter(f"{SVG}text"):
        size = float(text.attrib["font-size"])
        x, y, width = float(text.attrib["x"]), float(text.attrib["y"]), 0.55 * size * len(text.text or "")
        left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[text.attrib["text-anchor"]] * width
        found.append((left, y - 0.8 * size, left + width, y + 0.2 * size))
    return found


@pytest.mark.parametrize("degrees", [10, 38, 90, 130, 165])
@pytest.mark.parametrize("ratio", [0.3, 1.0, 2.5])
def test_lengths_and_angle_are_true_to_scale(degrees: float, ratio: float) -> None:
    u, v = at(20, 2.0), at(20 + degrees, 2.0 * ratio)
    svg = parsed(picture(u, v))
    (joint,) = [ends(line) for line in svg.iter(f"{SVG}line") if line.attrib["stroke"] == DISTANCE and line.attrib["stroke-width"] == "2.5"]
    origin = next((float(c.attrib["cx"]), float(c.attrib["cy"])) for c in svg.iter(f"{SVG}circle") if c.attrib["fill"] == INK)
    scale = math.dist(origin, joint[0]) / 2.0
    assert math.dist(origin, joint[1]) == pytest.approx(scale * 2.0 * ratio, abs=0.05)
    assert math.dist(*joint) == pytest.approx(scale * math.dist(u, v), abs=0.05)
    rise = math.degrees(math.atan2(origin[1] - joint[1][1], joint[1][0] - origin[0]))
    assert rise == pytest.approx(degrees, abs=0.1)


def ends(line: ET.Element) -> tuple[tuple[float, float], tuple[float, float]]:
    place = {name: float(line.attrib[name]) for name in ("x1", "y1", "x2", "y2")}
    return (place["x1"], place["y1"]), (place["x2"], place["y2"])


def test_it_says_the_numbers_and_both_sides_of_the_identity() -> None:
    words = "\n".join(parsed(picture([2, -1, 3], [1, 2, -1])).itertext())
    for number in ("109.1°", "distance 5.099", "projection −0.80178", "⟨u, v⟩ = −3", "‖u − v‖² = 26", "− 2⟨u, v⟩ = 26"):
        assert number in words


def test_a_zero_vector_has_no_angle_and_says_so() -> None:
    words = "\n".join(parsed(picture([0, 0], [1, 1])).itertext())
    assert "cos(u, v) = undefined" in words
    assert "projection" not in words


def test_any_text_may_be_a_name() -> None:
    names = ("<script>&\"'", "\x00\x1b[31m\udc80\ufffe")
    svg = parsed(picture([1, 0], [0, 1], names=names))
    words = "\n".join(svg.itertext())
    assert "<script>&\"'" in words
    assert "\x1b" not in words


def test_a_long_name_is_cut_in_the_drawing_and_whole_in_the_title() -> None:
    name = "pneumonoultramicroscopicsilicovolcanoconiosis"
    svg = parsed(picture([1, 0], [1, 1], names=(name, "short")))
    assert name in (svg.findtext(f"{SVG}title") or "")
    assert not any(name in (text.text or "") for text in svg.iter(f"{SVG}text"))


def test_bad_pairs_are_refused() -> None:
    with pytest.raises(ShapeError):
        picture([1, 2], [1, 2, 3])
    with pytest.raises(NotFiniteError):
        picture([1, math.nan], [1, 2])
    with pytest.raises(NotFiniteError, match="float64"):
        picture(np.full(2, 1e200), np.full(2, -1e200))


def test_the_colours_stand_out_on_light_and_on_dark() -> None:
    for colour in (INK, geometry.DISTANCE, geometry.PROJECTION, geometry.ANGLE):
        assert contrast(colour, "#ffffff") >= 4
        assert contrast(colour, "#0d1117") >= 4


def contrast(first: str, second: str) -> float:
    """Contrast as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)
