"""GloVe, by ourselves and by Stanford's programs: one training a process, its stages timed, its counts and vectors judged."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tokenspace as ts
from tokenspace.train.corpus import read_corpus
from tokenspace.train.glove import Run
from tokenspace.train.glove_plan import GlovePlan

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Asked = dict[str, Any]


def tokenspace(asked: Asked) -> dict[str, Any]:
    """Ourselves, by the parts that `tokenspace.train.glove` calls one after the other."""
    clocks = [(time.process_time(), time.perf_counter())]

    def lap() -> None:
        clocks.append((time.process_time(), time.perf_counter()))

    plan = GlovePlan(**{name: asked[name] for name in ("dim", "window", "epochs", "seed", "x_max")})
    corpus = read_corpus(asked["text"], min_count=asked["min_count"], threads=asked["threads"])
    lap()
    run = Run(plan, corpus, 0, asked["threads"], None)
    lap()
    table = run.through(None, None, (time.monotonic(), time.process_time()))
    lap()
    spent = [[after - before for before, after in zip(*pair, strict=True)] for pair in pairwise(clocks)]
    stages = {"text": spent[0], "counting": spent[1], "shuffling": [0.0, 0.0], "epoch": [value / plan.epochs for value in spent[2]]}
    told: dict[str, Any] = {"stages": stages, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    told["losses"] = table.report.losses
    if asked["compare"]:  # for the peer, whose turn is next
        np.savez(Path(asked["folder"], "ours"), *run.waves.counts.pairs(), words=np.array(list(corpus.vocabulary)))
    return told | judged(list(table.vocabulary), np.asarray(table.matrix), asked)


def stanford(asked: Asked) -> dict[str, Any]:
    """Stanford's programs, their counts and vectors judged."""
    stages, peaks, words, rows = programs(asked)
    told: dict[str, Any] = {"stages": stages, "peak_mb": max(peaks.values()), "peaks_mb": peaks}
    if asked["compare"]:
        folder = Path(asked["folder"])
        told["counts"] = compared(folder / "counts", folder / "vocab", folder / "ours.npz")
    return told | judged(words, rows, asked)


def programs(asked: Asked) -> tuple[dict[str, list[float]], dict[str, float], list[str], NDArray[np.float32]]:
    """Run Stanford's programs, from vocab_count to glove, over their files; return CPU and wall seconds, MB, words and vectors."""
    folder, found = Path(asked["folder"]), Path(asked["programs"])
    text, vocabulary, counts, mixed, vectors = (folder / name for name in ("text", "vocab", "counts", "mixed", "vectors"))
    if not text.exists():
        text.symlink_to(Path(asked["text"]).resolve())
    seed, threads = str(asked["seed"]), str(asked["threads"])
    words = ["-vocab-file", str(vocabulary)]
    how = ["-window-size", str(asked["window"]), "-overflow-file", str(folder / "over")]
    last = ["-threads", threads, "-iter", str(asked["epochs"]), "-vector-size", str(asked["dim"]), "-x-max", str(asked["x_max"])]
    calls: dict[str, tuple[list[str], Path | None, Path | None]] = {
        "text": (["vocab_count", "-min-count", str(asked["min_count"])], text, vocabulary),
        "counting": (["cooccur", *words, *how], text, counts),
        "shuffling": (["shuffle", "-temp-file", str(folder / "temp"), "-seed", seed], counts, mixed),
        "epoch": (["glove", *words, *last, "-input-file", str(mixed), "-save-file", str(vectors), "-seed", seed], None, None),
    }
    stages, peaks = {}, {}
    for stage, (call, source, target) in calls.items():
        stages[stage], peaks[stage] = started([str(found / call[0]), *call[1:], "-verbose", "0"], source, target)
    stages["epoch"] = [value / asked["epochs"] for value in stages["epoch"]]
    lines = [line.rsplit(" ", asked["dim"]) for line in vectors.with_suffix(".txt").read_text().splitlines()]
    lines = [line for line in lines if line[0] != "<unk>"]
    return stages, peaks, [line[0] for line in lines], np.array([line[1:] for line in lines], dtype=np.float32)


def started(call: list[str], source: Path | None, target: Path | None) -> tuple[list[float], float]:
    """Run a program to its end; return CPU and wall seconds, and the most MB it had."""
    with open(source or os.devnull, "rb") as read, open(target or os.devnull, "wb") as write:  # noqa: PTH123 - os.devnull is no Path
        began = time.perf_counter()
        process = subprocess.Popen(call, stdin=read, stdout=write, stderr=subprocess.DEVNULL)  # noqa: S603 - the peer
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{call[0]} ended with {process.returncode}")
    return [usage.ru_utime + usage.ru_stime, wall], usage.ru_maxrss / 1024


def compared(file: Path, vocabulary: Path, ours: Path) -> str:
    """Hold the program's counts against ours."""
    theirs = np.fromfile(file, dtype=[("row", "i4"), ("column", "i4"), ("count", "f8")])
    held = np.load(ours)
    place = {word: number for number, word in enumerate(held["words"].tolist())}
    number = np.array([place[line.split(" ")[0]] for line in vocabulary.read_text().splitlines()])
    n = len(place)
    key, count = by_key(number[theirs["row"] - 1] * n + number[theirs["column"] - 1], theirs["count"])
    rows, columns, values = held["arr_0"], held["arr_1"].astype(np.int64), held["arr_2"]
    other = rows != columns
    our_key, our_count = by_key(np.concatenate([rows * n + columns, (columns * n + rows)[other]]), np.concatenate([values, values[other]]))
    if not np.array_equal(key, our_key):
        return f"{len(key):,} pairs and {len(our_key):,}: NOT the same"
    return f"the same {len(key):,} pairs, largest relative difference {np.abs(our_count / count - 1).max():.1e}"


def by_key(keys: NDArray[np.int64], values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Sort both by the keys."""
    order = np.argsort(keys)
    return keys[order], values[order]


def judged(words: list[str], rows: NDArray[np.float32], asked: Asked) -> dict[str, float]:
    """Return how a table agrees with people, x 100."""
    if not asked["judge"]:
        return {}
    done = ts.evaluate(ts.EmbeddingTable(words, rows), methods=["3CosAdd"], restrict=None, threads=asked["threads"])
    scores = {pairs.name: pairs.spearman.value for pairs in done.pairs} | {part.name: part.accuracy.value for part in done.analogies}
    return {name: 100 * value for name, value in scores.items()}


METHODS: dict[str, Callable[[Asked], dict[str, Any]]] = {"tokenspace": tokenspace, "GloVe C": stanford}

if __name__ == "__main__":
    print(json.dumps(METHODS[sys.argv[1]](json.loads(sys.argv[2]))))
