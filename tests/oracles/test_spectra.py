"""Schmidt values and entanglement entropies against quimb's matrix product states, of any modes: i_k·j_k is one site."""

import numpy as np
import pytest
from oracles.measures import decaying

import tensornet as tn

FORMATS = [
    tn.MPO((4, 3, 5, 2), (3, 4, 2, 3), (6, 5, 4)),
    tn.MPO((3, 4, 2), (3, 4, 2)),
    tn.MPO((2, 1, 1, 6), (5, 1, 1, 4), (7, 7, 7)),
]


def state(quimb, factors):
    """The train as a state of norm 1."""
    sites = [f.reshape(f.shape[0], -1, f.shape[-1]) for f in factors]
    psi = quimb.MatrixProductState([sites[0][0], *sites[1:-1], sites[-1][..., 0]], shape="lpr")
    return psi / psi.norm()


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_schmidt_values(quimb, fmt, rng):
    """Theirs are squared and of a state of norm 1; equal to 1e-12."""
    factors = [rng.normal(size=s) for s in fmt.shapes]
    psi, norm = state(quimb, factors), np.linalg.norm(fmt.contract(factors))
    ours = tn.spectra(fmt, factors)
    assert len(ours) == len(fmt.bonds)
    for k, values in enumerate(ours.values(), start=1):
        theirs = np.sort(psi.schmidt_values(k))[::-1]
        np.testing.assert_allclose((values / norm)[: len(theirs)] ** 2, theirs, atol=1e-12)
        assert not np.any(values[len(theirs) :] > 1e-7 * norm)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_entropies(quimb, fmt, rng):
    """Theirs are in bits; equal to 1e-10. Of weights, and of random factors."""
    for factors in (fmt.decompose(decaying(rng, fmt.shape, 0.8)), [rng.normal(size=s) for s in fmt.shapes]):
        psi = state(quimb, list(factors))
        for k, ours in enumerate(tn.entropy(fmt, factors).values(), start=1):
            assert float(ours) == pytest.approx(psi.entropy(k) * np.log(2), rel=1e-10)


def test_values_are_those_of_the_unfolded_matrix(rng):
    """NumPy's SVD of W with its modes on two sides, to 1e-12."""
    fmt = tn.MPO((4, 3, 2), (3, 2, 4))
    w = rng.normal(size=fmt.shape)
    sites = w.reshape(fmt.rows + fmt.cols).transpose(0, 3, 1, 4, 2, 5).reshape(12, 6, 8)
    for k, values in enumerate(tn.spectra(fmt, fmt.decompose(w)).values(), start=1):
        want = np.linalg.svd(sites.reshape(12 * 6 ** (k - 1), -1), compute_uv=False)
        np.testing.assert_allclose(values[: len(want)], want[: len(values)], atol=1e-12 * np.linalg.norm(w))
