"""Skip-gram by replicas that become one now and then, beside one thread on one machine: what the exchanges cost in quality.

python bench/run.py replicas TEXT [--epochs 3] [--plans 2x50 8x50 8x200] [--out results/replicas.json]

A plan is replicas x exchanges an epoch. All replicas run here, one after the other; their number changes the result, where they run does
not. Scores are those of `tokenspace evaluate` on gensim's files, with their intervals.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tokenspace import train
from tokenspace.analysis.evaluation import evaluate
from tokenspace.engines import Local


def main(arguments: list[str]) -> None:
    """Train by every plan, and write the scores."""
    parser = argparse.ArgumentParser(prog="replicas")
    parser.add_argument("text")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--plans", nargs="*", default=["2x50", "8x50", "8x200"])
    parser.add_argument("--out", default=str(Path(__file__).parents[1] / "results" / "replicas.json"))
    options = parser.parse_args(arguments)
    from run import machine  # noqa: PLC0415 - the program that called

    document: dict[str, Any] = {"case": "replicas", "epochs": options.epochs, "dim": options.dim, "machine": machine(), "runs": []}
    for plan in ["one", *options.plans]:
        how: dict[str, Any] = {"threads": 1}
        if plan != "one":
            replicas, exchanges = map(int, plan.split("x"))
            how = {"engine": Local(options.threads), "replicas": replicas, "exchanges": exchanges}
        began = time.process_time()
        table = train.skipgram(options.text, dim=options.dim, epochs=options.epochs, seed=1, held_out=0.05, **how)
        seconds = time.process_time() - began
        scores = {}
        found = evaluate(table, threads=1, methods=["3CosAdd"])
        for pairs in found.pairs:
            scores[pairs.name] = [pairs.spearman.value, pairs.spearman.low, pairs.spearman.high]
        for answered in found.analogies:
            scores[answered.name] = [answered.accuracy.value, answered.accuracy.low, answered.accuracy.high]
        document["words"] = table.report.words
        document["runs"].append({"plan": plan, "cpu_s": seconds, "held_out": table.report.held_out[-1], "scores": scores})
        print(json.dumps(document["runs"][-1]), file=sys.stderr)
        Path(options.out).write_text(json.dumps(document, indent=1) + "\n")
    print(options.out)
