"""The geometry of two vectors (the lecture's Fig. 3), drawn true to scale in the plane they span, as a standalone SVG.

The vector u lies on the horizontal axis, v above it at the angle between them, so that what is drawn is what was measured: the
segment between the tips is the Euclidean distance (9), the foot of the perpendicular from v is the inner product (10) over the
length of u, and the arc is the angle whose cosine is (11). Both axes have one scale, and a bar gives it.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from tokenspace import measures
from tokenspace.errors import NotFiniteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike

    Point = tuple[float, float]
    Segment = tuple[Point, Point]
    Box = tuple[float, float, float, float]

WIDTH = 720.0
SIDE = 84.0
"""Free space left and right of the drawing, for the names at the tips."""
TALLEST = 300.0
EDGE = 4.0
"""No label comes nearer to the sheet's edge."""
LONGEST_NAME = 24
"""A longer token is cut in the picture and whole in the picture's title."""
FLAT = 26.0
"""Below this height in pixels v lies on u to the eye, and distance and projection are drawn beside the line instead of on it."""

# Five hues of one luminance, 4.2 to 4.5 : 1 against white as against the darkest page (#0d1117): readable on both without media queries.
INK, DISTANCE, PROJECTION, ANGLE = "#6f7a8a", "#0e8a7d", "#b9651b", "#8a63d2"
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


def picture(u: ArrayLike, v: ArrayLike, *, names: tuple[str, str] = ("u", "v")) -> str:
    """Draw two vectors in their plane, true to scale.

    Parameters
    ----------
    u, v : array of shape (d,)
        Two vectors of one dimension, any d from 1 on; either may be zero.
    names : pair of str
        What to write at the tips; any text.

    Returns
    -------
    str
        An SVG document: no script, no font file, nothing fetched; readable on light and on dark ground.

    Raises
    ------
    ShapeError
        If they are not two vectors of one length.
    NotFiniteError
        If one holds NaN or infinity, or is too long for a float64.

    Notes
    -----
    O(d) for the numbers, then constant. Virtue: lengths and angles are those of the d-dimensional vectors, because two vectors
    always lie in one plane. Vice: of two pairs' pictures nothing can be compared but the numbers, since each pair has its own plane;
    and a vector a thousand times shorter than the other is, truly to scale, a point.

    References
    ----------
    Lecture "Embedding Layer and Distances/Similarities", Fig. 3 and equations (9) to (12).

    Examples
    --------
    >>> svg = picture([2, -1, 3], [1, 2, -1])
    >>> svg.startswith("<svg"), "109.1°" in svg
    (True, True)
    """
    pair = measures.compare(u, v)
    if not math.isfinite(pair.norm_u * pair.norm_u + pair.norm_v * pair.norm_v + pair.euclidean * pair.euclidean):
        message = f"expected lengths whose squares float64 can hold, got ‖u‖ = {pair.norm_u:g}, ‖v‖ = {pair.norm_v:g}"
        raise NotFiniteError(message, hint="divide both vectors by one number: the picture stays the same")
    left, right = (_printable(name) for name in names)
    sheet = _Sheet()
    bottom, pixels = _draw_pair(sheet, pair, (_cut(left), _cut(right)))
    height = _write_caption(sheet, pair, bottom, pixels)
    summary = (
        f"Euclidean distance {_number(pair.euclidean)}, inner product {_number(pair.inner_product)}, "
        f"cosine similarity {_number(pair.cosine)}, angle {_degrees(pair.angle)}."
    )
    size = f"{WIDTH:.0f} {height:.0f}"
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{WIDTH:.0f}" height="{height:.0f}" role="img"',
            f'  font-family="{FONT}" font-size="14" fill="none" stroke-linecap="round">',
            f"<title>{escape(left)} and {escape(right)} in their plane, true to scale</title>",
            f"<desc>{escape(summary)}</desc>",
            *sheet.shapes,
            "</svg>\n",
        ),
    )


