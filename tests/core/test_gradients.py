"""torch autograd = pullback = jax.grad, and gradients of the alignment loss against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import formats

import tensornet as tn
from tensornet.alignment import distance_and_gradient, target

STEP = 1e-5


def torch_gradient(loss, factors):
    leaves = [torch.tensor(f, requires_grad=True) for f in factors]
    loss(leaves).backward()
    return [np.zeros(f.shape) if f.grad is None else f.grad.numpy() for f in leaves]


def jax_gradient(loss, factors):
    return [np.asarray(g) for g in jax.grad(loss)([jnp.asarray(f) for f in factors])]


def close(a, b, tolerance):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * max(1.0, np.abs(y).max()))


@settings(max_examples=40)
@given(formats(), st.integers(0, 99))
def test_pullback_is_autograd(fmt, seed):
    rng = np.random.default_rng(seed)
    factors = [rng.normal(size=s) for s in fmt.shapes]
    gradient = rng.normal(size=fmt.shape)
    want = torch_gradient(lambda f: (fmt.contract(f) * torch.as_tensor(gradient)).sum(), factors)
    close(fmt.pullback(factors, gradient), want, 1e-11)


@pytest.mark.parametrize("fmt", [tn.MPO((2, 1, 3), (2, 1, 2)), tn.LowRank(4, 3, 2)], ids=str)
def test_torch_gradient_is_jax_gradient(fmt):
    rng = np.random.default_rng(0)
    factors = [rng.normal(size=s) for s in fmt.shapes]
    x, y = (rng.normal(size=(5, n)) for n in reversed(fmt.shape))
    ours = torch_gradient(lambda f: ((fmt.apply(f, torch.as_tensor(x)) - torch.as_tensor(y)) ** 2).sum(), factors)
    theirs = jax_gradient(lambda f: jnp.sum((fmt.apply(f, jnp.asarray(x)) - y) ** 2), factors)
    close(ours, theirs, 1e-10)
    error = x @ fmt.contract(factors).T - y
    close(fmt.pullback(factors, 2 * error.T @ x), ours, 1e-10)


def test_factors_are_constants():
    """No gradient flows through an SVD."""
    w = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    assert not any(f.requires_grad for f in tn.LowRank(4, 6).decompose(w))
    fmt = tn.LowRank(3, 2)
    g = jax.grad(lambda w: jnp.sum(fmt.contract(fmt.decompose(w, check_finite=False)) ** 2))(jnp.ones((3, 2)))
    assert not g.any()


ALIGNED = [tn.MPO((2, 2, 3), (2, 3, 2)), tn.MPO((2, 1, 3), (3, 1, 2)), tn.LowRank(5, 4, 3)]


def pair(fmt):
    rng = np.random.default_rng(0)
    return (fmt.decompose(rng.normal(size=fmt.shape)) for _ in range(2))


@pytest.mark.parametrize("gauge", ["none", "procrustes", "invariant"])
@pytest.mark.parametrize("fmt", ALIGNED, ids=str)
def test_alignment_gradient_is_the_finite_difference(fmt, gauge):
    """Of align as a whole: the rotations follow the student and yet are constants in the gradient (envelope theorem).

    The theorem wants them at their minimum. Where two auxiliary factors share a bond, that takes many rounds.
    """
    rng = np.random.default_rng(0)
    student, teacher = pair(fmt)
    loss = lambda f: float(tn.align(fmt, f, teacher, gauge=gauge))  # noqa: E731
    gradient = torch_gradient(lambda f: tn.align(fmt, f, converted(teacher), gauge=gauge), student)
    for k, g in enumerate(gradient):
        step = rng.normal(size=g.shape)
        ends = [loss([*student[:k], student[k] + s * STEP * step, *student[k + 1 :]]) for s in (1, -1)]
        assert np.sum(g * step) == pytest.approx((ends[0] - ends[1]) / (2 * STEP), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("gauge", ["none", "procrustes", "invariant"])
@pytest.mark.parametrize("fmt", ALIGNED, ids=str)
def test_closed_form_is_autograd(fmt, gauge):
    student, teacher = pair(fmt)
    aim = target(fmt, student, fmt.regauge(teacher, "balanced") if gauge == "procrustes" else teacher, gauge)
    loss, gradient = distance_and_gradient(fmt, student, aim, gauge)
    assert float(loss) == pytest.approx(float(tn.align(fmt, student, teacher, gauge=gauge)), rel=1e-10)
    dense = [np.zeros(s) if g is None else g for g, s in zip(gradient, fmt.shapes, strict=True)]
    close(dense, torch_gradient(lambda f: tn.align(fmt, f, converted(teacher), gauge=gauge), student), 1e-10)
    constants = [jnp.asarray(t) for t in teacher]
    close(dense, jax_gradient(lambda f: tn.align(fmt, f, constants, gauge=gauge), student), 1e-10)


@pytest.mark.parametrize("gauge", ["none", "procrustes", "invariant"])
def test_gradient_is_finite_where_an_svd_has_none(gauge):
    """Repeated and zero singular values: the identity, and a zero weight."""
    fmt = tn.MPO((2, 2), (2, 2))
    for w in (np.eye(4), np.zeros((4, 4))):
        student, teacher = fmt.decompose(w), fmt.decompose(np.eye(4))
        for g in torch_gradient(lambda f, t=teacher: tn.align(fmt, f, converted(t), gauge=gauge), student):
            assert np.isfinite(g).all()


def converted(factors):
    return [torch.as_tensor(f) for f in factors]
