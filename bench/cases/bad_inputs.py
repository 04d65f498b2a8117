"""What gensim and tokenspace do about each file of tests/files/attacks.py: `python bench/run.py bad_inputs`.

Every file is opened in a process of its own, under a limit of memory and time. An outcome is `right` (the table that the file holds),
`refused` (an error), `refused, no place` (an error that names neither line, byte, row nor token), or what should not be: `accepted` (a
table out of a file that holds none, or another than it holds), `ran code`, `out of memory`, `hangs`, `crashed`, `refuses` (a sound table).
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "files"))
from attacks import ATTACKS, Attack

ROOM = 6 << 30
"""Bytes of address space: a machine that has something else to do."""

PATIENCE = 60
WRONG = ("accepted", "ran code", "out of memory", "hangs", "crashed", "refuses")
PLACE = re.compile(r"\b(line|byte|row|offset|token) ?[0-9'\"]|\bheader\b|\bseen (what|text|a file|b')|magic", re.IGNORECASE)
"""What an error must hold to help: a place, the header, or what the file is instead."""


def gensim(path: Path, attack: Attack) -> Any:
    """Open a file as gensim's users would."""
    from gensim.models import KeyedVectors  # noqa: PLC0415 - in its own process
    from gensim.models.fasttext import load_facebook_vectors  # noqa: PLC0415

    if attack.gensim == "kv":
        return KeyedVectors.load(str(path))
    if attack.gensim == "fasttext":
        return load_facebook_vectors(str(path))
    return KeyedVectors.load_word2vec_format(str(path), binary=attack.gensim == "binary", no_header=attack.gensim == "headless")


def tokenspace(path: Path, attack: Attack) -> Any:
    """Open it with tokenspace."""
    import tokenspace as ts  # noqa: PLC0415

    table = ts.open(path, format=attack.format)
    return list(table), np.asarray(table.matrix)


def judged(peer: str, attack: Attack, path: Path, answer: Any) -> None:
    """Open a file and send what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    os.chdir(path.parent)
    said = ""
    try:
        found = {"gensim": gensim, "tokenspace": tokenspace}[peer](path, attack)
        tokens, matrix = (found.index_to_key, found.vectors) if peer == "gensim" else found
        right = attack.right
        same = right is not None and list(tokens) == right[0] and np.array_equal(matrix, np.array(right[1], np.float32))
        outcome, said = ("right", "") if same else ("accepted", f"tokens {list(tokens)[:6]!r:.80}")
    except MemoryError as error:
        outcome, said = "out of memory", str(error)
    except Exception as error:  # noqa: BLE001 - that is what is asked
        outcome = "refuses" if attack.right is not None else "refused" if PLACE.search(str(error)) else "refused, no place"
        said = f"{type(error).__name__}: {error}"
    answer.send(("ran code" if (path.parent / "attacked").exists() else outcome, " ".join(said.split())[:160]))


def opened(peer: str, attack: Attack, folder: Path) -> tuple[str, str]:
    """Open a file in a process of its own."""
    path = folder / f"table{attack.suffix}"
    path.write_bytes(attack.bytes())
    (folder / "table.tokens").write_bytes(b"a\nb\nc\nd\ne\n")
    mine, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=judged, args=(peer, attack, path, theirs))
    child.start()
    theirs.close()
    child.join(PATIENCE)
    if child.is_alive():
        child.kill()
        return "hangs", f"no answer for {PATIENCE} s"
    try:
        return mine.recv()
    except EOFError:
        return "crashed", f"exit code {child.exitcode}"


def main(arguments: list[str]) -> None:
    """Open all files with both and print the table."""
    parser = argparse.ArgumentParser(prog="bad_inputs")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--all", action="store_true", help="print what both did right, too")
    options = parser.parse_args(arguments)
    import gensim.models.fasttext  # noqa: PLC0415 - imported once, not in each process

    import tokenspace as ts  # noqa: PLC0415

    runs = []
    for attack in ATTACKS:
        for peer in ("gensim", "tokenspace"):
            if peer == "gensim" and not attack.gensim:
                continue
            with tempfile.TemporaryDirectory() as folder:
                outcome, said = opened(peer, attack, Path(folder))
            runs.append({"number": attack.number, "attacks": attack.attacks, "peer": peer, "outcome": outcome, "said": said})
    printed(runs, whole=options.all)
    versions = {"gensim": gensim.__version__, "tokenspace": getattr(ts, "__version__", "")}
    document = {"case": "bad_inputs", "began": time.strftime("%Y-%m-%d %H:%M"), "versions": versions, "runs": runs}
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n")


def printed(runs: list[dict[str, Any]], *, whole: bool) -> None:
    """Print the outcomes a peer, and the files of which one made something wrong."""
    both = {run["attacks"] for run in runs if run["peer"] == "gensim"}
    counts = {peer: collections.Counter(run["outcome"] for run in runs if run["peer"] == peer and run["attacks"] in both) for peer in PEERS}
    names = [name for name in ("right", "refused", "refused, no place", *WRONG) if any(counts[peer][name] for peer in PEERS)]
    print(f"| of {len(both)} files that both read | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for peer in PEERS:
        print(f"| {peer} | {' | '.join(str(counts[peer][name]) for name in names)} |")
    others = collections.Counter(run["outcome"] for run in runs if run["peer"] == "tokenspace" and run["attacks"] not in both)
    print(f"\nThe other {others.total()} files, for which gensim has no reader, tokenspace: {dict(others)}\n")
    print("| | the file | gensim | tokenspace |\n|---|---|---|---|")
    for number, attacks in dict.fromkeys((run["number"], run["attacks"]) for run in runs):
        pair = {run["peer"]: run for run in runs if run["attacks"] == attacks}
        if "gensim" in pair and (whole or any(run["outcome"] in WRONG for run in pair.values())):
            cells = [f"**{run['outcome']}**" if run["outcome"] in WRONG else run["outcome"] for run in (pair[peer] for peer in PEERS)]
            print(f"| {number} | {attacks} | {' | '.join(cells)} |")


PEERS = ("gensim", "tokenspace")
