"""The kernels once more, in NumPy: the oracle of the tests, and what runs where no compiled library could be loaded.

Same names, same arguments, same bits. Arguments are checked by the callers in this package's front modules, not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANES = 8
"""Partial sums a pair is added up in; the C kernel's vector width."""


def pair_sums(
    difference: bool,  # noqa: FBT001 - mirrors the kernel's argument list
    queries: NDArray[np.float64],
    rows: NDArray[np.generic],
    query_ids: NDArray[np.int64] | None,
    row_ids: NDArray[np.int64] | None,
) -> NDArray[np.float64]:
    """Sum of q_k x_k, or of (q_k - x_k)^2, over each listed pair, in eight lanes of float64."""
    m = len(rows) if row_ids is None and query_ids is None else len(query_ids if row_ids is None else row_ids)  # type: ignore[arg-type]
    d = queries.shape[1]
    out = np.empty(m)
    step = max(1, (1 << 20) // max(d, 1))  # about 8 MB of float64 at a time
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, m, step):
            part = slice(start, min(start + step, m))
            x = rows[part] if row_ids is None else rows[row_ids[part]]
            q = queries[:1] if query_ids is None else queries[query_ids[part]]
            x64 = x.astype(np.float64)
            terms = (q - x64) ** 2 if difference else q * x64
            lanes = np.zeros((len(x64), LANES))
            for k in range(0, d, LANES):
                width = min(LANES, d - k)
                lanes[:, :width] += terms[:, k : k + width]
            four = lanes[:, :4] + lanes[:, 4:]
            two = four[:, :2] + four[:, 2:]
            out[part] = two[:, 0] + two[:, 1]
    return out


def row_sums(rows: NDArray[np.generic]) -> NDArray[np.float64]:
    """Sum of all rows in float64, added one after the other."""
    n, d = rows.shape
    out = np.zeros(d)
    step = max(1, (1 << 20) // max(d, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, n, step):
            x64 = rows[start : start + step].astype(np.float64)
            x64[0] += out
            out = np.cumsum(x64, axis=0)[-1]  # one after the other, where sum() might take pairs
    return out


def hash_bytes(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """FNV-1a of each token, its upper half folded into its lower one."""
    starts = offsets[:-1]
    lengths = np.diff(offsets)
    h = np.full(len(starts), 0xCBF29CE484222325, dtype=np.uint64)
    alive = np.flatnonzero(lengths > 0)
    at = 0
    while alive.size:
        h[alive] = (h[alive] ^ data[starts[alive] + at]) * np.uint64(0x100000001B3)
        at += 1
        alive = alive[lengths[alive] > at]
    return h ^ (h >> np.uint64(32))


def hash_tokens(data: NDArray[np.uint8], offsets: NDArray[np.int64], slots: NDArray[np.uint32]) -> tuple[int, int] | None:
    """Fill the zeroed slots in row order; return (earlier row, row) of the first token that stands twice."""
    mask = len(slots) - 1
    homes = (hash_bytes(data, offsets) & np.uint64(mask)).tolist()
    text = data.tobytes()
    bounds = offsets.tolist()
    taken = [0] * len(slots)
    for row, home in enumerate(homes):
        token = text[bounds[row] : bounds[row + 1]]
        at = home
        while taken[at]:
            other = taken[at] - 1
            if text[bounds[other] : bounds[other + 1]] == token:
                return other, row
            at = (at + 1) & mask
        taken[at] = row + 1
    slots[:] = taken
    return None


def find_tokens(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    slots: NDArray[np.uint32],
    wanted: NDArray[np.uint8],
    wanted_offsets: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Row of each wanted token; -1 where there is none, -2 where the index points outside the table."""
    mask = len(slots) - 1
    n = len(offsets) - 1
    out = np.full(len(wanted_offsets) - 1, -1, dtype=np.int64)
    homes = (hash_bytes(wanted, wanted_offsets) & np.uint64(mask)).tolist()
    text = wanted.tobytes()
    for i, home in enumerate(homes):
        token = text[wanted_offsets[i] : wanted_offsets[i + 1]]
        at = home
        for _ in range(mask + 1):
            row = int(slots[at]) - 1
            if row < 0:
                break
            if row >= n or not 0 <= offsets[row] <= offsets[row + 1] <= len(data):
                out[i] = -2
                break
            if data[offsets[row] : offsets[row + 1]].tobytes() == token:
                out[i] = row
                break
            at = (at + 1) & mask
        else:
            out[i] = -2
    return out


def utf8_tokens(data: NDArray[np.uint8], offsets: NDArray[np.int64], begin: int) -> int:
    """Row of the first token from `begin` on that is not UTF-8 or points outside, n if none is."""
    n = len(offsets) - 1
    for row in range(begin, n):
        start, end = int(offsets[row]), int(offsets[row + 1])
        try:
            data[start:end].tobytes().decode()
        except UnicodeDecodeError:
            return row
        if not 0 <= start <= end <= len(data):
            return row
    return n


def bag_means(  # noqa: PLR0913, PLR0917 - the kernel's
    rows: NDArray[Any],
    words: NDArray[np.int32],
    begins: NDArray[np.int64],
    pieces: NDArray[np.int32],
    factors: NDArray[np.float64] | None,
    more: NDArray[Any] | None,
    most: int,
    out: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> int:
    """Write each bag's mean row and number of rows; return the first word that leads outside, or how many there are."""
    every = len(rows) + (0 if more is None else len(more))
    bag, ids = 0, []  # type: ignore[var-annotated] # of int
    for at, word in enumerate(words.tolist()):
        if word != -1:
            if not 0 <= word < len(begins) - 1 or begins[word] < 0 or begins[word + 1] > len(pieces):
                return at
            some = pieces[begins[word] : begins[word + 1]][: most - len(ids)].tolist()
            if any(not 0 <= row < every for row in some):
                return at
            ids += some
            continue
        total = np.zeros(rows.shape[1])
        for row in ids:
            numbers = (rows[row] if more is None or row < len(rows) else more[row - len(rows)]).astype(np.float64)
            total += numbers if factors is None else numbers * factors[row]
        out[bag], counts[bag] = total / max(1, len(ids)), len(ids)
        bag, ids = bag + 1, []
    return len(words)
