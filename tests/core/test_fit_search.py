"""What a search is made of: its random numbers, its starts, its steps, its end, and which of several is taken."""

import math

import numpy as np
import pytest
from libraries import BY_NAME
from networks import NETWORKS, Bare

import tensornet as tn
from tensornet._chain import FLOOR
from tensornet.fitting import _search as steps
from tensornet.fitting import balanced
from tensornet.fitting._fit import _best
from tensornet.fitting._search import Search, _settled, search
from tensornet.fitting._starts import at_random, from_unfoldings, generator, of_zero

EVERY = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def squares_contracted(network, factors):
    return Bare(network).contract([f**2 for f in factors])


# ---- random numbers -------------------------------------------------------------------------------------------------


def test_real_entries_are_standard_normal():
    """Mean and variance of 40,000, within five standard deviations of what they are estimated to."""
    x = generator(np.ones(1))((200, 200))
    assert abs(x.mean()) < 5 / 200
    assert abs(x.var() - 1) < 5 * 2**0.5 / 200
    assert abs((x**4).mean() - 3) < 5 * 96**0.5 / 200


def test_complex_entries_have_two_independent_parts_of_half_the_variance():
    z = generator(np.ones(1, dtype=complex))((200, 200))
    for part in (z.real, z.imag):
        assert abs(part.mean()) < 5 / 200
        assert abs(part.var() - 0.5) < 5 * 0.5**0.5 / 200
    assert abs((z.real * z.imag).mean()) < 5 * 0.5 / 200
    assert abs((z * z).mean()) < 10 / 200  # no phase is preferred


@pytest.mark.parametrize("name", ["numpy", "strict", "torch"])
@pytest.mark.parametrize("kind", ["float32", "float64", "complex64", "complex128"])
def test_entries_are_of_the_kind_asked_for(name, kind):
    xp = BY_NAME[name].xp
    x = generator(xp.ones((2,), dtype=getattr(xp, kind)))((3, 1, 2))
    assert x.dtype == getattr(xp, kind)
    assert tuple(x.shape) == (3, 1, 2)


def test_draws_go_on_and_seeds_differ():
    like = np.ones(1)
    normal = generator(like)
    assert not np.array_equal(normal((3,)), normal((3,)))
    assert np.array_equal(generator(like)((3,)), generator(like, seed=0)((3,)))
    assert not np.array_equal(generator(like)((3,)), generator(like, seed=1)((3,)))


# ---- starts ---------------------------------------------------------------------------------------------------------


@EVERY
def test_a_random_start_makes_entries_of_variance_1(network):
    """No statistics: the variance of a sum of products is the contraction of the variances of the factors' entries."""
    start = at_random(network, (2,), np.ones)
    assert [f.shape for f in start] == [(2, *s) for s in network.shapes]
    np.testing.assert_allclose(squares_contracted(network, start), 1.0, rtol=1e-12)
    assert len({float(f.flat[0]) for f in start}) == 1


@EVERY
def test_of_a_zero_weight_the_largest_factor_is_zero_and_a_step_of_it_moves_w_by_as_much(network):
    """A single 1 in it changes W by a matrix whose expected square is 1."""
    start = of_zero(network, (), np.ones)
    volumes = [math.prod(s) for s in network.shapes]
    (k,) = (k for k, f in enumerate(start) if not f.any())
    assert volumes[k] == max(volumes)
    start[k] = np.zeros(network.shapes[k])
    start[k].flat[-1] = 1.0
    assert squares_contracted(network, start).sum() == pytest.approx(1.0, rel=1e-12)


def test_a_zero_weight_comes_back_as_zero_with_factors_that_learn():
    fmt = tn.CP((4,), (5,), 3, (3,))
    found = tn.fit(fmt, np.zeros((2, *fmt.shape)))
    assert not fmt.contract(found.factors).any()
    assert [bool(f.any()) for f in found.factors] == [True, False, True]
    assert not found.error.any()


def unfolded(w, modes, k):
    return np.moveaxis(w.reshape(modes), k, 0).reshape(modes[k], -1)


def test_the_first_start_is_the_leading_singular_vectors_of_each_unfolding():
    network, rng = NETWORKS["hyperedge"], np.random.default_rng(0)  # ir jr kr lr of sizes 4, 5, 3, 2 and 3
    for lead in ((), (2,)):
        w = rng.standard_normal((*lead, 4, 3, 5, 2))  # rows i and k, cols j and l
        found = from_unfoldings(network, w, np.ones)
        for n, (factor, mode) in enumerate(zip(found, (0, 2, 1, 3), strict=True)):
            one, member = (factor[0], w[0]) if lead else (factor, w)
            u = np.linalg.svd(unfolded(member, (4, 3, 5, 2), mode))[0]
            m = min(3, u.shape[0])
            np.testing.assert_allclose(abs(u[:, :m].T @ one[:, :m]), np.eye(m), atol=1e-10, err_msg=str(n))
    # the last mode has two vectors for a bond of three: the third is normal, of a norm of about 1
    np.testing.assert_allclose(found[3][..., 2], 2**-0.5, rtol=1e-12)


# ---- balance --------------------------------------------------------------------------------------------------------


def test_a_slice_that_one_factor_keeps_at_zero_is_floored_in_the_others():
    """Norms 0 and 1 in one factor, 1 and 1 in the other: 0 counts as FLOOR × 1, and the term lives on."""
    network = tn.Network((("i", "r"), ("r", "j")), ("i",), ("j",), (("i", 1), ("r", 2), ("j", 1)))
    left, right = balanced(network, [np.asarray([[0.0, 1.0]]), np.asarray([[1.0], [1.0]])])
    np.testing.assert_allclose(left, [[0.0, 1.0]], rtol=1e-12)
    np.testing.assert_allclose(right, [[FLOOR**0.5], [1.0]], rtol=1e-12)


