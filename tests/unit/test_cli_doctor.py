"""The doctor knows every extra: what it is for, what of it is installed, and what to type where something is missing."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from tokenspace.cli import doctor, main

if TYPE_CHECKING:
    import pytest

OURS = {"all", "docs", "lint", "release"}
"""Extras of those who work on tokenspace, as are those of the tests."""


def test_every_extra_has_its_line() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        name: {re.split(r"[\[<>=!~; ]", line)[0] for line in lines if not line.startswith("tokenspace[")}
        for name, lines in project["optional-dependencies"].items()
        if name not in OURS and not name.startswith("test")
    }
    assert set(doctor.EXTRAS) == set(extras)
    for name, packages in extras.items():
        assert packages <= {*doctor.EXTRAS[name][1], "backports.zstd"}


def test_what_is_missing_is_said_with_what_it_is_for_and_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version_of", lambda package: None if package == "usearch" else "1.0")
    shown = CliRunner().invoke(main, ["doctor"]).stdout
    assert 'faiss-cpu 1.0; missing: usearch. For recall, search.Approximate: pip install "tokenspace[ann]"' in shown
    document = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)
    assert document["extras"]["ann"]["missing"] == ["usearch"]
    assert document["extras"]["glove"]["remedy"] is None
