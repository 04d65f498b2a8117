"""The bench's own oracle and arithmetic: what judges everybody has to be right itself."""

from __future__ import annotations

import importlib.util
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from tokenspace import MEASURES
from tokenspace.search import Exact

FOLDER = Path(__file__).parents[2] / "bench" / "searching"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the bench is not part of what was installed")


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("measure", MEASURES)
def test_the_truth_is_that_of_exact_search_also_across_blocks_and_ties(monkeypatch, measure):
    truth = load("truth")
    monkeypatch.setattr(truth, "ROWS", 70)
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 5)).astype(np.float32)
    rows[150:160] = rows[:10]
    queries = rows[:20]
    found = truth.nearest(rows, queries, 7, measure)
    np.testing.assert_array_equal(found, Exact(rows, measure).search(queries, 7).ids)
    assert truth.judge(rows, queries, found, found, measure) == (0, 0)


def test_a_judge_tells_wrong_rows_from_ties_in_another_order():
    truth = load("truth")
    rows, query = np.float32([[0], [1], [-1], [5]]), np.float32([[0]])
    right = truth.nearest(rows, query, 3, "euclidean")
    assert right.tolist() == [[0, 1, 2]]
    for given, expected in (([0, 2, 1], (0, 2)), ([0, 1, 3], (1, 1)), ([0, 1, -1], (1, 1)), ([0, 1, 1], (1, 1))):
        assert truth.judge(rows, query, right, np.array([given]), "euclidean") == expected


def turns(*walls):
    return [{"wall": wall, "cpu": 2 * wall} for wall in walls]


def run(threads, **walls):
    memory = dict.fromkeys(("index_mb", "extra_mb", "kept_mb", "prepare_wall", "first_wall"), 1.0)
    judged = {f"{kind}_{name}": 0 for kind in ("batch", "single") for name in ("judged", "wrong", "elsewhere")}
    peers = {peer: {"version": "1", "asked": 9, "batch": turns(*times), "single": [], **memory, **judged} for peer, times in walls.items()}
    limits = {"wall_gflops": 1.0, "cpu_gflops": 1.0, "wall_gbytes": 1.0, "cpu_gbytes": 1.0}
    about = {"workload": "W", "title": "<W>", "measure": "cosine", "shape": (1000, 100), "queries": 9, "k": 3}
    return {
        **about,
        "threads": threads,
        "limits": limits,
        "peers": {**peers, "gone": {"absent": "not installed", "batch": [], "single": []}},
    }


def test_figures_are_medians_next_to_the_best_peer_on_as_many_threads_or_fewer():
    figures = load("figures")
    one, two = run(1, tokenspace_exact=(3, 1, 2), a=(4, 4, 4)), run(2, tokenspace_exact=(1, 1, 9), a=(5, 5, 5), b=(8, 8, 8))
    ours, _, gone = figures.summary(one, "batch", [one])
    assert (ours["wall"], ours["ratio"], ours["cpu_ratio"]) == (2, 0.5, 0.5)
    assert ours["floor"] == pytest.approx(2 / (2 * 9 * 1000 * 100 / 1e9))
    assert gone == {"peer": "gone", "why": "not installed"}
    assert [line["peer"] for line in figures.summary(two, "batch", [one, two])] == ["tokenspace_exact", "a", "b", "gone"]
    assert figures.summary(two, "batch", [one, two])[0]["ratio"] == 0.25
    assert figures.summary(two, "batch", [two])[0]["ratio"] == 0.2
    assert figures.floor(one, "single") == pytest.approx(4e5 / 1e9)


def test_the_page_stands_alone_and_its_drawings_are_sound(monkeypatch):
    figures = load("figures")
    monkeypatch.setitem(sys.modules, "figures", figures)
    page = load("page")
    only = run(1, tokenspace_exact=(3, 1, 2), a=(400, 400, 400))
    for what, name in ((lambda kind: figures.summary(only, kind, [only]), "tables"), (lambda kind: figures.floor(only, kind), "floors")):
        only[name] = {kind: what(kind) for kind in ("batch", "single")}
    machine = {"processor": "<b>", "cpus": 2, "system": "s", "python": "3", "kernels": "k"}
    text = page.render({"date": "2000-01-01", "machine": machine, "rounds": 3, "runs": [only]})
    assert "&lt;b&gt;" in text
    assert "&lt;W&gt;" in text
    assert "http" not in text
    drawing = text[text.index("<svg") : text.index("</svg>") + 6]
    assert [bar.get("class") for bar in ET.fromstring(drawing).iter("rect")] == ["ours", "theirs"]
