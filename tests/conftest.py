"""What all tests share: each level of the kernels in turn, a suite that passes where none was compiled, patient laws."""

from __future__ import annotations

import os

import hypothesis
import pytest

from tokenspace.native import door

if not door.levels():  # else the warning about it would be an error
    os.environ.setdefault("TOKENSPACE_NATIVE", "numpy")

# No deadline: a busy machine is not a wrong answer. The same examples every time where a change is judged, new ones elsewhere.
hypothesis.settings.register_profile("tokenspace", deadline=None, derandomize="CI" in os.environ, print_blob=True)
hypothesis.settings.load_profile("tokenspace")


@pytest.fixture(params=[*door.levels(), "numpy"])
def native_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test once on each level that this machine has, and once on the twins."""
    monkeypatch.setattr(door, "level", lambda: request.param)
    return str(request.param)


def pytest_report_header() -> str:
    """Say which kernels are tested: none are where nothing was compiled, or the libraries are older than their sources."""
    return f"kernels: {', '.join(door.levels()) or 'none, the twins alone'}"
