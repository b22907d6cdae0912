"""The MPO of a kernel is TensorLy's tensor train of (kernel, i_1 j_1, i_2 j_2, …)."""

import numpy as np
import pytest
from oracles.measures import relative

import tensornet as tn

FORMATS = [
    tn.ConvMPO((4, 2), (3, 2), (3, 3)),
    tn.ConvMPO((4, 2), (3, 2), (3, 3), (5, 3)),
    tn.ConvMPO((6,), (4,), (5,), (3,)),
]


def tensor_of(fmt, w):
    n = len(fmt.rows)
    split = w.reshape(*fmt.rows, *fmt.cols, -1)
    return split.transpose([2 * n, *(a for k in range(n) for a in (k, n + k))]).reshape(
        -1, *(i * j for i, j in zip(fmt.rows, fmt.cols, strict=True))
    )


def three_axes(factors):
    return [f.reshape(f.shape[0], -1, f.shape[-1]) for f in factors]


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_contract_is_tt_to_tensor(tensorly, fmt, rng):
    factors = [rng.normal(size=s) for s in fmt.shapes]
    first, *rest = factors
    want = tensorly.tt_to_tensor(three_axes([first.reshape(1, -1, first.shape[-1]), *rest]))
    np.testing.assert_allclose(tensor_of(fmt, fmt.contract(factors)), want, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_error_is_that_of_their_train(tensorly, fmt, rng):
    """At the same bonds: equal to 1e-10 where one cut follows the other in both, here always."""
    w = rng.normal(size=fmt.shape)
    train = tensorly.decomposition.tensor_train(tensor_of(fmt, w), rank=[1, *fmt.bonds, 1])
    theirs = relative(tensorly.tt_to_tensor(train), tensor_of(fmt, w))
    assert relative(fmt.contract(fmt.decompose(w)), w) == pytest.approx(theirs, rel=1e-10, abs=1e-14)