@dataclass
class _Sheet:
    """What has been drawn so far, and what a label must keep clear of."""

    shapes: list[str] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    bottom: float = math.inf

    def line(self, a: Point, b: Point, colour: str, *, width: float = 2.0, dash: str = "") -> None:
        """Draw a segment, which labels then avoid."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.shapes.append(
            f'<line x1="{a[0]:.2f}" y1="{a[1]:.2f}" x2="{b[0]:.2f}" y2="{b[1]:.2f}" stroke="{colour}" stroke-width="{width:g}"{dashed}/>',
        )
        self.segments.append((a, b))

    def arrow(self, a: Point, b: Point, colour: str) -> None:
        """Draw a vector: a segment whose head ends exactly at ``b``; a dot where it is too short for one."""
        length = math.dist(a, b)
        head = min(13.0, 0.6 * length)
        if length < 2.0:  # noqa: PLR2004  (pixels: shorter than its own stroke)
            self.shapes.append(f'<circle cx="{b[0]:.2f}" cy="{b[1]:.2f}" r="3.5" fill="{colour}"/>')
            self.segments.append((a, b))
            return
        x, y = (b[0] - a[0]) / length, (b[1] - a[1]) / length
        neck = (b[0] - 0.8 * head * x, b[1] - 0.8 * head * y)
        back = (b[0] - head * x, b[1] - head * y)
        wing = 0.4 * head
        self.line(a, neck, colour, width=3)
        self.segments.append((neck, b))
        self.shapes.append(
            f'<path d="M{b[0]:.2f} {b[1]:.2f}L{back[0] - wing * y:.2f} {back[1] + wing * x:.2f}L{neck[0]:.2f} {neck[1]:.2f}'
            f'L{back[0] + wing * y:.2f} {back[1] - wing * x:.2f}Z" fill="{colour}"/>',
        )

    def text(self, middle: Point, words: str, colour: str, *, size: float = 14.0, anchor: str = "middle", bold: bool = False) -> None:
        """Write at a fixed place."""
        weight = ' font-weight="600"' if bold else ""
        self.shapes.append(
            f'<text x="{middle[0]:.2f}" y="{middle[1] + 0.35 * size:.2f}" fill="{colour}" font-size="{size:g}" '
            f'text-anchor="{anchor}"{weight}>{escape(words)}</text>',
        )

    def label(self, places: Iterable[Point], words: str, colour: str, *, size: float = 14.0, bold: bool = False) -> None:
        """Write near the first of some places at which the words cover nothing, or where they cover least."""
        half = (_text_width(words, size) / 2, 0.62 * size)
        best = min(
            ((self._crowding(box), order, x, y, box) for order, (x, y, box) in enumerate(_around(places, half))),
            default=None,
        )
        if best is not None:
            self.boxes.append(best[4])
            self.text(best[2:4], words, colour, size=size, bold=bold)

    def _crowding(self, box: Box) -> float:
        """Count what a box would cover: another label is worst, then leaving the sheet, then a line."""
        overlaps = sum(10.0 for b in self.boxes if box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3])
        outside = sum(20.0 for out in (box[0] < EDGE, box[2] > WIDTH - EDGE, box[1] < EDGE, box[3] > self.bottom) if out)
        return overlaps + outside + sum(1.0 for segment in self.segments if _crosses(segment, box))


def _around(places: Iterable[Point], half: Point) -> Iterator[tuple[float, float, Box]]:
    """Yield centres and boxes around each place, nearest first, eight directions each."""
    spots = list(places)
    for gap in (6.0, 12.0, 22.0, 36.0, 56.0, 80.0):
        for x, y in spots:
            for right, down in ((1, 0), (0, -1), (0, 1), (-1, 0), (0.8, -1), (-0.8, -1), (0.8, 1), (-0.8, 1)):
                centre = (x + right * (half[0] + gap), y + down * (half[1] + gap))
                yield *centre, (centre[0] - half[0] - 3, centre[1] - half[1] - 1, centre[0] + half[0] + 3, centre[1] + half[1] + 1)


def _crosses(segment: Segment, box: Box) -> bool:
    """Whether a segment meets a box: clip it against the four sides (Liang and Barsky)."""
    (x, y), (end_x, end_y) = segment
    first, last = 0.0, 1.0
    for start, step, low, high in ((x, end_x - x, box[0], box[2]), (y, end_y - y, box[1], box[3])):
        if step == 0:
            if not low <= start <= high:
                return False
            continue
        enter, leave = sorted(((low - start) / step, (high - start) / step))
        first, last = max(first, enter), min(last, leave)
    return first <= last


def _draw_pair(sheet: _Sheet, pair: measures.Comparison, names: tuple[str, str]) -> tuple[float, float]:
    """Draw vectors, segment, projection and arc; return the lowest y used, and the pixels of one unit of the vectors' own scale."""
    longest = max(pair.norm_u, pair.norm_v)
    unit = longest or 1.0
    angle = pair.angle if math.isfinite(pair.angle) else 0.0
    tip_u, tip_v = pair.norm_u / unit, pair.norm_v / unit
    foot, rise = tip_v * math.cos(angle), tip_v * math.sin(angle)
    west, east = min(0.0, foot), max(tip_u, foot, 1e-9)
    scale = min((WIDTH - 2 * SIDE) / (east - west), TALLEST / rise if rise > 0 else math.inf) if longest else 0.0
    axis = max(88.0, rise * scale + 56.0)
    zero = ((WIDTH - (east - west) * scale) / 2 - west * scale, axis)
    u, v = (zero[0] + tip_u * scale, axis), (zero[0] + foot * scale, axis - rise * scale)
    flat = rise * scale < FLAT
    base = (v[0], axis)
    sheet.bottom = axis + 84.0

    below, above = axis + 22.0, v[1] - 30.0
    if math.isfinite(pair.projection):
        _measure_line(sheet, (zero[0], below), (base[0], below), PROJECTION)
        if not zero[0] <= base[0] <= u[0]:  # the foot lies outside u: carry u's line on to it
            sheet.line(u if base[0] > u[0] else zero, base, INK, width=1.2, dash="2 4")
        if not flat:
            sheet.line(v, base, PROJECTION, width=1.5, dash="5 5")
            side = -9.0 if base[0] > zero[0] + 18.0 else 9.0
            sheet.shapes.append(f'<path d="M{base[0] + side:.2f} {axis:.2f}v-9h{-side:.2f}" stroke="{PROJECTION}" stroke-width="1.2"/>')
        sheet.line((base[0], axis + 4), (base[0], below + 5), PROJECTION, width=1)
    if flat:
        _measure_line(sheet, (u[0], above), (v[0], above), DISTANCE)
    else:
        sheet.line(u, v, DISTANCE, width=2.5)
    sheet.arrow(zero, u, INK)
    sheet.arrow(zero, v, INK)
    sheet.shapes.append(f'<circle cx="{zero[0]:.2f}" cy="{zero[1]:.2f}" r="3" fill="{INK}"/>')
    _draw_arc(sheet, zero, angle, 40.0 if flat else min(abs(u[0] - zero[0]), math.dist(zero, v)))
    ends = ((u[0], above), (v[0], above)) if flat else (u, v)
    labels = [
        ([u], f"{names[0]}, ‖u‖ = {_number(pair.norm_u)}", INK, 15.0),
        ([v], f"{names[1]}, ‖v‖ = {_number(pair.norm_v)}", INK, 15.0),
        (_along(*ends), f"distance {_number(pair.euclidean)}", DISTANCE, 14.0),
    ]
    if math.isfinite(pair.projection):
        labels.append((_along((zero[0], below), (base[0], below)), f"projection {_number(pair.projection)}", PROJECTION, 14.0))
    for places, words, colour, size in reversed(labels) if flat else labels:  # in a flat drawing the tips have more room to yield
        sheet.label(places, words, colour, size=size, bold=colour == INK)
    lowest = max([axis, *(box[3] for box in sheet.boxes), *(end[1] for segment in sheet.segments for end in segment)])
    return lowest, scale / unit if longest else 0.0


