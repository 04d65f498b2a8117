"""The folder for what tokenspace can make again: converted tables, measured costs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tokenspace.errors import ArgumentError


def cache_folder() -> Path:
    """Return the folder: ``$TOKENSPACE_CACHE``, else the user's cache folder of this system.

    Returns
    -------
    pathlib.Path
        It need not exist yet.

    Raises
    ------
    ArgumentError
        If neither is set and the system does not say where the user's home is.
    """
    asked = os.environ.get("TOKENSPACE_CACHE")
    if asked:
        return Path(asked)
    try:
        home = Path.home()
    except RuntimeError:
        message = "no cache folder: TOKENSPACE_CACHE is not set, and the system does not say where this user's home is"
        raise ArgumentError(message, hint="set TOKENSPACE_CACHE to a folder that can be written to") from None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "tokenspace"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tokenspace"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "tokenspace"
