"""Try parsers for minutes: `python tests/fuzz/run.py [PARSER ...] --minutes 10`, or `make fuzz MINUTES=10 ARGS=glove`.

Each parser runs in a process of its own, watched from outside: one that dies, or works `PATIENCE` seconds without a word, leaves its files
as a finding in --out. Minutes are of work, not of waiting for a busy machine, and so is patience. Under the address sanitizer (`make
asan`) files are handed to the kernels in blocks of exactly their size instead of maps, whose last page would hide a read beyond the end.
--engine atheris lets libFuzzer choose the bytes by coverage of the Python code.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

PATIENCE = 30
"""Seconds of work without a word after which a process counts as hanging; reading an example takes a millisecond."""

ASLEEP = 1800
"""Seconds without a word after which it does so whether it works or not: it waits for something that never comes."""

ROOM = 1 << 30
"""Bytes of address space that a process may take beyond what it has at the start."""

MOST = 20
"""Findings after which a parser has had enough."""


def main() -> int:
    """Run all parsers that were named, one after the other; return 1 if something was found."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("parsers", nargs="*", metavar="PARSER")
    arguments.add_argument("--minutes", type=float, default=1.0)
    arguments.add_argument("--seed", type=int, default=None, help="default: the time")
    arguments.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    arguments.add_argument("--engine", choices=["mutation", "atheris"], default="mutation")
    arguments.add_argument("--kernels", action="store_true", help="only the parsers in front of C")
    arguments.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    from parsers import KERNELS, PARSERS

    unknown = set(options.parsers) - set(PARSERS)
    if unknown:
        arguments.error(f"no parser {', '.join(unknown)}; known are {', '.join(PARSERS)}")
    if options.worker:
        (atheris_work if options.engine == "atheris" else work)(PARSERS[options.parsers[0]], options)
        return 0
    seed = int(time.time()) if options.seed is None else options.seed
    found = 0
    for name in options.parsers or (KERNELS if options.kernels else PARSERS):
        report = watched(name, options, seed)
        found += report["findings"]
        print(json.dumps(report), flush=True)
    return 1 if found else 0


