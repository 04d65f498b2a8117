"""Measures the constants of the cost model on this machine, each by the step it prices, in a few seconds on one thread."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tokenspace import native
from tokenspace.engines import local
from tokenspace.native import CodedQueries, CodedRows, Kept, RowTerms
from tokenspace.search.exact import Exact
from tokenspace.search.plan import KNOWN, Costs

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROWS, QUERIES, NARROW, WIDE = 4096, 240, 32, 512


def calibrate(rounds: int = 5) -> Costs:
    """Return what the steps of a search cost here.

    Parameters
    ----------
    rounds : int, default 5
        The fastest of so many counts.

    Returns
    -------
    Costs
        Without compiled kernels, the screens' costs are those of the slowest level: they are not used.
    """
    random = np.random.default_rng(0)
    narrow, wide = (random.standard_normal((ROWS, d)).astype(np.float32) for d in (NARROW, WIDE))
    numbers = ROWS * WIDE

    def seconds(step: Callable[[], object]) -> float:
        step()
        taken = []
        for _ in range(rounds):
            start = time.perf_counter()
            step()
            taken.append(time.perf_counter() - start)
        return min(taken)  # other work only ever adds to it

    with local.one_blas_thread():
        query = random.standard_normal((1, WIDE))
        ordered = seconds(lambda: native.pair_sums("product", query, wide))
        table = np.zeros((1 << 18, 64), dtype=np.float32)  # 64 MB: past the caches
        scattered = random.integers(0, len(table), ROWS)
        waiting = seconds(lambda: native.pair_sums("product", query[:, :64].copy(), table, row_ids=scattered))
        left, right = random.standard_normal((QUERIES, WIDE)), wide.astype(np.float64)
        product = seconds(lambda: left @ right.T)
        keys = left @ right.T
        picking = seconds(lambda: np.nonzero(keys >= keys.max(axis=1)[:, None]))
        left, keys = left.astype(np.float32), keys.astype(np.float32)
        single = seconds(lambda: left @ wide.T)
        picking_single = seconds(lambda: np.nonzero(keys >= keys.max(axis=1)[:, None]))
        one = Exact(narrow[:256], threads=1, path="every")
        search_one, search_many = seconds(lambda: one.search(narrow[0])), seconds(lambda: one.search(narrow[:QUERIES]))
        costs = {
            "finish": 1e9 * ordered / numbers,
            "scattered": 1e9 * waiting / len(scattered),
            "product": 1e9 * product / (QUERIES * numbers),
            "product_key": 1e9 * picking / keys.size,
            "single": 1e9 * single / (QUERIES * numbers),
            "single_key": 1e9 * picking_single / keys.size,
            "query": 1e9 * max(search_many - search_one, 0.0) / QUERIES,
            "call": 1e9 * search_one,
        }
        if native.LEVEL == "numpy":
            known = KNOWN["x86-64"]
            names = ("pack", "floats", "floats_key", "code", "bytes", "bytes_key", "read", "alone")
            return Costs(**costs, **{name: getattr(known, name) for name in names})
        return Costs(**costs, **_of_screens(narrow, wide, seconds))


def _of_screens(narrow: NDArray[np.float32], wide: NDArray[np.float32], seconds: Callable[..., float]) -> dict[str, float]:
    """Return the screens' costs: from rows of two widths follow the cost of a multiply-add and that of a key."""
    keys, numbers = QUERIES * ROWS, ROWS * WIDE
    floats, codes = [], []
    tile = native.screen_tile()
    tiles = -(-QUERIES // tile)
    kept = Kept.start(QUERIES, 1, 512)
    kept.lower[:] = 3e38  # no row reaches it: only the screen itself is timed
    for rows in (narrow, wide):
        packed = np.zeros((ROWS // 16, rows.shape[1], 16), dtype=np.float32)
        query = np.ones((tiles, rows.shape[1], tile), np.float32), np.ones((tiles * tile, 3), np.float32)
        screen = partial(native.screen_floats, packed, _terms(ROWS), 1e-6, *query, kept)
        floats.append(seconds(partial(screen, n=ROWS, first=0, last=ROWS // 16)))
        codes.append(seconds(partial(_screen_bytes, _coded(ROWS, rows.shape[1]), kept)))
    packing = seconds(partial(native.pack_rows, wide, np.zeros(WIDE), packed))
    coded = _coded(ROWS, WIDE)
    coding = seconds(partial(native.code_rows, wide, np.zeros(WIDE), coded.base, coded.unit, coded, 0))
    # One row again and again, longer than any code says, so that only the first panels' rows are finished; 32 MB of codes.
    many = np.lib.stride_tricks.as_strided(np.full(WIDE, 1e3, dtype=np.float32), (1 << 17, WIDE), (0, 4))
    alone = native.Nearest(_coded(len(many), WIDE), _terms(len(many)), many, "inner_product", None, 1.0, np.zeros(WIDE))
    reading = seconds(lambda: alone(np.ones(WIDE), 1, 0, len(many) // 16))
    few = Exact(narrow[:256], threads=1, path="bytes")
    few.code()
    slope = {name: (pair[1] - pair[0]) / (keys * (WIDE - NARROW)) for name, pair in (("floats", floats), ("bytes", codes))}
    return {
        "pack": 1e9 * packing / numbers,
        "code": 1e9 * coding / numbers,
        "read": 1e9 * reading / many.size,
        "alone": 1e9 * seconds(lambda: few.search(narrow[0])),
        "floats": 1e9 * slope["floats"],
        "floats_key": 1e9 * max(floats[0] / keys - slope["floats"] * NARROW, 0.0),
        "bytes": 1e9 * slope["bytes"],
        "bytes_key": 1e9 * max(codes[0] / keys - slope["bytes"] * NARROW, 0.0),
    }


def _terms(n: int) -> RowTerms:
    return RowTerms(None, None, np.ones((-(-n // 256), 3), dtype=np.float32))


def _coded(n: int, d: int) -> CodedRows:
    base = (int(np.float32(1).view(np.int32)) | 0xFFFFF) + 1 - (255 << 20)
    return CodedRows.room(n, d, base, float(np.float32(np.sqrt(d) / 2 * 1.001 / 255)))


def _screen_bytes(rows: CodedRows, kept: Kept) -> None:
    tile, groups = native.screen_tile(), rows.high.shape[1] + rows.low.shape[1]
    tiles = -(-len(kept.count) // tile)
    codes, offset = np.zeros((tiles, groups, tile), dtype=np.int32), np.zeros(tiles * tile, np.int32)
    queries = CodedQueries(codes, offset, np.ones((tiles * tile, 5), np.float32))
    native.screen_bytes(rows, _terms(rows.n), queries, kept, zero=0, first=0, last=len(rows.high))
