"""What every loss owes: one value in all libraries, the gradient of that value, zero at equality, no padding, no overflow."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from hypothesis import given, settings
from hypothesis import strategies as st

from opdf import losses
from tensornet import TensorNetError

B, H, P, D, E, C = 2, 2, 3, 4, 5, 4
RNG = np.random.default_rng(0)
LABELS, MASK = np.asarray([3, 0]), np.asarray([[1, 1, 0], [1, 0, 0]])
W = RNG.standard_normal((D, E))


def like(x, value):
    return array_namespace(x).asarray(value)


LOSSES = {  # name → loss of (student, teacher), shape of each
    "hinton": (lambda s, t: losses.hinton(s, t, temperature=2.0), (B, C), (B, C)),
    "dkd": (lambda s, t: losses.dkd(s, t, like(s, LABELS), temperature=2.0, beta=3.0), (B, C), (B, C)),
    "regression": (losses.regression, (B, 1), (B, 1)),
    "hidden": (losses.hidden, (B, P, D), (B, P, D)),
    "hidden of a mask": (lambda s, t: losses.hidden(s, t, like(s, MASK)), (B, P, D), (B, P, D)),
    "hidden of a projection": (
        lambda s, t: losses.hidden(s, t, like(s, MASK), like(s, W)),
        (B, P, D),
        (B, P, E),
    ),
    "cosine": (lambda s, t: losses.hidden(s, t, like(s, MASK), distance="cosine"), (B, P, D), (B, P, D)),
    "attention": (losses.attention, (B, H, P, P), (B, H, P, P)),
    "attention of a mask": (lambda s, t: losses.attention(s, t, like(s, MASK)), (B, H, P, P), (B, H, P, P)),
    "hint": (lambda s, t: losses.hint(s, t, like(s, W)), (B, P, P, D), (B, P, P, E)),
}
LIBRARIES = ("array_api_compat.numpy", "array_api_strict", "array_api_compat.torch", "jax.numpy")
every_loss = pytest.mark.parametrize("name", LOSSES)


def inputs(name, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    loss, *shapes = LOSSES[name]
    return loss, *(rng.standard_normal(s).astype(dtype) for s in shapes)


def torch_gradient(loss, student, teacher):
    x = torch.tensor(student, requires_grad=True)
    value = loss(x, torch.tensor(teacher))
    value.backward()
    return value, x.grad


@every_loss
def test_one_value_in_all_libraries(name):
    loss, s, t = inputs(name)
    with jax.enable_x64(True):
        found = [float(loss(xp.asarray(s), xp.asarray(t))) for xp in map(importlib.import_module, LIBRARIES)]
    assert found[0] > 1e-3
    np.testing.assert_allclose(found, found[0], rtol=1e-12)


@every_loss
def test_gradients_are_finite_differences(name):
    loss, s, t = inputs(name)
    direction = np.random.default_rng(1).standard_normal(s.shape)
    slope = (loss(s + 1e-6 * direction, t) - loss(s - 1e-6 * direction, t)) / 2e-6
    _, gradient = torch_gradient(loss, s, t)
    np.testing.assert_allclose((gradient.numpy() * direction).sum(), slope, rtol=1e-6)
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(jax.grad(loss))(jnp.asarray(s), jnp.asarray(t)), gradient, atol=1e-12)


@every_loss
def test_zero_and_at_rest_where_the_two_agree(name):
    loss, s, t = inputs(name)
    t = s @ W if s.shape != t.shape else s
    value, gradient = torch_gradient(loss, s, t)
    assert abs(value.item()) < 1e-14
    assert gradient.abs().max() < 1e-14


@every_loss
@pytest.mark.parametrize("sign", [1, -1])
def test_huge_inputs_have_finite_values_and_gradients(name, sign):
    """±1e4 in float32, where a softmax underflows to 0: signs that agree with the teacher's and that do not."""
    loss, s, t = inputs(name, np.float32)
    value, gradient = torch_gradient(loss, 1e4 * np.sign(s), sign * 1e4 * np.sign(t))
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(name, dtype):
    loss, s, t = inputs(name, np.float32)
    half = [torch.tensor(x).to(dtype) for x in (s, t)]
    value, exact = loss(*half), loss(*(x.float() for x in half))
    assert value.dtype in (torch.float32, torch.float64)
    assert torch.equal(value, exact)


