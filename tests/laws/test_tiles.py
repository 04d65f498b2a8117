"""The kernel of all pairs: its bits on every level are its twin's, its errors are within what is promised for any numbers."""

from __future__ import annotations

import ctypes
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tokenspace import native, pairwise
from tokenspace.errors import DtypeError, NotFiniteError, ShapeError
from tokenspace.native import reference_tiles, tiles

UNIT = Fraction(1, 2**24)
REALS = st.floats(width=32, allow_nan=False, allow_infinity=False)
MODERATE = st.floats(-(2.0**40), 2.0**40, width=32).filter(lambda x: x == 0 or abs(x) >= 2.0**-38)


def panels_of(columns):
    """Lay columns out as the kernel wants them."""
    panels = native.new_panels(*columns.shape)
    full = np.zeros((len(panels) * 16, columns.shape[1]), dtype=np.float32)
    full[: len(columns)] = columns
    panels[...] = full.reshape(len(panels), 16, -1).transpose(0, 2, 1)
    return panels


@pytest.mark.parametrize("d", [1, 15, 16, 17, 50, 191, 192, 193, 400])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (6, 16), (12, 17), (13, 5), (25, 300)])
@pytest.mark.parametrize("term", ["product", "difference", "exact product"])
def test_all_pairs_give_the_twins_bits(native_level, m, n, d, term):
    rng = np.random.default_rng(d)
    rows = (rng.standard_normal((m, d + 3)) * 10.0 ** rng.integers(-3, 3, (m, 1))).astype(np.float32)[:, 1:-2]
    panels = panels_of(rng.standard_normal((n, d)).astype(np.float32))
    factors = rng.random(m), rng.random(len(panels) * 16)
    ours, twin = (np.full((m, n + 2), 7, dtype=np.float32) for _ in range(2))
    few = native.all_pairs(term, rows, panels, ours[:, 1:-1], factors=factors, limit=300, tiny=3)
    other = reference_tiles.all_pairs(tiles.TERMS.index(term), rows, panels, *factors, 300, 3, twin[:, 1:-1])
    np.testing.assert_array_equal(ours.view(np.int32), twin.view(np.int32))
    assert few == other
    assert (ours[:, [0, -1]] == 7).all()


@given(REALS, REALS, REALS)
def test_the_twins_multiply_and_add_rounds_once(x, y, z):
    a, b, c = (np.float32([number]) for number in (x, y, z))
    with np.errstate(over="ignore", under="ignore"):
        ours = float(reference_tiles.fused(a, b, c)[0])
    sum_ = Fraction(x) * Fraction(y) + Fraction(z)
    if abs(sum_) >= Fraction(2) ** 128 - Fraction(2) ** 103:
        assert np.isinf(ours)
        return
    with np.errstate(over="ignore", under="ignore"):
        steps = [float(np.nextafter(np.float32(ours), np.float32(side))) for side in (-np.inf, np.inf)]
    off = abs(Fraction(ours) - sum_)
    rivals = [abs(Fraction(step) - sum_) for step in steps if np.isfinite(step)]
    assert all(off <= rival for rival in rivals)
    if any(off == rival for rival in rivals):
        assert int(np.float32(ours).view(np.int32)) % 2 == 0  # a tie goes to the even one


@given(st.integers(1, 60), st.data())
def test_no_error_is_above_its_bound(d, data):
    """In exact arithmetic: a distance is within 16 roundings of itself, a product within 28 of the lengths' product."""
    u, v = (data.draw(hnp.arrays(np.float32, d, elements=MODERATE)) for _ in range(2))
    a, b = ([Fraction(float(x)) for x in vector] for vector in (u, v))
    squared = sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
    product = sum(p * q for p, q in zip(a, b, strict=True))
    distance = Fraction(float(pairwise(u[None], v[None])[0, 0]))
    assert (distance / (1 + 16 * UNIT)) ** 2 <= squared <= (distance / (1 - 16 * UNIT)) ** 2
    ours = Fraction(float(pairwise(u[None], v[None], measure="inner_product", sums="float32")[0, 0]))
    assert (ours - product) ** 2 <= (28 * UNIT) ** 2 * sum(p * p for p in a) * sum(q * q for q in b)


@given(st.integers(1, 60), st.data())
def test_products_summed_in_float64_are_right_next_to_themselves(d, data):
    """Of any numbers that float32 has: within a rounding, and what the sums are off by, or said to be too large."""
    u, v = (data.draw(hnp.arrays(np.float32, d, elements=REALS)) for _ in range(2))
    a, b = ([Fraction(float(x)) for x in vector] for vector in (u, v))
    product = sum(p * q for p, q in zip(a, b, strict=True))
    lost = Fraction(d, 2**53) * sum(abs(p * q) for p, q in zip(a, b, strict=True))
    largest = Fraction(float(np.finfo(np.float32).max))
    try:
        ours = Fraction(float(pairwise(u[None], v[None], measure="inner_product")[0, 0]))
    except NotFiniteError:
        assert abs(product) > largest - lost
        return
    assert abs(product) <= largest + lost
    assert abs(ours - product) <= UNIT * abs(product) + 2 * lost + Fraction(1, 2**150)  # half of float32's smallest number


def test_all_pairs_refuse_what_would_be_read_or_written_outside(native_level):
    rows, panels, out = np.ones((3, 4), dtype=np.float32), native.new_panels(20, 4), np.empty((3, 20), dtype=np.float32)
    factors = np.ones(3), np.ones(32)
    native.all_pairs("product", rows, panels, out, factors=factors)
    wrong = [
        (rows[:, :3], panels, out, factors),
        (rows, panels[:1], out, factors),
        (rows, panels, out[:2], factors),
        (rows, panels, np.empty((3, 33), dtype=np.float32), factors),
        (rows, panels, out, (np.ones(2), np.ones(32))),
        (rows, panels, out, (np.ones(3), np.ones(20))),
    ]
    for a, b, c, f in wrong:
        with pytest.raises(ShapeError, match="do not fit"):
            native.all_pairs("product", a, b, c, factors=f)
    with pytest.raises(DtypeError, match="float64, float32"):
        native.all_pairs("product", rows.astype(np.float64), panels, out, factors=factors)
    if native_level != "numpy":
        with pytest.raises(ctypes.ArgumentError, match="adjacent"):
            native.all_pairs("product", rows, panels, np.empty((20, 3), dtype=np.float32).T, factors=factors)
