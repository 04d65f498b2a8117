"""The door to the C kernels: finds the best library for this processor, types its functions, and says so when there is none.

A kernel is one C file, one NumPy twin in `reference.py` and one entry in `signatures.py`. Nothing is loaded before the first kernel
is asked for. ``TOKENSPACE_NATIVE`` chooses otherwise: ``numpy`` for the twins, or the name of a level.

A kernel runs without the interpreter lock, owns no memory and keeps no state, so threads may share it and forked children
inherit it. What computes nothing has no twin: `cpu_level`, `sources`, and `tidy_heap`, which asks for memory only to give it back.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace.errors import ArgumentError
from tokenspace.native.signatures import SIGNATURES, Array

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FOLDER = Path(__file__).parent
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")

LEVELS = {"x86-64": 1, "x86-64-v3": 3, "x86-64-v4": 4, "x86-64-v4-vnni": 5, "aarch64": 1, "generic": 1}
"""Each level of each architecture, lowest first, with the answer of cpu_level() that it needs; `generic` is any other processor."""


def kernel(name: str) -> Callable[..., Any] | None:
    """Return the compiled function `name`, or None where its twin has to serve.

    Raises
    ------
    ArgumentError
        At first use, if ``TOKENSPACE_NATIVE`` names what is not there.
    """
    return load(level()).get(name)


def unchecked(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return a compiled kernel as a function that takes arrays by their addresses; None for what is no compiled kernel.

    For kernels that are called again and again in microseconds, with the same arrays: checking one takes 0.3 µs. See `passed`.
    """
    kinds = getattr(function, "argtypes", None)
    if kinds is None:
        return None
    plain = [ctypes.c_void_p if isinstance(kind, Array) else kind for kind in kinds]
    compiled: Any = function
    address: Any = ctypes.cast(compiled, ctypes.c_void_p).value
    return ctypes.CFUNCTYPE(compiled.restype, *plain)(address)


def passed(kinds: Sequence[Any], values: Sequence[Any]) -> tuple[Any, ...]:
    """Return arguments for an `unchecked` kernel: arrays are checked now and become addresses, which keep them alive.

    Without `kinds`, what was given: a twin takes the arrays.
    """
    given: list[Any] = list(values)
    for at, kind in enumerate(kinds):
        if isinstance(kind, Array):
            given[at] = kind.from_param(values[at])
            given[at].array = values[at]
    return tuple(given)


def levels() -> tuple[str, ...]:
    """Return the levels that this installation has and this processor runs, lowest first; empty if nothing was compiled."""
    for lowest in ("x86-64", "aarch64", "generic"):
        if library := load(lowest):
            reach = library["cpu_level"]()
            return tuple(name for name, needs in LEVELS.items() if name.startswith(lowest) and needs <= reach and load(name))
    return ()


@cache
def level() -> str:
    """Return the level whose kernels serve in this process, or ``numpy`` for the twins; settled at first use."""
    asked, present = os.environ.get("TOKENSPACE_NATIVE") or "auto", levels()
    if asked in {"numpy", *present}:
        return asked
    if asked != "auto":
        message = f"TOKENSPACE_NATIVE is {asked!r}; expected one of {', '.join(['auto', 'numpy', *present])}"
        raise ArgumentError(message)
    if not present:
        stale = any(path(name).exists() for name in LEVELS)
        reason = "its compiled kernels do not fit their sources or this machine" if stale else "its kernels were not compiled"
        warnings.warn(
            f"tokenspace computes with NumPy, slower but with the same results: {reason}. "
            "Reinstall it where a C compiler or the ziglang package can be had, or set TOKENSPACE_NATIVE=numpy.",
            RuntimeWarning,
            stacklevel=3,
        )
    return present[-1] if present else "numpy"


@cache
def load(name: str) -> Mapping[str, Callable[..., Any]]:
    """Return the functions of level `name`, typed; empty if its library is absent, foreign or older than its sources."""
    try:
        library = ctypes.CDLL(str(path(name)))
        library.ts_sources.restype = ctypes.c_char_p
        made_from = library.ts_sources().decode()
    except (OSError, AttributeError):
        return {}
    if made_from != digest(FOLDER):
        return {}
    functions = {function: library["ts_" + function] for function in SIGNATURES}
    for function, (returns, *takes) in SIGNATURES.items():
        functions[function].restype, functions[function].argtypes = returns, takes
    return functions


def path(name: str) -> Path:
    """Return the place of the library of level `name`."""
    return FOLDER / f"libtokenspace-{name}{SUFFIX}"


def digest(folder: Path) -> str:
    """Return 16 hexadecimal digits that stand for the C files in `folder`; `build_native.py` computes the same ones."""
    text = b"\0".join(file.name.encode() + b"\0" + file.read_bytes() for file in sorted(folder.glob("*.[ch]")))
    return hashlib.sha256(text).hexdigest()[:16]
