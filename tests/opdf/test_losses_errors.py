"""What the losses refuse, and in which words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import opdf.losses as L
from tensornet import TensorNetError

Z, H, A = np.zeros((8, 3)), np.zeros((2, 4, 5)), np.zeros((2, 3, 4, 4))
Y = np.zeros(8, np.int64)
ONE, CROSS = Z[:, :1], np.zeros((2, 3, 4, 6))


def hinton(student, teacher, temperature=1.0):
    return L.hinton(student, teacher, temperature=temperature)


def dkd(student, teacher, target, temperature=1.0):
    return L.dkd(student, teacher, target, temperature=temperature)


CASES = {
    "a column and a vector": (
        lambda: L.regression(ONE, Z[:, 0]),
        r"regression: the student's are \(8, 1\) and the teacher's \(8,\), needed equal .* broadcast; take logits\[:, 0\]",
    ),
    "a regression of classes": (lambda: L.regression(Z, Z), r"got \(8, 3\), needed \(batch,\) .*; use hinton"),
    "other classes": (lambda: hinton(Z, Z[:, :2]), r"hinton: the student's are \(8, 3\) and the teacher's \(8, 2\)"),
    "one class": (
        lambda: hinton(ONE, ONE),
        r"hinton: got logits \(8, 1\), needed two classes .* opdf.losses.regression",
    ),
    "one class of DKD": (lambda: dkd(ONE, ONE, Y), r"dkd: got logits \(8, 1\), needed two classes"),
    "one class of labels": (lambda: L.cross_entropy(ONE, Y), r"cross_entropy: got logits \(8, 1\), needed two"),
    "one class of one-hot": (lambda: L.cross_entropy(ONE, ONE), r"cross_entropy: got logits \(8, 1\), needed two"),
    "T = 0": (lambda: hinton(Z, Z, 0), "hinton: temperature=0, needed a finite number above 0, .*; pass one, 1.0"),
    "T < 0": (lambda: dkd(Z, Z, Y, -1.0), "dkd: temperature=-1.0, needed"),
    "T = ∞": (lambda: hinton(Z, Z, float("inf")), "temperature=inf, needed"),
    "T = NaN": (lambda: hinton(Z, Z, float("nan")), "temperature=nan, needed"),
    "T = 0 in a tensor": (lambda: hinton(Z, Z, torch.tensor(0.0)), r"temperature=0.0, needed"),
    "integer logits": (
        lambda: hinton(Z.astype(int), Z),
        "hinton: got an array of dtype int64, needed real floats, .*; pass the outputs, or convert with",
    ),
    "no examples": (lambda: hinton(Z[:0], Z[:0]), r"got an array of shape \(0, 3\), needed at least one entry"),
    "probabilities of other classes": (lambda: L.cross_entropy(Z, Z[:, :2]), "cross_entropy: the student's are"),
    "labels of other examples": (
        lambda: L.cross_entropy(Z, Y[:4]),
        r"cross_entropy: the target is \(4,\) of dtype int64 for logits \(8, 3\), needed integers \(8,\)",
    ),
    "labels of floats": (lambda: dkd(Z, Z, Z[:, 0]), r"the target is \(8,\) of dtype float64 .* needed integers"),
    "labels of one column": (lambda: dkd(Z, Z, Y[:, None]), r"the target is \(8, 1\) of dtype int64"),
    "all is smoothed": (
        lambda: L.cross_entropy(Z, Y, smoothing=1.0),
        "cross_entropy: smoothing=1.0, needed a number from 0 to below 1, .*; pass one, 0.1 is usual",
    ),
    "a class too many": (
        lambda: dkd(Z, Z, Y + 3),
        "dkd: the target has classes from 3 to 3, needed 0 to 2, because there are 3 logits; map the labels",
    ),
    "no class": (lambda: L.cross_entropy(Z, Y - 100), "the target has classes from -100 to -100, needed 0 to 2"),
    "no class, torch": (
        lambda: L.cross_entropy(torch.zeros(1, 2), torch.tensor([2])),
        "classes from 2 to 2, needed 0 to 1",
    ),
    "no class, jax": (
        lambda: L.cross_entropy(jnp.zeros((1, 2)), jnp.asarray([2])),
        "classes from 2 to 2, needed 0 to 1",
    ),
    "a wider teacher": (
        lambda: L.hidden(H, np.zeros((2, 4, 7))),
        r"hidden: the student's are \(2, 4, 5\) and the teacher's \(2, 4, 7\), .*; pass the same batch; for a gap in width",
    ),
    "other positions": (lambda: L.hidden(H, H[:, :1], None, np.eye(5)), r"and the teacher's \(2, 1, 5\)"),
    "a projection turned": (
        lambda: L.hidden(H, np.zeros((2, 4, 7)), None, np.zeros((7, 5))),
        r"hidden: the projection is \(7, 5\), needed \(5, 7\), .*; transpose it",
    ),
    "a function of another width": (lambda: L.hint(H, H, lambda x: x[..., :2]), r"hint: the student's are \(2, 4, 2\)"),
    "another distance": (lambda: L.hidden(H, H, distance="l1"), "unknown distance 'l1', needed one of mse, cosine"),
    "a mask of nothing": (
        lambda: L.hidden(H, H, np.zeros((2, 4), bool)),
        r"hidden: the mask keeps nothing of \(2, 4\), needed one .*; leave the batch out, or invert the mask",
    ),
    "an additive mask": (
        lambda: L.hidden(H, H, np.zeros((2, 4))),
        "the mask has dtype float64, needed booleans or integers .* additive, .*; pass mask > 0.5",
    ),
    "a mask that would be broadcast": (
        lambda: L.hidden(H, H, np.ones((2, 1), int)),
        r"the mask is \(2, 1\), needed \(2, 4\)",
    ),
    "other heads": (
        lambda: L.attention(A, A[:, :2]),
        "attention: the student's are .*; .* give as many of the teacher's",
    ),
    "scores of one example": (
        lambda: L.attention(A[0], A[0]),
        r"got scores \(3, 4, 4\), needed \(batch, heads, queries",
    ),
    "a mask of scores": (lambda: L.attention(A, A, np.ones((2, 4, 3), int)), r"is \(2, 4, 3\), needed \(2, 4, 4\)"),
    "positions for cross-attention": (
        lambda: L.attention(CROSS, CROSS, np.ones((2, 6), int)),
        r"the mask is \(2, 6\) for 4 queries and 6 keys, needed \(2, 4, 6\), .*; pass queries",
    ),
    "a mask of no scores": (lambda: L.attention(A, A, np.zeros((2, 4), int)), r"attention: the mask keeps nothing"),
    "no common batch": (
        lambda: L.fitted_projection(H, H[:1]),
        r"fitted_projection: .* needed the same but for the width",
    ),
    "another curve": (lambda: L.Schedule(1.0, 0.0, 5, "step"), "curve='step', needed 'linear' or 'cosine'"),
    "an end without a way": (
        lambda: L.Schedule(1.0, 0.0),
        "stop=0.0, steps=0, warm_up=0, needed integers ≥ 0, and stop and",
    ),
    "a way without an end": (lambda: L.Schedule(1.0, steps=3), "stop=None, steps=3"),
    "half a step": (lambda: L.Schedule(1.0, warm_up=0.5), "warm_up=0.5, needed integers"),
    "two libraries": (lambda: hinton(Z, torch.zeros(8, 3)), "all arrays of one call must come from one array library"),
}


@pytest.mark.parametrize(("attempt", "message"), CASES.values(), ids=CASES)
def test_error(attempt, message):
    with pytest.raises(TensorNetError, match=message) as caught:
        attempt()
    assert ";" in str(caught.value)


def test_traced_temperatures_are_taken_on_trust():
    """And counted right: no concrete value is asked for."""
    z = jnp.asarray([[1.0, 0.0]])
    found = jax.jit(lambda t: L.hinton(z, -z, temperature=t))(2.0)
    np.testing.assert_allclose(found, L.hinton(z, -z, temperature=2.0), rtol=1e-6)


def test_schedules():
    """By hand: up to 2 in 4 steps, and down to 1 in 8 more."""
    for curve, middle in (("linear", 1.5), ("cosine", 1.5)):
        schedule = L.Schedule(2.0, 1.0, steps=8, curve=curve, warm_up=4)
        assert [schedule(n) for n in (0, 1, 2, 4)] == [0.0, 0.5, 1.0, 2.0]
        assert schedule(8) == pytest.approx(middle)
        assert [schedule(n) for n in (12, 1000)] == [1.0, 1.0]
    assert L.Schedule(0.0, 4.0, 4, "cosine")(1) == pytest.approx(4 * (1 - np.cos(np.pi / 4)) / 2)
    assert [L.Schedule(3.0)(n) for n in (0, 9)] == [3.0, 3.0]
    assert [L.Schedule(3.0, warm_up=2)(n) for n in (0, 1, 2, 3)] == [0.0, 1.5, 3.0, 3.0]


@pytest.mark.parametrize("curve", ["linear", "cosine"])
def test_schedules_of_arrays(curve):
    schedule = L.Schedule(2.0, 1.0, steps=8, curve=curve, warm_up=4)
    expected = [schedule(n) for n in range(15)]
    np.testing.assert_allclose(jax.jit(jax.vmap(schedule))(jnp.arange(15)), expected, rtol=1e-6)
    np.testing.assert_allclose(schedule(torch.arange(15)), expected, rtol=1e-6)
    assert [L.Schedule(3.0)(torch.tensor(n)).item() for n in (0, 9)] == [3.0, 3.0]
