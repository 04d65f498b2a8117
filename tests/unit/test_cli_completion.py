"""Tab in a real shell: commands, options, what an option takes, tables and tokens; each shell is skipped where it is not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tokenspace as ts
from tokenspace.cli import COMMANDS

ROOT = Path(__file__).parents[2]
BASH = """
eval "$(_TOKENSPACE_COMPLETE=bash_source tokenspace)"
compopt() { :; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_tokenspace_completion tokenspace
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { :; }; compadd() { print -l -- ${(P)argv[-1]}; }
_describe() { print -l -- ${${(P)3}%%:*}; }
eval "$(_TOKENSPACE_COMPLETE=zsh_source tokenspace)"
words=("$@"); CURRENT=$#
_tokenspace_completion
"""
FISH = """
_TOKENSPACE_COMPLETE=fish_source tokenspace | source
complete -C "$argv" | string replace -r '\\t.*' ''
"""


@pytest.fixture(name="environment")
def fixture_environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "tokenspace"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tokenspace "$@"\n')
    program.chmod(0o755)
    ts.save(ts.EmbeddingTable(["king", "kind", "queen"], [[1, 0], [0, 1], [1, 1]]), tmp_path / "words.tokenspace")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOKENSPACE")}
    return environment | {
        "PATH": f"{program.parent}{os.pathsep}{environment['PATH']}",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{environment.get('PYTHONPATH', '')}",
        "HOME": str(tmp_path),
    }


def offered(shell: str, line: list[str], folder: Path, environment: dict[str, str]) -> list[str]:
    """Press Tab at the end of a line, in a real shell."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell}")
    call = {
        "bash": [program, "-c", BASH, "bash", *line],
        "zsh": [program, "-f", "-c", ZSH, "zsh", *line],
        "fish": [program, "--no-config", "-c", FISH, " ".join(line)],
    }[shell]
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_options_and_tokens_are_offered(shell: str, tmp_path: Path, environment: dict[str, str]) -> None:
    assert set(offered(shell, ["tokenspace", "tr"], tmp_path, environment)) == {name for name in COMMANDS if name.startswith("tr")}
    assert offered(shell, ["tokenspace", "near", "--meas"], tmp_path, environment) == ["--measure"]
    assert offered(shell, ["tokenspace", "near", "-m", "inn"], tmp_path, environment) == ["inner_product"]
    line = ["tokenspace", "near", "-t", "words.tokenspace", "ki"]
    assert sorted(offered(shell, line, tmp_path, environment)) == ["kind", "king"]


def test_tables_are_offered_by_name(tmp_path: Path, environment: dict[str, str]) -> None:
    assert offered("bash", ["tokenspace", "info", "glo"], tmp_path, environment) == ["glove-6b-50d"]
    assert offered("bash", ["tokenspace", "info", "wor"], tmp_path, environment) == []  # files are bash's own


def test_a_table_that_does_not_open_offers_nothing_and_says_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "broken.tokenspace").write_bytes(b"no table")
    assert offered("bash", ["tokenspace", "near", "-t", "broken.tokenspace", "ki"], tmp_path, environment) == []
    assert offered("bash", ["tokenspace", "near", "-t", "absent.txt", "ki"], tmp_path, environment) == []
