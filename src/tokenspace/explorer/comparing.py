"""Two tables beside each other: what is in both, whose neighbours changed, which rows moved, and whether old rows are the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace.errors import ArgumentError, ProofError, ShapeError, TokenspaceError
from tokenspace.measures import Measure, listed_pairs, norms
from tokenspace.queries import terms_of
from tokenspace.search import Exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tokenspace.explorer.opened import Opened

SAMPLED = 1000
"""Shared tokens whose neighbours are compared, the first ones in the first table: in most tables the frequent ones."""

LISTED = 40
MOVED = 1 << 16
"""Pairs of rows measured at a time."""


def shared(a: Opened, b: Opened) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the tokens that both tables have, in a's order: ids in a and ids in b."""

    def make() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        found = [
            b.table.vocabulary.find(a.table.vocabulary.tokens_of(np.arange(start, min(start + MOVED, a.table.n))))
            for start in range(0, a.table.n, MOVED)
        ]
        there = np.concatenate([np.empty(0, dtype=np.int64), *found])
        return np.flatnonzero(there >= 0), there[there >= 0]

    both: tuple[NDArray[np.int64], NDArray[np.int64]] = a.keep(("shared", b.name), make)
    return both


def overview(a: Opened, b: Opened, *, measure: Measure = "cosine", k: int = 10) -> dict[str, Any]:
    """Return how two tables differ.

    Parameters
    ----------
    a, b : Opened
    measure : str
    k : int
        Neighbours compared, among the shared tokens alone, so that a new word does not count as a change.

    Returns
    -------
    dict
        ``overlap``: how many of `SAMPLED` shared tokens keep 0..k of their k neighbours; ``changed``: those that keep the fewest;
        ``moved``: the rows that moved the most, where both tables have one d; ``proof``: of rows identical bit for bit.
    """
    if a is b:
        message = "expected two tables; seen the same one twice"
        raise ArgumentError(message)
    document: dict[str, Any] = a.keep(("overview", b.name, measure, k), lambda: _overview(a, b, measure, k))
    return document


def _overview(a: Opened, b: Opened, measure: Measure, k: int) -> dict[str, Any]:
    here, there = shared(a, b)
    only_b = np.setdiff1d(np.arange(b.table.n), there)
    only_a = np.setdiff1d(np.arange(a.table.n), here)
    document: dict[str, Any] = {
        "a": a.name,
        "b": b.name,
        "measure": measure,
        "k": k,
        "both": len(here),
        "only_a": {"count": len(only_a), "tokens": a.table.vocabulary.tokens_of(only_a[:LISTED])},
        "only_b": {"count": len(only_b), "tokens": b.table.vocabulary.tokens_of(only_b[:LISTED])},
        "proof": _proof(a, b, here, there),
        "moved": _moved(a, b, here, there),
    }
    wanted = min(k, len(here) - 1)
    if wanted < 1:
        return document | {"sampled": 0, "overlap": [], "changed": []}
    some = np.flatnonzero((a.lengths[here] > 0) & (b.lengths[there] > 0))[:SAMPLED]
    found = []
    for one, rows in ((a, here), (b, there)):
        matrix = one.table.matrix[rows]
        own = [[place] for place in some.tolist()]
        found.append(Exact(matrix, measure, threads=one.threads).search(matrix[some], wanted, exclude=own).ids)
    kept = np.array([len(np.intersect1d(left, right)) for left, right in zip(*found, strict=True)], dtype=np.int64)
    least = np.argsort(kept, kind="stable")[:LISTED]
    return document | {
        "sampled": len(some),
        "wanted": wanted,
        "overlap": np.bincount(kept, minlength=wanted + 1).tolist(),
        "mean_overlap": float(kept.mean()) if kept.size else None,
        "changed": [
            {"token": token, "kept": int(kept[place])}
            for token, place in zip(a.table.vocabulary.tokens_of(here[some[least]]), least, strict=True)
            if kept[place] < wanted
        ],
    }


