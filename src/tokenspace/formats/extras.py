"""Packages that one format or another needs: imported when a file of that format is met, and named with their extra where absent."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tokenspace.errors import MissingExtraError


def needed(module: str, *, extra: str, why: str, package: str = "") -> Any:
    """Import a package, or part of one, that an extra of tokenspace installs.

    Parameters
    ----------
    module : str
        As ``import`` names it.
    extra : str
        The extra.
    why : str
        What needs it, for the message.
    package : str, optional
        As pip names it, where that is another name.

    Raises
    ------
    MissingExtraError
        If it is not installed; the command that installs it is in the hint.
    """
    try:
        return import_module(module)
    except ImportError as error:
        message = f"{why} needs the package {package or module.partition('.')[0]}, which is not installed"
        raise MissingExtraError(message, hint=f'pip install "tokenspace[{extra}]"') from error
