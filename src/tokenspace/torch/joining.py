"""What is checked and made before rows join a matrix: the new tokens, their first numbers, the places they take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tokenspace import extension
from tokenspace.errors import ArgumentError, DuplicateTokenError, RowIdError, TokenError
from tokenspace.torch.arrays import as_array, as_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.vocabulary import Vocabulary


def checked_tokens(tokens: Iterable[str] | int, vocabulary: Vocabulary | None) -> tuple[int, Vocabulary | None]:
    """Return how many tokens are new, and the vocabulary with them where there is one."""
    if isinstance(tokens, int):
        if tokens < 1 or vocabulary is not None:
            message = f"tokens must be the new tokens themselves where the layer knows its own, else their number; seen {tokens}"
            raise ArgumentError(message)
        return tokens, None
    added = [tokens] if isinstance(tokens, str) else list(tokens)
    if not added:
        message = "there must be at least one new token; seen none"
        raise ArgumentError(message)
    for token in added:
        if not isinstance(token, str) or not token:
            message = f"a new token must be a string that is not empty; seen {token!r}"
            raise TokenError(message)
    if vocabulary is not None:
        return len(added), vocabulary.extend(added)
    first: dict[str, int] = {}
    for at, token in enumerate(added):
        if first.setdefault(token, at) != at:
            message = f"each new token needs a row of its own; seen {token!r} at {first[token]} and at {at}"
            raise DuplicateTokenError(message)
    return len(added), None


def initial_rows(old: torch.Tensor, m: int, *, init: str | ArrayLike | torch.Tensor, **options: Any) -> torch.Tensor:
    """Return m rows to stand under a matrix, as `tokenspace.extension.new_rows` makes them; on the CPU."""
    start: Any = as_array(init.contiguous()) if isinstance(init, torch.Tensor) else init
    matrix: NDArray[Any] = as_array(old)
    return as_tensor(extension.new_rows(matrix, m, init=start, **options))


def grown_to(ids: NDArray[Any], n: int, *, can_grow: bool) -> int:
    """Return how many rows a table of n has once it holds these ids, which may leave no gap beyond its end."""
    beyond = np.unique(ids[ids >= n]) if ids.dtype.kind in "iu" else ids[:0]
    if len(beyond) and (not can_grow or int(beyond[-1]) != n + len(beyond) - 1):
        message = f"row ids must be in 0..{n - 1}" + (", or follow without a gap" if can_grow else "") + f"; seen {int(beyond[-1])}"
        raise RowIdError(message, hint="" if can_grow else "extend() adds rows")
    return n + len(beyond)
