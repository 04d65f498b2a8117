"""Run a case: each method in a process of its own, one thread and two, interleaved, so that a busy minute slows all alike.

python bench/run.py extension [--task step] [--size 30522x384] [--method peft] [--repeats 3] [--threads 1 2] [--full]

A case is a module in cases/ with `TASKS`; a method is a function in peers/ that gets the case's input and returns what is measured
there. `DEFAULTS` of a case says how many repeats and which threads are meant where the options do not, and a task's `slow` what only
--full (or a --method that names it) measures. The result, a JSON file in results/, has every repeat; report.py prints it. A case with
a `main` runs and reports by itself.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from report import show

HERE = Path(__file__).parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS")
PACKAGES = ("numpy", "torch", "transformers", "peft", "safetensors", "gensim", "polars", "pyarrow", "tokenspace")
PATIENCE = 900
"""Seconds after which a method counts as failed."""


def main() -> None:
    """Run all methods of a case that the options leave, and write the result."""
    sys.path.insert(0, str(HERE))
    names = sorted(file.stem for file in HERE.glob("cases/*.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:  # noqa: PLR2004 - the program and the case
        sys.exit(f"usage: {sys.argv[0]} CASE [options]; CASE is one of {', '.join(names)}")
    case = importlib.import_module(f"cases.{sys.argv[1]}")
    if hasattr(case, "main"):
        case.main(sys.argv[2:])
        return
    options, tasks = parsed(**getattr(case, "DEFAULTS", {})), case.TASKS
    if options.one:
        print(json.dumps(tasks[options.one[0]].measure(*options.one[1:])))
        return
    jobs = [
        (name, size, method)
        for name, task in tasks.items()
        for size in task.sizes
        for method in task.methods
        if name in (options.task or tasks) and size in (options.size or task.sizes) and method in (options.method or task.methods)
        if options.full or options.method or (size, method) not in getattr(task, "slow", ())
    ]
    offered = {
        "task": set(tasks),
        "size": {size for task in tasks.values() for size in task.sizes},
        "method": {method for task in tasks.values() for method in task.methods},
    }
    for name, known in offered.items():
        unknown = set(getattr(options, name) or ()) - known
        if unknown:
            sys.exit(f"no {name} {', '.join(sorted(unknown))} is in this case; there are {', '.join(sorted(known))}")
    out = Path(options.out or HERE / "results" / f"{options.case}-{time.strftime('%Y%m%d-%H%M%S')}.json")
    runs: list[dict[str, Any]] = []
    document = {"case": options.case, "machine": machine(), "peers": {name: task.peer for name, task in tasks.items()}, "runs": runs}
    for repeat in range(options.repeats):
        for threads in options.threads:
            for job in jobs:
                runs.append({**dict(zip(("task", "size", "method"), job, strict=True)), "threads": threads, "repeat": repeat})
                begun = time.perf_counter()
                runs[-1] |= started(options.case, job, threads)
                runs[-1]["seconds"] = round(time.perf_counter() - begun, 1)
                print(
                    f"repeat {repeat}, {threads} thread(s), {' '.join(job)}: {brief(runs[-1])}, {runs[-1]['seconds']} s in all",
                    file=sys.stderr,
                )
        out.write_text(json.dumps(document, indent=1) + "\n")  # after each repeat, so that a run that is cut keeps what it has
    show(document)
    print(out)


def parsed(repeats: int = 3, threads: tuple[int, ...] = (1, 2)) -> argparse.Namespace:
    """Read the command line; a case has its own defaults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case")
    for name in ("task", "size", "method"):
        parser.add_argument(f"--{name}", nargs="*", help=f"only these {name}s")
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--threads", type=int, nargs="*", default=threads)
    parser.add_argument("--full", action="store_true", help="also what takes long")
    parser.add_argument("--out")
    parser.add_argument("--one", nargs=3, metavar=("TASK", "SIZE", "METHOD"), help=argparse.SUPPRESS)
    return parser.parse_args()


def started(case: str, job: tuple[str, str, str], threads: int) -> dict[str, Any]:
    """Run one method in a process of its own; return what it measured, or how it failed."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads)), "PYTHONWARNINGS": "ignore", "HF_HUB_OFFLINE": "1"}
    load = os.getloadavg()[0]
    call = [sys.executable, __file__, case, "--one", *job]
    try:
        done = subprocess.run(call, capture_output=True, text=True, env=environment, check=False, timeout=PATIENCE)  # noqa: S603 - ourselves
    except subprocess.TimeoutExpired:
        return {"load": load, "failed": f"no end after {PATIENCE} s"}
    if done.returncode:
        return {"load": load, "failed": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:300]}
    return {"load": load, **json.loads(done.stdout.strip().splitlines()[-1])}


def machine() -> dict[str, Any]:
    """Describe where this ran."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line.partition(":")[2].strip() for line in information.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return {
        "processor": model,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
        "began": time.strftime("%Y-%m-%d %H:%M"),
    }


def brief(run: dict[str, Any]) -> str:
    """Say the main figure of one run."""
    return run.get("failed") or f"{sorted(run['cpu_ms'])[len(run['cpu_ms']) // 2]:,.1f} CPU ms"


if __name__ == "__main__":
    main()
