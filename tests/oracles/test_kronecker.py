"""Sums of Kronecker products against numpy.kron and the SVD of Van Loan's rearrangement."""

import numpy as np
import pytest
import scipy.linalg
from oracles.measures import decaying, relative

import tensornet as tn

FORMATS = [
    tn.Kronecker((4, 3), (5, 6), 2),
    tn.Kronecker((2, 7), (6, 3), 5),
    tn.Kronecker((3, 3), (3, 3)),
    tn.Kronecker((1, 4), (6, 1), 1),
]


def rearranged(fmt, w):
    """Row (a, c) is the block W[a·, c·] that numpy.kron multiplies by A[a, c]; written anew."""
    (a, c), (b, d) = fmt.left, fmt.right
    blocks = [w[i * b : (i + 1) * b, j * d : (j + 1) * d].ravel() for i in range(a) for j in range(c)]
    return np.array(blocks)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_contract_is_the_sum_of_kron(fmt, rng):
    a, b = (rng.normal(size=s) for s in fmt.shapes)
    want = sum(np.kron(a[..., r], b[r]) for r in range(fmt.terms))
    np.testing.assert_allclose(fmt.contract((a, b)), want, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_apply_is_the_product_with_the_sum_of_kron(fmt, rng):
    a, b = (rng.normal(size=s) for s in fmt.shapes)
    x = rng.normal(size=(5, fmt.shape[1]))
    want = x @ sum(np.kron(a[..., r], b[r]) for r in range(fmt.terms)).T
    np.testing.assert_allclose(fmt.apply((a, b), x), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_error_is_the_discarded_singular_values_of_the_rearrangement(fmt, rng):
    """Van Loan and Pitsianis: no sum of so many products comes nearer. To 1e-12 of ‖W‖."""
    w = decaying(rng, fmt.shape, 0.5)
    error = np.linalg.norm(w - fmt.contract(fmt.decompose(w)))
    discarded = scipy.linalg.svdvals(rearranged(fmt, w))[fmt.terms :]
    assert error == pytest.approx(np.sqrt(np.sum(discarded**2)), abs=1e-12 * np.linalg.norm(w))


@pytest.mark.parametrize("fmt", FORMATS[:2], ids=str)
def test_a_sum_of_kron_is_found_again(fmt, rng):
    (a, c), (b, d) = fmt.left, fmt.right
    w = sum(np.kron(rng.normal(size=(a, c)), rng.normal(size=(b, d))) for _ in range(fmt.terms))
    assert relative(fmt.contract(fmt.decompose(w)), w) <= 1e-13
