"""Truncation of rings and CP: fitted, and certified by the error that was measured."""

import numpy as np
import pytest

import tensornet as tn
from tensornet.truncation._refit import capped

FORMATS = [
    tn.CP((6,), (5,), kernel=(4,)),
    tn.CP((6,), (5,), 8, (4,)),
    tn.TensorRing((2, 3, 2), (2, 2, 3)),
    tn.formats.Padded(tn.CP((6,), (5, 4)), (5, 19)),
]


def weight(fmt, *lead):
    return np.random.default_rng(0).standard_normal((*lead, *fmt.shape))


def true_error(made, w):
    return np.linalg.norm(made.format.contract(made.factors) - w) / np.linalg.norm(w)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize("goal", [{"eps": 0.4}, {"max_bond": 1}, {"max_bond": 3}, {"num_params": 60}], ids=str)
def test_the_error_is_what_was_measured(fmt, goal):
    factors = fmt.decompose(weight(fmt))
    w = fmt.contract(factors)
    made = tn.truncate(fmt, factors, **goal)
    assert float(made.error) == pytest.approx(true_error(made, w), rel=1e-9)
    assert made.error <= made.bound <= goal.get("eps", 1.0) + 1e-12
    assert made.format.num_params <= goal.get("num_params", fmt.num_params)
    assert made.format == capped(fmt, max([made.format.network.size[i] for i in made.format.network.summed]))


def test_eps_takes_no_more_than_it_needs():
    fmt = tn.CP((6,), (5,), kernel=(4,))
    w = weight(fmt)
    made = tn.approximate(fmt, w, eps=0.4)
    assert made.bound <= 0.4
    assert tn.approximate(fmt, w, max_bond=made.format.rank - 1).error > 0.4


def test_the_worst_of_a_stack_decides():
    fmt = tn.CP((6,), (5,), kernel=(4,))
    w = weight(fmt, 2)
    w[1] = 1.0  # of rank 1
    made = tn.approximate(fmt, w, eps=0.4)
    assert made.error.shape == (2,)
    assert made.error[0] <= 0.4
    assert made.error[1] < 1e-6
    assert made.format.rank == tn.approximate(fmt, w[0], eps=0.4).format.rank


def test_float32_stays_float32():
    fmt = tn.TensorRing((2, 3, 2), (2, 2, 3))
    w = weight(fmt).astype(np.float32)
    made = tn.approximate(fmt, w, max_bond=2)
    assert {f.dtype for f in made.factors} == {np.dtype("float32")}
    wide = made.format.contract([f.astype(np.float64) for f in made.factors])
    assert float(made.error) == pytest.approx(np.linalg.norm(wide - w) / np.linalg.norm(w.astype(np.float64)), rel=1e-6)


def test_to_another_size_of_the_same_kind():
    fmt = tn.CP((6,), (5,), 8, (4,))
    made = tn.approximate(fmt, weight(fmt), to=fmt.resized({"r": 2}))
    assert made.format == tn.CP((6,), (5,), 2, (4,))
    with pytest.raises(tn.TensorNetError, match="with bonds that are not larger"):
        tn.approximate(fmt, weight(fmt), to=fmt.resized({"r": 9}))
