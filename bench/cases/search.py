"""Exact search against the libraries people use: time, memory and errors on real tables, in one run, in turns.

    python bench/run.py search                          everything; hours
    python bench/run.py search -w W1 -m cosine -t 1 --rounds 3 --peers tokenspace_exact,faiss_blas

Each library runs in a process of its own. Processes take turns, round by round, so that what else the machine does falls on all of
them; where the table is large only one is alive at a time. Compared are medians; the spread is that of the middle half of the rounds.

Memory: "index" is held after preparing, "kept" is held besides after a first search (what it made for the next, or does not give
back), "extra" is the peak of that search beyond the index. Errors, of the first 200 queries: "wrong" rows are none of the k nearest
by exhaustive search in float64, "elsewhere" counts places with another id than there, ties in another order too.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

BENCH = Path(__file__).parents[1]
sys.path[:0] = [str(BENCH / "searching"), str(BENCH.parent / "src")]

import data  # noqa: E402 - found by the line above
import figures  # noqa: E402
import page  # noqa: E402
import truth  # noqa: E402
from processes import WAITING, Process  # noqa: E402

PEERS = (
    figures.OURS,
    "faiss_flat",
    "faiss_blas",
    "sklearnex",
    "torch_mm",
    "numpy_blas",
    "sklearn",
    "sentence_transformers_semantic",
    "gensim_kv",
    "usearch_exact",
)
MEASURES = ("cosine", "euclidean", "inner_product")
K, JUDGED = 10, 200
WIDTHS = {"middle half": 19, "x floor CPU": 12}
TOGETHER = 500e6
"""Bytes of a table up to which all peers' processes are alive together and take turns."""


def measure(workload: data.Workload, measure: str, threads: int, peers: tuple[str, ...], rounds: int, limit: float) -> dict[str, Any]:
    """Run all peers on one workload under one measure; return what was seen of each."""
    rows, queries = data.files(workload)
    table, asked = np.load(rows, mmap_mode="r"), np.load(queries)
    right = _truth(workload, measure, table, asked[:JUDGED])
    settings = {"rows": str(rows), "queries": str(queries), "measure": measure, "threads": threads, "k": K, "limit": limit}
    chosen = [peer for peer in peers if measure in _measures(peer)]
    seen: dict[str, dict[str, Any]] = {peer: {"batch": [], "single": []} for peer in chosen}
    limits: list[dict[str, float]] = []
    together = table.nbytes <= TOGETHER
    alive = _started(chosen, settings, seen) if together else {}
    for _ in range(rounds):
        limits.append(_limits(settings))
        for peer in chosen:
            if not together:
                alive = _started([peer], settings, seen)
            if peer in alive:
                _turn(alive[peer], seen[peer], workload.single)
            if not together:
                _ended(alive)
    _ended(alive)
    for peer in chosen:
        _judge(seen[peer], table, asked, right, measure)
    return {
        "workload": workload.name,
        "title": workload.title,
        "shape": table.shape,
        "queries": len(asked),
        "k": K,
        "measure": measure,
        "threads": threads,
        "limits": {name: statistics.median(limit[name] for limit in limits) for name in limits[0]},
        "peers": seen,
    }


def _measures(peer: str) -> tuple[str, ...]:
    """Read which measures a peer has, without importing its library."""
    line = next(line for line in (BENCH / "peers" / f"{peer}.py").read_text(encoding="utf-8").splitlines() if "MEASURES" in line)
    return MEASURES if "shipped" in line else tuple(name for name in MEASURES if f'"{name}"' in line)


def _started(peers: list[str], settings: dict[str, Any], seen: dict[str, dict[str, Any]]) -> dict[str, Process]:
    alive = {}
    for peer in peers:
        process = Process({**settings, "name": peer})
        state = process.state if "ready" not in process.state else process.ask("prepare")
        if "absent" in state or "failed" in state:
            seen[peer].update(state)
            _ended({peer: process})
            continue
        for name, value in state.items():
            seen[peer].setdefault(name, value)
        alive[peer] = process
    return alive


def _ended(alive: dict[str, Process]) -> None:
    for process in alive.values():
        process.__exit__()


def _turn(process: Process, seen: dict[str, Any], count: int) -> None:
    for kind, more in (("batch", {}), ("single", {"count": count})):
        reply = process.ask(kind, **more)
        if "failed" in reply:
            seen["failed"] = reply["failed"]
            return
        seen[kind].append({"wall": reply["wall"], "cpu": reply["cpu"]})
        if "ids" in reply:
            seen.setdefault("single_ids", reply["ids"])


