"""The three measures, on the lecture's examples and where arithmetic is unkind."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tokenspace import MEASURES, compare, cosine, euclidean, inner_product
from tokenspace.errors import DtypeError, NotFiniteError, ShapeError, ZeroVectorError

LECTURE = [
    ([2, -1, 3], [1, 2, -1], math.sqrt(26), -3, -3 / (2 * math.sqrt(21))),
    ([-1, 4, 2], [3, 0, -2], 4 * math.sqrt(3), -7, -7 / math.sqrt(273)),
]
BY_NAME = {"euclidean": euclidean, "inner_product": inner_product, "cosine": cosine}


def exact(measure, x, y):
    """All pairs from the definitions, in float64, without the identity."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if measure == "euclidean":
        return np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1))
    products = (x[:, None] * y[None]).sum(-1)
    if measure == "inner_product":
        return products
    with np.errstate(invalid="ignore"):
        return products / np.sqrt((x * x).sum(-1))[:, None] / np.sqrt((y * y).sum(-1))[None]


@pytest.mark.parametrize(("u", "v", "distance", "product", "similarity"), LECTURE)
def test_the_lectures_six_answers(u, v, distance, product, similarity):
    assert euclidean(u, v) == pytest.approx(distance, rel=1e-15)
    assert inner_product(u, v) == product
    assert cosine(u, v) == pytest.approx(similarity, rel=1e-15)
    c = compare(u, v)
    assert (c.euclidean, c.inner_product, c.cosine) == (euclidean(u, v), product, cosine(u, v))
    assert c.identity[0] == c.identity[1] == round(distance**2)
    assert c.angle == pytest.approx(math.acos(similarity), rel=1e-12)
    assert c.projection == pytest.approx(product / c.norm_u, rel=1e-15)


def test_one_pair_gives_a_plain_float():
    for measure in MEASURES:
        assert type(BY_NAME[measure]([1, 2], [3, 4])) is float


@pytest.mark.parametrize("measure", MEASURES)
def test_rows_are_paired_by_broadcasting(measure):
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal((3, 1, 5)), rng.standard_normal((4, 5))
    result = BY_NAME[measure](u, v)
    assert result.shape == (3, 4)
    np.testing.assert_allclose(result, exact(measure, u[:, 0], v), rtol=1e-13)


@pytest.mark.parametrize("measure", MEASURES)
def test_paired_rows_keep_their_digits_where_the_identity_fails(hard_pair, measure):
    _, x, y = hard_pair
    np.testing.assert_allclose(BY_NAME[measure](x, y), np.diag(exact(measure, x, y)), rtol=1e-9)


def test_float64_beyond_the_range_of_squares():
    u, v = np.array([[3e200, 4e200], [3e-200, 4e-200]]), np.array([[0.0, 0.0], [6e-200, 8e-200]])
    np.testing.assert_allclose(euclidean(u, v), [5e200, 5e-200], rtol=1e-14)
    np.testing.assert_allclose(cosine(u, u * 2), [1, 1], rtol=1e-15)
    assert inner_product(u[0], v[1]) == pytest.approx(50.0, rel=1e-14)
    assert compare(u[0], v[0]).euclidean == pytest.approx(5e200)


def test_no_rows_give_no_pairs():
    assert euclidean(np.empty((0, 3)), np.ones(3)).shape == (0,)


@pytest.mark.parametrize("pair", [([0, 0], [1, 2]), ([1, 2], [0, 0]), ([0, 0], [0, 0])])
def test_the_cosine_of_a_zero_vector_is_refused_for_a_pair(pair):
    with pytest.raises(ZeroVectorError, match="Definition 5.3"):
        cosine(*pair)
    assert math.isnan(compare(*pair).cosine)
    assert inner_product(*pair) == 0


def test_the_cosine_of_zero_rows_is_nan_in_bulk():
    x = np.float32([[0, 0], [1, 2]])
    np.testing.assert_array_equal(cosine(x, [3, 4]), [np.nan, 11 / (math.sqrt(5) * 5)])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_with_its_place(value):
    x = np.ones((3, 4), dtype=np.float32)
    x[2, 1] = value
    for call in (lambda: euclidean(x, np.ones(4)), lambda: cosine(np.ones(4), x)):
        with pytest.raises(NotFiniteError, match="row 2, column 1"):
            call()


def test_misfits_are_refused_with_both_shapes():
    with pytest.raises(ShapeError, match=r"\(3,\).*\(2,\)"):
        euclidean([1, 2, 3], [1, 2])
    with pytest.raises(ShapeError, match="pairwise"):
        euclidean(np.ones((2, 3)), np.ones((4, 3)))
    with pytest.raises(ShapeError):
        compare(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ShapeError):
        inner_product(1.0, 2.0)
    with pytest.raises(ShapeError):
        euclidean([], [])
    with pytest.raises(DtypeError):
        euclidean(["a"], ["b"])
    with pytest.raises(DtypeError):
        cosine(np.ones(2, dtype=np.complex64), np.ones(2))


def test_the_angle_keeps_its_digits_where_the_cosine_has_none():
    assert compare([1, 0], [1, 1e-9]).angle == pytest.approx(1e-9, rel=1e-12)
    assert compare([1, 0], [-1, 1e-9]).angle == pytest.approx(math.pi - 1e-9, rel=1e-15)
