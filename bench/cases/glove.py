"""GloVe from text beside Stanford's programs: each stage's time and memory, whether the counts are equal, and how good the tables are.

python bench/run.py glove --text corpus.txt [--programs FOLDER] [--dim 100] [--epochs 10] [--threads 2] [--seeds 1 2 3] [--out FILE]

The text is one sentence a line, words between blanks; it has to be brought along. FOLDER holds vocab_count, cooccur, shuffle and glove, as
`make` in Stanford's GloVe repository builds them; left out, they are looked for in PATH, and then left out. Both train over the
same vocabulary. Quality is WordSim-353, SimLex-999 (Spearman's rho x 100) and the analogy questions (3CosAdd over all words, % right).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parents[1] / "peers"
STAGES = ("text", "counting", "shuffling", "epoch")
JUDGES = ("WordSim-353", "SimLex-999", "questions-words")
METHODS = ("tokenspace", "GloVe C")


def main(arguments: list[str]) -> None:
    """Run, print a table, keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", required=True, type=Path)
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--method", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--no-quality", action="store_true", help="time alone")
    parser.add_argument("--out", type=Path)
    for name, default in (("dim", 100), ("window", 15), ("epochs", 10), ("min-count", 5), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--x-max", type=float, default=100.0)
    options = parser.parse_args(arguments)
    found = shutil.which("cooccur", path=str(options.programs) if options.programs else None)
    methods = [name for name in options.method if name != "GloVe C" or found]
    shared = {name: getattr(options, name) for name in ("dim", "window", "epochs", "min_count", "threads", "x_max")}
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(options.seeds):
            for method in methods:
                asked = {**shared, "seed": seed, "text": str(options.text), "folder": folder, "programs": str(Path(found or "").parent)}
                load = os.getloadavg()[0]
                told = run(method, asked | {"compare": not number and len(methods) > 1, "judge": not options.no_quality})
                runs.append({"method": method, "seed": seed, "load": load, **told})
                print(json.dumps(runs[-1]), file=sys.stderr)
    report(runs, shared)
    out = options.out or Path(__file__).parents[1] / "results" / f"glove-{time.strftime('%Y%m%d-%H%M%S')}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"case": "glove", **shared, "runs": runs}, indent=1) + "\n")
    print(out)


def run(method: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Train by one method in a process of its own."""
    call = [sys.executable, str(PEERS / "glove_training.py"), method, json.dumps(asked)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1][:300]}
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def report(runs: list[dict[str, Any]], shared: dict[str, Any]) -> None:
    """Print medians over the seeds."""
    rows = {
        name: [one for one in runs if one["method"] == name and "failed" not in one] for name in dict.fromkeys(r["method"] for r in runs)
    }
    print(
        f"d = {shared['dim']}, window {shared['window']}, {shared['epochs']} epochs, {shared['threads']} threads; medians, CPU s (wall s)"
    )
    print(f"{'':12}" + "".join(f"{stage:>18}" for stage in STAGES) + f"{'MB':>7}  " + "".join(f"{judge:>17}" for judge in JUDGES))
    for name, some in rows.items():
        if not some:
            print(f"{name:12} failed: {next(one['failed'] for one in runs if one['method'] == name)}")
            continue
        times = "".join(
            f"{' '.join(f'{value:.2f}' for value in stage(some, what)[:1])} ({stage(some, what)[1]:.2f})".rjust(18) for what in STAGES
        )
        quality = "".join(f"{statistics.median(one[judge] for one in some):17.2f}" for judge in JUDGES if judge in some[0])
        print(f"{name:12}{times}{statistics.median(one['peak_mb'] for one in some):7.0f}  {quality}")
    if len(rows) == len(METHODS) and all(rows.values()):
        for what in ("counting", "epoch"):
            ours, theirs = (stage(rows[name], what) for name in METHODS)
            print(f"{what}: {theirs[0] / ours[0]:.1f} x in CPU time, {theirs[1] / ours[1]:.1f} x in wall time")
    for one in runs:
        if "counts" in one:
            print(f"counts: {one['counts']}")


def stage(runs: list[dict[str, Any]], what: str) -> tuple[float, float]:
    """Return the median CPU and wall seconds of a stage."""
    cpu, wall = (statistics.median(one["stages"][what][clock] for one in runs) for clock in (0, 1))
    return cpu, wall
