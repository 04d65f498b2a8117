"""One-hot vectors and the fully connected layer."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import scipy.sparse

from tokenspace import OneHot, one_hot
from tokenspace.errors import ArgumentError, DtypeError, ImmutableError, RowIdError, ShapeError
from tokenspace.onehot import linear

W = np.arange(12, dtype=np.float32).reshape(4, 3) - 5


def test_dense_and_sparse_forms_agree():
    e = one_hot([3, 0, 3], n=4)
    dense = np.float32([[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(e.toarray(), dense)
    np.testing.assert_array_equal(e.tosparse().toarray(), dense)
    np.testing.assert_array_equal(np.asarray(e), dense)
    assert e.tosparse().nnz == 3
    assert (e.shape, e.ndim, len(e)) == ((3, 4), 2, 3)
    np.testing.assert_array_equal(e[1].toarray(), dense[1])
    assert e.toarray(np.float64).dtype == np.float64


def test_a_single_id_gives_one_vector():
    e = one_hot(2, n=4)
    assert e.shape == (4,)
    np.testing.assert_array_equal(e @ W, W[2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_active_edges_are_the_lookup(dtype):
    matrix = W.astype(dtype)
    ids = np.array([[0, 3], [2, 2]])
    for x in (one_hot(ids, n=4), one_hot(ids, n=4).toarray()):
        np.testing.assert_array_equal(linear(matrix, x).astype(np.float64), matrix[ids].astype(np.float64))
    assert linear(matrix, one_hot(ids, n=4)).dtype == matrix.dtype


@pytest.mark.parametrize("form", [scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.coo_array, scipy.sparse.csr_matrix])
def test_sparse_input_equals_dense(form):
    x = np.array([[0, 1.5, 0, -2], [0, 0, 0, 0], [3, 0, 1, 0]])
    np.testing.assert_allclose(linear(W, form(x)), x @ W, rtol=1e-12)
    assert linear(W, form(x)).dtype == np.float64
    assert linear(W, form(x.astype(np.float32))).dtype == np.float32


def test_a_sparse_vector_of_one_axis_gives_one_vector():
    np.testing.assert_allclose(linear(W, scipy.sparse.coo_array(np.array([0, 1.0, 0, 2]))), W[1] + 2 * W[3])


def test_counts_of_tokens_are_numbers():
    np.testing.assert_array_equal(linear(W, [2, 0, 0, 1]), 2 * W[0] + W[3])
    np.testing.assert_array_equal(linear(W, np.array([True, False, True, False])), W[0] + W[2])


def test_many_blocks_sum_to_the_product(monkeypatch):
    monkeypatch.setattr("tokenspace.onehot.BLOCK", 8)
    rng = np.random.default_rng(0)
    matrix, x = rng.standard_normal((50, 3)), rng.standard_normal((2, 7, 50))
    np.testing.assert_allclose(linear(matrix, x), x @ matrix, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(linear(matrix, scipy.sparse.csr_array(x[0])), x[0] @ matrix, rtol=1e-12, atol=1e-12)


def test_the_transpose_gathers_gradients():
    gradient = np.float32([[1, 2, 4], [10, 20, 40]])
    np.testing.assert_array_equal(gradient @ one_hot([1, 1, 3], n=4), [[0, 3, 0, 4], [0, 30, 0, 40]])


@pytest.mark.parametrize("wrong", [[-1], [4], [0.5], ["a"]])
def test_ids_outside_are_refused(wrong):
    with pytest.raises(RowIdError):
        one_hot(wrong, n=4)


def test_misfits_are_refused_with_both_shapes():
    with pytest.raises(ShapeError, match=r"\(4, 3\).*\(5,\)"):
        linear(W, np.ones(5))
    with pytest.raises(ShapeError):
        one_hot([0], n=5) @ W
    with pytest.raises(ShapeError):
        W @ one_hot([0], n=4)
    with pytest.raises(DtypeError):
        linear(W, np.array(["a"] * 4))
    with pytest.raises(ArgumentError):
        OneHot([], n=0)


def test_it_is_immutable():
    places = np.array([1])
    e = one_hot(places, n=3)
    places[0] = 2
    assert e.ids.tolist() == [1]
    with pytest.raises(ImmutableError):
        e.n = 5
    with pytest.raises(ValueError, match="read-only"):
        e.ids[0] = 0
