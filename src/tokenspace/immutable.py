"""Values that stay what they were made: a change gives a new value, so nobody's cache can go stale."""

from __future__ import annotations

from typing import NoReturn

from tokenspace.errors import ImmutableError


class Immutable:
    """Refuses to have an attribute set or deleted; `object.__setattr__` makes the value once, in its own `__init__`."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse.

        Raises
        ------
        ImmutableError
            Always.
        """
        message = f"cannot set {name!r}: a {type(self).__name__} is immutable"
        raise ImmutableError(message, hint="make a new one; extend() returns one with more rows")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse.

        Raises
        ------
        ImmutableError
            Always.
        """
        message = f"cannot delete {name!r}: a {type(self).__name__} is immutable"
        raise ImmutableError(message)
