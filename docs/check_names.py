"""Looks for every public name in the inventory of the built site: python docs/check_names.py site. Leaves with 1 if one is missing."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import tokenspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

INSIDE = {"tokenspace.native.words": "of the kernels' own use"}
"""Modules whose ``__all__`` is not for users, and why."""


def inventory(site: Path) -> set[str]:
    """Return the names that the site documents."""
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]  # four lines of heading, then the names
    return {line.split(" ", 1)[0] for line in zlib.decompress(packed).decode().splitlines()}


def public_modules() -> Iterator[ModuleType]:
    """Yield the modules that say in ``__all__`` what they offer; those whose package is not installed are said to be left out."""
    yield tokenspace
    for found in pkgutil.walk_packages(tokenspace.__path__, "tokenspace.", onerror=lambda _: None):
        if found.name in INSIDE or "__all__" not in _source(found):
            continue
        try:
            yield importlib.import_module(found.name)
        except ImportError as error:
            print(f"{found.name} is not looked at: {error}")


def _source(found: pkgutil.ModuleInfo) -> str:
    spec = found.module_finder.find_spec(found.name)  # type: ignore[call-arg]
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin and spec.origin.endswith(".py") else ""


def missing(documented: set[str]) -> Iterator[str]:
    """Yield each public name that is documented neither where it is offered nor where it is defined."""
    for module in public_modules():
        for name in module.__all__:
            try:
                value = getattr(module, name)
            except ImportError as error:  # of a module that is imported at first use
                print(f"{module.__name__}.{name} is not looked at: {error}")
                continue
            homes = {f"{module.__name__}.{name}", f"{getattr(value, '__module__', '')}.{name}"}
            if inspect.ismodule(value):
                homes = {f"{value.__name__}.{inner}" for inner in [*getattr(value, "__all__", vars(value))]}
            if not homes & documented:
                yield f"{module.__name__}.{name} stands on no page of the reference"


if __name__ == "__main__":
    faults = list(missing(inventory(Path(sys.argv[1]))))
    print("\n".join(faults) or "every public name stands in the reference")
    sys.exit(bool(faults))
