"""CP against TensorLy's parafac."""

import numpy as np
import pytest
from oracles.measures import relative

import tensornet as tn

SHAPES = [(6, 5, 3, 3), (8, 5, 4)]


def planted(rng, shape, rank, noise):
    """A tensor of that rank, with noise of that relative norm."""
    factors = [rng.normal(size=(n, rank)) for n in shape]
    letters = "abcd"[: len(shape)]
    w = np.einsum(",".join(f"{a}r" for a in letters) + f"->{letters}", *factors)
    extra = rng.normal(size=shape)
    return w + noise * np.linalg.norm(w) / np.linalg.norm(extra) * extra


@pytest.mark.parametrize("shape", SHAPES)
def test_contract_is_cp_to_tensor(tensorly, shape, rng):
    fmt = tn.CP.for_shape(shape, rank=4)
    factors = [rng.normal(size=s) for s in fmt.shapes]
    want = tensorly.cp_to_tensor((np.ones(4), factors))
    np.testing.assert_allclose(fmt.contract(factors), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_their_factors_are_ours(tensorly, shape, rng):
    w = rng.normal(size=shape)
    weights, factors = tensorly.decomposition.parafac(w, rank=3, n_iter_max=20, random_state=0)
    ours = tn.CP.for_shape(shape, rank=3).contract([factors[0] * weights, *factors[1:]])
    assert relative(ours, tensorly.cp_to_tensor((weights, factors))) <= 1e-14


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
def test_fit_is_no_worse_than_parafac(tensorly, shape, noise, rng):
    """Both from singular vectors, 300 sweeps, ours with 3 restarts: ours ≤ 1.001 × theirs + 1e-6."""
    w = planted(rng, shape, 3, noise)
    theirs = tensorly.decomposition.parafac(w, rank=3, n_iter_max=300, tol=1e-10, random_state=0)
    ours = tn.fit(tn.CP.for_shape(shape, rank=3), w, sweeps=300, tol=1e-10)
    assert float(ours.error) <= 1.001 * relative(tensorly.cp_to_tensor(theirs), w) + 1e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_decompose_is_near_parafac(tensorly, shape, rng):
    """`decompose` stops early, because it begins a training: on a tensor with noise, ours ≤ 1.02 × theirs."""
    w = planted(rng, shape, 3, 0.1)
    theirs = tensorly.decomposition.parafac(w, rank=3, n_iter_max=300, tol=1e-10, random_state=0)
    fmt = tn.CP.for_shape(shape, rank=3)
    assert relative(fmt.contract(fmt.decompose(w)), w) <= 1.02 * relative(tensorly.cp_to_tensor(theirs), w)


def test_of_a_matrix_it_is_the_svd(rng):
    w, fmt = rng.normal(size=(9, 7)), tn.CP.for_shape((9, 7), rank=3)
    discarded = np.linalg.svd(w, compute_uv=False)[3:]
    error = np.linalg.norm(w - fmt.contract(fmt.decompose(w)))
    assert error == pytest.approx(np.sqrt(np.sum(discarded**2)), rel=1e-12)
