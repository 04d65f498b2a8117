"""The plan to scale: a cost model fitted to measured searches, held against sizes that it has not seen, and carried on; and a simulation.

python bench/run.py scale [--runs results/engines-fit.json] [--others results/engines.json] [--page docs/concepts/scale.md]

Reads what `run.py engines` measured, fits CPU seconds of a job to what it does, prints the error on the size left out (six shards) and on
`--others` (other shard sizes), and writes its tables into the page, between the marks that name them. No number of the page is typed.
"""

from __future__ import annotations

import argparse
import functools
import heapq
import json
import math
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tokenspace.search import Exact
from tokenspace.search.spread import Asked, Parts

ROOT = Path(__file__).parents[2]
HELD_OUT = 6
"""Shards of the size that no figure is fitted to."""

D, K, ITEM = 64, 10, 4
SIZES = (10**8, 10**9, 10**10)
BATCHES = (1, 1_000, 1_000_000)
WORKERS = 1_000
SHARD = 1_000_000
"""Rows of a shard in what is carried on: 256 MB."""

CODES, GRAPH = D + 14, D * 2 + 8 * 16 + 8
"""Bytes a row beside the table: the byte screen's codes (docs/reference/search.md), and a graph of 16 links with float16 vectors."""


@dataclass(frozen=True)
class Model:
    """CPU seconds of a job, per unit.

    Attributes
    ----------
    job : float
        Whatever its size.
    gigabyte : float
        Of rows prepared: lengths and codes.
    pair : float
        10^9 multiply-adds of queries with rows, all that comes with them included.
    """

    job: float
    gigabyte: float
    pair: float

    def seconds(self, n: float, q: float, d: int = D) -> float:
        """Return the CPU seconds of a search of q queries in n rows."""
        return self.job + self.gigabyte * n * d * ITEM / 1e9 + self.pair * n * d * q / 1e9


