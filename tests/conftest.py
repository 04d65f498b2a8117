"""What all tests share: each level of the kernels in turn, a suite that passes where none was compiled, patient laws."""

from __future__ import annotations

import math
import os
import signal

import hypothesis
import numpy as np
import pytest

from tokenspace.native import door

if not door.levels():  # else the warning about it would be an error
    os.environ.setdefault("TOKENSPACE_NATIVE", "numpy")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; the programs under test would not hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


def near_duplicates(rng):
    u = rng.standard_normal((60, 40))
    u = (10 * u / np.linalg.norm(u, axis=1, keepdims=True)).astype(np.float32)
    return u, (u + 2e-3 / math.sqrt(40) * rng.standard_normal(u.shape)).astype(np.float32)


def far_from_the_origin(rng):
    return tuple((1000 + rng.standard_normal((60, 40))).astype(np.float32) for _ in range(2))


def far_and_near(rng):
    u = (1000 + rng.standard_normal((60, 40))).astype(np.float32)
    return u, (u + 1e-3 * rng.standard_normal(u.shape)).astype(np.float32)


def mixed_scales(rng):
    scale = 10.0 ** rng.integers(-18, 18, (60, 1))
    return tuple((scale * rng.standard_normal((60, 40))).astype(np.float32) for _ in range(2))


def subnormals(rng):
    return tuple((1e-42 * rng.standard_normal((60, 40))).astype(np.float32) for _ in range(2))


HARD = {make.__name__: make for make in (near_duplicates, far_from_the_origin, far_and_near, mixed_scales, subnormals)}


@pytest.fixture(params=HARD)
def hard_pair(request: pytest.FixtureRequest) -> tuple[str, np.ndarray, np.ndarray]:
    """Return a name and two matrices of shape (60, 40), float32, on whose pairs the identity (12) loses its digits."""
    return request.param, *HARD[request.param](np.random.default_rng(2))
