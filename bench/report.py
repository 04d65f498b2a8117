"""Print a result of run.py: medians with their spread, the ratio to the named peer in the same run, and the error beside the speed.

The spread is that of the repeats or, where there is one, of its calls.

python bench/report.py bench/results/extension-….json
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

COLUMNS = ("method", "CPU ms [spread]", "wall ms", "peer's / its", "peak extra MB", "of it torch's", "optimiser MB", "error")


def main() -> None:
    """Print the tables of a result that was kept."""
    show(json.loads(Path(sys.argv[1]).read_text()))


def show(document: dict[str, Any]) -> None:
    """Print the tables of a result."""
    machine = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    loads = [run["load"] for run in document["runs"]]
    print(f"{document['case']}, {machine['began']}: {machine['processor']}, {machine['cpus']} CPUs, Python {machine['python']}; {versions}")
    print(f"load {min(loads):.1f} to {max(loads):.1f}; repeats: {1 + max(run['repeat'] for run in document['runs'])}")
    groups: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for run in document["runs"]:
        groups[run["task"], run["size"], run["threads"]][run["method"]].append(run)
    for (task, size, threads), methods in groups.items():
        peer = document["peers"][task]
        base = median(methods.get(peer, []), "cpu_ms")
        print(f"\n### {task}, {size}, {threads} thread{'s' if threads > 1 else ''} (peer: {peer})\n")
        print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
        for method, runs in methods.items():
            print("| " + " | ".join(row(method, runs, base)) + " |")


def row(method: str, runs: list[dict[str, Any]], base: float | None) -> list[str]:
    """Return the cells of one method."""
    good = [run for run in runs if "failed" not in run]
    if not good:
        return [method, "failed", *[""] * (len(COLUMNS) - 3), runs[0]["failed"]]
    cpu = median(good, "cpu_ms")
    each = [statistics.median(run["cpu_ms"]) for run in good] if len(good) > 1 else good[0]["cpu_ms"]
    ratio = f"{base / cpu:.3g} x" if base and cpu else ""
    errors = sorted({str(run["error"]) for run in good})
    return [
        method,
        f"{cpu:,.1f} [{min(each):,.1f} to {max(each):,.1f}]",
        f"{median(good, 'wall_ms'):,.1f}",
        ratio,
        number(good, "peak_mb"),
        number(good, "torch_mb"),
        number(good, "state_mb"),
        "; ".join(errors),
    ]


def median(runs: list[dict[str, Any]], name: str) -> float | None:
    """Return the median over repeats of each repeat's median."""
    values = [statistics.median(run[name]) for run in runs if "failed" not in run]
    return statistics.median(values) if values else None


def number(runs: list[dict[str, Any]], name: str) -> str:
    """Return the median of a single figure, empty where it was not measured."""
    values = [run[name] for run in runs if run.get(name) is not None]
    return f"{statistics.median(values):,.1f}" if values else ""


if __name__ == "__main__":
    main()
