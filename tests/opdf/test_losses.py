"""Losses against the frameworks' own, and by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opdf.losses import cross_entropy, hinton, log_softmax

LOGITS = np.random.default_rng(0).standard_normal((7, 5))
TEACHER = np.random.default_rng(1).standard_normal((7, 5))
TARGET = np.eye(5)[[0, 1, 2, 3, 4, 0, 1]]


@pytest.mark.parametrize("temperature", [1.0, 2.0, 8.0])
def test_hinton_is_torch_kl_div(temperature):
    expected = temperature**2 * torch.nn.functional.kl_div(
        torch.log_softmax(torch.tensor(LOGITS) / temperature, -1),
        torch.softmax(torch.tensor(TEACHER) / temperature, -1),
        reduction="batchmean",
    )
    for array in (torch.tensor, np.asarray):
        assert math.isclose(
            float(hinton(array(LOGITS), array(TEACHER), temperature=temperature)), expected.item(), rel_tol=1e-12
        )


def test_cross_entropy_is_optax():
    expected = optax.softmax_cross_entropy(jnp.asarray(LOGITS), jnp.asarray(TARGET)).mean()
    assert math.isclose(float(cross_entropy(jnp.asarray(LOGITS), jnp.asarray(TARGET))), float(expected), rel_tol=1e-6)


def test_by_hand():
    """Two classes: student (0, 0), teacher (log 3, 0) at T = 1: ¾ log(¾/½) + ¼ log(¼/½)."""
    value = hinton(np.zeros((1, 2)), np.asarray([[math.log(3), 0.0]]), temperature=1.0)
    assert math.isclose(value, 0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel_tol=1e-12)


@given(shift=st.floats(-1e4, 1e4), temperature=st.floats(0.5, 20))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_shift_changes_nothing_and_agreement_is_zero(shift, temperature):
    assert np.allclose(log_softmax(LOGITS + shift), log_softmax(LOGITS), atol=1e-9)
    assert abs(hinton(LOGITS, LOGITS + shift, temperature=temperature)) < 1e-8
    assert hinton(LOGITS, TEACHER, temperature=temperature) > 0


def test_huge_logits_stay_finite():
    huge = np.asarray([[1e30, -1e30, 0.0]])
    assert np.isfinite(cross_entropy(huge, np.asarray([[1.0, 0.0, 0.0]])))


def test_gradients_agree_with_finite_differences():
    def both(z):
        return hinton(z, TEACHER, temperature=3.0) + cross_entropy(z, TARGET)

    z = torch.tensor(LOGITS, requires_grad=True)
    (hinton(z, torch.tensor(TEACHER), temperature=3.0) + cross_entropy(z, torch.tensor(TARGET))).backward()
    direction = np.random.default_rng(2).standard_normal(LOGITS.shape)
    slope = (both(LOGITS + 1e-6 * direction) - both(LOGITS - 1e-6 * direction)) / 2e-6
    assert math.isclose(float((z.grad.numpy() * direction).sum()), slope, rel_tol=1e-7)
    with jax.enable_x64(True):
        g = jax.grad(lambda z: hinton(z, jnp.asarray(TEACHER), temperature=3.0) + cross_entropy(z, jnp.asarray(TARGET)))
        assert np.allclose(g(jnp.asarray(LOGITS)), z.grad.numpy(), rtol=1e-9)