def test_each_member_of_a_stack_is_balanced_as_it_is_alone():
    network, rng = NETWORKS["hyperedge"], np.random.default_rng(0)
    factors = [rng.standard_normal((3, *s)) for s in network.shapes]
    factors[0][1] *= 1e-9
    factors[1][2, :, 0] = 0.0
    factors[2][0] = 0.0
    together = balanced(network, factors, passes=2)
    for n in range(3):
        for got, want in zip(together, balanced(network, [f[n] for f in factors], passes=2), strict=True):
            np.testing.assert_allclose(got[n], want, rtol=1e-12)


# ---- steps ----------------------------------------------------------------------------------------------------------


def test_the_line_search_reaches_farther_after_each_success_and_half_as_far_after_a_failure(monkeypatch):
    """Errors as they are told to it: of the start, then of each sweep and of the point ahead of it."""
    told = iter([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.44, 0.46, 0.43, 0.46, 0.42, 0.46, 0.41, 0.40, 0.39, 0.38])
    reaches, beside = [], steps.beside
    monkeypatch.setattr(steps, "_missed", lambda network, path, w, factors: np.asarray(next(told)))
    monkeypatch.setattr(steps, "beside", lambda x, f: (x.dtype != bool and reaches.append(float(x))) or beside(x, f))
    network = NETWORKS["wide bond"]
    w = np.random.default_rng(0).standard_normal((4, 5))
    done = search(network, w, at_random(network, (), generator(w)), sweeps=8, tol=0.0)
    each = [r for n, r in enumerate(reaches) if n == 0 or r != reaches[n - 1]]
    # three successes, three failures down to the least, one success
    assert each == [1.0, 1.5, 2.25, 3.375, 1.6875, 1.0, 1.5]
    assert [float(e) for e in done.errors] == [1.0, 0.8, 0.6, 0.45, 0.44, 0.43, 0.42, 0.40, 0.38]
    assert not done.converged


def test_a_search_goes_on_for_as_long_as_it_is_told(monkeypatch):
    network = NETWORKS["hyperedge"]
    w = np.random.default_rng(0).standard_normal((4, 3, 5, 2))
    for sweeps in (1, 3):
        done = search(network, w, at_random(network, (), generator(w)), sweeps=sweeps, tol=0.0)
        assert len(done.errors) == sweeps + 1
        assert not done.converged


@pytest.mark.parametrize(
    ("before", "after", "settled"),
    [
        ([1.0], [0.75], True),  # by a quarter of itself, exactly
        ([1.0], [0.74], False),
        ([4.0], [3.0], True),
        ([1.0, 1.0], [0.75, 0.5], False),  # all of a stack must
        ([1.0, 1.0], [0.75, 2**-20], True),  # what is a rounding counts as settled, however it falls
        ([1.0], [2**-20], True),
        ([1.0], [2**-19], False),
    ],
)
def test_a_search_has_settled(before, after, settled):
    assert _settled(np.asarray(before), np.asarray(after), 0.25, 2.0**-20) is settled


# ---- several searches -----------------------------------------------------------------------------------------------


def made(number, *ends):
    """A search that ends at these errors, one for each of a stack; at its start it was at their negatives."""
    end = np.asarray(ends)
    return Search([np.full((len(ends), 2), float(number))], [-end, 5 * end, end], True)


def test_the_best_of_each_member_is_taken_whichever_search_it_is_from():
    searches = [made(0, 0.5, 0.2, 0.3, 0.4), made(1, 0.4, 0.3, 0.3, 0.1), made(2, 0.45, 0.1, 0.2, 0.3)]
    (factor,) = _best(searches)
    assert factor[:, 0].tolist() == [1, 2, 2, 1]
    (factor,) = _best([made(0, 0.3), made(1, 0.3)])  # of equals the first
    assert factor[0, 0] == 0


def test_the_restart_that_ends_lowest_is_taken():
    """Of ten searches for a rank that the weight does not have; the first is not the best of them."""
    w = np.random.default_rng(3).standard_normal((8, 9))
    found = tn.fit(tn.CP((2, 4), (3, 3), 4), w, restarts=10, sweeps=30)
    assert found.errors.shape == (10,)
    assert found.errors.argmin() != 0
    assert float(found.error) == pytest.approx(float(found.errors.min()), rel=1e-9)


def test_converged_is_said_of_the_searches_that_were_taken():
    """A start at the solution settles at once, random ones do not within two sweeps."""
    fmt = tn.CP((2, 4), (3, 3), 3)
    truth = fmt.sample(np.random.default_rng(0).standard_normal)
    w = fmt.contract(truth)
    found = tn.fit(fmt, w, factors=truth, restarts=3, sweeps=2, tol=0.0)
    assert found.converged
    assert found.sweeps == (1, 2, 2)
    noise = np.random.default_rng(1).standard_normal((2, 8, 9))
    noise[0] = w
    both = tn.fit(fmt, noise, factors=[np.stack([f, f]) for f in truth], restarts=1, sweeps=2, tol=0.0)
    assert not both.converged


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_a_start_is_taken_at_the_scale_of_the_weight(scale):
    """Factors that are the solution at one scale are so at any: the search divides both by the largest entry."""
    fmt = tn.CP((2, 4), (3, 3), 3)
    truth = fmt.sample(np.random.default_rng(0).standard_normal)
    factors = [f * scale ** (1 / 4) for f in truth]
    found = tn.fit(fmt, fmt.contract(truth) * scale, factors=factors, restarts=1)
    assert float(found.errors[0]) < 1e-13
    assert found.sweeps == (1,)
