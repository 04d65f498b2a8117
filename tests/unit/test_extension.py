"""Vocabulary extension: where new rows start, and the proof."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tokenspace import extension
from tokenspace.errors import ArgumentError, NotFiniteError, ProofError, RowIdError, ShapeError

OLD = np.random.default_rng(0).standard_normal((500, 6)).astype(np.float32)


def test_the_mean_is_the_mean_of_all_rows(monkeypatch):
    monkeypatch.setattr(extension, "BLOCK", 100)
    np.testing.assert_allclose(extension.new_rows(OLD, 2), np.tile(OLD.mean(axis=0, dtype=np.float64), (2, 1)), rtol=1e-6)


def test_samples_follow_the_rows_law():
    draws = extension.new_rows(OLD.astype(np.float64), 20_000, init="sample", seed=1)
    np.testing.assert_allclose(draws.mean(axis=0), OLD.mean(axis=0), atol=1e-5)
    covariance = np.cov(OLD.astype(np.float64), rowvar=False, bias=True)
    np.testing.assert_allclose(np.cov(draws, rowvar=False) / extension.SPREAD, covariance, atol=0.05)
    assert len(np.unique(draws, axis=0)) == len(draws)


def test_samples_are_reproducible_by_seed():
    a, b, c = (extension.new_rows(OLD, 3, init="sample", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_subtoken_means_average_the_parts_and_fall_back():
    rows = extension.new_rows(OLD, 3, init="subtoken-mean", parts=[[1, 2], [], [5, 5, 6]])
    np.testing.assert_allclose(rows[0], OLD[[1, 2]].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(rows[1], OLD.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(rows[2], (2 * OLD[5] + OLD[6]) / 3, rtol=1e-6)
    assert extension.new_rows(OLD, 0, init="subtoken-mean", parts=[]).shape == (0, 6)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_new_rows_have_the_matrixs_type(dtype):
    for init in extension.INITIALISERS:
        assert extension.new_rows(OLD.astype(dtype), 2, init=init, parts=[[0], [1]]).dtype == dtype
    assert extension.new_rows(OLD.astype(dtype), 1, init=[[1, 2, 3, 4, 5, 6]]).dtype == dtype


def test_bad_initialisers_say_what_is_wrong():
    with pytest.raises(ArgumentError, match="one of mean, sample"):
        extension.new_rows(OLD, 1, init="magic")
    with pytest.raises(ArgumentError, match="parts"):
        extension.new_rows(OLD, 2, init="subtoken-mean", parts=[[1]])
    with pytest.raises(RowIdError):
        extension.new_rows(OLD, 1, init="subtoken-mean", parts=[[500]])
    with pytest.raises(ShapeError, match=r"\(2, 6\)"):
        extension.new_rows(OLD, 2, init=np.ones((2, 5)))
    with pytest.raises(NotFiniteError):
        extension.new_rows(OLD, 1, init=np.full((1, 6), np.nan))
    with pytest.raises(ArgumentError, match="no"):
        extension.new_rows(OLD[:0], 1)


def test_the_proof_holds_for_an_extension_and_names_the_first_changed_row():
    new = np.concatenate([OLD, extension.new_rows(OLD, 4)])
    proof = extension.proof(OLD, new)
    assert proof
    assert proof.require() is proof
    assert (proof.rows, proof.added, proof.first_difference) == (500, 4, None)
    assert proof.digest_old == extension.digest(OLD)
    assert "identical" in str(proof)
    new[321, 5] = np.nextafter(new[321, 5], np.float32(9))
    new[400] = 0
    failed = extension.proof(OLD, new)
    assert not failed
    assert failed.first_difference == 321
    with pytest.raises(ProofError, match="321"):
        failed.require()


def test_the_proof_compares_bytes_not_values():
    old = np.zeros((2, 2), dtype=np.float32)
    new = old.copy()
    new[1, 0] = -0.0
    assert extension.proof(old, new).first_difference == 1


def test_the_proof_refuses_what_cannot_be_an_extension():
    for new in (OLD[:-1], OLD[:, :-1], OLD.astype(np.float64)):
        with pytest.raises(ShapeError, match="must hold all old rows"):
            extension.proof(OLD, new)


def test_digests_do_not_depend_on_blocks_or_memory_order(monkeypatch):
    whole = extension.digest(OLD)
    monkeypatch.setattr(extension, "BLOCK", 64)
    assert extension.digest(OLD) == whole
    assert extension.digest(np.asfortranarray(OLD)) == whole
    assert extension.digest(OLD.astype(ml_dtypes.bfloat16)) != whole
