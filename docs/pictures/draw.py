"""Draws the pictures of the documentation anew, with the package itself: python docs/pictures/draw.py."""

from __future__ import annotations

from pathlib import Path

import tokenspace as ts
from tokenspace import diagram, geometry

HERE = Path(__file__).parent
WORDS = ("king", "queen", "man", "woman", "apple")


def pictures() -> dict[str, str]:
    """Return each picture by the name of its file."""
    table = ts.open("glove-6b-50d")
    rows = table[list(WORDS)][:, :3]
    grown = table.extend(["covid"], init=table[["virus"]])[[*WORDS[:4], "covid"]][:, :3]
    return {
        "figure-1.svg": diagram.picture(rows),
        "figure-2.svg": diagram.picture(rows, tokens=WORDS, x=[0, 0, 1, 0, 0]),
        "extension.svg": diagram.picture(grown, tokens=[*WORDS[:4], "covid"], new=1),
        "figure-3.svg": geometry.picture([2, -1, 3], [1, 2, -1]),
    }


if __name__ == "__main__":
    for name, svg in pictures().items():
        (HERE / name).write_text(svg, encoding="utf-8")
