"""Tensor rings against TensorLy's TR-SVD."""

import numpy as np
import pytest
from oracles.measures import relative

import tensornet as tn

FULL = [tn.TensorRing((3, 2, 2), (2, 3, 2)), tn.TensorRing((4, 4), (3, 2)), tn.TensorRing((2, 3), (4, 2), kernel=(3,))]
SMALL = [tn.TensorRing((3, 2, 2), (2, 3, 2), 2, (3, 2)), tn.TensorRing((3, 3, 3), (2, 2, 2), 2, (3, 3))]


def tensor_of(fmt, w):
    """(m_1, m_2, …), m_k = i_k·j_k: the modes of the ring's factors, the kernel last."""
    n = len(fmt.rows)
    split = w.reshape(*fmt.rows, *fmt.cols, -1)
    return split.transpose([*(a for k in range(n) for a in (k, n + k)), 2 * n]).reshape(fmt.volumes)


def three_axes(factors):
    """(d, i, j, d') and (d, *kernel, d') → (d, m, d')."""
    return [f.reshape(f.shape[0], -1, f.shape[-1]) for f in factors]


@pytest.mark.parametrize("fmt", FULL + SMALL, ids=str)
def test_contract_is_tr_to_tensor(tensorly, fmt, rng):
    factors = [rng.normal(size=s) for s in fmt.shapes]
    want = tensorly.tr_tensor.tr_to_tensor(three_axes(factors))
    np.testing.assert_allclose(tensor_of(fmt, fmt.contract(factors)), want, rtol=1e-12, atol=1e-11)


@pytest.mark.filterwarnings("ignore:Determining the TR-rank for the trivial case:UserWarning")  # theirs, of two factors
@pytest.mark.parametrize("fmt", FULL, ids=str)
def test_both_are_exact_at_full_sizes(tensorly, fmt, rng):
    """Ours ≤ 1e-13, theirs ≤ 1e-13, of the same ring."""
    w = rng.normal(size=fmt.shape)
    assert relative(fmt.contract(fmt.decompose(w)), w) <= 1e-13
    theirs = tensorly.decomposition.tensor_ring(tensor_of(fmt, w), rank=[fmt.ring, *fmt.bonds, fmt.ring])
    assert relative(tensorly.tr_tensor.tr_to_tensor(list(theirs)), tensor_of(fmt, w)) <= 1e-13


@pytest.mark.parametrize("fmt", SMALL, ids=str)
def test_search_is_no_worse_than_tr_svd(tensorly, fmt, rng):
    """At the same sizes: `decompose` ≤ theirs, on noise and on a ring of those sizes with 5 % of noise."""
    noise = rng.normal(size=fmt.shape)
    ring = fmt.contract([rng.normal(size=s) for s in fmt.shapes])
    for w in (noise, ring + 0.05 * np.linalg.norm(ring) / np.linalg.norm(noise) * noise):
        theirs = tensorly.decomposition.tensor_ring(tensor_of(fmt, w), rank=[fmt.ring, *fmt.bonds, fmt.ring])
        error = relative(tensorly.tr_tensor.tr_to_tensor(list(theirs)), tensor_of(fmt, w))
        assert relative(fmt.contract(fmt.decompose(w)), w) <= error
