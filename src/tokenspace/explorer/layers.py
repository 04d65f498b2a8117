"""The embedding layer itself (the lecture's Figs. 1 and 2): input nodes, columns of W, z = Wx, and nodes added to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import extension
from tokenspace.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenspace.explorer.opened import Opened
    from tokenspace.table import EmbeddingTable

MULTIPLIED = 1 << 26
"""Numbers of W up to which the whole product Wx is worked out beside the lookup; 20 ms. Beyond, it would only cost."""

PROVED = 1 << 28
"""Bytes of a table up to which it is extended in memory and proved row by row: 0.7 s."""

STARTS = ("subtoken-mean", "mean", "sample", "zeros", "copy")


def layer(opened: Opened, tokens: Sequence[str], weights: Sequence[float]) -> dict[str, Any]:
    """Return the layer's answer to an input x that is zero but at some tokens.

    Parameters
    ----------
    opened : Opened
    tokens : sequence of str
        At least one; tokens or row ids.
    weights : sequence of float
        One each; x_i.

    Returns
    -------
    dict
        ``terms``: the columns of W that x lights up; ``z``; ``product``: how far the full product over all n columns is from the sum
        of these; ``nodes``: the input nodes that are drawn, with their columns.

    Raises
    ------
    UnknownTokenError, RowIdError
        If a token has no row.
    ArgumentError
        If there are not as many weights as tokens, or a weight is not finite.
    """
    table = opened.table
    if not tokens or len(tokens) != len(weights) or not np.isfinite(weights).all():
        message = f"expected one finite weight for each of one or more tokens; seen {len(tokens)} tokens and weights {list(weights)!r:.80}"
        raise ArgumentError(message)
    rows = [_row(table, token) for token in tokens]
    columns = table.matrix[rows].astype(np.float64)
    z = np.asarray(weights) @ columns
    product: dict[str, Any] = {"columns": table.n, "difference": None}
    if table.n * table.d <= MULTIPLIED:
        single = len(rows) == 1 and weights[0] == 1
        dense = np.zeros(table.n, dtype=np.float32 if single else np.float64)
        np.add.at(dense, rows, weights)
        product["difference"] = float(np.abs(table.linear(dense).astype(np.float64) - z).max())
        product["one_hot"] = single
    shown = _nodes(rows, table.n)
    return {
        "n": table.n,
        "d": table.d,
        "terms": [
            {"id": row, "token": table.vocabulary.token(row), "weight": float(weight), "column": column.tolist()}
            for row, weight, column in zip(rows, weights, columns, strict=True)
        ],
        "z": z.tolist(),
        "product": product,
        "nodes": [
            {"id": row, "token": token, "column": table.matrix[row, :16].astype(np.float64).tolist()}
            for row, token in zip(shown, table.vocabulary.tokens_of(shown), strict=True)
        ],
        "largest": float(np.abs(table.matrix[shown].astype(np.float64)).max()),
    }


def _row(table: EmbeddingTable, token: str) -> int:
    return int(token[1:]) if token.startswith("#") and token not in table and token[1:].isdigit() else int(table.rows(token))


def _nodes(rows: Sequence[int], n: int) -> list[int]:
    """Choose the input nodes to draw: the first, the last, and those on either side of each that is lit."""
    near = {row + step for row in rows for step in ((-1, 0, 1) if len(rows) <= 2 else (0,))}  # noqa: PLR2004 - room for six nodes or so
    return sorted(row for row in near | {0, 1, n - 1} if 0 <= row < n)


def extended(opened: Opened, tokens: Sequence[str], init: str, *, parts: Sequence[str] = (), seed: int = 0) -> dict[str, Any]:
    """Return what the table would be with new tokens: their columns, what they are near to, and the proof that the rest stayed.

    Parameters
    ----------
    opened : Opened
    tokens : sequence of str
        New ones.
    init : str
        One of `STARTS`.
    parts : sequence of str
        For "copy": the token copied, one for each new one or one for all.
    seed : int
        For "sample".

    Returns
    -------
    dict

    Raises
    ------
    DuplicateTokenError, ArgumentError, UnknownTokenError
        As `EmbeddingTable.extend`.
    """
    table = opened.table
    if init not in STARTS or not tokens:
        message = f"expected new tokens and one of {', '.join(STARTS)} to start them from; seen {len(tokens)} and {init!r:.40}"
        raise ArgumentError(message)
    sources = [[part] for part in (list(parts) * len(tokens) if len(parts) == 1 else list(parts))] if init == "copy" else None
    proved = None
    if table.matrix.nbytes <= PROVED:
        bigger = table.extend(list(tokens), init=init, parts=sources, seed=seed)
        rows, proof = bigger.matrix[table.n :], bigger.proof(table)
        proved = {"rows": proof.rows, "same": bool(proof), "digest": proof.digest_new, "text": str(proof)}
    else:
        table.vocabulary.extend(list(tokens))  # refuses what is there already
        ids = [table.rows(part) for part in sources] if sources else [list(table.subtokens(token)) for token in tokens]
        rows = extension.new_rows(table.matrix, len(tokens), init=init, parts=ids, seed=seed)
    found = opened.searches()["euclidean"].search(rows, 5)
    return {
        "n": table.n,
        "init": init,
        "rows": [
            {
                "id": table.n + place,
                "token": token,
                "column": row.astype(np.float64).tolist(),
                "parts": table.vocabulary.tokens_of(list(table.subtokens(token))) if init == "subtoken-mean" else list(parts),
                "near": [
                    {"token": word, "id": int(row_id), "distance": float(score)}
                    for word, row_id, score in zip(
                        table.vocabulary.tokens_of(found.ids[place]), found.ids[place], found.scores[place], strict=True
                    )
                ],
            }
            for place, (token, row) in enumerate(zip(tokens, rows, strict=True))
        ],
        "proof": proved,
    }