def _draw_arc(sheet: _Sheet, zero: Point, angle: float, shortest: float) -> None:
    """Draw the angle at the origin, with its degrees."""
    if angle < math.radians(0.5):
        return
    radius = min(58.0, max(20.0, 0.4 * shortest))
    end = (zero[0] + radius * math.cos(angle), zero[1] - radius * math.sin(angle))
    start = f"{zero[0] + radius:.2f} {zero[1]:.2f}"
    sheet.shapes.append(
        f'<path d="M{start}A{radius:.2f} {radius:.2f} 0 0 0 {end[0]:.2f} {end[1]:.2f}" stroke="{ANGLE}" stroke-width="2"/>',
    )
    turns = [zero[0] + radius * math.cos(angle * part) for part in (0.5, 0.35, 0.65)]
    rises = [zero[1] - radius * math.sin(angle * part) for part in (0.5, 0.35, 0.65)]
    spots = list(zip(turns, rises, strict=True))
    sheet.segments.extend(((spots[1], spots[0]), (spots[0], spots[2])))
    sheet.label(spots, _degrees(angle), ANGLE)


def _measure_line(sheet: _Sheet, a: Point, b: Point, colour: str) -> None:
    """Draw a segment with a tick at each end, as on a drawing board."""
    sheet.line(a, b, colour, width=2.5)
    for x, y in (a, b):
        sheet.line((x, y - 5), (x, y + 5), colour, width=1.5)


