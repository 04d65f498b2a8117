"""Vocabulary extension: where new rows start, and the proof."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tokenspace import extension
from tokenspace.errors import ArgumentError, NotFiniteError, ProofError, RowIdError, ShapeError
from tokenspace.extension import Donor, donors, initialisers, proofs
from tokenspace.vocabulary import Vocabulary

OLD = np.random.default_rng(0).standard_normal((500, 6)).astype(np.float32)


def test_the_mean_is_the_mean_of_all_rows(native_level):
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


def test_samples_do_not_depend_on_blocks_but_for_the_draws(monkeypatch):
    monkeypatch.setattr(initialisers, "BLOCK", 64)
    draws = extension.new_rows(OLD.astype(np.float64), 4000, init="sample", seed=1)
    np.testing.assert_allclose(draws.std(axis=0) / OLD.std(axis=0), np.sqrt(extension.SPREAD), rtol=0.05)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("shift", [0, 100])
def test_samples_differ_in_every_type_and_keep_the_mean(dtype, shift):
    old = (np.random.default_rng(0).standard_normal((3000, 128)) + shift).astype(dtype)
    draws = extension.new_rows(old, 1000, init="sample")
    assert len(np.unique(draws.astype(np.float32), axis=0)) == 1000
    mean = old.mean(axis=0, dtype=np.float64)
    step = np.abs(np.nextafter(mean.astype(dtype), dtype(1e4)).astype(np.float64) - mean.astype(dtype).astype(np.float64)).max()
    assert np.abs(draws.astype(np.float64) - mean).max() <= 1.01 * step + 1e-3 * old.astype(np.float64).std()
    assert np.abs(draws.astype(np.float64).mean(axis=0) - mean).max() <= 5 * step / np.sqrt(1000) + 1e-5


def test_even_short_samples_differ_unless_the_old_rows_have_no_spread():
    old = np.random.default_rng(0).standard_normal((500, 1)).astype(ml_dtypes.bfloat16)
    assert len(np.unique(extension.new_rows(old, 20, init="sample").astype(np.float32))) == 20
    np.testing.assert_array_equal(extension.new_rows(np.ones((5, 2), np.float32), 3, init="sample"), np.ones((3, 2)))


def test_rounding_at_random_is_right_on_average():
    random = np.random.default_rng(0)
    values = np.repeat([[1.001], [-1.0], [0.0], [65504.0], [1e30]], 50_000, axis=1)
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64):
        with np.errstate(over="ignore"):
            rounded = initialisers.rounded_at_random(values, np.dtype(dtype), random).astype(np.float64)
        np.testing.assert_allclose(rounded[:4].mean(axis=1), values[:4, 0], rtol=1e-4)
        assert len(np.unique(rounded[0])) <= 2
        assert np.isinf(rounded[4]).all() == (dtype == np.float16)


def test_copies_are_bit_equal_and_descriptions_are_means():
    old = OLD.astype(ml_dtypes.bfloat16)
    assert extension.new_rows(old, 2, init="copy", parts=[[4], [4]]).tobytes() == old[[4, 4]].tobytes()
    np.testing.assert_allclose(extension.new_rows(OLD, 1, init="description", parts=[[1, 1, 4]])[0], (2 * OLD[1] + OLD[4]) / 3, rtol=1e-6)
    with pytest.raises(ArgumentError, match="token 1 of 2 has 2"):
        extension.new_rows(OLD, 2, init="copy", parts=[[1], [2, 3]])
    with pytest.raises(ArgumentError, match="token 0 of 1"):
        extension.new_rows(OLD, 1, init="description", parts=[[]])


def donor_of(new, random=None, d=5):
    """Return a donor for OLD whose space is a linear image of OLD's, and the image."""
    image = (random or np.random.default_rng(3)).standard_normal((6, d))
    return Donor(
        np.vstack([OLD @ image, new @ image]).astype(np.float32), np.arange(len(new)) + len(OLD), np.column_stack([range(500)] * 2)
    )


