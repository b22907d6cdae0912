"""Low rank against NumPy's and SciPy's SVD: Eckart and Young."""

import numpy as np
import pytest
import scipy.linalg
from oracles.measures import decaying

import tensornet as tn


@pytest.mark.parametrize("gauge", ["balanced", "left", "right"])
@pytest.mark.parametrize(("shape", "rank"), [((12, 9), 4), ((7, 15), 1), ((10, 10), 9)])
def test_error_is_the_discarded_singular_values(shape, rank, gauge, rng):
    """‖W − W_r‖ = √Σ_{k>r} σ_k², to 1e-12 of ‖W‖."""
    w, fmt = decaying(rng, shape, 0.5), tn.LowRank(*shape, rank)
    error = np.linalg.norm(w - fmt.contract(fmt.decompose(w, gauge=gauge)))
    discarded = scipy.linalg.svdvals(w)[rank:]
    assert error == pytest.approx(np.sqrt(np.sum(discarded**2)), abs=1e-12 * np.linalg.norm(w))


@pytest.mark.parametrize(("shape", "rank"), [((12, 9), 4), ((7, 15), 3)])
def test_matrix_is_the_truncated_svd(shape, rank, rng):
    w, fmt = decaying(rng, shape, 1.0), tn.LowRank(*shape, rank)
    u, s, vh = np.linalg.svd(w, full_matrices=False)
    want = (u[:, :rank] * s[:rank]) @ vh[:rank]
    np.testing.assert_allclose(fmt.contract(fmt.decompose(w)), want, atol=1e-12)


def test_balanced_factors_carry_the_roots_of_the_singular_values(rng):
    w = decaying(rng, (9, 6), 0.5)
    a, b = tn.LowRank(9, 6).decompose(w)
    s = scipy.linalg.svdvals(w)
    np.testing.assert_allclose(a.T @ a, np.diag(s), atol=1e-12)
    np.testing.assert_allclose(b @ b.T, np.diag(s), atol=1e-12)


def test_rank_of_no_decomposition_beats_it(tensorly, rng):
    """TensorLy's truncated SVD reaches the same error, to 1e-12."""
    w, fmt = decaying(rng, (14, 11), 0.7), tn.LowRank(14, 11, 5)
    u, s, vh = tensorly.tenalg.svd_interface(w, n_eigenvecs=5)
    theirs = np.linalg.norm(w - (u * s) @ vh)
    assert np.linalg.norm(w - fmt.contract(fmt.decompose(w))) <= theirs + 1e-12