def _proof(a: Opened, b: Opened, here: NDArray[np.int64], there: NDArray[np.int64]) -> dict[str, Any]:
    """Compare the bytes of the shared rows; where b begins with all of a, prove it by SHA-256 as well."""
    if a.table.d != b.table.d or a.table.dtype != b.table.dtype:
        return {"possible": False, "text": f"rows of {a.table.d} {a.table.dtype} and of {b.table.d} {b.table.dtype} cannot be identical"}
    same = 0
    for start in range(0, len(here), MOVED):
        left, right = a.table.matrix[here[start : start + MOVED]], b.table.matrix[there[start : start + MOVED]]
        same += int((left.view(np.uint8) == right.view(np.uint8)).all(axis=1).sum())
    document = {"possible": True, "identical": same, "shared": len(here), "text": f"{same:,} of {len(here):,} shared rows are identical"}
    try:
        found = b.table.proof(a.table)
    except (ArgumentError, ShapeError, ProofError):  # b does not begin with a: the count above is all there is to say
        return document
    return document | {"extension": bool(found), "proof": str(found), "digest": found.digest_old}


def _moved(a: Opened, b: Opened, here: NDArray[np.int64], there: NDArray[np.int64]) -> dict[str, Any] | None:
    """Return how far shared rows are apart; None where the tables have different d and no distance exists."""
    if a.table.d != b.table.d or not len(here):
        return None
    parts = [
        listed_pairs("euclidean", a.table.matrix, b.table.matrix, here[start : start + MOVED], there[start : start + MOVED])
        for start in range(0, len(here), MOVED)
    ]
    distance = np.concatenate(parts)
    most = np.lexsort((here, -distance))[:LISTED]
    most = most[distance[most] > 0]
    return {
        "moved": int((distance > 0).sum()),
        "median": float(np.median(distance)),
        "rows": [
            {
                "token": token,
                "distance": float(distance[place]),
                "norm_a": float(a.lengths[here[place]]),
                "norm_b": float(b.lengths[there[place]]),
            }
            for token, place in zip(a.table.vocabulary.tokens_of(here[most]), most, strict=True)
        ],
    }


def side_by_side(a: Opened, b: Opened, text: str, *, measure: Measure = "cosine", k: int = 10) -> dict[str, Any]:
    """Return one query's neighbours in both tables, each marked by where else it is.

    Parameters
    ----------
    a, b : Opened
    text : str
        A token or expression. Where one table lacks it, its side says so.
    measure : str
    k : int

    Returns
    -------
    dict
        ``a`` and ``b`` with a list or an error; each row says whether it is in the ``other`` list, and whether the other table has its
        token at all.
    """
    sides = [_side(one, text, measure, k) for one in (a, b)]
    for side, other, one in ((sides[0], sides[1], b), (sides[1], sides[0], a)):
        names = {row["token"] for row in other.get("rows", [])}
        for row in side.get("rows", []):
            row["other"] = row["token"] in names
            row["known"] = row["token"] in one.table
    overlap = sum(row["other"] for row in sides[0].get("rows", []))
    return {"query": text, "measure": measure, "k": k, "a": sides[0], "b": sides[1], "overlap": overlap}


def _side(one: Opened, text: str, measure: Measure, k: int) -> dict[str, Any]:
    try:
        vector, own = terms_of(one.table, text)
    except TokenspaceError as error:
        return {"table": one.name, "error": error.message, "hint": error.hint}
    found = one.searches()[measure].search(vector, k, exclude=own.tolist())
    ids = found.ids[: 0 if np.isnan(found.scores[:1]).any() else int((found.ids >= 0).sum())]
    lengths = norms(one.table.matrix, ids)
    rows = zip(ids.tolist(), one.table.vocabulary.tokens_of(ids), found.scores, lengths, strict=False)
    return {
        "table": one.name,
        "rows": [{"id": row, "token": token, "score": float(score), "norm": float(norm)} for row, token, score, norm in rows],
    }
