"""Which of several tensors or columns holds the rows: the only one that can, or the one that was named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenspace.errors import HeaderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SHOWN = 8
"""Names that a message lists."""


def chosen_part(
    path: Path,
    able: Mapping[str, str],
    wanted: str | None,
    *,
    kind: str,
    others: Mapping[str, str],
    preferred: Iterable[str] = (),
) -> str:
    """Return the name of the part of a file that holds the rows.

    Parameters
    ----------
    path : Path
        For the message.
    able : mapping of str to str
        The parts that can hold rows, each with its type and shape.
    wanted : str or None
        The one that the caller named.
    kind : str
        "tensor" or "column".
    others : mapping of str to str
        All parts.
    preferred : iterable of str
        Names that are taken before others where several can.

    Raises
    ------
    HeaderError
        If none can, if several can and none was named, or if the one named cannot; they are listed.
    """
    if wanted is not None:
        if wanted in able:
            return wanted
        seen = f"it is {others[wanted]}" if wanted in others else "there is none of that name"
        raise HeaderError(path, f"the {kind} {wanted!r:.80} cannot hold the rows: {seen}; {_list(able, kind)}")
    for name in (*preferred, *(able if len(able) == 1 else ())):
        if name in able:
            return name
    if not able:
        problem = f"expected a {kind} of float rows, all of one length; seen {_joined(others) or 'none at all'}"
        raise HeaderError(path, problem, hint="quantised or whole numbers hold no rows as they are" if others else "")
    raise HeaderError(path, f"more than one {kind} may hold the rows: {_joined(able)}", hint=f'name it: tensor="{next(iter(able))}"')


def _list(able: Mapping[str, str], kind: str) -> str:
    return f"{kind}s that can: {_joined(able)}" if able else f"no {kind} of the file can"


def _joined(parts: Mapping[str, str]) -> str:
    names = [f"{name:.80} {shape}" for name, shape in list(parts.items())[:SHOWN]]
    return ", ".join(names) + (f" and {len(parts) - SHOWN:,} more" if len(parts) > SHOWN else "")
