"""The page's files, read once from the package: no address is ever made into a path."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def page_files() -> dict[str, bytes]:
    """Return the page's files by their names below ``static/``."""

    def walk(folder: Traversable, above: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
            found |= walk(one, f"{above}{one.name}/") if one.is_dir() else {above + one.name: one.read_bytes()}
        return found

    return walk(files("tokenspace.explorer") / "static", "")
