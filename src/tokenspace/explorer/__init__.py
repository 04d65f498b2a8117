"""The explorer: a page on one's own machine that shows a table's layer, its three measures and where they disagree.

`serve` runs it, as ``tokenspace explore`` does; `application` is the ASGI application alone. ``static/`` holds the page: ES modules as
they are, without a build step. The modules here, from the bottom: `opened` (a table and what is kept of it), `lists`, `pairs`, `layers`,
`columns`, `maps`, `comparing`, `attending`, `exercises` (what each view shows, as plain documents; none knows the web), `api` (their
names and limits, as data), `safety` (who may ask), `app` (all of it as one application), `server` (socket, browser, Ctrl-C).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenspace.explorer.app import application
    from tokenspace.explorer.notebook import Explorer
    from tokenspace.explorer.server import serve

__all__ = ["Explorer", "application", "serve"]

_HOME = {"Explorer": "notebook", "application": "app", "serve": "server"}


def __getattr__(name: str) -> Any:
    """Load a name from its module: the page needs no notebook, and a notebook no web server."""
    if name not in _HOME:
        message = f"module 'tokenspace.explorer' has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"tokenspace.explorer.{_HOME[name]}"), name)
