"""Tucker against TensorLy's tucker and partial_tucker, both by HOOI."""

import numpy as np
import pytest
from oracles.measures import relative

import tensornet as tn

WHOLE = [tn.Tucker((6,), (5,), (3, 3, 2), kernel=(4,)), tn.Tucker((4, 3), (3, 4), (3, 2, 2, 3))]
PARTIAL = [tn.Tucker((8,), (6,), (4, 3, None, None), kernel=(3, 3)), tn.Tucker((7,), (5,), (2, 4, None), kernel=(4,))]


def tensor_of(fmt, w):
    return w.reshape(fmt.rows + fmt.cols + fmt.kernel)


def ranks(fmt):
    return [r for r in fmt.ranks if r is not None]


@pytest.mark.parametrize("fmt", WHOLE, ids=str)
def test_contract_is_tucker_to_tensor(tensorly, fmt, rng):
    *factors, core = (rng.normal(size=s) for s in fmt.shapes)
    want = tensorly.tucker_to_tensor((core, factors)).reshape(fmt.shape)
    np.testing.assert_allclose(fmt.contract([*factors, core]), want, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("fmt", PARTIAL, ids=str)
def test_contract_is_the_product_of_the_modes_that_have_ranks(tensorly, fmt, rng):
    *factors, core = (rng.normal(size=s) for s in fmt.shapes)
    want = tensorly.tenalg.multi_mode_dot(core, factors, modes=[0, 1])
    np.testing.assert_allclose(fmt.contract([*factors, core]), want, rtol=1e-12, atol=1e-11)


def their_error(tensorly, fmt, w):
    tensor, options = tensor_of(fmt, w), {"n_iter_max": 200, "tol": 1e-12}
    if fmt in WHOLE:
        return relative(
            tensorly.tucker_to_tensor(tensorly.decomposition.tucker(tensor, rank=ranks(fmt), **options)), tensor
        )
    (core, factors), _ = tensorly.decomposition.partial_tucker(tensor, rank=ranks(fmt), modes=[0, 1], **options)
    return relative(tensorly.tenalg.multi_mode_dot(core, factors, modes=[0, 1]), tensor)


@pytest.mark.parametrize("fmt", WHOLE + PARTIAL, ids=str)
def test_five_sweeps_are_near_their_two_hundred(tensorly, fmt, rng):
    """Of noise, the worst there is: `decompose` ≤ 1.01 × theirs."""
    w = rng.normal(size=fmt.shape)
    assert relative(fmt.contract(fmt.decompose(w)), w) <= 1.01 * their_error(tensorly, fmt, w)


@pytest.mark.parametrize("fmt", WHOLE + PARTIAL, ids=str)
def test_fit_is_no_worse(tensorly, fmt, rng):
    """`fit` goes on until nothing is gained: ours ≤ (1 + 1e-4) × theirs."""
    w = rng.normal(size=fmt.shape)
    assert float(tn.fit(fmt, w, restarts=5).error) <= (1 + 1e-4) * their_error(tensorly, fmt, w)


@pytest.mark.parametrize("fmt", WHOLE + PARTIAL, ids=str)
def test_a_tensor_of_those_ranks_is_found_again(tensorly, fmt, rng):
    """Both exactly, to 1e-12."""
    w = fmt.contract([rng.normal(size=s) for s in fmt.shapes])
    assert relative(fmt.contract(fmt.decompose(w)), w) <= 1e-12
    assert their_error(tensorly, fmt, w) <= 1e-12
