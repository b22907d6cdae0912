"""Steps of factors that do as much for W as a dense step: against loops in NumPy, and in every library."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import BY_NAME

import tensornet as tn
from tensornet.transfer import RULES, TRIES, capped, lengths, lent, moved, reach, share, slopes, step_scales, tried
from tensornet.transfer._probe import probe

FORMATS = {
    "mpo 2": tn.MPO.for_shape((8, 12), cores=2),
    "mpo 5": tn.MPO.for_shape((8, 12), cores=5),
    "padded": tn.MPO.for_shape((7, 11), cores=3, pad=True),
    "low rank": tn.LowRank(8, 6, 3),
    "kronecker": tn.Kronecker((2, 4), (3, 2), 2),
    "blocks": tn.Monarch((2, 3), (3, 2)),
    "kernels": tn.ConvMPO((2, 2), (3, 2), (3,)),
}
EACH = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
RULE = pytest.mark.parametrize("rule", RULES)


def factors_of(fmt, *lead, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(np.asarray(rng.normal(size=(*lead, *s)), dtype) for s in fmt.shapes)


def contracted(fmt, factors):
    """By one einsum over the declared indices, the padding cut off."""
    network, number = fmt.network, {}
    for i, _ in network.sizes:
        number[i] = len(number)
    operands = [x for f, held in zip(factors, network.factors, strict=True) for x in (f, [number[i] for i in held])]
    matrix = np.einsum(*operands, [number[i] for i in network.output]).reshape(network.shape)
    out, features = fmt.matrix_shape
    return matrix[:out, :features].reshape(fmt.shape)


def pulled_by_entries(fmt, factors, g):
    """∂⟨G, W⟩/∂T_k, one entry after another: W is linear in each."""
    pulled = []
    for k, f in enumerate(factors):
        part = np.zeros(f.shape)
        for place in itertools.product(*map(range, f.shape)):
            unit = np.zeros(f.shape)
            unit[place] = 1
            part[place] = np.sum(g * contracted(fmt, [*factors[:k], unit, *factors[k + 1 :]]))
        pulled.append(part)
    return pulled


def rms(x):
    return math.sqrt(np.mean(np.abs(x) ** 2))


@EACH
@RULE
def test_scales_are_those_of_a_loop(fmt, rule):
    factors = factors_of(fmt)
    g = probe(fmt.shape, factors[0])
    step = np.sign if rule == "sign" else np.asarray
    c = []
    for k, p in enumerate(pulled_by_entries(fmt, factors, g)):
        progress = np.sum(step(p) * p) / np.sum(step(g) * g)
        length = rms(contracted(fmt, [*factors[:k], step(p), *factors[k + 1 :]])) / rms(step(g))
        c.append(max(progress, length / 2))
    found = step_scales(fmt, factors, rule=rule)
    np.testing.assert_allclose(found, [1 / (len(c) * x) for x in c], rtol=1e-12)


@RULE
def test_scales_are_the_same_in_every_library(library, rule):
    fmt, xp = FORMATS["low rank" if library.name == "jax" else "mpo 5"], library.xp
    factors = factors_of(fmt, dtype=np.float32)
    found = step_scales(fmt, [xp.asarray(f) for f in factors], rule=rule)
    assert all(m.dtype == xp.float32 and m.shape == () for m in found)
    np.testing.assert_allclose([float(m) for m in found], step_scales(fmt, factors, rule=rule), rtol=1e-5)


def test_the_probe_is_the_same_to_the_bit_in_every_library(library):
    xp = library.xp
    found = np.asarray(probe((5, 7, 2), xp.zeros(1, dtype=xp.float32)))
    assert found.dtype == np.float32
    assert np.array_equal(found, probe((5, 7, 2), np.zeros(1, np.float32)))


def test_the_probe_looks_random():
    """Mean, variance, neighbours, and the largest singular value of a random matrix (√rows + √cols)."""
    g = probe((300, 200), np.zeros(1))
    assert abs(g.mean()) < 5 / math.sqrt(g.size)
    assert abs(g.var() - 1) < 5 / math.sqrt(g.size)
    assert np.abs(g).max() <= math.sqrt(3)
    for a, b in ((g[1:], g[:-1]), (g[:, 1:], g[:, :-1])):
        assert abs((a * b).mean()) < 5 / math.sqrt(a.size)
    assert np.linalg.norm(g, 2) < 1.05 * (math.sqrt(300) + math.sqrt(200))


@RULE
def test_a_stack_has_scales_of_its_own_for_each(rule):
    fmt = FORMATS["mpo 5"]
    stack = [f * np.reshape([1.0, 3.0], (2, 1, 1, 1, 1)) for f in factors_of(fmt, 2)]
    found = step_scales(fmt, stack, rule=rule)
    for n in (0, 1):
        alone = step_scales(fmt, [f[n] for f in stack], rule=rule)
        np.testing.assert_allclose([m[n] for m in found], alone, rtol=1e-12)


def test_jit_gives_the_same():
    jax = pytest.importorskip("jax")
    fmt, xp = FORMATS["low rank"], BY_NAME["jax"].xp
    factors = [xp.asarray(f) for f in factors_of(fmt)]
    np.testing.assert_allclose(jax.jit(lambda *f: step_scales(fmt, f))(*factors), step_scales(fmt, factors), rtol=1e-12)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_neither_over_nor_underflow(size):
    """c_k of two factors is as large as the other one."""
    fmt = FORMATS["low rank"]
    factors = factors_of(fmt, dtype=np.float32)
    found = step_scales(fmt, [f * np.float32(size) for f in factors])
    np.testing.assert_allclose(np.asarray(found) * np.float32(size), step_scales(fmt, factors), rtol=1e-5)


@EACH
def test_a_zero_weight_is_moved_by_the_factors_that_can(fmt):
    """As far as by a dense step, and no multiplier is infinite."""
    factors = fmt.decompose(np.zeros(fmt.shape))
    scales = step_scales(fmt, factors)
    assert all(np.isfinite(scales))
    alive = [k for k, m in enumerate(scales) if m > 0]
    assert alive
    pulled = fmt.pullback(factors, probe(fmt.shape, factors[0]))
    after = moved(factors, scales, [1e-6 * np.sign(p) for p in pulled])
    assert 0.8e-6 < rms(fmt.contract(after)) < 2.2e-6


def test_complex_weights():
    fmt = tn.LowRank(6, 4)
    rng = np.random.default_rng(0)
    factors = fmt.decompose(rng.normal(size=(6, 4)) + 1j * rng.normal(size=(6, 4)))
    scales = step_scales(fmt, factors)
    pulled = fmt.pullback(factors, probe(fmt.shape, factors[0]) + 0j)
    for k, (m, p) in enumerate(zip(scales, pulled, strict=True)):
        term = fmt.contract([*factors[:k], p / np.abs(p), *factors[k + 1 :]])
        g = np.abs(probe(fmt.shape, factors[0].real))
        assert m == pytest.approx(1 / (2 * max(np.sum(np.abs(p)) / np.sum(g), rms(term) / 2)))


# ---- steps ----------------------------------------------------------------------------------------------------------


@EACH
@RULE
def test_a_first_step_does_what_a_dense_one_does(fmt, rule):
    """For a gradient of its own, of any rank. What the format cannot hold of it no step of factors follows."""
    rng, rate, step = np.random.default_rng(1), 1e-6, np.sign if rule == "sign" else np.asarray
    factors = fmt.decompose(rng.normal(size=fmt.shape) / 4)
    scales, w = step_scales(fmt, factors, rule=rule), fmt.contract(factors)
    column = rng.normal(size=(fmt.shape[0], *[1] * (len(fmt.shape) - 1)))
    for g in (7 * rng.normal(size=fmt.shape), column * rng.normal(size=fmt.shape[1:])):
        pulled = fmt.pullback(factors, g)
        went = fmt.contract(moved(factors, scales, [-rate * step(p) for p in pulled])) - w
        progress = -np.sum(g * went) / (rate * np.sum(g * step(g)))
        assert 0.4 * fmt.exact + 0.2 < progress < 2
        assert rms(went) / (rate * rms(step(g))) < 2.2


@EACH
def test_the_reach_of_a_linear_rule_is_twice_the_rate_times_the_gradient(fmt):
    rng = np.random.default_rng(1)
    factors, g = fmt.decompose(rng.normal(size=fmt.shape)), 7 * rng.normal(size=fmt.shape)
    pulled = fmt.pullback(factors, g)
    found = reach(
        step_scales(fmt, factors, rule="gradient"), lengths([-0.1 * p for p in pulled], 0), slopes(g, pulled, 0)
    )
    assert found == pytest.approx(2 * 0.1 * rms(g))


@EACH
def test_decay_of_what_is_lent_is_the_decay_of_w(fmt):
    """u_k = −ηλ · what the rule sees; to first order, whatever the number of factors."""
    factors, shrink = fmt.decompose(np.random.default_rng(2).normal(size=fmt.shape)), 1e-6
    scales = step_scales(fmt, factors)
    after = fmt.contract(moved(factors, scales, [-shrink * f for f in lent(factors, scales)]))
    before = fmt.contract(factors)
    np.testing.assert_allclose((before - after) / shrink, before, rtol=1e-4, atol=1e-6)


def test_a_factor_that_cannot_move_w_is_left_out():
    scales = (np.asarray(0.0), np.asarray(2.0))
    steps = (np.full((3,), 100.0), np.full((4,), -0.5))
    assert reach(scales, lengths(steps, 0)) == 2 * 0.5
    assert np.array_equal(lent(steps, scales)[0], np.zeros(3))
    assert np.array_equal(lent(steps, scales)[1], steps[1] / 2)
    assert np.array_equal(moved(steps, scales, steps)[0], steps[0])


def test_no_factor_grows_so_far_that_products_are_no_numbers():
    ones, scales = np.ones((2, 3, 4)), np.asarray([1.0, 1e9])
    steps = (ones, -2 * ones)
    found = capped((ones, 0 * ones), (scales, scales), lengths(steps, 1))
    np.testing.assert_allclose(found[0], [1.0, 1e15**0.5])  # of a stack each for itself
    assert found[1] is not scales
    assert np.array_equal(found[1], scales)  # zeros


def test_the_share_brings_w_back_to_the_reach():
    """Each of a stack for itself; and what does not move, or has no bound, is left alone."""
    before = np.zeros((4, 2, 3))
    after = before + np.reshape([1.0, 4.0, 0.0, 9.0], (4, 1, 1))
    far = np.asarray([2.0, 1.0, 0.0, math.inf])
    found = share(far, before, after, 3)
    np.testing.assert_allclose(found.share, [1.0, 0.25, 1.0, 1.0])
    assert found.known.tolist() == [True, False, True, True]
    found = tried(found, far, before, before + np.reshape(found.share, (4, 1, 1)) * (after - before))
    np.testing.assert_allclose(found.share, [1.0, 0.25, 1.0, 1.0])
    assert found.known.all()


def searched(way, far, n):
    """(share, how far that is over `far`, tries) of a W that is way(s) from where it was."""
    zero, found, tries = np.zeros((4, 4)), share(far, np.zeros((4, 4)), way(1.0), n), 0
    taken = float(found.share)
    while not found.known and tries < TRIES:
        taken, tries = float(found.share), tries + 1
        found = tried(found, far, zero, way(taken))
    return taken, float(np.sqrt(np.mean(way(taken) ** 2)) / far), tries


@pytest.mark.parametrize("power", [1, 2, 5, 20])
def test_what_the_product_of_all_steps_moves_is_found_at_once(power):
    taken, length, tries = searched(lambda s: np.full((4, 4), s**power), np.asarray(1e-6), power)
    assert math.isclose(taken, 1e-6 ** (1 / power), rel_tol=1e-9)
    assert math.isclose(length, 1.0, rel_tol=1e-6)
    assert tries == 1


@given(st.integers(0, 10**6), st.integers(2, 10), st.floats(-4, 0))
def test_no_step_is_much_too_long_and_few_are_too_short(seed, n, exponent):
    """W moves by Σ s^k D_k, as the factors' steps multiply out, of terms as unlike as 10³ to 10⁻³."""
    rng = np.random.default_rng(seed)
    terms = [rng.normal(size=(4, 4)) * 10 ** rng.uniform(-3, 3) for _ in range(n)]

    def way(s):
        return sum(s ** (k + 1) * d for k, d in enumerate(terms))

    far = np.asarray(np.sqrt(np.mean(way(1.0) ** 2)) * 10**exponent)
    taken, length, _ = searched(way, far, n)
    assert 0 < taken <= 1
    assert 0.1 < length < 1.12


def test_without_a_gradient_a_linear_rule_has_no_bound():
    zero = np.zeros((2, 2))
    assert reach((np.asarray(1.0),), lengths((np.ones(3),), 0), slopes(zero, (np.zeros(3),), 0)) == math.inf