@every_loss
def test_other_shapes_are_never_broadcast(name):
    loss, s, t = inputs(name)
    for other in (t[:1], t[None], t[..., :1] if t.shape[-1] > 1 else t[..., 0]):
        with pytest.raises(TensorNetError, match=r"needed equal shapes|the projection is"):
            loss(s, other)


# ---- masks ----------------------------------------------------------------------------------------------------------

masks = st.lists(st.lists(st.booleans(), min_size=P, max_size=P), min_size=B, max_size=B).map(np.asarray)
anything = st.sampled_from([0.0, 1e30, np.nan, np.inf, -np.inf])


@given(masks.filter(np.any), anything)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_padding_never_matters(mask, padding):
    """Nor to the gradient of a projection, and what counts is averaged over what counts alone."""
    rng = np.random.default_rng(0)
    s, t = rng.standard_normal((B, P, D)), rng.standard_normal((B, P, E))
    dirty = [np.where(mask[..., None], x, padding) for x in (s, t)]
    alone = losses.hidden(s[mask], t[mask], None, W)
    np.testing.assert_allclose(losses.hidden(*dirty, mask, W), alone, rtol=1e-12)
    w, x = torch.tensor(W, requires_grad=True), torch.tensor(dirty[0], requires_grad=True)
    losses.hidden(x, torch.tensor(dirty[1]), torch.tensor(mask), w).backward()
    expected = 2 * s[mask].T @ (s[mask] @ W - t[mask]) / t[mask].size
    np.testing.assert_allclose(w.grad, expected, atol=1e-12)
    assert not x.grad[~torch.tensor(mask)].any()
    np.testing.assert_allclose(losses.fitted_projection(*dirty, mask), np.linalg.pinv(s[mask]) @ t[mask], atol=1e-9)


@given(masks.filter(np.any), anything)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_padded_scores_never_matter(mask, padding):
    rng = np.random.default_rng(0)
    s, t = (rng.standard_normal((B, H, P, P)) for _ in range(2))
    both = mask[:, :, None] & mask[:, None, :]
    keep = np.broadcast_to(both[:, None], s.shape)
    dirty = [np.where(keep, x, padding) for x in (s, t)]
    expected = ((s - t)[keep] ** 2).mean()
    np.testing.assert_allclose(losses.attention(*dirty, mask), expected, rtol=1e-12)
    np.testing.assert_allclose(losses.attention(*dirty, both), expected, rtol=1e-12)
    x = torch.tensor(dirty[0], requires_grad=True)
    losses.attention(x, torch.tensor(dirty[1]), torch.tensor(mask)).backward()
    assert torch.isfinite(x.grad).all()


def test_what_only_values_tell_is_nan_under_jit():
    """Where nothing can be refused: a mask that keeps nothing, and a class that there is not."""
    s, t = jnp.ones((B, P, D)), jnp.zeros((B, P, D))
    hidden = jax.jit(losses.hidden)
    assert hidden(s, t, jnp.ones((B, P), jnp.int32)) == 1
    assert jnp.isnan(hidden(s, t, jnp.zeros((B, P), jnp.int32)))
    for loss in (losses.cross_entropy, lambda z, y: losses.dkd(z, z, y, temperature=1.0)):
        traced = jax.jit(loss)
        assert jnp.isfinite(traced(jnp.zeros((B, C)), jnp.asarray([0, C - 1])))
        assert jnp.isnan(traced(jnp.zeros((B, C)), jnp.asarray([0, C])))
        assert jnp.isnan(torch.func.vmap(loss)(torch.zeros(1, B, C), torch.tensor([[-100, 1]])).numpy())