def main(arguments: list[str]) -> None:
    """Fit, check, carry on, simulate, write."""
    parser = argparse.ArgumentParser(prog="scale")
    parser.add_argument("--runs", default=str(ROOT / "bench/results/engines-fit.json"))
    parser.add_argument("--others", default=str(ROOT / "bench/results/engines.json"))
    parser.add_argument("--page", default=str(ROOT / "docs/concepts/scale.md"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default=str(ROOT / "bench/results/scale.json"))
    options = parser.parse_args(arguments)
    runs = ray_runs(Path(options.runs))
    large = json.loads(Path(options.others).read_text())
    others = [run for run in large["runs"] if run["method"] == "ray"]
    seen = [run for run in runs if shards_of(run) != HELD_OUT]
    model = fitted(seen)
    merging, scanning = merge_cost(), scan_cost()
    simulated = [simulate(model, merging, shards, options.seed) for shards in (1_000, 10_000, 100_000)]
    parts = {
        "fit": fit_table(model, seen, [run for run in runs if shards_of(run) == HELD_OUT], others),
        "ray": ray_table(large),
        "lost": lost_table([run for run in others if run.get("killed")]),
        "carried-on": carried_on(model, merging),
        "plans": plans(scanning),
        "simulation": simulation_table(simulated),
    }
    document = {"case": "scale", "model": vars(model), "merge_ns": merging, "scan_gb_s": scanning, "simulated": simulated}
    Path(options.out).write_text(json.dumps(document, indent=1) + "\n")
    page = Path(options.page)
    text = page.read_text(encoding="utf-8")
    for name, table in parts.items():
        begin, end = f"<!-- made by bench/cases/scale.py: {name} -->\n", "<!-- made -->"
        before, _, rest = text.partition(begin)
        if not rest:
            sys.exit(f"{page} has no mark for {name}")
        text = before + begin + "\n" + table + end + rest.partition(end)[2]
    page.write_text(text, encoding="utf-8")
    print(parts["fit"])


def rows_of(run: dict[str, Any]) -> tuple[int, int, int]:
    """Return rows, numbers a row and shards of a run."""
    shape, _, shards = run["size"].partition("/")
    n, d = map(int, shape.split("x"))
    return n, d, int(shards)


def shards_of(run: dict[str, Any]) -> int:
    """Return the shards of a run."""
    return rows_of(run)[2]


def fitted(runs: list[dict[str, Any]]) -> Model:
    """Fit by least squares of relative errors, no cost below zero."""
    table = []
    for run in runs:
        n, d, _ = rows_of(run)
        table.append((1.0, n * d * ITEM / 1e9, n * d * run["queries"] / 1e9, statistics.median(run["cpu_s"])))
    array = np.array(table)
    features, seconds = array[:, :-1] / array[:, -1:], np.ones(len(array))
    best: tuple[float, Any] = (math.inf, None)
    for kept in range(1, 8):  # every set of costs that are not zero; the best without a negative one is the solution
        some = [column for column in range(3) if kept >> column & 1]
        solution = np.zeros(3)
        solution[some] = np.linalg.lstsq(features[:, some], seconds, rcond=None)[0]
        error = float(((features @ solution - 1) ** 2).sum())
        if (solution >= 0).all() and error < best[0]:
            best = error, solution
    return Model(*map(float, best[1]))


def merge_cost() -> float:
    """Return the nanoseconds that the driver takes for one row of one query of one shard's answer."""
    random = np.random.default_rng(0)
    q, shards = 1000, 30
    keys = -np.sort(-random.random((shards, q, K)), axis=2)
    whole = Parts(Asked(np.zeros((q, D)), K, "cosine", "auto"), shards)
    blank = {"finished": np.zeros(q, dtype=np.int64), "bound": np.zeros(q), "error": np.zeros(q)}
    began = time.process_time()
    for place in range(shards):
        ids = np.arange(K) + place * K + np.zeros((q, 1), dtype=np.int64)
        whole.take(place, {"ids": ids, "keys": keys[place], **blank, "paths": np.array(["bytes"]), "scaled": np.zeros(1, dtype=bool)})
    return (time.process_time() - began) / (shards * q * K) * 1e9


def scan_cost() -> dict[str, float]:
    """Return how many GB of rows one query goes through in a second of one CPU, by each plan."""
    rows = np.random.default_rng(0).standard_normal((1_000_000, D), dtype=np.float32)
    found = {}
    ways = {path: Exact(rows, "euclidean", threads=1, path=path) for path in ("every", "bytes")}
    calls = {path: functools.partial(search.search, k=K) for path, search in ways.items()} | {"read": lambda _: rows.max()}
    for path, call in calls.items():
        times = []
        for query in rows[:6]:
            began = time.process_time()
            call(query)
            times.append(time.process_time() - began)
        found[path] = rows.nbytes / min(times) / 1e9
    return found


def fit_table(model: Model, seen: list[dict[str, Any]], held: list[dict[str, Any]], others: list[dict[str, Any]]) -> str:
    """Show the model, and measured beside expected."""
    lines = [
        f"CPU seconds = {model.job:.3f} + {model.gigabyte:.3f} · GB of rows + {model.pair * 1e3:.3f} · 10¹² multiply-adds",
        "",
        "| rows x numbers / shards | queries | CPU s measured | CPU s expected | error | |",
        "|---|---|---|---|---|---|",
    ]
    errors: dict[str, list[float]] = {}
    for what, runs in (("fitted", seen), ("**held out**", held), ("**other shards**", others)):
        for run in runs:
            n, d, _ = rows_of(run)
            measured, expected = statistics.median(run["cpu_s"]), model.seconds(n, run["queries"], d)
            errors.setdefault(what, []).append(abs(expected / measured - 1))
            lines.append(
                f"| {run['size'].replace('/', ' / ')} | {run['queries']:,} | {measured:.2f} | {expected:.2f} | "
                f"{expected / measured - 1:+.0%} | {what} |"
            )
    told = ", ".join(f"{what.strip('*')} {statistics.mean(each):.0%}" for what, each in errors.items())
    return "\n".join([*lines, "", f"Mean error without sign: {told}.", ""])


def ray_table(document: dict[str, Any]) -> str:
    """Show Ray beside threads, and a worker's memory."""
    lines = ["| way | wall s, median (all) | CPU s, median | ids and scores |", "|---|---|---|---|"]
    names = {"whole": "threads over the whole matrix", "local": 'threads, shard by shard (`engine="local"`)', "ray": '`engine="ray"`'}
    medians = {}
    for run in document["runs"]:
        cpu, each = statistics.median(run["cpu_s"]), ", ".join(f"{wall:.1f}" for wall in run["wall_s"])
        medians[run["method"]] = run["median_wall_s"], cpu
        same = "the same" if run["identical"] else "**other**"
        lines.append(f"| {names[run['method']]} | {run['median_wall_s']:.2f} ({each}) | {cpu:.2f} | {same} |")
    ray = next(run for run in document["runs"] if run["method"] == "ray")
    over = [mine / other - 1 for mine, other in zip(medians["ray"], medians["local"], strict=True)]
    peak = max(worker["peak_mb"] for worker in ray["workers"])
    told = [
        f"{ray['size'].replace('/', ' / ')}, {ray['queries']:,} queries, {ray['cpus']} CPUs, load {ray['load']:.0f} when it began.",
        f"Ray over `local`: {over[0]:+.0%} of wall time, {over[1]:+.0%} of CPU time. Starting Ray took {document['ray_start_s']:.0f} s.",
        f"A worker held {peak:.0f} MB at the most, its shard of {ray['shard_mb']:.0f} MB included.",
    ]
    return "\n".join([*told, "", *lines, ""])


def ray_runs(path: Path) -> list[dict[str, Any]]:
    """Return the runs by Ray that a file of `run.py engines` tells of."""
    return [run for run in json.loads(path.read_text())["runs"] if run["method"] == "ray"]


def lost_table(runs: list[dict[str, Any]]) -> str:
    """Show what a lost worker cost: jobs by turns, with and without, and the shard that had to be searched again."""
    lines = ["| rows / shards, queries | wall s | with a worker killed | more, each | the lost shard took, each | ids and scores |"]
    lines.append("|---|---|---|---|---|---|")
    for run in runs:
        each = run["killed"]
        plain, killed = (statistics.median(one[name] for one in each) for name in ("unkilled_wall_s", "wall_s"))
        more = ", ".join(f"{one['wall_s'] - one['unkilled_wall_s']:.2f}" for one in each)
        shard = ", ".join(f"{one['lost'][0]['wall_s']:.2f}" for one in each)
        same = "the same" if all(one["identical"] and one["tasks"] == one["shards"] + 1 for one in each) else "**other**"
        lines.append(f"| {run['size'].replace('/', ' / ')}, {run['queries']:,} | {plain:.2f} | {killed:.2f} | {more} | {shard} | {same} |")
    return "\n".join([*lines, ""])


def carried_on(model: Model, merging: float) -> str:
    """Show larger tables."""
    lines = [
        "| rows | GB | queries | CPU hours | s on 1,000 CPUs | MB sent to each worker | GB of answers to the driver | merging, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for n in SIZES:
        shards = n // SHARD
        for q in BATCHES:
            cpu, entries = model.seconds(n, q), shards * q * K
            wall, sent, answers = cpu / min(WORKERS, shards), q * D * 8 / 1e6, (entries * 16 + shards * q * 24) / 1e9
            figures = map(figure, (cpu / 3600, wall, sent, answers, entries * merging / 1e9))
            lines.append(f"| {power(n)} | {n * D * ITEM / 1e9:,.0f} | {q:,} | {' | '.join(figures)} |")
    return "\n".join([*lines, ""])


def plans(scanning: dict[str, float]) -> str:
    """Show what each plan needs for one query in a tenth of a second."""
    rates = f"{scanning['every']:.1f} GB of rows a second, the byte screen {scanning['bytes']:.1f}; rows only read {scanning['read']:.1f}."
    lines = [
        f"One query, one thread here: every row finished {rates}",
        "",
        "| rows | exact, every row: memory, CPUs for 0.1 s | byte screen: memory, CPUs for 0.1 s | graph: memory |",
        "|---|---|---|---|",
    ]
    for n in SIZES:
        size = n * D * ITEM / 1e9
        cpus = {path: math.ceil(size / scanning[path] / 0.1) for path in ("every", "bytes")}
        screen = f"{n * CODES / 1e9:,.0f} GB of codes beside {size:,.0f} GB mapped, {cpus['bytes']:,}"
        lines.append(f"| {power(n)} | {size:,.0f} GB, {cpus['every']:,} | {screen} | {n * GRAPH / 1e9:,.0f} GB |")
    return "\n".join([*lines, ""])


def simulate(model: Model, merging: float, shards: int, seed: int, *, times: int = 40) -> dict[str, Any]:
    """Play a job of 10^10 rows and 1,000 queries on 1,000 workers.

    A shard takes its expected time, times a lognormal factor (sigma 0.2). One worker in a hundred is ten times slower throughout. Each
    worker is lost once in 10 hours on average, comes back after 60 s, and its shard is begun anew by whoever is free.
    """
    random = np.random.default_rng([seed, shards])
    n, q, slow, factor, lost, back = SIZES[-1], 1_000, 0.01, 10.0, 36_000.0, 60.0
    each = model.seconds(n, q) / shards
    spans, redone = [], []
    for _ in range(times):
        speed = np.where(random.random(WORKERS) < slow, factor, 1.0)
        work = each * random.lognormal(-0.02, 0.2, shards)
        fails = random.exponential(lost, WORKERS)
        free = [(0.0, worker) for worker in range(WORKERS)]
        waiting, again, end = list(range(shards)), 0, 0.0
        while waiting:
            at, worker = heapq.heappop(free)
            shard = waiting.pop()
            done = at + work[shard] * speed[worker]
            if done > fails[worker] > at:
                waiting.append(shard)
                again += 1
                at = fails[worker] + back
                fails[worker] = at + random.exponential(lost)
                heapq.heappush(free, (at, worker))
                continue
            end = max(end, done)
            heapq.heappush(free, (done, worker))
        spans.append(end)
        redone.append(again / shards)
    ideal = each * shards / WORKERS
    return {
        "shards": shards,
        "ideal_s": ideal,
        "median_s": float(np.median(spans)),
        "worst_s": float(np.max(spans)),
        "redone": float(np.mean(redone)),
        "merge_s": shards * q * K * merging / 1e9,
    }


def simulation_table(simulated: list[dict[str, Any]]) -> str:
    """Show the simulated jobs."""
    lines = [
        "| shards | rows of each | all workers alike, s | median, s | worst of 40, s | begun anew | merging, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in simulated:
        spans = " | ".join(figure(run[name]) for name in ("ideal_s", "median_s", "worst_s"))
        lines += [f"| {run['shards']:,} | {SIZES[-1] // run['shards']:,} | {spans} | {run['redone']:.2%} | {figure(run['merge_s'])} |"]
    return "\n".join([*lines, ""])


def power(n: int) -> str:
    """Return a power of ten as the page writes it."""
    return f"10^{round(math.log10(n))}"


def figure(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


if __name__ == "__main__":
    main(sys.argv[1:])
