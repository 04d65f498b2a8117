"""The embedding layer as nodes and edges (the lecture's Figs. 1 and 2, and the growth of section 4.5), as a standalone SVG.

As in the lecture, and in the order of z = Wx, the next layer's nodes stand on the left and the input's on the right; each edge is one
weight, and an edge is active where its input is not zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np

from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.geometry import DISTANCE, FONT, INK, PROJECTION, _number, _printable
from tokenspace.rows import as_matrix, check_finite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

WIDTH = 720.0
LEFT, RIGHT = 210.0, 500.0
"""Where the columns of nodes stand; left of one and right of the other is room for names and numbers."""
STEP, RADIUS, TOP = 46.0, 15.0, 78.0
MOST = 12
"""Nodes a side that can still be told apart."""
INDEX = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
QUIET = "#9aa3af"
"""Edges that carry nothing."""


def picture(
    rows: ArrayLike,
    *,
    tokens: Sequence[str] | None = None,
    x: ArrayLike | None = None,
    new: int = 0,
) -> str:
    """Draw a small embedding layer.

    Parameters
    ----------
    rows : array of shape (n, d), n and d at most 12
        The layer's weights, a row a token: the lecture's W transposed.
    tokens : sequence of n str, optional
        Names of the input nodes; default e_1 to e_n.
    x : array of shape (n,), optional
        The input. Edges from nodes that are not zero are drawn as active, with z = Wx beside the left nodes. Default: no input, as in
        Fig. 1.
    new : int, default 0
        How many of the last tokens are new: their nodes and edges are drawn as the ones that are trained, the others as frozen.

    Returns
    -------
    str
        An SVG document: no script, no font file, nothing fetched; readable on light and on dark ground.

    Raises
    ------
    ArgumentError
        If there are more than 12 rows or columns, or ``new`` is not among 0..n.
    ShapeError
        If tokens or x are not one a row.
    NotFiniteError
        If a weight or an input is not finite.

    Notes
    -----
    Virtue: every edge is there, with its weight in the title that a pointer shows. Vice: twelve by twelve are 144 edges, and a real layer
    has millions: choose rows and dimensions.

    References
    ----------
    Lecture "Embedding Layer and Distances/Similarities", Figs. 1 and 2, equations (6) and (7), section 4.5.

    Examples
    --------
    >>> svg = picture([[2, 1], [2, 3], [-1, 0]], x=[0, 1, 0])
    >>> svg.startswith("<svg"), svg.count("<line"), svg.count('class="active"')
    (True, 6, 2)
    """
    weights = as_matrix(rows, "rows").astype(np.float64)
    check_finite(weights, "rows")
    n, d = weights.shape
    if max(n, d) > MOST:
        message = f"expected at most {MOST} rows of at most {MOST} numbers, got an array of shape {weights.shape}"
        raise ArgumentError(message, hint="draw some rows and some dimensions of it, as rows[[3, 1, 4], :5]")
    if not 0 <= new <= n:
        message = f"expected new to be among 0..{n}, got {new}"
        raise ArgumentError(message)
    names = [f"e{_below(i)}" for i in range(1, n + 1)] if tokens is None else [_printable(token) for token in tokens]
    inputs = None if x is None else np.asarray(x, dtype=np.float64)
    if len(names) != n or (inputs is not None and inputs.shape != (n,)):
        given = f"{len(names)} tokens" if inputs is None or len(names) != n else f"x of shape {inputs.shape}"
        message = f"expected one token and one input for each of {n} rows, got {given}"
        raise ShapeError(message)
    if inputs is not None:
        check_finite(inputs[None], "x")
    height = TOP + STEP * max(n, d) + 24.0
    shapes = [*_edges(weights, names, inputs, new, height), *_inputs(names, inputs, new, height), *_outputs(weights, inputs, height)]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}" height="{height:.0f}"',
            f'  role="img" font-family="{FONT}" font-size="14" fill="none" stroke-linecap="round">',
            f"<title>A fully connected layer from {n} input nodes to {d} nodes</title>",
            f"<desc>{escape(_described(names, inputs, new))}</desc>",
            *_headings(inputs, new),
            *shapes,
            "</svg>\n",
        ),
    )


def _described(names: list[str], inputs: NDArray[np.float64] | None, new: int) -> str:
    """Say in words what the picture shows."""
    active = [] if inputs is None else [name for name, value in zip(names, inputs, strict=True) if value]
    parts = [f"Active: the edges of {', '.join(active)}." if active else "No input: all edges at rest."]
    if new:
        parts.append(f"New, and trained: {', '.join(names[-new:])}; the others are frozen.")
    return " ".join(parts)


def _place(index: int, count: int, height: float) -> float:
    """Return the height of a node, its column centred."""
    return TOP + (height - TOP - 24.0 - STEP * count) / 2 + STEP * (index + 0.5)


def _edges(weights: NDArray[np.float64], names: list[str], inputs: NDArray[np.float64] | None, new: int, height: float) -> Iterator[str]:
    """Draw every edge, the active ones last so that they lie on top."""
    n, d = weights.shape
    strongest = float(np.abs(weights).max()) or 1.0
    order = range(n) if inputs is None else sorted(range(n), key=lambda i: bool(inputs[i]))
    for i in order:
        active = inputs is not None and inputs[i] != 0
        trained = i >= n - new
        colour = DISTANCE if active else PROJECTION if trained else QUIET
        for j in range(d):
            weight = float(weights[i, j])
            width = 1.2 + 3.0 * abs(weight) / strongest if active or trained else 1.0
            dash = ' stroke-dasharray="6 4"' if weight < 0 and (active or trained) else ""
            kind = "active" if active else "new" if trained else "quiet"
            ends = f'x1="{LEFT + RADIUS:.1f}" y1="{_place(j, d, height):.1f}" x2="{RIGHT - RADIUS:.1f}" y2="{_place(i, n, height):.1f}"'
            title = f"<title>weight {j + 1},{i + 1} = {_number(weight)} ({escape(names[i])})</title>"
            yield f'<line class="{kind}" {ends} stroke="{colour}" stroke-width="{width:.2f}"{dash}>{title}</line>'


def _inputs(names: list[str], inputs: NDArray[np.float64] | None, new: int, height: float) -> Iterator[str]:
    n = len(names)
    for i, name in enumerate(names):
        y = _place(i, n, height)
        active = inputs is not None and inputs[i] != 0
        colour = DISTANCE if active else PROJECTION if i >= n - new else INK
        yield f'<circle cx="{RIGHT}" cy="{y:.1f}" r="{RADIUS}" stroke="{colour}" stroke-width="{2.5 if active else 1.5}"/>'
        if inputs is not None:
            yield _text(RIGHT, y, _short(float(inputs[i])), colour, "middle", 12)
        shown = name if len(name) <= 20 else name[:19] + "…"  # noqa: PLR2004 - what fits on the right
        yield _text(RIGHT + RADIUS + 10, y, shown, colour, "start", 14)


def _outputs(weights: NDArray[np.float64], inputs: NDArray[np.float64] | None, height: float) -> Iterator[str]:
    d = weights.shape[1]
    z = None if inputs is None else inputs @ weights
    for j in range(d):
        y = _place(j, d, height)
        yield f'<circle cx="{LEFT}" cy="{y:.1f}" r="{RADIUS}" stroke="{INK}" stroke-width="1.5"/>'
        shown = f"z{_below(j + 1)}" if z is None else f"z{_below(j + 1)} = {_short(float(z[j]))}"
        yield _text(LEFT - RADIUS - 10, y, shown, INK, "end", 14)


def _headings(inputs: NDArray[np.float64] | None, new: int) -> Iterator[str]:
    one = inputs is not None and np.count_nonzero(inputs) == 1 and float(inputs.sum()) == 1
    place = _below(int(np.flatnonzero(inputs)[0]) + 1) if inputs is not None and one else ""
    what, equation = (f"W e{place} = w{place}", "(7)") if one else ("W" if inputs is None else "z = W x", "(6)")
    yield _text(LEFT, 30, "next layer, z", INK, "middle", 14, bold=True)
    yield _text((LEFT + RIGHT) / 2, 30, f"{what}   {equation}", DISTANCE if inputs is not None else INK, "middle", 15, bold=True)
    yield _text(RIGHT, 30, "input, x", INK, "middle", 14, bold=True)
    if new:
        yield _text((LEFT + RIGHT) / 2, 54, "new edges are trained, the others frozen", PROJECTION, "middle", 12)


def _text(x: float, y: float, words: str, colour: str, anchor: str, size: int, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    style = f'fill="{colour}" font-size="{size}" text-anchor="{anchor}"{weight}'
    return f'<text x="{x:.1f}" y="{y + 0.35 * size:.1f}" {style}>{escape(words)}</text>'


def _below(number: int) -> str:
    """Write a number as an index, in small figures below the line."""
    return str(number).translate(INDEX)


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
