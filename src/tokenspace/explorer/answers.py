"""From a question to a document that JSON can hold, for a server and for a notebook alike."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenspace.explorer.api import Endpoint, World


def called(endpoint: Endpoint, world: World, given: Mapping[str, Any]) -> Any:
    """Read the parameters of an endpoint, and call it.

    Raises
    ------
    ArgumentError
        If a parameter is missing, of another type or outside its limits.
    TokenspaceError
        What the endpoint itself raises.
    """
    values = {one.name: one.read(given) for one in endpoint.parameters}
    values.pop("live", None)  # about how an error is told, not about the answer
    return endpoint.answer(world, **values)


def plain(value: Any) -> Any:
    """Replace what JSON lacks, NaN and infinities, by None, all the way down."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def json_of(document: Any) -> bytes:
    """Write JSON in ASCII, which holds any token, halves of surrogate pairs as well."""
    return json.dumps(plain(document), allow_nan=False, separators=(",", ":")).encode("ascii")