def test_neighbours_are_sparsemax_sums_of_the_nearest_shared_rows(monkeypatch):
    monkeypatch.setattr(donors, "BLOCK", 300)
    new = np.random.default_rng(5).standard_normal((7, 6))
    donor = donor_of(new)
    rows = extension.new_rows(OLD, 7, init="neighbours", donor=donor)
    unit = donor.matrix / np.linalg.norm(donor.matrix, axis=1, keepdims=True)
    for row, there in zip(rows, unit[500:].astype(np.float64), strict=True):
        cosines = unit[:500] @ there
        low, high = cosines.max() - 1, cosines.max()
        for _ in range(100):  # tau by bisection
            tau = (low + high) / 2
            low, high = (tau, high) if np.maximum(cosines - tau, 0).sum() > 1 else (low, tau)
        weights = np.maximum(cosines - tau, 0)
        assert 0 < (weights > 0).sum() < 500
        np.testing.assert_allclose(row, weights @ OLD, atol=1e-5)


def test_a_shared_tokens_own_row_comes_back():
    for init in ("neighbours", "omp"):
        far = np.vstack([OLD[:40], 50 * np.eye(6)[:1]]).astype(np.float32)  # one row of which no other is near
        donor = Donor(far, [3, 40], np.column_stack([range(41), range(41)]))
        rows = extension.new_rows(far, 2, init=init, donor=donor, terms=1)
        if init == "omp":
            np.testing.assert_allclose(rows, far[[3, 40]], rtol=1e-5)
        assert rows.shape == (2, 6)


@pytest.mark.parametrize("block", [300, 1 << 22])
def test_omp_agrees_with_its_definition(monkeypatch, block):
    monkeypatch.setattr(donors, "BLOCK", block)
    new = np.random.default_rng(5).standard_normal((4, 6))
    donor = donor_of(new, d=12)
    donor = Donor(donor.matrix + np.random.default_rng(1).standard_normal(donor.matrix.shape).astype(np.float32), donor.new, donor.shared)
    rows = extension.new_rows(OLD, 4, init="omp", donor=donor, terms=4)
    atoms = donor.matrix[:500].astype(np.float64)
    for row, target in zip(rows, donor.matrix[500:].astype(np.float64), strict=True):
        chosen, left = [], target
        for _ in range(4):
            chosen.append(int(np.argmax(np.abs(atoms @ left) / np.linalg.norm(atoms, axis=1))))
            factors = np.linalg.lstsq(atoms[chosen].T, target, rcond=None)[0]
            left = target - factors @ atoms[chosen]
        np.testing.assert_allclose(row, factors @ OLD[chosen], rtol=1e-4, atol=1e-5)


def test_omp_finds_a_sparse_sum_again_in_another_space():
    new = 2 * OLD[[3]] - 0.5 * OLD[[40]]
    random = np.random.default_rng(0)
    old = random.standard_normal((60, 40)).astype(np.float32)
    image = random.standard_normal((40, 80))
    there = np.vstack([old @ image, (2 * old[3] - 0.5 * old[40])[None] @ image])
    donor = Donor(there, [60], np.column_stack([range(60)] * 2))
    rows = extension.new_rows(old, 1, init="omp", donor=donor)
    np.testing.assert_allclose(rows[0], 2 * old[3] - 0.5 * old[40], atol=1e-4)
    assert new.shape == (1, 6)


def test_what_the_donor_lacks_starts_at_the_mean():
    matrix = np.vstack([OLD[:20, :4], np.zeros((1, 4), np.float32)])
    for init in ("neighbours", "omp"):
        donor = Donor(matrix, [-1, 20, 0], [[5, 1], [6, 20], [7, 2], [8, 1]])
        rows = extension.new_rows(OLD, 3, init=init, donor=donor)
        np.testing.assert_allclose(rows[:2], np.tile(OLD.mean(axis=0), (2, 1)), atol=1e-6)
        assert np.isfinite(rows).all()


