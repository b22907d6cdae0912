"""The alignment loss by hand, and what its gauges do and do not see."""

from itertools import pairwise

import numpy as np
import pytest

import tensornet as tn
from tensornet.alignment import distance_to, rotated
from tensornet.testing import LawError, assert_gauge_invariant

FMT = tn.MPO((2, 2, 3), (2, 3, 2))  # no unit mode: bonds couple auxiliary factors to a central one of their own


def random_weight(seed=0, fmt=FMT):
    return np.random.default_rng(seed).normal(size=fmt.shape)


def two(fmt=FMT):
    """A student's and a teacher's factors."""
    return fmt.decompose(random_weight(0, fmt)), fmt.decompose(random_weight(1, fmt))


def test_eq_5_by_hand():
    """n = 2 auxiliary factors of 4 and 6 entries; the central one does not count."""
    fmt = tn.MPO((2, 1, 3), (1, 1, 1))
    student = [np.zeros(s) for s in fmt.shapes]
    teacher = [np.full(s, v) for s, v in zip(fmt.shapes, (2.0, 100.0, 1.0), strict=True)]
    assert fmt.auxiliary == (0, 2)
    assert float(tn.align(fmt, student, teacher, gauge="none")) == (2.0**2 + 1.0**2) / 2


def test_lead_axes_are_summed():
    rng = np.random.default_rng(0)
    student, teacher = (FMT.decompose(rng.normal(size=(3, *FMT.shape))) for _ in range(2))
    for gauge in ("none", "procrustes", "invariant"):
        together = float(tn.align(FMT, student, teacher, gauge=gauge))
        alone = [float(tn.align(FMT, [s[n] for s in student], [t[n] for t in teacher], gauge=gauge)) for n in range(3)]
        assert together == pytest.approx(sum(alone), rel=1e-9)


def test_a_tiny_change_of_the_weight_moves_raw_factors_far():
    """Why Eq. 5 as printed is a target of random signs, and Procrustes is not."""
    w = random_weight()
    student, teacher = FMT.decompose(w), FMT.decompose(w * (1 + 1e-9))
    flipped = [-teacher[0], -teacher[1], teacher[2]]
    np.testing.assert_allclose(FMT.contract(flipped), w, rtol=1e-6, atol=1e-6)
    raw = float(tn.align(FMT, student, flipped, gauge="none"))
    assert raw > 0.1
    assert float(tn.align(FMT, student, flipped, gauge="procrustes")) < 1e-12
    assert float(tn.align(FMT, student, flipped, gauge="invariant")) < 1e-12


def test_only_the_printed_loss_sees_the_gauge():
    student, teacher = two()
    for gauge in ("procrustes", "invariant"):
        assert_gauge_invariant(lambda t, g=gauge: tn.align(FMT, student, t, gauge=g), FMT, teacher, rtol=1e-8)
    with pytest.raises(LawError, match=r"the loss is .* on the factors given and .* in a gauge of kind orthogonal"):
        assert_gauge_invariant(lambda t: tn.align(FMT, student, t, gauge="none"), FMT, teacher)
    with pytest.raises(LawError, match="in a gauge of kind"):  # the student's own gauge Procrustes does see
        assert_gauge_invariant(lambda s: tn.align(FMT, s, teacher, gauge="procrustes"), FMT, student)


def test_rotations_are_gauges_of_the_teacher():
    student, teacher = two()
    turned = rotated(FMT, student, teacher)
    np.testing.assert_allclose(FMT.contract(turned), FMT.contract(teacher), rtol=1e-10, atol=1e-10)


def test_no_rotation_is_nearer():
    """Procrustes is a minimum: the loss lies under that of any random orthogonal gauge."""
    fmt = tn.LowRank(5, 4)
    student, teacher = two(fmt)
    best = float(tn.align(fmt, student, teacher))
    rng = np.random.default_rng(0)
    for _ in range(50):
        q, _ = np.linalg.qr(rng.normal(size=(4, 4)))
        assert best <= float(tn.align(fmt, student, [teacher[0] @ q, q.T @ teacher[1]], gauge="none")) + 1e-12


def test_more_rounds_are_never_worse():
    fmt = tn.MPO((2, 2, 2, 2, 2), (1, 2, 1, 2, 1))
    student, teacher = two(fmt)
    losses = [
        float(tn.align(fmt, student, rotated(fmt, student, teacher, rounds=r), gauge="none")) for r in (1, 2, 4, 8, 16)
    ]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(losses))


def test_scale_does_not_overflow_the_invariant_loss():
    for scale in (1e-20, 1.0, 1e20):
        w = (scale * random_weight()).astype(np.float32)
        student, teacher = FMT.decompose(w), FMT.decompose(2 * w)
        assert float(tn.align(FMT, student, teacher, gauge="invariant")) == pytest.approx((1 - 1 / 4) ** 2, rel=1e-3)


def test_options_have_defaults():
    options = tn.Alignment(None)
    assert (options.pairs, options.gauge, options.every) == ("uniform", "procrustes", 100)


def test_the_rounds_of_procrustes_have_converged():
    """Three inner bonds, a student that has moved, an unrelated teacher: nothing is left to gain."""
    fmt = tn.MPO((4, 2, 2, 2), (2, 4, 2, 3))
    rng = np.random.default_rng(0)
    student, teacher = (fmt.decompose(rng.standard_normal(fmt.shape)) for _ in range(2))
    student = [s + 0.3 * rng.standard_normal(s.shape) * np.sqrt(np.mean(s**2)) for s in student]
    short, long = (distance_to(fmt, student, rotated(fmt, student, teacher, **r), "none") for r in ({}, {"rounds": 60}))
    assert short == pytest.approx(long, rel=1e-6)


def test_truncated_factors_are_zero_from_themselves():
    """Balanced once, balanced for good: also where one cut lowers the values of another."""
    w = np.random.default_rng(0).standard_normal((64, 64))
    for fmt in (tn.MPO.for_shape((64, 64), cores=n, layout="even", rank=6) for n in (3, 4)):
        factors = fmt.decompose(w)
        assert float(tn.align(fmt, factors, factors)) < 1e-20
