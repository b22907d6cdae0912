"""Truncation against the sweeps of TensorLy, torchTT and quimb.

No order of cuts is best for every tensor, so that errors at the same bonds are compared over a sample: of the ratios of ours
to theirs the mean is at most 1.005 and none is above 1.02.
"""

import numpy as np
import pytest
import torch
from oracles.measures import decaying, relative

import tensornet as tn

MODES = [
    ((4, 3, 5), (3, 4, 2), 5),
    ((8, 1, 6), (6, 1, 8), 9),
    ((4, 4, 4), (4, 4, 4), 7),
    ((2, 2, 3, 2, 2), (2, 3, 2, 2, 2), 4),
    ((2, 3, 2, 2, 3), (2, 3, 2, 2, 3), 5),
]


def capped(fmt, cap):
    """The outer bonds too, as TensorLy and torchTT want them."""
    return [1, *(min(b, cap) for b in fmt.bonds), 1]


def errors_of_peers(tensorly, torchtt, quimb, fmt, w, cap):
    tensor = w.reshape(fmt.rows + fmt.cols)
    train = tensorly.decomposition.tensor_train_matrix(tensor, rank=capped(fmt, cap))
    yield relative(tensorly.tt_matrix_to_matrix(train), w)
    pairs = list(zip(fmt.rows, fmt.cols, strict=True))
    theirs = torchtt.TT(torch.tensor(tensor), pairs, eps=0.0, rmax=capped(fmt, cap))
    yield relative(theirs.full().reshape(w.shape).numpy(), w)
    if fmt.rows == fmt.cols:
        mpo = quimb.MatrixProductOperator.from_dense(w, dims=list(fmt.rows), max_bond=cap, cutoff=0.0)
        yield relative(mpo.to_dense(), w)


@pytest.mark.parametrize("power", [0.0, 1.0])
@pytest.mark.parametrize(("rows", "cols", "cap"), MODES)
def test_approximate_is_no_worse_at_the_same_bonds(tensorly, torchtt, quimb, rows, cols, cap, power):
    fmt, ratios = tn.MPO(rows, cols), []
    for seed in range(10):
        w = decaying(np.random.default_rng(seed), fmt.shape, power)
        ours = tn.approximate(fmt, w, max_bond=cap)
        assert [1, *ours.format.bonds, 1] == capped(fmt, cap)
        error = relative(ours.format.contract(ours.factors), w)
        assert float(ours.error) == pytest.approx(error, rel=1e-10)
        assert error <= float(ours.bound)
        ratios += [error / theirs for theirs in errors_of_peers(tensorly, torchtt, quimb, fmt, w, cap)]
    assert max(ratios) <= 1.02
    assert np.mean(ratios) <= 1.005


@pytest.mark.parametrize(("rows", "cols", "cap"), MODES)
def test_two_rounds_of_alternating_least_squares_beat_every_sweep(tensorly, torchtt, quimb, rows, cols, cap, rng):
    """With `fit` from where `approximate` ends, ours < theirs in each case, for each peer."""
    fmt = tn.MPO(rows, cols)
    w = decaying(rng, fmt.shape, 1.0)
    ours = tn.approximate(fmt, w, max_bond=cap)
    found = tn.fit(ours.format, w, factors=ours.factors, restarts=1, sweeps=2)
    assert float(found.error) == pytest.approx(relative(ours.format.contract(found.factors), w), rel=1e-10)
    for theirs in errors_of_peers(tensorly, torchtt, quimb, fmt, w, cap):
        assert float(found.error) <= theirs * (1 + 1e-12)


def train_of_a_sum(fmt, rng, noise):
    """Factors with twice the bonds they need, but for `noise`."""
    a, b = ([rng.normal(size=s) for s in fmt.shapes] for _ in range(2))
    wide = tn.MPO(fmt.rows, fmt.cols, tuple(2 * d for d in fmt.bonds))
    factors = []
    for k, (x, y) in enumerate(zip(a, b, strict=True)):
        f = np.zeros(wide.shapes[k])
        f[: x.shape[0], ..., : x.shape[3]] = x
        f[f.shape[0] - y.shape[0] :, ..., f.shape[3] - y.shape[3] :] = noise * y if k == 0 else y
        factors.append(f)
    return wide, factors


@pytest.mark.parametrize("eps", [1e-1, 1e-3, 1e-8])
def test_rounding_keeps_eps_with_no_more_parameters_than_torchtt(torchtt, eps, rng):
    """Both errors ≤ eps, our parameters ≤ theirs; our bound is no smaller than our error."""
    fmt, factors = train_of_a_sum(tn.MPO((4, 3, 5), (3, 4, 4), (4, 5)), rng, 1e-2)
    w = fmt.contract(factors)
    theirs = torchtt.TT([torch.tensor(f) for f in factors]).round(eps)
    ours = tn.truncate(fmt, factors, eps=eps)
    assert relative(theirs.full().reshape(w.shape).numpy(), w) <= eps
    assert relative(ours.format.contract(ours.factors), w) <= float(ours.bound) <= eps
    assert ours.format.num_params <= sum(c.numel() for c in theirs.cores)


def test_redundant_bonds_are_found_as_torchtt_finds_them(torchtt, rng):
    """The second half of a sum is nothing: at eps = 1e-10 the bonds of the first half are left, in both."""
    small = tn.MPO((4, 3, 5), (3, 4, 4), (4, 5))
    fmt, factors = train_of_a_sum(small, rng, 0.0)
    theirs = torchtt.TT([torch.tensor(f) for f in factors]).round(1e-10)
    ours = tn.truncate(fmt, factors, eps=1e-10)
    assert tuple(theirs.R[1:-1]) == ours.format.bonds == small.bonds


@pytest.mark.parametrize("cap", [2, 5, 8])
def test_compression_is_no_worse_than_quimbs(quimb, cap, rng):
    """Its compress sweeps QR one way and SVD back; the same bonds, ours ≤ 1.01 × theirs."""
    fmt, factors = train_of_a_sum(tn.MPO((3, 4, 4), (3, 4, 4), (4, 5)), rng, 0.3)
    w = fmt.contract(factors)
    theirs = quimb.MatrixProductOperator([factors[0][0], factors[1], factors[2][..., 0]], shape="ludr")
    theirs.compress(max_bond=cap, cutoff=0.0)
    ours = tn.truncate(fmt, factors, max_bond=cap)
    assert relative(ours.format.contract(ours.factors), w) <= 1.01 * relative(theirs.to_dense(), w) + 1e-14
    assert max(ours.format.bonds) == max(theirs.bond_sizes())
