"""Matrix product operators as TensorLy, torchTT and quimb understand them."""

import numpy as np
import pytest
import torch
from oracles.measures import decaying, relative

import tensornet as tn

# A peer sweeps from left to right. So do we up to the largest factor, and come from the right to it: three factors are
# truncated in the same order of bonds, and four or more are where the largest is among the last two.
SAME_ORDER = [
    tn.MPO((4, 3, 5), (3, 4, 2), (5, 4)),
    tn.MPO((2, 3, 4, 2), (2, 2, 3, 3), (4, 6, 3)),
    tn.MPO((8, 1, 1, 6), (6, 1, 1, 8), (9, 9, 9)),
    tn.MPO((4, 4, 4), (4, 4, 4), (7, 7)),
]
SQUARE = [f for f in SAME_ORDER if f.rows == f.cols]
FULL = [tn.MPO((4, 3, 5), (3, 4, 2)), tn.MPO((2, 2, 2, 3), (3, 1, 2, 2)), tn.MPO((6, 1, 1, 4), (3, 1, 1, 5))]


def tensorly_cores(tensorly, fmt, w):
    train = tensorly.decomposition.tensor_train_matrix(w.reshape(fmt.rows + fmt.cols), rank=[1, *fmt.bonds, 1])
    return train, list(train.factors)


def torchtt_train(torchtt, fmt, w, **options):
    return torchtt.TT(
        torch.tensor(w).reshape(fmt.rows + fmt.cols), list(zip(fmt.rows, fmt.cols, strict=True)), **options
    )


def quimb_mpo(quimb, fmt, w, **options):
    return quimb.MatrixProductOperator.from_dense(w, dims=list(fmt.rows), **options)


@pytest.mark.parametrize("fmt", FULL + SAME_ORDER, ids=str)
def test_tensorly_contracts_our_factors_to_our_matrix(tensorly, fmt, rng):
    factors = [rng.normal(size=s) for s in fmt.shapes]
    want = tensorly.tt_matrix_to_matrix(factors)
    np.testing.assert_allclose(fmt.contract(factors), want, rtol=1e-12, atol=1e-12 * np.abs(want).max())


@pytest.mark.parametrize("fmt", FULL + SAME_ORDER, ids=str)
def test_we_contract_the_factors_of_tensorly_and_torchtt_to_their_matrix(tensorly, torchtt, fmt, rng):
    w = rng.normal(size=fmt.shape)
    train, cores = tensorly_cores(tensorly, fmt, w)
    assert relative(fmt.contract(cores), tensorly.tt_matrix_to_matrix(train)) <= 1e-14
    theirs = torchtt_train(torchtt, fmt, w, eps=0.0, rmax=[1, *fmt.bonds, 1])
    assert relative(fmt.contract(theirs.cores), theirs.full().reshape(fmt.shape).numpy()) <= 1e-14


@pytest.mark.parametrize("fmt", SQUARE, ids=str)
def test_quimb_contracts_our_factors_to_our_matrix(quimb, fmt, rng):
    factors = [rng.normal(size=s) for s in fmt.shapes]
    theirs = [factors[0][0], *factors[1:-1], factors[-1][..., 0]]
    mpo = quimb.MatrixProductOperator(theirs, shape="ludr")  # left, row, column, right: as ours
    assert relative(mpo.to_dense(), fmt.contract(factors)) <= 1e-14


@pytest.mark.parametrize("gauge", ["balanced", "left", "identity"])
@pytest.mark.parametrize("fmt", FULL, ids=str)
def test_lossless_error_is_no_larger_than_any_peers(tensorly, torchtt, fmt, gauge, rng):
    """Ours ≤ theirs + 1e-15 in the identity gauge, where it is 0; ≤ 2 × theirs + 1e-15 where both round off."""
    w = rng.normal(size=fmt.shape)
    ours = relative(fmt.contract(fmt.decompose(w, gauge=gauge)), w)
    train, _ = tensorly_cores(tensorly, fmt, w)
    theirs = min(
        relative(tensorly.tt_matrix_to_matrix(train), w),
        relative(torchtt_train(torchtt, fmt, w, eps=0.0).full().reshape(fmt.shape).numpy(), w),
    )
    assert ours == 0.0 if gauge == "identity" else ours <= 2 * theirs + 1e-15


@pytest.mark.parametrize("power", [0.0, 1.0])
@pytest.mark.parametrize("fmt", SAME_ORDER, ids=str)
def test_truncation_error_is_that_of_every_peer(tensorly, torchtt, quimb, fmt, power, rng):
    """At the same bonds and in the same order: equal to 1e-10 relative."""
    w = decaying(rng, fmt.shape, power)
    ours = relative(fmt.contract(fmt.decompose(w)), w)
    train, _ = tensorly_cores(tensorly, fmt, w)
    theirs = {
        "TensorLy": tensorly.tt_matrix_to_matrix(train),
        "torchTT": torchtt_train(torchtt, fmt, w, eps=0.0, rmax=[1, *fmt.bonds, 1]).full().reshape(fmt.shape).numpy(),
    }
    if fmt in SQUARE:
        theirs["quimb"] = quimb_mpo(quimb, fmt, w, max_bond=max(fmt.bonds), cutoff=0.0).to_dense()
    for peer, dense in theirs.items():
        assert ours == pytest.approx(relative(dense, w), rel=1e-10), peer


@pytest.mark.parametrize("fmt", FULL + SAME_ORDER, ids=str)
def test_apply_is_torchtts_product(torchtt, fmt, rng):
    """Their operator takes one tensor (j_1, …, j_n) as a train; at eps=0 that is exact."""
    factors = [rng.normal(size=s) for s in fmt.shapes]
    x = rng.normal(size=fmt.shape[1])
    operator = torchtt.TT([torch.tensor(f) for f in factors])
    product = operator @ torchtt.TT(torch.tensor(x).reshape(fmt.cols), eps=0.0)
    assert relative(fmt.apply(factors, x[None])[0], product.full().reshape(-1).numpy()) <= 1e-12
