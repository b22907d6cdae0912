"""Norms and distances of trains against torchTT and quimb."""

import numpy as np
import pytest
import torch
from oracles.measures import relative

import tensornet as tn

FMT = tn.MPO((4, 3, 5), (3, 4, 2), (5, 4))
SQUARE = tn.MPO((3, 4, 2), (3, 4, 2), (6, 3))


def random_factors(fmt, rng):
    return [rng.normal(size=s) for s in fmt.shapes]


def test_norm_is_that_of_torchtt(torchtt, rng):
    """To 1e-12 relative."""
    factors = random_factors(FMT, rng)
    theirs = float(torchtt.TT([torch.tensor(f) for f in factors]).norm())
    assert float(tn.norm(FMT, factors)) == pytest.approx(theirs, rel=1e-12)


def test_distance_is_the_norm_of_torchtts_difference(torchtt, rng):
    """They subtract trains of unlike bonds too; to 1e-12 relative."""
    other = tn.MPO(FMT.rows, FMT.cols, (2, 7))
    a, b = random_factors(FMT, rng), random_factors(other, rng)
    theirs = float((torchtt.TT([torch.tensor(f) for f in a]) - torchtt.TT([torch.tensor(f) for f in b])).norm())
    assert float(tn.distance(FMT, a, other, b)) == pytest.approx(theirs, rel=1e-12)


def operator(quimb, factors):
    arrays = [factors[0][0], *factors[1:-1], factors[-1][..., 0]]
    return quimb.MatrixProductOperator(arrays, shape="ludr")


def test_distance_is_that_of_quimb(quimb, rng):
    """To 1e-12 relative where the two are far apart, and nearer to the dense truth than theirs where they are close."""
    a, b = random_factors(SQUARE, rng), random_factors(SQUARE, rng)
    theirs = float(operator(quimb, a).distance(operator(quimb, b)))
    assert float(tn.distance(SQUARE, a, SQUARE, b)) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("step", [1e-9, 1e-10])
def test_close_factors_are_told_apart_where_quimb_is_blind(quimb, step, rng):
    """Its overlap formula has a floor of √eps·‖A‖: in float64 too it is off by > 1 % here, and we by < 1e-4."""
    a = random_factors(SQUARE, rng)
    b = [f + step * rng.normal(size=f.shape) for f in a]
    ends = ([*b[:k], b[k] - a[k], *a[k + 1 :]] for k in range(3))  # A − B telescoped: no cancellation
    exact = np.linalg.norm(sum(SQUARE.contract(t) for t in ends))
    theirs = float(operator(quimb, a).distance(operator(quimb, b)))
    assert abs(theirs / exact - 1) > 1e-2
    assert relative(float(tn.distance(SQUARE, a, SQUARE, b)), exact) < 1e-4
