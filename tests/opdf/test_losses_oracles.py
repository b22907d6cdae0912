"""The losses of classes and features against PyTorch's own, by hand, and DKD's identity."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import opdf.losses as L

RNG = np.random.default_rng(0)
S, T = (torch.tensor(RNG.standard_normal((3, 4, 5))) for _ in range(2))
MASK = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]])


def logits(classes):
    numbers = st.floats(-30, 30)
    return st.lists(numbers, min_size=classes, max_size=classes).map(lambda z: np.asarray([z]))


@given(st.integers(2, 5).flatmap(lambda c: st.tuples(logits(c), logits(c), st.integers(0, c - 1))), st.floats(0.5, 8))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_kd_is_tckd_and_nckd(both, temperature):
    """KD = TCKD + (1 − p_t) NCKD: of one example, DKD at α = 1, β = 1 − p_t of the teacher."""
    student, teacher, target = both
    z = teacher[0] / temperature
    rest = np.exp(np.logaddexp.reduce(np.delete(z, target)) - np.logaddexp.reduce(z))
    found = L.dkd(student, teacher, np.asarray([target]), temperature=temperature, alpha=1.0, beta=rest)
    np.testing.assert_allclose(found, L.hinton(student, teacher, temperature=temperature), rtol=1e-9, atol=1e-11)


def test_dkd_by_hand():
    """p = (½, ¼, ¼) against p_t = (¼, ½, ¼), target 0: b = (½, ½) and (¼, ¾); p̂ = (½, ½) and (⅔, ⅓)."""
    student, teacher = np.log([[0.5, 0.25, 0.25]]), np.log([[0.25, 0.5, 0.25]])
    tckd = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    nckd = 2 / 3 * math.log(2 / 3 / 0.5) + 1 / 3 * math.log(1 / 3 / 0.5)
    found = L.dkd(student, teacher, np.asarray([0]), temperature=1.0, alpha=2.0, beta=3.0)
    assert found == pytest.approx(2 * tckd + 3 * nckd, rel=1e-12)


def test_dkd_of_two_classes_is_hintons():
    student, teacher = RNG.standard_normal((2, 6, 2))
    found = L.dkd(student, teacher, np.asarray([0, 1] * 3), temperature=3.0)
    assert found == pytest.approx(L.hinton(student, teacher, temperature=3.0), rel=1e-12)


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_shifts_of_logits_change_nothing(a, b):
    student, teacher, target = *RNG.standard_normal((2, 3, 4)), np.asarray([0, 3, 2])
    for loss in (L.hinton, lambda s, t, **k: L.dkd(s, t, target, **k)):
        expected = loss(student, teacher, temperature=2.0)
        np.testing.assert_allclose(loss(student + a, teacher + b, temperature=2.0), expected, rtol=1e-8)


def test_cross_entropy_of_indices_is_torchs():
    target = torch.tensor([[1, 0, 4, 2]] * 3)
    expected = F.cross_entropy(S.reshape(-1, 5), target.reshape(-1))
    torch.testing.assert_close(L.cross_entropy(S, target), expected)
    torch.testing.assert_close(L.cross_entropy(S, F.one_hot(target, 5).double()), expected)
    smooth = F.cross_entropy(S.reshape(-1, 5), target.reshape(-1), label_smoothing=0.1)
    torch.testing.assert_close(L.cross_entropy(S, target, smoothing=0.1), smooth)
    torch.testing.assert_close(L.cross_entropy(S, F.one_hot(target, 5).double(), smoothing=0.1), smooth)


def test_features_are_torchs():
    keep = MASK.bool()
    torch.testing.assert_close(L.hidden(S, T), F.mse_loss(S, T))
    torch.testing.assert_close(L.hidden(S, T, MASK), F.mse_loss(S[keep], T[keep]))
    cosine = F.cosine_embedding_loss(S[keep], T[keep], torch.ones(7))
    torch.testing.assert_close(L.hidden(S, T, MASK, distance="cosine"), cosine)
    torch.testing.assert_close(L.regression(S[0, :, :1], T[0, :, :1]), F.mse_loss(S[0, :, 0], T[0, :, 0]))
    torch.testing.assert_close(L.attention(S[None], T[None]), F.mse_loss(S, T))
    torch.testing.assert_close(L.hint(S, T), F.mse_loss(S, T, reduction="sum") / 6)


def test_projections_may_be_functions():
    layer = torch.nn.Linear(5, 6, dtype=torch.float64)
    teacher = torch.tensor(RNG.standard_normal((3, 4, 6)))
    wide = teacher.clone()
    wide[MASK == 0] = torch.nan  # of which a bias makes something, which does not count
    torch.testing.assert_close(L.hidden(S, wide, MASK, layer), F.mse_loss(layer(S)[MASK == 1], teacher[MASK == 1]))
    pooled = L.hint(S, teacher[:, :2], lambda x: layer(x.reshape(3, 2, 2, 5).mean(2)))
    torch.testing.assert_close(
        pooled, F.mse_loss(layer((S[:, ::2] + S[:, 1::2]) / 2), teacher[:, :2], reduction="sum") / 6
    )


def test_a_zero_vector_has_no_direction():
    x = torch.zeros(1, 3, requires_grad=True)
    loss = L.hidden(x, torch.ones(1, 3), distance="cosine")
    loss.backward()
    assert loss == 1
    assert x.grad.abs().max() < 1


def test_fitted_projections_fit_best():
    """Least squares: the gap is orthogonal to the student; an exact map is found."""
    h, t = S.numpy().reshape(12, 5), RNG.standard_normal((12, 7))
    w = L.fitted_projection(h, t)
    assert np.abs(h.T @ (h @ w - t)).max() < 1e-10
    exact = RNG.standard_normal((5, 7))
    np.testing.assert_allclose(L.fitted_projection(S.numpy(), S.numpy() @ exact), exact, atol=1e-10)
    assert not L.fitted_projection(S.requires_grad_(), T).requires_grad
