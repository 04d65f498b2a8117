"""The explorer in a real browser: from the command to the first list, from a key to its neighbours, weight, a million points.

python bench/run.py explorer [--rounds 3] [--rows 1000000] [--table glove-6b-50d] [--json FILE]

Needs Chromium and the extra test-browser. Frames are counted only after the graphics have finished them (a pixel is read back), in
Chromium's software WebGL2 where there is no graphics card; CPU seconds are those of the browser's processes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tokenspace as ts
from tokenspace.explorer.page import page_files

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = ["queen", "music", "paris", "seven", "water", "river", "doctor", "blue", "france", "computer"]
FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
PACE = 300
"""Milliseconds between two keys: forty words a minute."""

ZOOMING = 4.0
"""Seconds of zooming."""

KEY = """async word => {
    const box = document.getElementById("q"), title = () => document.querySelector("h1 .token").textContent;
    box.focus();
    box.value = word;
    const began = performance.now();
    box.dispatchEvent(new InputEvent("input", {bubbles: true}));
    const painted = new MessageChannel();
    const frame = new Promise(done => { painted.port1.onmessage = done; });
    const look = () => title() === word ? painted.port2.postMessage(0) : requestAnimationFrame(look);
    requestAnimationFrame(look); // a message from a frame's callback comes when the frame is laid out and painted
    await frame;
    const took = performance.now() - began, asked = performance.getEntriesByType("resource").findLast(one => one.name.includes("/near?"));
    return [took, asked.responseEnd - asked.requestStart];
}"""
"""From the key to the end of the frame that shows its lists, and how much of that the server took to answer."""

ZOOM = """async seconds => {
    const pad = document.querySelector(".pad"), box = pad.getBoundingClientRect(), began = performance.now(), before = tokenspaceFrames.count, times = [];
    let last = began;
    while (performance.now() - began < seconds * 1000) {
        const inward = Math.floor((performance.now() - began) / 1000) % 2 === 0;
        pad.dispatchEvent(new WheelEvent("wheel", {deltaY: inward ? -60 : 60, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true, cancelable: true}));
        const seen = tokenspaceFrames.count;
        await new Promise(done => { const look = () => tokenspaceFrames.count > seen ? done() : requestAnimationFrame(look); look(); });
        tokenspaceFrames.finish();
        times.push(performance.now() - last);
        last = performance.now();
    }
    return {frames: tokenspaceFrames.count - before, seconds: (performance.now() - began) / 1000, times, drawn: tokenspaceFrames.drawn, kind: tokenspaceFrames.kind};
}"""  # noqa: E501 - JavaScript


def main(arguments: list[str]) -> None:
    """Measure, print a line for each figure, and write all repeats where asked."""
    options = parsed(arguments)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of the extra, after --help

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("needs Chromium: apt-get install chromium")
    found: dict[str, Any] = {"weight": weight()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        found |= lists(browser, options)
        found |= points(browser, options)
        browser.close()
    for name, value in found.items():
        print(f"{name:<44} {shown(value)}")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n")


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser("bench/run.py explorer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--table", default="glove-6b-50d")
    parser.add_argument("--json")
    return parser.parse_args(arguments)


def shown(value: Any) -> str:
    """Write a figure, or the median of several with their extremes."""
    if isinstance(value, list):
        return f"{statistics.median(value):.3g}   ({min(value):.3g} to {max(value):.3g}, {len(value)} times)"
    return str(value)


@contextmanager
def serving(*more: str) -> Iterator[tuple[str, float]]:
    """Run the command; yield its address and when it was started."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "tokenspace", "explore", *more, "--no-open", "--port", "0"]
    # An installed package has its bytecode, which a source tree under this variable never gets: 0.3 s of compiling at each start.
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=known) as process:  # noqa: S603 - our own
        try:
            yield (process.stdout.readline() if process.stdout else "").strip(), began
        finally:
            process.terminate()


def weight() -> str:
    """Say what the page's code weighs, all views together, and the first view's share."""
    code = {
        name: len(gzip.compress(data, 6)) for name, data in page_files().items() if name.endswith((".js", ".css")) and name != "widget.js"
    }
    return f"JS and CSS of all views {sum(code.values()) / 1000:.1f} kB gzipped, {len(code)} files"


def lists(browser: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Measure the first view on a real table."""
    first, told, keys, answers, sent, outside = [], [], [], [], [], 0
    for _ in range(options.rounds):
        with serving(options.table) as (address, began):
            told.append(time.perf_counter() - began)
            page = browser.new_page()
            sizes: dict[str, int] = {}
            page.on(
                "response", lambda response, sizes=sizes: sizes.__setitem__(response.url, int(response.headers.get("content-length", 0)))
            )
            page.goto(address, wait_until="commit")
            page.wait_for_selector(".list tbody tr")
            first.append(time.perf_counter() - began)
            page.wait_for_selector(".small-map .over text", timeout=60_000)
            sent.append(sum(size for url, size in sizes.items() if "/map" not in url) / 1000)
            for word in WORDS:
                page.wait_for_timeout(PACE)
                took, answered = page.evaluate(KEY, word)
                keys.append(took)
                answers.append(answered)
            outside += sum(not re.match(rf"({re.escape(address)}|data:|blob:)", url) for url in sizes)
            page.close()
    return {
        "command to address, s": told,
        "command to first list painted, s": first,
        "key to its neighbours painted, ms": keys,
        "of that, the server's answer, ms": answers,
        "first load without points, kB": sent,
        "requests to other hosts": outside,
    }


def points(browser: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Measure the map of many rows."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((options.rows, 16), dtype=np.float32) * np.linspace(3, 1, 16, dtype=np.float32)
    first, after, rate, times, kind = [], [], [], [], ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.safetensors"
        ts.save(ts.EmbeddingTable([f"t{i}" for i in range(options.rows)], rows), path)
        with serving(str(path)) as (address, _):
            for _ in range(options.rounds):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(f"{address}#view=map", wait_until="commit")
                page.wait_for_function("() => globalThis.tokenspaceFrames?.first > 0", timeout=120_000)
                (first if not first else after).append(page.evaluate("tokenspaceFrames.first") / 1000)
                page.wait_for_timeout(1500)
                seen = page.evaluate(ZOOM, ZOOMING)
                rate.append(seen["frames"] / seen["seconds"])
                times += seen["times"]
                kind = f"{seen['kind']}, {seen['drawn']:,} points a frame while it moves"
                page.close()
    return {
        f"{options.rows:,} points, PCA worked out, to first frame, s": first,
        f"{options.rows:,} points, again, to first frame, s": after,
        "zoom, frames a second": rate,
        "zoom, ms a frame": times,
        "drawn by": kind,
    }
