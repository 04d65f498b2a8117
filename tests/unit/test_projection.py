"""Principal axes and named axes: against NumPy's SVD, and where there is little or nothing to project."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tokenspace.analysis.clusters import clusters
from tokenspace.analysis.projection import named_axes, principal_axes
from tokenspace.errors import ArgumentError, ShapeError, ZeroVectorError

RNG = np.random.default_rng(5)
ROWS = (RNG.standard_normal((3000, 12)) * np.linspace(4, 0.5, 12) + 7).astype(np.float32)


@pytest.mark.parametrize("method", ["covariance", "randomised"])
@pytest.mark.parametrize("threads", [1, 2])
def test_axes_and_shares_are_those_of_the_svd(method, threads):
    found = principal_axes(ROWS, 2, method=method, threads=threads)
    centred = ROWS.astype(np.float64) - ROWS.mean(axis=0, dtype=np.float64)
    _, sizes, right = np.linalg.svd(centred, full_matrices=False)
    tolerance = 1e-9 if method == "covariance" else 2e-2
    assert np.abs(np.abs((found.axes * right[:2]).sum(axis=1)) - 1).max() < tolerance
    assert np.allclose(found.share, sizes[:2] ** 2 / (sizes**2).sum(), rtol=1e-9 if method == "covariance" else 1e-3)
    assert np.allclose(found.coordinates, centred @ found.axes.T, atol=1e-4)
    assert found.coordinates.dtype == np.float32
    assert (found.axes[np.arange(2), np.abs(found.axes).argmax(axis=1)] > 0).all()


def test_the_answer_does_not_depend_on_the_number_of_threads():
    assert np.array_equal(principal_axes(ROWS, threads=1).coordinates, principal_axes(ROWS, threads=2).coordinates)


@pytest.mark.parametrize("rows", [np.ones((5, 3)), np.ones((1, 1)), np.zeros((4, 1))])
def test_rows_without_variance_have_coordinates_and_no_share(rows):
    found = principal_axes(rows.astype(np.float32))
    assert found.coordinates.shape == (len(rows), 2)
    assert not found.coordinates.any()
    assert np.isnan(found.share).all()


def test_bfloat16_and_more_dimensions_than_the_covariance_takes():
    rows = RNG.standard_normal((50, 1100)).astype(ml_dtypes.bfloat16)
    found = principal_axes(rows)
    assert found.coordinates.shape == (50, 2)
    assert 0 < found.share[1] < found.share[0] < 1


def test_a_named_axis_gives_the_inner_product_with_its_direction():
    direction = ROWS[0].astype(np.float64) - ROWS[1]
    found = named_axes(ROWS, [direction, 5 * direction])
    expected = ROWS.astype(np.float64) @ (direction / np.linalg.norm(direction))
    assert np.allclose(found.coordinates[:, 0], expected, atol=1e-4)
    assert np.array_equal(found.coordinates[:, 0], found.coordinates[:, 1])
    assert np.isclose(found.share[0], expected.var() * len(ROWS) / ((ROWS - ROWS.mean(axis=0)) ** 2).sum(), rtol=1e-4)


def test_what_cannot_be_projected_is_refused():
    with pytest.raises(ZeroVectorError, match="direction 1"):
        named_axes(ROWS, [ROWS[0], np.zeros(12)])
    with pytest.raises(ShapeError, match=r"\(12,\)"):
        named_axes(ROWS, [np.ones(3)])
    with pytest.raises(ArgumentError, match="m = 0"):
        principal_axes(ROWS, 0)
    with pytest.raises(ArgumentError, match="n = 0"):
        principal_axes(ROWS[:0])
    with pytest.raises(ArgumentError, match="'magic'"):
        principal_axes(ROWS, method="magic")


def test_clusters_are_of_directions_the_largest_first_and_zero_rows_have_none():
    middles = np.float32([[1, 0, 0], [0, 1, 0], [0, 0, -1]])
    own = RNG.choice(3, 600, p=[0.2, 0.5, 0.3])
    rows = middles[own] * RNG.uniform(0.1, 9, (600, 1)) + RNG.normal(0, 0.01, (600, 3))
    rows[7] = 0
    found = clusters(rows.astype(np.float32), 3)
    assert found[7] == -1
    kept = np.arange(600) != 7
    assert len({(int(a), int(b)) for a, b in zip(own[kept], found[kept], strict=True)}) == 3
    assert np.bincount(found[kept]).tolist() == sorted(np.bincount(found[kept]), reverse=True)
    assert (found == clusters(rows.astype(np.float32), 3)).all()


@pytest.mark.parametrize("rows", [np.zeros((3, 2)), np.empty((0, 2)), np.ones((4, 2))])
def test_clusters_of_rows_that_do_not_differ(rows):
    assert set(clusters(rows.astype(np.float32), 5).tolist()) <= {-1, 0}


def test_a_number_of_clusters_out_of_range_is_refused():
    with pytest.raises(ArgumentError, match="k must be"):
        clusters(ROWS, 0)