def _limits(settings: dict[str, Any]) -> dict[str, float]:
    with Process({**settings, "name": "floor"}) as process:
        process.ask("prepare")
        return process.ask("limits")


def _truth(workload: data.Workload, measure: str, table: Any, queries: Any) -> Any:
    """Return the true ids, kept beside the table: finding them takes longer than most searches."""
    path = data.folder() / f"{workload.name}-{measure}-{K}-{len(queries)}.npy"
    if not path.exists():
        np.save(path, truth.nearest(table, queries, K, measure))
    return np.load(path)


def _judge(seen: dict[str, Any], table: Any, queries: Any, right: Any, measure: str) -> None:
    for kind, name in (("batch", "ids"), ("single", "single_ids")):
        ids = np.array(seen.pop(name, np.empty((0, K))), dtype=np.int64)
        if len(ids):
            wrong, elsewhere = truth.judge(table, queries[: len(ids)], right[: len(ids)], ids, measure)
            seen[f"{kind}_judged"], seen[f"{kind}_wrong"], seen[f"{kind}_elsewhere"] = int(ids.size), wrong, elsewhere


def show(run: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    """Print the two tables of a run."""
    limits = run["limits"]
    for kind in ("batch", "single"):
        print(f"\n{run['title']}: {run['measure']}, {figures.asked_of(run, kind)}, k={run['k']}, {figures.threads_of(run)}")
        below = f"{1e3 * figures.floor(run, kind):.4g} ms: sgemm {limits['wall_gflops']:.0f} GF/s, read {limits['wall_gbytes']:.1f} GB/s"
        below += f" (by CPU time {limits['cpu_gflops']:.0f} and {limits['cpu_gbytes']:.1f})"
        print(f"  floor {below}; x best: next to the best peer on as many threads or fewer")
        print(f"  {'':30}" + "".join(f"{name:>{WIDTHS.get(name, 11)}}" for name, _ in figures.COLUMNS))
        for line in figures.summary(run, kind, runs):
            if "why" in line:
                print(f"  {line['peer']:30}  {line['why']:.100}")
                continue
            scaled = f"   scaled from {line['asked']} queries" if kind == "batch" and line["asked"] < run["queries"] else ""
            print(f"  {line['peer']:30}" + "".join(f"{write(line):>{WIDTHS.get(name, 11)}}" for name, write in figures.COLUMNS) + scaled)


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    except OSError:
        processor = platform.processor()
    from tokenspace import native  # noqa: PLC0415 - the workers need it, this process only its name

    return {
        "processor": processor,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "kernels": native.LEVEL,
        "openmp": os.environ.get("OMP_WAIT_POLICY", WAITING["OMP_WAIT_POLICY"]),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, keep the JSON and make the page."""
    parser = argparse.ArgumentParser(prog="search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-w", "--workloads", default=",".join(data.WORKLOADS), help="names, with commas  [%(default)s]")
    parser.add_argument("-m", "--measures", default=",".join(MEASURES), help="names, with commas  [%(default)s]")
    parser.add_argument("-t", "--threads", default="1,2", help="numbers, with commas  [%(default)s]")
    parser.add_argument("--peers", default=",".join(PEERS), help="names, with commas  [%(default)s]")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each peer  [%(default)s]")
    parser.add_argument(
        "--limit",
        type=float,
        default=20,
        help="seconds a call of up to 256 queries may take before the rest is left out and the time scaled  [%(default)s]",
    )
    parser.add_argument("--out", type=Path, default=BENCH / "results" / "search.json", help="the JSON; the page stands beside it")
    chosen = parser.parse_args(arguments)
    runs: list[dict[str, Any]] = []
    about = {"case": "search", "date": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}", "machine": machine(), "rounds": chosen.rounds}
    for name in chosen.workloads.split(","):
        for threads in sorted(map(int, chosen.threads.split(","))):
            for each in chosen.measures.split(","):
                runs.append(measure(data.WORKLOADS[name], each, threads, tuple(chosen.peers.split(",")), chosen.rounds, chosen.limit))
                show(runs[-1], runs)
                sys.stdout.flush()
                _keep(chosen.out, {**about, "runs": runs})
    print(f"\nkept in {chosen.out} and {chosen.out.with_suffix('.html')}")


def _keep(path: Path, document: dict[str, Any]) -> None:
    for run in document["runs"]:
        run["tables"] = {kind: figures.summary(run, kind, document["runs"]) for kind in ("batch", "single")}
        run["floors"] = {kind: figures.floor(run, kind) for kind in ("batch", "single")}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".html").write_text(page.render(document), encoding="utf-8")


if __name__ == "__main__":
    main()
