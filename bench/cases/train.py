"""Tables trained from text: words a second, memory, and how good the table is, every method in turn over one text and vocabulary.

python bench/run.py train --text corpus.txt [--model skipgram cbow glove] [--dim 100] [--threads 2] [--seeds 1 2 3] [--method NAME ...]

The text is one sentence a line, words between blanks; it has to be brought along. Quality is our evaluation's judgement of the vectors
on WordSim-353, SimLex-999 (Spearman's rho x 100) and the analogy questions (3CosAdd over all words, % right). With --out FILE the runs
join those that are there, and what is there is not run again, so that a table of many hours is made piece by piece.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parents[1] / "peers"
MODELS = {"skipgram": {"alpha": 0.025}, "cbow": {"alpha": 0.05}, "glove": {"alpha": 0.75, "window": 15, "epochs": 10}}
"""What is asked of a model unless the command line says otherwise: the originals' own values."""
ASKED = {"dim": 100, "window": 5, "negative": 5, "epochs": 1, "min_count": 5, "threads": 2}
JUDGES = ("WordSim-353", "SimLex-999", "analogies")
FLOOR = "tokenspace"


def main(arguments: list[str]) -> None:
    """Run, print a table, keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", required=True, type=Path)
    parser.add_argument("--model", nargs="*", default=["skipgram", "cbow"], choices=list(MODELS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--method", nargs="*")
    parser.add_argument("--no-quality", action="store_true", help="time alone")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--note", help="kept with these runs: what their times are worth, say")
    for name, default in ASKED.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=f"{default}, if the model has no other")
    parser.add_argument("--sample", type=float, default=1e-3)
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(PEERS))
    from training import METHODS  # noqa: PLC0415 - found by its folder

    given = {name: getattr(options, name) for name in ASKED if getattr(options, name) is not None} | {"sample": options.sample}
    words = sum(len(line.split()) for line in options.text.open("rb"))
    out = options.out or Path(__file__).parents[1] / "results" / f"train-{time.strftime('%Y%m%d-%H%M%S')}.json"
    out.parent.mkdir(exist_ok=True)
    runs: list[dict[str, Any]] = json.loads(out.read_text())["runs"] if out.exists() else []
    for model in options.model:
        for seed in options.seeds:
            for method in options.method or METHODS:
                asked = {"model": model, "method": method, "seed": seed, **ASKED, **MODELS[model], **given}
                if any(asked.items() <= one.items() for one in runs):
                    continue
                load, note = os.getloadavg()[0], {"note": options.note} if options.note else {}
                runs.append({**asked, "load": load, **run(method, asked | {"text": str(options.text)}, blind=options.no_quality), **note})
                print(json.dumps(runs[-1]), file=sys.stderr)
                whole = out.with_suffix(".new")
                whole.write_text(json.dumps({"case": "train", "words": words, "runs": runs}, indent=1) + "\n")
                whole.replace(out)
    report(runs, words)
    print(out)


def run(method: str, asked: dict[str, Any], *, blind: bool) -> dict[str, Any]:
    """Train by one method in a process of its own, and judge the vectors."""
    with tempfile.TemporaryDirectory() as folder:
        asked["out"] = str(Path(folder, "vectors.bin"))
        environment = {**os.environ, "OMP_NUM_THREADS": str(asked["threads"]), "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        call = [sys.executable, str(PEERS / "training.py"), method, json.dumps(asked)]
        done = subprocess.run(call, capture_output=True, text=True, env=environment, check=False)  # noqa: S603 - ourselves
        if done.returncode:
            return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1][:300]}
        told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return told if "absent" in told or blind else told | judged(asked["out"], asked["threads"])


def judged(file: str, threads: int) -> dict[str, float]:
    """Return what our evaluation says of vectors in a file: gensim's figures, as tests/reference holds, in a fifth of its time."""
    import tokenspace as ts  # noqa: PLC0415 - the judge, where one is wanted

    table = ts.open(file, format="word2vec-binary", errors="surrogateescape")
    done = ts.evaluate(table, methods=["3CosAdd"], restrict=None, threads=threads)
    scores = [*(pairs.spearman.value for pairs in done.pairs), *(part.accuracy.value for part in done.analogies)]
    return dict(zip(JUDGES, (100 * float(score) for score in scores), strict=True))


def report(runs: list[dict[str, Any]], words: int) -> None:
    """Print medians over the seeds."""
    for model in dict.fromkeys(one["model"] for one in runs):
        rows = {
            name: [one for one in runs if one["model"] == model and one["method"] == name]
            for name in dict.fromkeys(one["method"] for one in runs if one["model"] == model)
        }
        good = {name: done for name, some in rows.items() if (done := [one for one in some if "cpu" in one])}
        print(f"\n{model}: medians over the seeds; thousand words a CPU second and wall second")
        print(
            f"{'':20}{'seeds':>6}{'k/CPU s':>9}{'k/s':>9}{'ours/its':>9}{'(wall)':>8}{'MB':>7}  "
            + "".join(f"{judge:>13}" for judge in JUDGES)
        )
        speed = {
            name: [words * some[0]["epochs"] / statistics.median(one[clock] for one in some) / 1e3 for clock in ("cpu", "wall")]
            for name, some in good.items()
        }
        for name, some in good.items():
            ratios = [ours / its for ours, its in zip(speed.get(FLOOR, speed[name]), speed[name], strict=True)]
            quality = "".join(f"{statistics.median(one[judge] for one in some):13.2f}" for judge in JUDGES if judge in some[0])
            peak = statistics.median(one["peak_mb"] for one in some)
            print(
                f"{name:20}{len(some):6}{speed[name][0]:9,.0f}{speed[name][1]:9,.0f}{ratios[0]:9.2f}{ratios[1]:8.2f}{peak:7,.0f}  {quality}"
            )
        for name, some in rows.items():
            for one in some:
                if "cpu" not in one:
                    print(f"{name:20} left out, seed {one['seed']}: {one.get('absent') or one.get('failed')}")
