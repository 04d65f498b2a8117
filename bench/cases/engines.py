"""Engines: one exact search over shards, by threads of one process and by Ray's tasks on the same CPUs; what a lost worker costs.

python bench/run.py engines [--sizes 8000000x64/8 ...] [--queries 1000] [--repeats 3] [--out results/engines.json]
python bench/run.py engines --kill --methods ray [--sizes ...] [--queries ...] --out results/engines-killed-NAME.json

A size is rows x numbers / shards. Methods take turns. Each runs once before it is measured, which starts Ray's processes; that first time
is told apart. Then every worker holds all shards against their digests, as the one process of `local` has done by then. CPU seconds are
those of this process and all that it started. Tables are made in $TOKENSPACE_BENCH or the folder for temporary files, and removed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tokenspace as ts
from tokenspace.engines import Local
from tokenspace.engines.ray import Ray
from tokenspace.search import Exact
from tokenspace.search.spread import best_rows
from tokenspace.shards import shards_of
from tokenspace.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.shards import Shard

SIZES = ("8000000x64/8",)
"""Two GB in eight shards."""

K = 10
TICKS = os.sysconf("SC_CLK_TCK")


def main(arguments: list[str]) -> None:
    """Measure every size and write the result."""
    parser = argparse.ArgumentParser(prog="engines")
    parser.add_argument("--sizes", nargs="*", default=SIZES)
    parser.add_argument("--queries", type=int, nargs="*", default=[1000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--methods", nargs="*", default=["whole", "local", "ray"])
    parser.add_argument("--kill", action="store_true", help="also lose a worker in the middle of a job")
    parser.add_argument("--keep-tables", action="store_true", help="leave the tables for another run")
    parser.add_argument("--make-only", action="store_true", help="make the tables, and measure nothing")
    parser.add_argument("--out", default=str(Path(__file__).parents[1] / "results" / "engines.json"))
    options = parser.parse_args(arguments)
    from run import machine  # noqa: PLC0415 - the program that called

    folder = Path(os.environ.get("TOKENSPACE_BENCH", tempfile.gettempdir()))
    if options.make_only:
        for size in options.sizes:
            made(size, folder)
        return
    began = time.perf_counter()
    engine = Ray(cpus=options.cpus)
    engine.workers()
    document: dict[str, Any] = {
        "case": "engines",
        "command": " ".join(["bench/run.py engines", *arguments]),
        "machine": machine(),
        "ray_start_s": time.perf_counter() - began,
        "runs": [],
    }
    warm(engine)
    for size in options.sizes:
        table = made(size, folder)
        for queries in options.queries:
            document["runs"] += measured(table, size, queries, engine, options)
            Path(options.out).write_text(json.dumps(document, indent=1) + "\n")
        if not options.keep_tables:
            shutil.rmtree(table.source)
    print(options.out)


def made(size: str, folder: Path) -> ts.EmbeddingTable:
    """Make a table of normal rows in shards, block by block, or open the one that is there."""
    place = folder / f"engines-{size.replace('/', '-')}"
    if place.exists():
        return ts.open(place)
    shape, _, shards = size.partition("/")
    n, d = map(int, shape.split("x"))
    beside = folder / f"engines-{os.getpid()}.npy"
    rows = np.lib.format.open_memmap(beside, mode="w+", dtype=np.float32, shape=(n, d))
    random = np.random.default_rng(0)
    for start in range(0, n, 1 << 17):
        rows[start : start + (1 << 17)] = random.standard_normal((min(1 << 17, n - start), d), dtype=np.float32)
    rows.flush()
    tokens = np.char.zfill(np.arange(n).astype("S10"), 10)
    vocabulary = Vocabulary.from_arrays(tokens.view(np.uint8), np.arange(n + 1, dtype=np.int64) * 10)
    table = ts.formats.shard(ts.EmbeddingTable.mapped(vocabulary, rows), place, rows=-(-n // int(shards)))
    beside.unlink()
    return table


def measured(table: ts.EmbeddingTable, size: str, count: int, engine: Ray, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Search by every method in turn."""
    queries = np.random.default_rng(1).standard_normal((count, table.d)).astype(np.float32)
    searches = {
        "whole": lambda: Exact(table.matrix, "euclidean", threads=options.cpus).search(queries, K),
        "local": lambda: Exact(table.matrix, "euclidean", engine=Local(options.cpus)).search(queries, K),
        "ray": lambda: Exact(table.matrix, "euclidean", engine=engine).search(queries, K),
    }
    searches = {name: searches[name] for name in options.methods}
    runs: dict[str, dict[str, Any]] = {
        name: {"size": size, "queries": count, "method": name, "cpus": options.cpus, "wall_s": [], "cpu_s": []} for name in searches
    }
    answers: dict[str, Any] = {}
    for repeat in range(options.repeats + 1):
        if repeat == 1 and "ray" in searches:
            list(engine.map(hold, range(2 * engine.workers()), shards_of(table.matrix)))
        for name, search in searches.items():
            load, cpu, wall = os.getloadavg()[0], cpu_seconds(), time.perf_counter()
            answers[name] = search()
            wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
            if repeat:
                runs[name]["wall_s"].append(wall)
                runs[name]["cpu_s"].append(cpu)
            else:
                runs[name] |= {"first_wall_s": wall, "first_cpu_s": cpu, "load": load}
            print(f"{size}, {count} queries, {name}: {wall:.2f} s, {cpu:.2f} CPU s", file=sys.stderr)
    first = answers[options.methods[0]]
    for name, found in answers.items():
        runs[name]["identical"] = bool(np.array_equal(found.ids, first.ids) and found.scores.tobytes() == first.scores.tobytes())
        runs[name]["median_wall_s"] = statistics.median(runs[name]["wall_s"] or [runs[name]["first_wall_s"]])
    if "ray" in runs:
        shard = -(-table.n // int(size.partition("/")[2])) * table.d * 4
        runs["ray"] |= {"shard_mb": shard / 1e6, "workers": worker_memory()}
        if "local" in runs:
            runs["ray"]["overhead"] = runs["ray"]["median_wall_s"] / runs["local"]["median_wall_s"] - 1
            pairs = zip(runs["ray"]["wall_s"], runs["local"]["wall_s"], strict=True)
            runs["ray"]["overhead_of_each"] = [mine / other - 1 for mine, other in pairs]
    if options.kill:
        runs["ray"]["killed"] = []
        for _ in range(options.repeats):
            list(engine.map(hold, range(2 * engine.workers()), shards_of(table.matrix)))
            wall = time.perf_counter()
            searches["ray"]()
            wall = time.perf_counter() - wall
            told = {"unkilled_wall_s": wall, **killed(table, queries, engine, first)}
            runs["ray"]["killed"].append(told)
            print(f"{size}, {count} queries: {wall:.2f} s, with a worker lost {told['wall_s']:.2f} s", file=sys.stderr)
            time.sleep(3)  # the next spare worker starts meanwhile, as it would in a job of minutes
    return list(runs.values())


def hold(part: int, shards: list[Shard]) -> int:
    """Hold all shards against their digests, once a process; long enough for every worker to be given one such part."""
    wall = time.perf_counter()
    for shard in shards:
        shard.file()
    time.sleep(max(0.0, 0.5 - (time.perf_counter() - wall)))
    return part


def killed(table: ts.EmbeddingTable, queries: NDArray[np.float32], engine: Ray, expected: Any) -> dict[str, Any]:
    """Search while the worker of the middle shard kills itself when its shard is done but for the handing over.

    Each task writes down what it took before it can be killed, so what the loss cost is counted and not told from two noisy totals: the
    CPU seconds of the tasks whose results nobody got.
    """
    import tokenspace.search.spread as module  # noqa: PLC0415 - its function is put in the place of another for this run

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "where").write_text(str(table.n // 2))
        plain, module.best_rows = module.best_rows, Dying(folder)  # type: ignore[assignment]
        try:
            wall = time.perf_counter()
            found = Exact(table.matrix, "euclidean", engine=engine).search(queries, K)
            wall = time.perf_counter() - wall
        finally:
            module.best_rows = plain
        tasks = [json.loads(path.read_text()) for path in Path(folder).glob("task-*")]
    lost = [task for task in tasks if task["died"]]
    again = [task for task in tasks if task["shard"] in {one["shard"] for one in lost} and not task["died"]]
    same = bool(np.array_equal(found.ids, expected.ids) and found.scores.tobytes() == expected.scores.tobytes())
    return {
        "wall_s": wall,
        "identical": same,
        "shards": len({task["shard"] for task in tasks}),
        "tasks": len(tasks),
        "lost": lost,
        "again": again,
        "tasks_cpu_s": sum(task["cpu_s"] for task in tasks),
    }


class Dying:
    """The shard function, which kills its worker the first time it comes to the shard in the middle: at the end of the work."""

    __name__ = "dying"

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, part: Any, asked: Any) -> Any:
        """Search, and die or not."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = best_rows(part, asked)
        mark = Path(self.folder, "died")
        dies = part[0].start <= int(Path(self.folder, "where").read_text()) < part[0].stop and not mark.exists()
        told = {"shard": part[1], "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "died": dies}
        Path(self.folder, f"task-{part[1]}-{os.getpid()}").write_text(json.dumps(told))
        if dies:
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def warm(engine: Ray) -> None:
    """Let every worker import what it needs."""
    rows = np.random.default_rng(0).standard_normal((4096, 8)).astype(np.float32)
    for _ in range(3):
        Exact(rows, engine=engine).search(rows[:4], 3)


def processes() -> dict[int, str]:
    """Return the numbers of all processes that this one started, and their command lines."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                names[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:  # it has ended meanwhile
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return {pid: names.get(pid, "") for pid in found}


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of those it started, the ended ones among them."""
    total = 0.0
    for pid in processes():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / TICKS
    return total


def worker_memory() -> list[dict[str, float]]:
    """Return the memory of Ray's workers in MB, the spare one's too: at most so far, now, and without shared files: no shard's."""
    found = []
    for pid, name in processes().items():
        if name.startswith("ray::") and "Agent" not in name:
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
            megabytes = {key: int(status[key].split()[0]) * 1024 / 1e6 for key in ("VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem")}
            found.append({"peak_mb": megabytes["VmHWM"], "now_mb": megabytes["VmRSS"], "own_mb": megabytes["RssAnon"]})
    return found
