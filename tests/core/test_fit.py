"""fit: alternating least squares for networks of every kind of graph."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import BY_NAME
from networks import NETWORKS, Bare
from strategies import searched_formats

import tensornet as tn
from tensornet.fitting import balanced
from tensornet.fitting._search import search
from tensornet.fitting._starts import at_random, generator

KINDS = ("float64", "complex128")


def contracted(network, factors):
    return Bare(network).contract(factors)


def random_factors(network, kind="float64", seed=0, lead=()):
    rng = np.random.default_rng(seed)
    shapes = [lead + s for s in network.shapes]
    return [rng.standard_normal(s) + (1j * rng.standard_normal(s) if kind == "complex128" else 0) for s in shapes]


def relative(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_what_the_network_represents_is_found(name, kind):
    """To rounding; in the one network with a hyperedge and a shared index, whose valley is flat, nearly."""
    network = NETWORKS[name]
    w = contracted(network, random_factors(network, kind))
    found = tn.fit(network, w, sweeps=400)
    limit = 1e-6 if name == "stack seen by two of three" else 1e-13
    assert found.error < limit
    assert relative(contracted(network, found.factors), w) < limit


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_error_never_rises(name, kind):
    network = NETWORKS[name]
    w = random_factors(tn.Network((network.output,), network.rows, network.cols, network.sizes), kind)[0]
    w = w / np.max(np.abs(w))
    start = at_random(network, (), generator(w))
    errors = search(network, w, start, sweeps=30, tol=0.0).errors
    assert len(errors) > 1
    assert all(after <= before * (1 + 1e-13) + 1e-15 for before, after in pairwise(errors))
    assert errors[-1] <= 1.0


@given(fmt=searched_formats(), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_error_is_that_of_the_factors(fmt, seed):
    w = np.random.default_rng(seed).standard_normal((2, *fmt.shape)).astype(np.float32)
    found = tn.fit(fmt, w, sweeps=20)
    for n in range(2):
        back = fmt.contract([f[n].astype(np.float64) for f in found.factors])
        assert found.error[n] == pytest.approx(relative(back, w[n].astype(np.float64)), rel=1e-9, abs=1e-12)
    assert found.factors[0].dtype == np.float32
    assert found.errors.shape == (3, 2)
    assert np.all(found.error <= found.errors.min(axis=0) + 1e-5)
    assert len(found.sweeps) == 3
    assert max(found.sweeps) <= 20


def test_one_sweep_of_a_chain_at_full_bonds_is_enough():
    w = np.random.default_rng(0).standard_normal((12, 12))
    found = tn.fit(tn.MPO((2, 3, 2), (3, 2, 2)), w, restarts=1, sweeps=1)
    assert found.error < 1e-13


def test_a_low_rank_fit_is_the_svd():
    w = np.random.default_rng(0).standard_normal((9, 7))
    values = np.linalg.svd(w, compute_uv=False)
    best = np.sqrt(np.sum(values[3:] ** 2) / np.sum(values**2))
    assert tn.fit(tn.LowRank(9, 7, 3), w).error == pytest.approx(best, rel=1e-6)


def test_more_restarts_never_hurt():
    w = np.random.default_rng(3).standard_normal((8, 9))
    fmt = tn.CP((2, 4), (3, 3), 4)
    errors = [float(tn.fit(fmt, w, restarts=n, sweeps=40).error) for n in (1, 2, 5)]
    assert errors == sorted(errors, reverse=True)


def test_starting_factors_are_where_it_starts():
    fmt = tn.CP((2, 4), (3, 3), 4)
    truth = fmt.sample(np.random.default_rng(0).standard_normal)
    found = tn.fit(fmt, fmt.contract(truth), factors=truth, restarts=1)
    assert found.sweeps == (1,)
    assert found.converged
    assert found.error < 1e-14


def test_the_callers_generator_is_used():
    fmt, w = tn.CP((2, 4), (3, 3), 2), np.random.default_rng(0).standard_normal((8, 9))
    draws = [tn.fit(fmt, w, sweeps=3, normal=np.random.default_rng(seed).standard_normal).errors for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert draws[0][0] == draws[2][0]
    assert not np.array_equal(draws[0][1:], draws[2][1:])


def test_not_converged_is_said():
    fmt, w = tn.CP((2, 4), (3, 3), 4), np.random.default_rng(0).standard_normal((8, 9))
    assert not tn.fit(fmt, w, sweeps=2).converged
    assert tn.fit(fmt, w, sweeps=500, tol=1e-4).converged


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_scales_beyond_squares_in_float32(scale):
    fmt = tn.TensorRing((2, 2, 2), (2, 3, 2), 2, (2, 2))
    w = fmt.contract(fmt.sample(np.random.default_rng(0).standard_normal))
    there, here = (tn.fit(fmt, (s * w).astype(np.float32), restarts=1, sweeps=20).error for s in (scale, 1.0))
    assert there == pytest.approx(here, rel=1e-3)


def test_a_stack_is_fitted_member_by_member():
    fmt, rng = tn.CP((2, 4), (3, 3), 3), np.random.default_rng(0)
    w = rng.standard_normal((2, 8, 9))
    w[1] *= 1e-12
    together = tn.fit(fmt, np.stack([w[0], w[1], 0 * w[0]]), restarts=1, sweeps=60)
    for n in range(2):
        assert together.error[n] <= tn.fit(fmt, w[n], restarts=1, sweeps=60).error * (1 + 1e-6)
    assert together.error[2] == 0.0


def test_balancing_leaves_the_matrix_and_evens_the_norms():
    for name, network in NETWORKS.items():
        factors = random_factors(network)
        factors[0] = 1e6 * factors[0]
        even = balanced(network, factors, passes=16)
        np.testing.assert_allclose(contracted(network, even), contracted(network, factors), rtol=1e-10)
        for index in set(network.size) - set(network.output):
            norms = [
                np.linalg.norm(np.moveaxis(f, own.index(index), 0).reshape(network.size[index], -1), axis=1)
                for f, own in zip(even, network.factors, strict=True)
                if index in own
            ]
            for n in norms[1:]:
                np.testing.assert_allclose(n, norms[0], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("library", ["strict", "torch", "jax"])
def test_all_libraries_find_the_same(library):
    """The starts are the same numbers everywhere, so that the errors agree."""
    fmt, w = tn.CP((2, 4), (3, 3), 3), np.random.default_rng(0).standard_normal((8, 9))
    xp = BY_NAME[library].xp
    there = tn.fit(fmt, xp.asarray(w), restarts=2, sweeps=10)
    assert [float(e) for e in there.errors] == pytest.approx(list(tn.fit(fmt, w, restarts=2, sweeps=10).errors))
