"""One pair of vectors: the three measures, the identity (12), and what Fig. 3 needs to be drawn true to scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tokenspace import geometry
from tokenspace.measures import compare
from tokenspace.queries import terms_of

if TYPE_CHECKING:
    from tokenspace.explorer.opened import Opened


def pair(opened: Opened, u: str, v: str) -> dict[str, Any]:
    """Return all that the lecture says about two vectors.

    Parameters
    ----------
    opened : Opened
    u, v : str
        Tokens, expressions, row ids or vectors.

    Returns
    -------
    dict
        In the plane of u and v, with u along the first axis, v stands at ``norm_v * (cos angle, sin angle)``: two lengths and an
        angle say all. NaN where a cosine or a projection does not exist.
    """
    left, right = (terms_of(opened.table, text) for text in (u, v))
    found = compare(left[0], right[0])
    names = ("euclidean", "inner_product", "cosine", "norm_u", "norm_v", "angle", "projection")
    return {
        "u": u,
        "v": v,
        **{name: float(getattr(found, name)) for name in names},
        "angle_degrees": math.degrees(found.angle),
        "identity_left": found.identity[0],
        "identity_right": found.identity[1],
        "d": opened.table.d,
    }


def picture(opened: Opened, u: str, v: str) -> tuple[str, str]:
    """Return the pair's geometry as a standalone SVG, and its media type."""
    left, right = (terms_of(opened.table, text)[0] for text in (u, v))
    return geometry.picture(left, right, names=(u, v)), "image/svg+xml"
