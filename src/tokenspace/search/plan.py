"""Which path a search takes: the cheapest by a small cost model, whose constants were measured and can be measured again.

Every path gives the same answer; only the time differs. Costs are counted for one thread, as all paths share rows out alike.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from tokenspace import native
from tokenspace.cache import cache_folder
from tokenspace.errors import ArgumentError
from tokenspace.native.unprepared import LONGEST
from tokenspace.search.screen import SEEN

if TYPE_CHECKING:
    from pathlib import Path

PathName = Literal["every", "product", "floats", "bytes"]
PATHS: tuple[PathName, ...] = get_args(PathName)
OnceName = Literal["rows", "codes"]
"""How rows are read once: each number as it stands, or coded as it is read."""


CODING = 2
"""Calls' worth of time that making codes takes beside the rows themselves: 0.3 ms for 300 rows."""


READ = 0.5
"""Share of `Costs.finish` that a number costs which a product takes as it is: it is read, and not lifted to float64."""


ONCE, ONCE_KEY = 1.5, 2
"""Times `Costs.floats` that a multiply-add, and times `Costs.single_key` that a key costs in rows as they stand, which are not packed: 13.5
ms for 100 queries of 10,000 rows of 384 numbers, 7.4 ms for 128 numbers."""


CODED_ONCE = 0.5
"""Times `Costs.code` that coding a number takes where the code is used at once and not kept: 1.6 ms for 10,000 rows of 384 numbers."""


LOOKED = 20
"""Rows beside its k whose float64 sums take as long as all that a query of codes does beside the codes: 5 µs for 384 numbers."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What the steps of a search cost on one thread, in nanoseconds.

    Attributes
    ----------
    finish : float
        One number of a row finished in float64 where rows are read in order.
    scattered : float
        One row finished out of order: mostly the wait for memory.
    product, product_key : float
        One multiply-add of a float64 matrix product, and one key of its result.
    single, single_key : float
        The same of a float32 one.
    pack, floats, floats_key : float
        One number packed as float32; one multiply-add of the float32 screen, and one key bounded by it.
    code, bytes, bytes_key : float
        One number coded; one multiply-add of the byte screen, and one key bounded by it.
    read : float
        One number bounded for a single query, by half a code read from memory.
    query, call : float
        Preparing and settling one query; starting one search.
    alone : float
        All of a search for one query in a few coded rows.
    """

    finish: float
    scattered: float
    product: float
    product_key: float
    single: float
    single_key: float
    pack: float
    floats: float
    floats_key: float
    code: float
    bytes: float
    bytes_key: float
    read: float
    query: float
    call: float
    alone: float


# Measured by `calibrate` on one thread of a Zen 4 server, each level with its own kernels. `finish`, `code` and `scattered` are those of
# tables larger than the caches: 8.4, 14 and 30 ms for 400,000 rows of 50 float32.
WIDE = Costs(0.42, 75, 0.041, 2.5, 0.021, 1.2, 1.1, 0.0187, 0.11, 0.9, 0.0048, 0.1, 0.03, 15_000, 150_000, 22_000)
KNOWN = {
    "x86-64-v4-vnni": WIDE,
    "x86-64-v4": replace(WIDE, bytes=0.0096),
    "x86-64-v3": replace(WIDE, bytes=0.0136, floats=0.032, bytes_key=0.46, floats_key=0.15, read=0.063),
    "x86-64": replace(WIDE, finish=0.74, floats=0.077, floats_key=0.44, bytes=0.31, bytes_key=0.93, code=2.2, read=0.38),
    "numpy": replace(WIDE, finish=4.5, scattered=170),
}


