"""A store filled with a table: asked what is there, given what is missing, read back whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tokenspace.errors import ArgumentError, ReadBackError, StoreTakenError
from tokenspace.measures import MEASURES
from tokenspace.sinks import lance, postgres, qdrant
from tokenspace.sinks.address import Address
from tokenspace.sinks.sink import Content

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tokenspace.measures import Measure
    from tokenspace.sinks.sink import Store
    from tokenspace.table import EmbeddingTable

    Watcher = Callable[[str, int, int], None]

SINKS = {scheme: sink for sink in (postgres.SINK, lance.SINK, qdrant.SINK) for scheme in sink.schemes}
"""Every sink, by the schemes of its addresses."""

AGAIN = "replace it with --force, or choose another name with --into"


@dataclass(frozen=True)
class Filled:
    """What was done.

    Attributes
    ----------
    address : str
        The store, without password.
    name : str
        The table or collection.
    rows, dimensions : int
    dtype : str
        The element type stored.
    written : int
        Rows that were not there yet.
    rounding : float
        The largest relative change of a number by `dtype`.
    unit : bool
        Whether the store keeps the rows at length 1, so that their own lengths are lost.
    """

    address: str
    name: str
    rows: int
    dimensions: int
    dtype: str
    written: int
    rounding: float
    unit: bool


def fill(
    table: EmbeddingTable,
    address: str,
    *,
    into: str | None = None,
    measure: Measure | None = None,
    dtype: str | None = None,
    force: bool = False,
    watcher: Watcher | None = None,
) -> Filled:
    """Fill a store with a table, or go on filling it, and read it back.

    Parameters
    ----------
    table : EmbeddingTable
    address : str
        ``postgresql://USER@HOST/DATABASE``, ``lancedb://FOLDER``, ``qdrant://HOST:6333``... (`tokenspace.sinks.SINKS`).
    into : str, optional
        Name of the table or collection. Left out, it is made from the file name of `table`.
    measure : "euclidean", "inner_product" or "cosine", optional
        PostgreSQL and LanceDB: makes an index for this measure once all rows are there; left out, there is none and searches are
        exact. Qdrant: the collection's measure, by default the inner product.
    dtype : str, optional
        Element type to store, the table's own if left out. float16 becomes halfvec in PostgreSQL.
    force : bool, default False
        Whether another table of that name is replaced, if tokenspace made it. PostgreSQL's stays until the new one is whole.
    watcher : callable, optional
        Called as ``watcher(what, done, total)``, in bytes, after each batch.

    Returns
    -------
    Filled

    Raises
    ------
    ArgumentError
        If the address, name or measure is none.
    MissingExtraError
        If the package that speaks to the store is not installed.
    UnwritableError, NotFiniteError
        If the store cannot hold the table; nothing is written then.
    StoreUnreachableError, StoreTakenError, StoreError
        If the store does not answer, holds something else of that name, or fails.
    ReadBackError
        If a row reads back otherwise than it was written.

    Notes
    -----
    Each batch is there whole or not at all; whatever stops a run, the same call goes on with the rows that the store lacks. The vice:
    reading back takes about as long as writing. Every row must have the same bits; only Qdrant under the cosine, which brings rows to
    length 1, is held to 1e-6 (float16: 1e-3) a number.

    Examples
    --------
    >>> import pytest, tempfile
    >>> _ = pytest.importorskip("lancedb")
    >>> from tokenspace import EmbeddingTable
    >>> table = EmbeddingTable(["king", "queen"], [[2, 1], [2, 3]])
    >>> fill(table, "lancedb://" + tempfile.mkdtemp(), into="royal").written
    2
    """
    place = Address.of(address)
    sink = SINKS.get(place.scheme)
    if sink is None:
        message = f"no store has the scheme {place.scheme!r}; known are {', '.join(SINKS)}"
        raise ArgumentError(message)
    if measure is not None and measure not in MEASURES:
        message = f"measure must be one of {', '.join(MEASURES)}; seen {measure!r:.40}"
        raise ArgumentError(message)
    name = default_name(table.source) if into is None else into
    content = Content.of(table, sink.dtype_for(table, dtype, place.shown), name, measure, force=force, where=place.shown)
    with sink.open(place, content) as store:
        there = store.mark()
        if there is not None and there != content.mark:
            _replace_or_refuse(store, there, content, place)
            there = None
        if there is None:
            store.create()
        missing = np.flatnonzero(~_held(store, content, place))
        _write(store, content, missing, watcher)
        _read_back(store, content, place, watcher)
        store.finish()
        unit = store.unit
    return Filled(place.shown, name, table.n, table.d, content.dtype.name, len(missing), content.rounding, unit)


def default_name(source: str) -> str:
    """Return a name that needs no quotes, made from a file name: letters, digits, underscores."""
    name = re.sub(r"[^a-z0-9]+", "_", Path(source).stem.lower()).strip("_")[:40]
    return f"t_{name}" if name[:1].isdigit() else name or "embedding"


def _replace_or_refuse(store: Store, there: dict[str, object], content: Content, place: Address) -> None:
    if not there:
        message = f"{place.shown}: expected no {content.name!r:.80} or one that tokenspace made; seen another"
        raise StoreTakenError(message, hint="it is left as it is: choose another name with --into, or take it away yourself")
    if not content.force:
        told = ("rows", "dims", "dtype")
        seen, wanted = (" x ".join(str(mark.get(part)) for part in told) for mark in (there, content.mark))
        what = f"seen {seen}" if seen != wanted else "seen that with other content, or for another measure"
        message = f"{place.shown}: {content.name!r:.80} is there already: expected {wanted}, {what}"
        raise StoreTakenError(message, hint=AGAIN)
    store.drop()


def _held(store: Store, content: Content, place: Address) -> NDArray[np.bool_]:
    """Ask the store which rows are there.

    Raises
    ------
    StoreTakenError
        If a row is there twice, or one that the table does not have.
    """
    held = np.zeros(content.table.n, dtype=bool)
    for ids in store.ids():
        foreign = (ids < 0) | (ids >= len(held))
        twice = ~foreign
        twice[~foreign] = held[ids[~foreign]]
        _, firsts = np.unique(ids, return_index=True)
        twice |= ~np.isin(np.arange(len(ids)), firsts)
        if foreign.any() or twice.any():
            row = int(ids[np.argmax(foreign | twice)])
            problem = "twice" if twice.any() else f"and the table has {len(held):,} rows"
            message = f"{place.shown}: {content.name!r:.80} holds the row {row:,} {problem}; somebody else has written there"
            raise StoreTakenError(message, hint=AGAIN)
        held[ids] = True
    return held


def _write(store: Store, content: Content, missing: NDArray[np.int64], watcher: Watcher | None) -> None:
    width = content.table.d * content.dtype.itemsize
    step = max(1, store.batch // width)
    for start in range(0, len(missing), step):
        store.write(content.rows(missing[start : start + step]))
        if watcher is not None:
            watcher("writing", min(start + step, len(missing)) * width, len(missing) * width)


def _read_back(store: Store, content: Content, place: Address, watcher: Watcher | None) -> None:
    """Hold every row of the store against the table's.

    Raises
    ------
    ReadBackError
        If one differs, or the store returns fewer rows than it was given, or more.
    """
    n, width = content.table.n, content.table.d * content.dtype.itemsize
    seen = np.zeros(n, dtype=np.int64)
    done = 0
    for read in store.read():
        ids = read[0]
        bad = ids[(ids < 0) | (ids >= n)]
        at = content.first_wrong(read, unit=store.unit) if not bad.size else -1
        if bad.size or at >= 0:
            row = int(bad[0]) if bad.size else int(ids[at])
            message = f"{place.shown}: the row {row:,} of {content.name!r:.80} does not read back as it was written"
            raise ReadBackError(message, hint=f"somebody else may have written there: {AGAIN}")
        np.add.at(seen, ids, 1)
        done += len(ids)
        if watcher is not None:
            watcher("reading back", done * width, n * width)
    if (seen != 1).any():
        row = int(np.argmax(seen != 1))
        message = f"{place.shown}: {content.name!r:.80} returns the row {row:,} {int(seen[row])} times; expected once"
        raise ReadBackError(message, hint="run the same command again: it writes the rows that are missing")