def test_donors_are_found_by_spelling():
    donor = Donor.between(Vocabulary(["b", "a", "only here"]), ["c", "nowhere"], Vocabulary(["a", "x", "b", "c"]), OLD[:4])
    assert donor.new.tolist() == [3, -1]
    assert donor.shared.tolist() == [[0, 2], [1, 0]]


def test_bad_donors_say_what_is_wrong():
    good = Donor(OLD, [1], [[0, 0]])
    for init in ("neighbours", "omp"):
        with pytest.raises(ArgumentError, match="needs donor"):
            extension.new_rows(OLD, 1, init=init)
        with pytest.raises(ShapeError, match="1 new tokens; 2 rows"):
            extension.new_rows(OLD, 2, init=init, donor=good)
        with pytest.raises(RowIdError):
            extension.new_rows(OLD, 1, init=init, donor=Donor(OLD, [1], [[500, 0]]))
    with pytest.raises(ArgumentError, match="shares no token"):
        Donor(OLD, [1], np.empty((0, 2), np.int64))
    with pytest.raises(RowIdError):
        Donor(OLD, [500], [[0, 0]])
    with pytest.raises(RowIdError):
        Donor(OLD, [0], [[0, 500]])
    with pytest.raises(ShapeError):
        Donor(OLD, [[0]], [[0, 0]])
    with pytest.raises(ShapeError):
        Donor(OLD, [0], [0, 0])
    with pytest.raises(ArgumentError, match="terms"):
        extension.new_rows(OLD, 1, init="omp", donor=good, terms=0)
    with pytest.raises(ArgumentError, match="m must"):
        extension.new_rows(OLD, -1)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_new_rows_have_the_matrixs_type(dtype):
    donor = Donor(OLD[:, :3], [7, 8], [[0, 0], [1, 1], [2, 2]])
    for init in extension.INITIALISERS:
        rows = extension.new_rows(OLD.astype(dtype), 2, init=init, parts=[[0], [1]], donor=donor)
        assert rows.dtype == dtype
        assert rows.shape == (2, 6)
        none = Donor(OLD[:, :3], [], donor.shared)
        assert extension.new_rows(OLD.astype(dtype), 0, init=init, parts=[], donor=none).shape == (0, 6)
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
    monkeypatch.setattr(proofs, "BLOCK", 64)
    assert extension.digest(OLD) == whole
    assert extension.digest(np.asfortranarray(OLD)) == whole
    assert extension.digest(OLD.astype(ml_dtypes.bfloat16)) != whole


@pytest.mark.parametrize("name", ["mean", "sample"])
def test_a_mapped_matrix_gives_the_rows_that_it_gives_in_memory(tmp_path, monkeypatch, name):
    old = np.random.default_rng(0).normal(size=(3000, 17)).astype(np.float32)
    path = tmp_path / "rows.npy"
    np.save(path, old)
    monkeypatch.setattr(initialisers, "BLOCK", 4000)  # many blocks, whose pages are given back and read again
    expected = extension.new_rows(old, 5, init=name)
    mapped = np.load(path, mmap_mode="r")
    for part in (mapped, np.asarray(mapped), mapped[1:], np.load(path, mmap_mode="c")):
        again = extension.new_rows(part, 5, init=name)
        assert np.array_equal(again, expected if len(part) == len(old) else extension.new_rows(old[1:], 5, init=name))
    assert np.array_equal(mapped, old)


def test_what_was_written_into_a_private_map_is_not_given_back(tmp_path, monkeypatch):
    path = tmp_path / "rows.npy"
    np.save(path, np.zeros((3000, 17), dtype=np.float32))
    monkeypatch.setattr(initialisers, "BLOCK", 4000)
    mapped = np.load(path, mmap_mode="c")
    mapped[:] = 2
    frozen = mapped.view()
    frozen.flags.writeable = False
    assert (extension.new_rows(frozen, 1, init="mean") == 2).all()
    assert (extension.new_rows(frozen, 1, init="mean") == 2).all()
    assert (mapped == 2).all()
