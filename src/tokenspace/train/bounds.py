"""What the numbers of a training may be: one check for every model's parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def check(settings: object, bounds: Mapping[str, tuple[float, float]], *, whole: Collection[str]) -> None:
    """Refuse a parameter outside its bounds.

    Parameters
    ----------
    settings : object
        Has an attribute for each name.
    bounds : mapping of str to (float, float)
        Least and most of each, both allowed; `math.inf` for no most.
    whole : collection of str
        Those that are whole numbers.

    Raises
    ------
    ArgumentError
        At the first that is no number, outside, or not whole; its name, bounds and value are said.
    """
    for name, (least, most) in bounds.items():
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            message = f"{name} must be {f'at least {least:g}' if most == math.inf else f'in {least:g}..{most:g}'}; seen {value!r}"
            raise ArgumentError(message)
        if name in whole and value != int(value):
            message = f"{name} must be a whole number; seen {value!r}"
            raise ArgumentError(message)


def check_positive(settings: object, names: Collection[str]) -> None:
    """Refuse a parameter that is not above 0, or is no finite number.

    Parameters
    ----------
    settings : object
        Has an attribute for each name.
    names : collection of str

    Raises
    ------
    ArgumentError
        At the first that is not; its name and value are said.
    """
    for name in names:
        value = getattr(settings, name)
        if not 0 < value < math.inf:
            message = f"{name} must be above 0{' and finite' if value == math.inf else ''}; seen {value!r}"
            raise ArgumentError(message)
