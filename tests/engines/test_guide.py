"""The commands of the guide, as they stand there, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray")

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "run-on-ray.md"


def test_every_command_runs(tmp_path):
    rows = np.random.default_rng(0).standard_normal((2000, 16)).round(4)
    lines = [f"w{number} {' '.join(map(str, row))}" for number, row in enumerate(rows)]
    (tmp_path / "words.vec").write_text("2000 16\n" + "\n".join(lines) + "\n")
    (tmp_path / "judged.tsv").write_text("".join(f"w{number}\tw{number + 7}\t{number}\n" for number in range(20)))
    commands = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL) for line in block.splitlines()]
    assert len(commands) == 8
    shown = []
    environment = {**os.environ, "TOKENSPACE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    how = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 200}
    for command in commands:
        program, *words = command.split()
        assert program == "tokenspace"
        done = subprocess.run([sys.executable, "-m", "tokenspace", *words], check=False, **how)
        assert done.returncode == 0, (command, done.stderr)
        shown.append(done.stdout)
    assert np.load(tmp_path / "sentences.npy").shape == (20, 16)
    assert shown[2] == shown[3] == shown[6] != ""