def _along(a: Point, b: Point) -> list[Point]:
    """Points of a segment, its middle first."""
    return [(a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])) for part in (0.5, 0.4, 0.6, 0.25, 0.75)]


def _write_caption(sheet: _Sheet, pair: measures.Comparison, bottom: float, pixels: float) -> float:
    """Write the numbers, one measure a line, each with the mark it has in the drawing; return the sheet's height."""
    left, right = pair.identity
    along_u = " = ‖u‖ · projection" if math.isfinite(pair.projection) else ""
    rows = (
        ("solid", DISTANCE, "Euclidean distance (9)", f"‖u − v‖ = {_number(pair.euclidean)}"),
        ("ticks", PROJECTION, "inner product (10)", f"⟨u, v⟩ = {_number(pair.inner_product)}{along_u}"),
        ("arc", ANGLE, "cosine similarity (11)", f"cos(u, v) = {_number(pair.cosine)}, angle {_degrees(pair.angle)}"),
        ("", INK, "identity (12)", f"‖u − v‖² = {_number(left)}, ‖u‖² + ‖v‖² − 2⟨u, v⟩ = {_number(right)}"),
    )
    marks = {
        "solid": "M0 0h26",
        "ticks": "M0 0h26M0 -5v10M26 -5v10",
        "arc": "M3 6A20 20 0 0 1 23 6",
    }
    y = bottom + 24.0
    sheet.line((40, y), (WIDTH - 40, y), INK, width=0.6)
    if pixels:
        length = _round_length(90.0 / pixels)
        _measure_line(sheet, (WIDTH - 40 - length * pixels, y + 24), (WIDTH - 40, y + 24), INK)
        sheet.text((WIDTH - 52 - length * pixels, y + 24), f"{_number(length)} on both axes", INK, size=12, anchor="end")
    for mark, colour, what, numbers in rows:
        y += 24.0
        if mark:
            sheet.shapes.append(f'<path transform="translate(40 {y:.2f})" d="{marks[mark]}" stroke="{colour}" stroke-width="2.5"/>')
        sheet.text((80, y), what, colour, anchor="start", bold=True)
        sheet.text((266, y), numbers, INK, anchor="start")
    return y + 24.0


def _round_length(most: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is at most ``most``."""
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (5.0, 2.0, 1.0) if step * power <= most * 1.0001)


def _number(value: float) -> str:
    """Write a number with five significant digits; what is not finite is undefined here."""
    if not math.isfinite(value):
        return "undefined"
    return f"{value:.5g}".replace("e+", "e").replace("-", "−")


def _degrees(angle: float) -> str:
    return f"{math.degrees(angle):.1f}°" if math.isfinite(angle) else "undefined"


def _printable(name: str) -> str:
    """Replace what XML 1.0 cannot hold: control characters, halves of surrogate pairs and the two non-characters."""
    return "".join("�" if unicodedata.category(letter) in {"Cc", "Cs"} or letter in "\ufffe\uffff" else letter for letter in name)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _text_width(words: str, size: float) -> float:
    """Estimate the width of words in a sans-serif font: on the generous side, so that labels keep apart in any font."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in words)
    return size * (0.6 * (len(words) - wide) + 1.05 * wide)