class Ready(NamedTuple):
    """What a search has at hand when its path is chosen.

    Attributes
    ----------
    coded : bool
        Whether they are coded already.
    missed : float
        Seconds that codes would have saved in searches before. Coding is paid for once that and this search's saving are worth it, as
        one buys skis once the rents add up to their price; so a table that is searched once is not coded for nothing.
    framed : bool
        Whether they were measured for the screens already.
    single : bool
        Whether they may be multiplied in float32.
    """

    coded: bool = False
    missed: float = 0.0
    framed: bool = False
    single: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The path chosen for a search, and what each was expected to cost.

    Attributes
    ----------
    path : str
        "every" (each row finished in float64), "product" (matrix product of float32 or float64), "floats" (fused float32 screen) or
        "bytes" (screen of 7-bit codes).
    seconds : dict of str to float
        Expected, on one thread; the paths that cannot serve are left out.
    coding : float
        Seconds that coding the rows would take first; 0 where they are coded.
    reason : str
    """

    path: PathName
    seconds: dict[PathName, float]
    coding: float
    reason: str

    def __str__(self) -> str:
        """Say it in a few lines."""
        lines = [f"path: {self.path} ({self.reason})"]
        lines += [f"  {name:8} {1e3 * seconds:10.2f} ms expected on one thread" for name, seconds in self.seconds.items()]
        if self.coding:
            lines.append(f"  coding the rows first would take {1e3 * self.coding:.0f} ms, once")
        return "\n".join(lines)


def expected(q: int, n: int, d: int, k: int, costs: Costs, ready: Ready) -> dict[PathName, float]:
    """Return the seconds that each path is expected to take on one thread, rows being coded already.

    Parameters
    ----------
    q, n, d, k : int
        Queries, rows, numbers a row, neighbours.
    costs : Costs
    ready : Ready

    Returns
    -------
    dict of str to float
    """
    keys, products = float(q) * n, float(q) * n * d
    scattered = q * (8 * k + 200) * costs.scattered
    finishing = scattered + q * costs.query + costs.call
    multiply, key, lift = (costs.single, costs.single_key, READ) if ready.single else (costs.product, costs.product_key, 1)
    screening = finishing if ready.framed else finishing + min(n, SEEN) * d * costs.pack
    return {
        "every": 1e-9 * (products * costs.finish + costs.call),
        "product": 1e-9 * (n * d * costs.finish * lift + products * multiply + keys * key + finishing),
        "floats": 1e-9 * (n * d * costs.pack + products * costs.floats + keys * costs.floats_key + screening),
        "bytes": 1e-9
        * (n * d * costs.read + scattered + costs.alone if q == 1 else products * costs.bytes + keys * costs.bytes_key + screening),
    }


class Once(NamedTuple):
    """How rows are best read once, and what that costs one thread in seconds.

    Attributes
    ----------
    name : "rows" or "codes"
        Each number as it stands, or coded as it is read.
    seconds : float
    coding, query : float
        Of the codes: what making them takes; and what each query does that finds k rows of its own, however few there are.
    """

    name: OnceName
    seconds: float
    coding: float
    query: float


def at_once(q: int, n: int, d: int, k: int) -> Once | None:
    """Return how rows are best read once for q queries; None where to prepare a search, and make it, takes less.

    Parameters
    ----------
    q, n, d, k : int
    """
    return None if native.LEVEL == "numpy" else _at_once(q, n, d, k, current_costs())


@lru_cache(maxsize=256)
def _at_once(q: int, n: int, d: int, k: int, costs: Costs) -> Once | None:
    numbers, lift = float(n) * d, costs.finish * READ
    coding, query = numbers * costs.code * CODED_ONCE, (k + LOOKED) * d * costs.finish
    ways: dict[OnceName, float] = {"rows": numbers * lift + q * numbers * ONCE * costs.floats + q * n * ONCE_KEY * costs.single_key}
    if 4 * k <= n and d <= LONGEST:
        ways["codes"] = coding + q * (query + numbers * costs.bytes + n * costs.bytes_key)
    name = min(ways, key=ways.__getitem__)
    paths = expected(q, n, d, k, costs, Ready(single=True))
    # To prepare is to measure the rows' lengths, and for the codes to make them.
    others = min(paths["product"], paths["bytes"] + 1e-9 * (numbers * costs.code + CODING * costs.call))
    way = Once(name, 1e-9 * ways[name], 1e-9 * coding, 1e-9 * query)
    return way if way.seconds < others + 1e-9 * (numbers * lift + costs.call) else None


def choose(q: int, n: int, d: int, k: int, *, usable: tuple[PathName, ...], ready: Ready, costs: Costs | None = None) -> Plan:
    """Choose the path of one search.

    Parameters
    ----------
    q, n, d, k : int
    usable : tuple of str
        Paths that can serve this matrix.
    ready : Ready
    costs : Costs, optional
        Default: `current_costs`.

    Returns
    -------
    Plan
        The same object for the same search: not to be changed.
    """
    return _chosen(q, n, d, k, usable=usable, ready=ready, costs=current_costs() if costs is None else costs)


@lru_cache(maxsize=256)
def _chosen(q: int, n: int, d: int, k: int, *, usable: tuple[PathName, ...], ready: Ready, costs: Costs) -> Plan:
    seconds = {name: cost for name, cost in expected(q, n, d, k, costs, ready).items() if name in usable}
    coding = 0.0 if ready.coded or "bytes" not in usable else 1e-9 * (n * d * costs.code + CODING * costs.call)
    if len(seconds) == 1:
        return Plan(usable[0], seconds, coding, "the only one for this search")
    others = {name: cost for name, cost in seconds.items() if name != "bytes"}
    path = min(others, key=others.__getitem__)
    if "bytes" in seconds:
        saving = others[path] - seconds["bytes"]
        if saving > 0 and (ready.coded or ready.missed + saving >= coding):
            return Plan("bytes", seconds, coding, "cheapest" if ready.coded else "worth coding the rows for")
        if saving > 0:
            return Plan(path, seconds, coding, "cheapest until coding the rows pays")
    return Plan(path, seconds, coding, "cheapest")


@cache
def current_costs() -> Costs:
    """Return the costs calibrated for this level and machine, else those measured where tokenspace is made; read once a process."""
    level = native.LEVEL
    try:
        return Costs(**json.loads(costs_file().read_text())[level])
    except (OSError, ValueError, KeyError, TypeError, ArgumentError):  # not calibrated, or by another version
        return KNOWN.get(level, KNOWN["x86-64"])


def costs_file() -> Path:
    """Return where calibrated costs stand: ``costs.json`` in the cache folder, one entry a level."""
    return cache_folder() / "costs.json"


def keep_costs(costs: Costs) -> Path:
    """Write calibrated costs for this level; later searches of this user go by them.

    Raises
    ------
    OSError
        If the cache folder cannot be written to.
    """
    file = costs_file()
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        known = {}
    known[native.LEVEL] = asdict(costs)
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    beside.write_text(json.dumps(known, indent=1))
    beside.replace(file)
    current_costs.cache_clear()
    return file