def watched(name: str, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Run one parser in processes of its own until the time is over; return what came out."""
    totals: collections.Counter[str] = collections.Counter()
    seconds, findings, kinds = 0.0, 0, set()
    while (left := options.minutes - seconds / 60) > 0 and findings < MOST:
        call = [sys.executable, __file__, name, "--worker", "--minutes", str(left), "--seed", str(seed), "--out", str(options.out)]
        with tempfile.TemporaryFile("w+", errors="replace") as said:  # no pipe: libraries that say much would wait for it to be read
            child = subprocess.Popen([*call, "--engine", options.engine], stdout=subprocess.PIPE, stderr=said, text=True)
            died, last = _listen(child, said), ""
        seconds += 1.0  # for starting, so that one that never gets further is not started for ever
        for line in died[0]:
            last = line
            if line.startswith("{"):
                word = json.loads(line)
                totals.update(word["outcomes"])
                seconds += word["seconds"]
                findings += word["findings"]
                kinds |= set(word["kinds"])
        if died[1]:
            findings += 1
            kinds.add(died[1])
            keep(Path(last.strip()) if last.startswith("/") else None, options.out / f"{name}-{seed}-died", died[1] + "\n" + died[2])
        seed += 1
    return {
        "parser": name,
        "seconds": round(seconds),
        "trials": totals.total(),
        "tables": sum(count for outcome, count in totals.items() if outcome.startswith("table")),
        "errors": {outcome: count for outcome, count in totals.most_common() if not outcome.startswith("table")},
        "findings": findings,
        "kinds": sorted(kinds),
    }


def _listen(child: subprocess.Popen[str], said: TextIO) -> tuple[list[str], str, str]:
    """Collect a process's words; return them, how it died if it did, and the end of what it `said` to stderr."""
    assert child.stdout is not None
    lines: list[str] = []
    heard, worked = time.monotonic(), 0.0
    why = ""
    while True:
        ready, _, _ = select.select([child.stdout], [], [], PATIENCE)
        if ready:
            line = child.stdout.readline()
            if not line:
                break
            lines.append(line)
            heard, worked = time.monotonic(), _worked(child)
        elif _worked(child) - worked > PATIENCE or time.monotonic() - heard > ASLEEP:
            why = f"hangs: {_worked(child) - worked:.0f} s of work without a word, {time.monotonic() - heard:.0f} s in all"
            child.kill()
            break
    code = child.wait()
    said.seek(0)
    return lines, why or (f"died with exit code {code}" if code else ""), said.read()[-6000:]


def _worked(child: subprocess.Popen[str]) -> float:
    """Return the CPU seconds that a process has taken, its ended children's too; its last words are still to be read if it has ended."""
    try:
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def keep(files: Path | None, out: Path, said: str) -> None:
    """Keep the files of a finding, and what is known of it."""
    number = 0
    while (place := out.with_name(f"{out.name}-{number}")).exists():
        number += 1
    place.mkdir(parents=True)
    if files is not None and files.is_dir():
        shutil.copytree(files, place / "files")
    (place / "said.txt").write_text(said)


def exact_maps() -> None:
    """Let maps of files be blocks of exactly the files' sizes, between which the address sanitizer keeps watch."""
    import mmap

    c = ctypes.CDLL(None)
    c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    kept: list[int] = []

    def part(block: Any, where: int | slice) -> Any:  # slices of a map are bytes, those of an array of ctypes are lists
        return bytes(memoryview(block)[where]) if isinstance(where, slice) else memoryview(block)[where]

    methods = {
        "__getitem__": part,
        "__enter__": lambda block: block,
        "__exit__": lambda *_: None,
        "find": lambda block, *what: bytes(block).find(*what),
        "rfind": lambda block, *what: bytes(block).rfind(*what),
    }

    class Map(type):
        """A type whose calls return such blocks, which are none of its instances: nobody gives their pages back."""

        def __call__(cls, descriptor: int, _length: int, **_how: Any) -> Any:
            size = os.fstat(descriptor).st_size
            while len(kept) > 8:
                c.free(kept.pop(0))
            kept.append(c.malloc(size))
            block = type("Block", (ctypes.c_ubyte * size,), methods).from_address(kept[-1])
            os.preadv(descriptor, [block], 0)
            return block

    mmap.mmap = Map("mmap", (), {})  # type: ignore[misc, assignment]


def work(parser: Any, options: argparse.Namespace) -> None:
    """Try one parser until the time is over; say so every now and then."""
    from mutation import mutated
    from trial import ViolationError, judged, place_for

    sanitized = "libasan" in os.environ.get("LD_PRELOAD", "")
    chosen = random.Random(options.seed)  # noqa: S311 - no secret
    home = place_for(parser.name)
    place = home / "trial"
    print(place, flush=True)
    (home / "seeds").mkdir()
    seeds = parser.seeds(home / "seeds")
    for files in seeds:
        judged(parser, files, place, traced=False)
    if sanitized:
        exact_maps()
    else:
        with open("/proc/self/statm") as statm:  # noqa: PTH123
            room = int(statm.read().split()[0]) * resource.getpagesize() + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
    begin = said = worked()
    outcomes: collections.Counter[str] = collections.Counter()
    findings, kinds, trials = 0, set(), 0

    def say() -> None:
        nonlocal findings, said
        seconds, said = worked() - said, worked()
        print(json.dumps({"outcomes": outcomes, "findings": findings, "kinds": sorted(kinds), "seconds": seconds}), flush=True)
        print(place, flush=True)
        outcomes.clear()
        kinds.clear()
        findings = 0

    while worked() - begin < options.minutes * 60:
        files = mutated(seeds, chosen, parser.words)
        trials += 1
        try:
            outcomes[judged(parser, files, place, traced=not sanitized and trials % 16 == 0)] += 1
        except ViolationError as error:
            cause = error.__cause__ or error
            frames = traceback.extract_tb(cause.__traceback__)
            where = next((f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames)), "")
            kind = f"{type(cause).__name__} at {where}"
            outcomes["finding"] += 1
            if kind not in kinds:
                findings += 1
                kinds.add(kind)
                said_ = "".join(traceback.format_exception(error))
                keep(place, options.out / f"{parser.name}-{options.seed}-{trials}", said_)
                if findings >= MOST:
                    break
        if worked() - said > 1:
            say()
    say()
    shutil.rmtree(home, ignore_errors=True)


def worked() -> float:
    """Return the CPU seconds taken here and in processes that were started and have ended."""
    return sum(os.times()[:4])


def atheris_work(parser: Any, options: argparse.Namespace) -> None:
    """Let libFuzzer choose the bytes of the first file of the first example; the others stay good."""
    import atheris
    from trial import judged, place_for

    home = place_for(parser.name)
    (home / "seeds").mkdir()
    corpus = home / "corpus"
    corpus.mkdir()
    seeds = parser.seeds(home / "seeds")
    name = min(seeds[0])
    for number, files in enumerate(seeds):
        (corpus / str(number)).write_bytes(files[name])
    place = home / "trial"
    print(place, flush=True)
    count, said = 0, time.process_time()

    @atheris.instrument_func
    def one(content: bytes) -> None:
        nonlocal count, said
        judged(parser, {**seeds[0], name: content}, place, traced=False)
        count += 1
        if count % 2000 == 0:
            print(json.dumps({"outcomes": {"table": 2000}, "findings": 0, "kinds": [], "seconds": time.process_time() - said}), flush=True)
            said = time.process_time()
            print(place, flush=True)

    seconds = max(1, int(options.minutes * 60))
    with contextlib.suppress(SystemExit):
        atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", f"-seed={options.seed}", "-max_len=4096", str(corpus)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
