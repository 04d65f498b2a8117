"""What is said of each library: medians, spreads, ratios, memory, errors; the same for the terminal and for the page."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = "tokenspace_exact"

COLUMNS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("wall ms", lambda line: f"{1e3 * line['wall']:.4g}"),
    ("middle half", lambda line: " to ".join(f"{1e3 * value:.4g}" for value in line["wall_spread"])),
    ("CPU ms", lambda line: f"{1e3 * line['cpu']:.4g}"),
    ("x best", lambda line: f"{line['ratio']:.2f}" if "ratio" in line else ""),
    ("x best CPU", lambda line: f"{line['cpu_ratio']:.2f}" if "cpu_ratio" in line else ""),
    ("x floor", lambda line: f"{line['floor']:.2f}"),
    ("x floor CPU", lambda line: f"{line['cpu_floor']:.2f}"),
    ("index MB", lambda line: f"{line['index_mb']:.0f}"),
    ("kept MB", lambda line: f"{line['kept_mb']:.0f}"),
    ("extra MB", lambda line: f"{line['extra_mb']:.0f}"),
    ("prepare s", lambda line: f"{line['prepare_wall']:.2f}"),
    ("wrong", lambda line: str(line["wrong"]) if line["judged"] else "?"),
    ("elsewhere", lambda line: str(line["elsewhere"]) if line["judged"] else "?"),
)
"""Heads, and how each cell is written."""


def threads_of(run: dict[str, Any]) -> str:
    """Return the number of threads in words."""
    return f"{run['threads']} thread{'s' * (run['threads'] > 1)}"


def asked_of(run: dict[str, Any], kind: str) -> str:
    """Return how the queries were put."""
    return f"{run['queries']:,} queries in one call" if kind == "batch" else "one query a call"


def floor(run: dict[str, Any], kind: str, clock: str = "wall") -> float:
    """Return the seconds below which no float32 search gets that multiplies by sgemm and reads each row once; wall or CPU."""
    n, d = run["shape"]
    q = run["queries"] if kind == "batch" else 1
    gflops, gbytes = (run["limits"][f"{clock}_{name}"] for name in ("gflops", "gbytes"))
    return max(2 * q * n * d / gflops / 1e9, 4 * n * d / gbytes / 1e9)


def summary(run: dict[str, Any], kind: str, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one line a peer, the fastest first: medians, spreads, ratios, memory, errors.

    `ratio` is the time next to that of the best peer that is not tokenspace, on as many threads or, where `runs` has them, on fewer:
    FAISS answers one query four times faster on one thread than on two, and nobody would use two. Below 1 is faster than all of them.
    """
    same = [
        other for other in runs if all(other[name] == run[name] for name in ("workload", "measure")) and other["threads"] < run["threads"]
    ]
    lines = []
    for peer, seen in run["peers"].items():
        if "absent" in seen or "failed" in seen or not seen[kind]:
            lines.append({"peer": peer, "why": seen.get("absent") or seen.get("failed") or "not run"})
            continue
        line: dict[str, Any] = {"peer": peer, "version": seen["version"], "asked": seen["asked"]}
        for clock in ("wall", "cpu"):
            times = [turn[clock] for turn in seen[kind]]
            quarters = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
            line[clock], line[f"{clock}_spread"] = quarters[1], (quarters[0], quarters[2])
        line |= {"floor": line["wall"] / floor(run, kind), "cpu_floor": line["cpu"] / floor(run, kind, "cpu")}
        line |= {name: seen[name] for name in ("index_mb", "extra_mb", "kept_mb", "prepare_wall", "first_wall")}
        line |= {name: seen.get(f"{kind}_{name}") for name in ("judged", "wrong", "elsewhere")}
        lines.append(line)
    for clock in ("wall", "cpu"):
        theirs = [line[clock] for line in lines if clock in line and line["peer"] != OURS]
        theirs += [median(seen, kind, clock) for other in same for peer, seen in other["peers"].items() if peer != OURS and seen[kind]]
        for line in lines:
            if clock in line and theirs:
                line["ratio" if clock == "wall" else "cpu_ratio"] = line[clock] / min(theirs)
    return sorted(lines, key=lambda line: line.get("wall", float("inf")))


def median(seen: dict[str, Any], kind: str, clock: str) -> float:
    """Return the median over the rounds."""
    return statistics.median(turn[clock] for turn in seen[kind])
