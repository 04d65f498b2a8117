"""What imports what, what `import tokenspace` leaves unloaded, and how long it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPTIONAL = {"torch", "scipy", "pandas", "pyarrow", "sklearn", "gensim", "ray", "starlette", "uvicorn"}
ALLOWANCE = 0.030
"""Seconds that `import tokenspace` may take beyond `import numpy`."""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def seconds(module: str) -> float:
    """Import `module` in a new process; count from before the import to after it, the interpreter's own start left out."""
    return float(run(f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"))


def modules_after(code: str) -> set[str]:
    return set(json.loads(run(f"{code}\nimport json, sys; print(json.dumps([*sys.modules]))")))


def test_imports_go_one_way() -> None:
    pytest.importorskip("importlinter")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_the_package_leaves_slow_and_optional_packages_unloaded() -> None:
    loaded = modules_after("import tokenspace")
    assert "tokenspace" in loaded
    assert not (OPTIONAL | {"click", "rich", "ml_dtypes"}) & loaded


def test_every_public_name_is_had_without_slow_and_optional_packages() -> None:
    assert not OPTIONAL & modules_after("from tokenspace import *")


def test_importing_the_package_takes_at_most_30_ms_more_than_numpy() -> None:
    """Judged by minima of interleaved runs, three times before it counts: other work on the machine only ever adds time."""
    numpy, ours = [], []
    for _ in range(3):
        for _ in range(5):
            numpy.append(seconds("numpy"))
            ours.append(seconds("tokenspace"))
        if min(ours) <= min(numpy) + ALLOWANCE:
            return
    pytest.fail(f"import tokenspace took {min(ours) * 1e3:.0f} ms, import numpy {min(numpy) * 1e3:.0f} ms; {len(ours)} runs each")
