"""The geometry picture in a real browser, whose fonts and layout decide whether labels can be read."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest

from tokenspace.geometry import picture

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]

# Writes down what the page shows: each text's box, the picture's own box, and whether anything was fetched.
LOOK = """
const svg = document.querySelector("svg");
const box = element => { const b = element.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
const boxes = [...svg.querySelectorAll("text")].map(text => [text.textContent, ...box(text)]);
const seen = {boxes, own: box(svg), fetched: performance.getEntriesByType("resource").length};
document.body.innerHTML = "";
document.body.setAttribute("data-seen", JSON.stringify(seen));
"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")

RNG = np.random.default_rng(0)
PAIRS = {
    "plain": ([3, 1], [1, 2]),
    "same direction": ([1, 2], [2, 4]),
    "opposite": ([1, 2], [-2, -4]),
    "right angle": ([1, 0], [0, 1]),
    "obtuse": ([2, -1, 3], [1, 2, -1]),
    "very unequal": ([100, 1], [1, 1]),
    "many dimensions": (RNG.standard_normal(300), RNG.standard_normal(300)),
}


def shown(svg, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset='utf-8'><body>{svg}<script>{LOOK}</script>", encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    text = dom.split('data-seen="', 1)[1].split('"', 1)[0]
    return json.loads(text.replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_every_label_is_inside_the_picture_and_covers_no_other(pair, tmp_path):
    seen = shown(picture(*pair, names=("king", "queen & <co>")), tmp_path)
    assert seen["fetched"] == 0
    left, top, right, bottom = seen["own"]
    assert seen["boxes"]
    for i, (text, x0, y0, x1, y1) in enumerate(seen["boxes"]):
        assert left - 1 <= x0 <= x1 <= right + 1, text
        assert top - 1 <= y0 <= y1 <= bottom + 1, text
        for other, a0, b0, a1, b1 in seen["boxes"][:i]:
            wide, high = min(x1, a1) - max(x0, a0), min(y1, b1) - max(y0, b0)
            assert wide <= 2 or high <= 4, f"{text!r} covers {other!r}"  # a box has some empty space around its letters
    assert any("queen & <co>" in text for text, *_ in seen["boxes"])
