"""Packages that one format or another needs: imported when a file of that format is met, and named with their extra where absent."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
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
        raise _missing(package or module.partition(".")[0], extra, why) from error


def check_installed(module: str, *, extra: str, why: str, package: str) -> None:
    """Raise what `needed` raises where a package is not installed, and do not import it where it is.

    Raises
    ------
    MissingExtraError
    """
    if find_spec(module) is None:
        raise _missing(package, extra, why)


def _missing(package: str, extra: str, why: str) -> MissingExtraError:
    message = f"{why} needs the package {package}, which is not installed"
    return MissingExtraError(message, hint=f'pip install "tokenspace[{extra}]"')
