"""Where new rows start: their mean, a draw around it, parts of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tokenspace import native
from tokenspace.engines import local
from tokenspace.errors import ArgumentError
from tokenspace.extension import passing
from tokenspace.rows import checked_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tokenspace.extension.donors import Donor

BLOCK = 1 << 21
"""Numbers lifted to float64, and random numbers drawn, at a time: 16 MB."""

SPREAD = 1e-9
"""Share of the rows' covariance that `sample` draws with; transformers' mean_resizing scales it alike (`epsilon`)."""

FARTHER = 16
"""How often draws that coincide are moved twice as far from the mean: 2^16 times sqrt(SPREAD) is the rows' own spread and more."""


@dataclass(frozen=True, slots=True)
class Request:
    """What an initialiser may look at; `tokenspace.extension.new_rows` says what each field is."""

    matrix: NDArray[Any]
    m: int
    init: str
    parts: Sequence[Sequence[int]] | None
    donor: Donor | None
    terms: int | None
    seed: int

    def part_ids(self) -> list[NDArray[np.int64]]:
        """Return the checked parts, m arrays of row ids."""
        if self.parts is None or len(self.parts) != self.m:
            seen = "none" if self.parts is None else f"{len(self.parts)}"
            message = f"init={self.init!r} needs parts: for each of the {self.m} new tokens the row ids it starts from; seen {seen}"
            raise ArgumentError(message)
        return [checked_rows(part, len(self.matrix)) for part in self.parts]


def mean_row(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean of all rows, of shape (d,)."""
    total = np.zeros(matrix.shape[1])
    for rows in passing.blocks(matrix, max(1, BLOCK // max(1, matrix.shape[1]))):
        total += native.row_sums(rows)
    return total / len(matrix)


def start_at_mean(request: Request) -> NDArray[np.float64]:
    """Return the mean of all rows, m times."""
    return np.tile(mean_row(request.matrix), (request.m, 1))


def start_at_zero(request: Request) -> NDArray[np.float64]:
    """Return zeros."""
    return np.zeros((request.m, request.matrix.shape[1]))


def start_at_subtokens(request: Request) -> NDArray[np.float64]:
    """Return each token's mean over its parts, the mean of all rows where it has none."""
    return _means(request.matrix, request.part_ids())


def start_by_description(request: Request) -> NDArray[np.float64]:
    """Return each token's mean over the tokens of its description."""
    parts = request.part_ids()
    for place, part in enumerate(parts):
        if not len(part):
            message = f"init='description' needs ids of a describing text for every new token; token {place} of {request.m} has none"
            raise ArgumentError(message, hint="use init='subtoken-mean', which falls back to the mean of all rows")
    return _means(request.matrix, parts)


def start_as_copies(request: Request) -> NDArray[Any]:
    """Return the one row that each token's parts name."""
    parts = request.part_ids()
    for place, part in enumerate(parts):
        if len(part) != 1:
            message = f"init='copy' needs one row id for every new token; token {place} of {request.m} has {len(part)}"
            raise ArgumentError(message, hint="use init='subtoken-mean' for the mean of several rows")
    return request.matrix[np.array([part[0] for part in parts], dtype=np.int64)]


def start_by_sample(request: Request) -> NDArray[Any]:
    """Return draws from N(mu, SPREAD Sigma), rounded so that they differ.

    With G of shape (m, n) standard normal, sqrt(SPREAD/n) G (W - mu) is a sum of independent normal vectors with that covariance.
    It costs 2·m·n·d operations; transformers forms Sigma in 2·n·d^2 and factors it, d/m times as much.
    """
    matrix, m = request.matrix, request.m
    n, d = matrix.shape
    random = np.random.default_rng(request.seed)
    mean = mean_row(matrix)
    deviation = np.zeros((m, d))
    step = max(1, BLOCK // max(m, d))
    with local.one_blas_thread():
        for old in passing.blocks(matrix, step):
            rows = old.astype(np.float64)
            rows -= mean
            deviation += random.standard_normal((m, len(rows))) @ rows
    deviation *= np.sqrt(SPREAD / n)
    rows = rounded_at_random(mean + deviation, matrix.dtype, random)
    for _ in range(FARTHER):
        again = _repeated(rows)
        if not again.size:
            break
        deviation[again] *= 2
        rows[again] = rounded_at_random(mean + deviation[again], matrix.dtype, random)
    return rows


def rounded_at_random(values: NDArray[np.float64], dtype: np.dtype[Any], random: np.random.Generator) -> NDArray[Any]:
    """Round each number to one of the two around it that the type holds, with the odds that make the expectation right.

    Parameters
    ----------
    values : array of shape (m, d), float64
    dtype : float32, float64, float16 or bfloat16
    random : Generator

    Returns
    -------
    array of shape (m, d), of that type
        Never infinite where rounding to nearest is not.
    """
    near = values.astype(dtype)
    if dtype == np.float64:
        return near
    nearest = near.astype(np.float64)
    gap = values - nearest
    toward = np.nextafter(near, np.where(gap > 0, np.inf, -np.inf).astype(dtype))
    other = toward.astype(np.float64)
    finite = np.isfinite(other) & np.isfinite(nearest)
    width = np.abs(other - nearest, where=finite, out=np.ones_like(values))
    go = finite & (random.random(values.shape) * width < np.abs(gap))
    return np.where(go, toward, near).astype(dtype, copy=False)


def _means(matrix: NDArray[Any], parts: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    fallback = mean_row(matrix) if any(not len(part) for part in parts) else np.zeros(matrix.shape[1])
    rows = np.empty((len(parts), matrix.shape[1]))
    for row, part in zip(rows, parts, strict=True):
        row[:] = matrix[part].astype(np.float64).mean(axis=0) if len(part) else fallback
    return rows


def _repeated(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Return the places of rows that stand further up already."""
    seen: set[bytes] = set()
    places = []
    for place, row in enumerate(rows):
        key = row.tobytes()
        if key in seen:
            places.append(place)
        seen.add(key)
    return np.array(places, dtype=np.int64)
