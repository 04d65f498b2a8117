"""Sums and differences of tokens, written as in "king - man + woman"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.errors import TokenError

if TYPE_CHECKING:
    from tokenspace.vocabulary import Vocabulary

SIGN = re.compile(r"(?:^| )([+-]) ")
"""A plus or minus that stands alone between spaces (or first); signs inside a token, as in "x-ray", are its own."""


def split(expression: str, vocabulary: Vocabulary) -> tuple[list[str], list[float]]:
    """Return the tokens of an expression and the sign of each; what is a token as a whole is that token.

    Parameters
    ----------
    expression : str
    vocabulary : Vocabulary

    Returns
    -------
    list of str, list of float
        Of one length; signs are 1 or -1. The tokens need not be in the vocabulary.

    Raises
    ------
    TokenError
        If a sign lacks its token.

    Examples
    --------
    >>> from tokenspace import Vocabulary
    >>> split("king - man + woman", Vocabulary([]))
    (['king', 'man', 'woman'], [1.0, -1.0, 1.0])
    """
    pieces = [] if expression in vocabulary else SIGN.split(expression)
    if len(pieces) <= 1:
        return [expression], [1.0]
    tokens, signs = pieces[2::2], [1.0 if sign == "+" else -1.0 for sign in pieces[1::2]]
    if pieces[0]:
        tokens, signs = [pieces[0], *tokens], [1.0, *signs]
    if "" in (token.strip() for token in tokens):
        message = f"the expression {expression!r} lacks a token beside a sign"
        raise TokenError(message, hint='write it as in "king - man + woman"')
    return [token if token in vocabulary else token.strip() for token in tokens], signs


def longest_pieces(token: str, vocabulary: Vocabulary) -> list[int]:
    """Return the rows of a token's words or, for a word without a row, of its longest pieces from the left.

    Parameters
    ----------
    token : str
    vocabulary : Vocabulary

    Returns
    -------
    list of int
        Empty where no part has a row.
    """
    rows: list[int] = []
    for word in token.split():
        start = 0
        while start < len(word):
            pieces = [word[start:end] for end in range(len(word), start, -1)]
            found = vocabulary.find(pieces)
            known = np.flatnonzero(found >= 0)
            if known.size:
                rows.append(int(found[known[0]]))
                start += len(pieces[known[0]])
            else:
                start += 1
    return rows
