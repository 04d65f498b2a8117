"""Neighbours of one query under the three measures, with every row's rank under each; and what the box offers while one types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.measures import MEASURES, listed_pairs, norms
from tokenspace.queries import terms_of
from tokenspace.ranking import ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.explorer.opened import Opened

SCANNED = 20_000
"""Places at which a typed text stands inside tokens, looked at before the rest is left out: 4 ms."""


def near(opened: Opened, text: str, *, k: int = 12, include_query: bool = False) -> dict[str, Any]:
    """Return the nearest rows of a query under each measure.

    Parameters
    ----------
    opened : Opened
    text : str
        A token, an expression, a row id as ``#12``, or a vector in brackets.
    k : int
        At least 1.
    include_query : bool
        Whether the query's own tokens may be among the answers.

    Returns
    -------
    dict
        ``neighbours`` is what ``tokenspace near --json`` prints. ``rows`` has, for each row of any list, its token, norm, three
        measures and three ranks. A list that is undefined (the cosine of a zero query) is empty and named in ``undefined``.

    Raises
    ------
    UnknownTokenError, RowIdError, ArgumentError, ShapeError, TokenError
        As `tokenspace.queries.terms_of`.
    """
    table = opened.table
    vector, own = terms_of(table, text)
    out = own[:0] if include_query else own
    found = {measure: one.search(vector, k, exclude=out.tolist()) for measure, one in opened.searches().items()}
    ids = {
        measure: answer.ids[: 0 if np.isnan(answer.scores[:1]).any() else int((answer.ids >= 0).sum())] for measure, answer in found.items()
    }
    every = np.unique(np.concatenate(list(ids.values())))
    places = ranks(table.matrix, opened.lengths, vector, every, without=out, threads=opened.threads)
    rows = described(opened, vector, every)
    for measure, each in places.items():
        for row, place in zip(every.tolist(), each.tolist(), strict=True):
            rows[row]["ranks"][measure] = place
    return {
        "table": opened.name,
        "query": text,
        "terms": [{"id": int(row), "token": token} for row, token in zip(own, table.vocabulary.tokens_of(own), strict=True)],
        "norm": float(norms(vector[None, :])[0]),
        "k": k,
        "neighbours": {
            measure: [
                {
                    "token": rows[row]["token"],
                    "id": row,
                    "score": float(score),
                    "rank": rank,
                    "norm": rows[row]["norm"],
                    "ranks": rows[row]["ranks"],
                }
                for rank, (row, score) in enumerate(zip(ids[measure].tolist(), found[measure].scores, strict=False), start=1)
            ]
            for measure in MEASURES
        },
        "rows": rows,
        "undefined": ["cosine"] if not vector.any() else [],
    }


def opening(opened: Opened) -> dict[str, Any]:
    """Return the list that a table opens with: worked out once, as every page begins with it."""
    document: dict[str, Any] = opened.keep("opening", lambda: near(opened, opened.opening))
    return document


def described(opened: Opened, vector: NDArray[np.float64], ids: NDArray[np.int64]) -> dict[int, dict[str, Any]]:
    """Return token, norm and three measures of rows, by id."""
    table, zeros = opened.table, np.zeros(len(ids), dtype=np.int64)
    scores = {measure: listed_pairs(measure, vector[None, :], table.matrix, zeros, ids).tolist() for measure in MEASURES}
    return {
        row: {
            "token": token,
            "norm": norm,
            "scores": {measure: scores[measure][place] for measure in MEASURES},
            "ranks": {},
        }
        for place, (row, token, norm) in enumerate(
            zip(ids.tolist(), table.vocabulary.tokens_of(ids), opened.lengths[ids].tolist(), strict=True)
        )
    }


def complete(opened: Opened, text: str, *, limit: int = 8) -> dict[str, Any]:
    """Return tokens that begin with a text, or else hold it, the lower id first; of all rows.

    Parameters
    ----------
    opened : Opened
    text : str
    limit : int

    Returns
    -------
    dict
        ``tokens``: pairs of id and token, the very token first, then beginnings, then those with the text inside.

    Notes
    -----
    Upper and lower case ASCII letters are alike. Time O(n): 2 to 6 ms for 400,000 tokens.
    """
    vocabulary = opened.table.vocabulary
    needle = text.encode("utf-8", "surrogateescape").lower()
    if not needle:
        found = np.arange(min(limit, len(vocabulary)))
        return {"tokens": [[int(row), token] for row, token in zip(found, vocabulary.tokens_of(found), strict=True)]}
    data, offsets = np.frombuffer(opened.folded, dtype=np.uint8), vocabulary.offsets
    ids = np.flatnonzero(np.diff(offsets) >= len(needle))
    for place, byte in enumerate(needle):
        ids = ids[data[offsets[ids] + place] == byte]
    own = vocabulary.find([text])
    chosen = [*own[own >= 0].tolist(), *ids[: limit + 1].tolist()]
    if len(set(chosen)) < limit:
        inside: list[int] = []
        for count, match in enumerate(re.finditer(re.escape(needle), opened.folded)):
            if count == SCANNED or len(inside) == 2 * limit:
                break
            row = int(np.searchsorted(offsets, match.start(), side="right")) - 1
            if match.end() <= offsets[row + 1] and match.start() > offsets[row]:
                inside.append(row)
        chosen += inside
    rows = list(dict.fromkeys(chosen))[:limit]
    return {"tokens": [[row, token] for row, token in zip(rows, vocabulary.tokens_of(rows), strict=True)]}


def tokens(opened: Opened, ids: list[int]) -> dict[str, Any]:
    """Return the tokens of rows, for labels."""
    rows = opened.table.rows(np.asarray(ids, dtype=np.int64))
    return {"tokens": opened.table.vocabulary.tokens_of(rows)}


def values(opened: Opened, text: str) -> dict[str, Any]:
    """Return the numbers of the vector that a text asks for."""
    vector, own = terms_of(opened.table, text)
    return {"query": text, "ids": own.tolist(), "values": vector.tolist()}
