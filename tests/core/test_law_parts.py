"""What the laws measure with: random cases, norms, counts and slopes, by hand."""

import math

import numpy as np
import pytest
from libraries import BY_NAME

import tensornet as tn
from tensornet._chain import FLOOR
from tensornet.testing import LAWS, _counting
from tensornet.testing._case import Case
from tensornet.testing._gauge_invariance import random_gauge
from tensornet.testing._gauges import _from_diagonal, _from_isometry
from tensornet.testing._measure import equal, inner, largest, norm, relative, total_norm
from tensornet.testing._search import _gain
from tensornet.testing._training import _descend, _descent

BY_LAW = {law.name: law for law in LAWS}
ALONE, PAIR = tn.MPO((2,), (2,)), tn.LowRank(4, 6, 2)  # of one factor, W is it


def only(w):
    """W as the only factor of an MPO, whose bonds at both ends have size 1."""
    return (w.reshape(1, 2, 2, 1),)


def case(fmt=PAIR, dtype=np.float64, **options):
    return Case(fmt, np, dtype, **options)


# ---- random cases ---------------------------------------------------------------------------------------------------


def test_entries_of_a_case_are_standard_normal():
    """Within five standard deviations of what 40,000 entries estimate; complex ones in both parts."""
    x = case().normal(200, 200)
    assert abs(x.mean()) < 5 / 200
    assert abs(x.var() - 1) < 5 * 2**0.5 / 200
    z = case(dtype=np.complex128).normal(200, 200)
    for part in (z.real, z.imag):
        assert abs(part.mean()) < 5 / 200
        assert abs(part.var() - 0.5) < 5 * 0.5**0.5 / 200
    assert abs((z.real * z.imag).mean()) < 5 * 0.5 / 200


def test_entries_differ_by_seed_and_salt_and_not_by_library():
    first = case().normal(2, 3)
    assert first.shape == (2, 3)
    assert np.array_equal(first, case(seed=0).normal(2, 3, salt=""))
    assert not np.array_equal(first, case(seed=1).normal(2, 3))
    assert not np.array_equal(first, case().normal(2, 3, salt="other"))
    torch = BY_NAME["torch"].xp
    assert np.array_equal(first, Case(PAIR, torch, torch.float64).normal(2, 3).numpy())
    assert case().normal(2, 0, 3).shape == (2, 0, 3)


@pytest.mark.parametrize("lead", [(), (3,)])
@pytest.mark.parametrize("fmt", [PAIR, tn.MPO((2, 3, 2), (3, 2, 2)), tn.TensorRing((2, 2), (2, 3))], ids=str)
def test_factors_of_a_case_make_entries_of_variance_1(fmt, lead):
    """Π_k σ² × the number of terms."""
    terms = math.prod(fmt.network.size[b] for b in fmt.network.bonds)
    for k, (f, shape) in enumerate(zip(case(fmt).factors(*lead, salt="x"), fmt.shapes, strict=True)):
        np.testing.assert_allclose(f * terms ** (0.5 / len(fmt.shapes)), case(fmt).normal(*lead, *shape, salt=f"x{k}"))


@pytest.mark.parametrize("size", [(7, 5), (8, 5), (7, 6), (5, 4)])
def test_factors_of_a_padded_case_do_not_reach_into_the_padding(size):
    """By the most significant digit, so that rather more is zero than need be, and never less."""
    fmt = tn.Padded(tn.MPO((4, 2), (3, 2)), size)
    whole = fmt.inner.contract(case(fmt).factors())
    rows, cols = (n if n == m else n * d // m * (m // d) for n, m, d in zip(size, (8, 6), (4, 3), strict=True))
    assert np.all(whole[:rows, :cols] != 0)
    assert not whole[rows:].any()
    assert not whole[:, cols:].any()


def test_a_case_says_what_it_is():
    assert str(case()) == "LowRank(out=4, in_=6, rank=2) on numpy float64"
    assert [case(dtype=d).tolerance for d in (np.float32, np.float64, np.complex64, np.complex128)] == [
        *(3e-6, 1e-13, 3e-6, 1e-13)
    ]
    assert [case(dtype=d).real_dtype for d in (np.float32, np.float64, np.complex64, np.complex128)] == [
        *(np.float32, np.float64, np.float32, np.float64)
    ]
    assert [case(dtype=d).is_complex for d in (np.float64, np.complex64)] == [False, True]


# ---- norms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_norms_at_any_scale(scale):
    x = scale * np.asarray([[3.0, 0.0], [0.0, -4.0]])
    assert norm(x) == pytest.approx(5 * scale)
    assert largest(x) == 4 * scale
    assert relative(1.5 * x, x) == pytest.approx(0.5)
    assert relative(0 * x, x) == pytest.approx(1.0)


def test_norms_by_hand():
    assert norm(np.zeros((2, 2))) == 0.0
    assert relative(np.asarray([3.0, 4.0]), np.zeros(2)) == 5.0
    assert relative(np.zeros((0, 2)), np.zeros((0, 2))) == 0.0
    assert total_norm([np.asarray([3.0]), np.asarray([[4.0, 12.0]])]) == pytest.approx(13.0)
    assert inner(np.asarray([1.0, 2.0]), np.asarray([3.0, 4.0])) == 11.0
    assert inner(np.asarray([1 + 2j]), np.asarray([3 + 4j])) == 11.0  # Re (1 − 2i)(3 + 4i)
    assert equal(np.asarray([1.0]), np.asarray([1.0]))
    assert not equal(np.asarray([1.0, 2.0]), np.asarray([1.0, 2.0 + 1e-15]))
    assert not equal(np.asarray([np.nan]), np.asarray([np.nan]))


def test_distances_from_isometries_are_root_mean_squares():
    """2 Q has the Gram matrix 4 1, which is 3 from 1 in each value, whatever the size and the number of blocks."""
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((2, 6, 3)))[0]
    assert _from_isometry(2 * q, -1, 2) == pytest.approx(3.0)
    assert _from_isometry(2 * q[0], -1, 2) == pytest.approx(3.0)
    assert _from_isometry(2 * np.swapaxes(q, 1, 2), -2, 2) == pytest.approx(3.0)
    assert _from_isometry(np.stack([2 * q[0], q[1]]), -1, 2) == pytest.approx(3.0 / 2**0.5)
    assert _from_isometry(q.reshape(2, 2, 3, 3), -1, 3) == pytest.approx(0.0, abs=1e-14)


def test_distances_from_a_diagonal_count_above_the_floor():
    values = np.asarray([2.0, 1.0, 2.0 * FLOOR, 0.0])
    gram = np.diag(values)
    assert _from_diagonal(gram, values) == 0.0
    gram[0, 1] = 0.5
    assert _from_diagonal(gram, values) == 0.25
    gram[0, 1], gram[3, 3], gram[2, 2] = 0.0, 0.5, 0.7  # at and below it, factors hold the floor instead
    assert _from_diagonal(gram, values) == 0.0
    assert _from_diagonal(np.eye(2), np.zeros(2)) == 0.0


# ---- slopes ---------------------------------------------------------------------------------------------------------


def test_a_step_of_the_only_factor_moves_w_as_its_gradient_says():
    w, slope = np.asarray([[1.0, 2.0], [3.0, 4.0]]), np.asarray([[0.0, 1.0], [1.0, 0.0]])
    assert _descent(case(ALONE), only(w), w, slope) == pytest.approx(1.0)
    assert _descent(case(ALONE), only(0 * w), 0 * w, slope) == pytest.approx(1.0)
    dead = tn.LowRank(2, 2)
    assert _descent(case(dead), [0 * w, 0 * w], 0 * w, slope) == 0.0


@pytest.mark.parametrize(("enough", "left"), [(0.3, 1 / 4), (0.07, 1 / 16), (1 / 16, 1 / 64), (0.05, 1 / 64)])
def test_descent_halves_the_error_of_the_only_factor_until_that_is_enough(enough, left):
    """Steps of half the gradient; enough is less than `enough`, not as much."""
    target = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert _descend(ALONE, only(0 * target), target, enough=enough) == pytest.approx(left, rel=1e-12)


def test_descent_takes_shorter_steps_where_factors_are_large():
    """W = u v of 1 × 1 from 8 · 8 towards 1: half the gradient would lead to 63,000."""
    one = np.ones((1, 1))
    assert _descend(tn.LowRank(1, 1), [8 * one, 8 * one], one, enough=1e-3) < 1e-3


def test_the_best_step_of_the_only_factor_takes_all_of_the_error_off():
    """cos² of the angle between what is missed and what a step can change: of the wrong half of it, a half."""
    w = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert _gain(case(ALONE), only(0 * w), w, 0) == pytest.approx(1.0)
    assert _gain(case(ALONE), only(w), w, 0) == 0.0
    pair = tn.LowRank(2, 2, 1)  # u sees the first column alone
    factors = (np.zeros((2, 1)), np.asarray([[1.0, 0.0]]))
    assert _gain(case(pair), factors, np.asarray([[3.0, 4.0], [0.0, 0.0]]), 0) == pytest.approx(9 / 25)


# ---- gauges ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orthogonal", [True, False])
def test_random_gauges(orthogonal):
    """Of U V with U = V = 1 they are G and G⁻¹: orthogonal, or with singular values between ½ and 2."""
    fmt = tn.LowRank(5, 5)
    found = [random_gauge(fmt, [np.eye(5), np.eye(5)], orthogonal=orthogonal, seed=s) for s in (0, 0, 1)]
    for g, inverse in found:
        np.testing.assert_allclose(g @ inverse, np.eye(5), atol=1e-12)
        values = np.linalg.svd(g, compute_uv=False)
        assert np.allclose(values, 1.0) if orthogonal else 0.5 <= values.min() < values.max() <= 2.0
    assert np.array_equal(found[0][0], found[1][0])
    assert not np.allclose(abs(found[0][0]), abs(found[2][0]))


def test_blocks_have_gauges_of_their_own():
    fmt = tn.BlockTensorTrain((2, 3), (3, 2))
    factors = case(fmt).factors()
    moved = random_gauge(fmt, factors, orthogonal=False)
    np.testing.assert_allclose(fmt.contract(moved), fmt.contract(factors), atol=1e-12)
    assert all(not np.allclose(a, b) for a, b in zip(moved, factors, strict=True))


# ---- counting -------------------------------------------------------------------------------------------------------


def test_operations_by_hand():
    """(2, 3) by (3, 4): 48 operations; 6, 12 and 8 elements moved, all three alive until their last view is gone."""
    tally = _counting.Tally()
    a, b = tally.arrays([(2, 3), (3, 4)])
    assert (tally.alive, tally.peak, tally.flops, tally.moved) == (18, 18, 0, 0)
    c = tally.matmul(a, b)
    assert (c.shape, tally.flops, tally.moved, tally.alive, tally.peak) == ((2, 4), 48, 26, 26, 26)
    view = tally.matrix_transpose(c)
    del a, b, c
    assert (tally.alive, tally.peak) == (8, 26)
    assert (view.shape, view.strides) == ((4, 2), (1, 4))
    del view
    assert tally.alive == 0


def test_reshapes_copy_where_no_strides_would_do():
    tally = _counting.Tally()
    x = tally.new((2, 3, 4))
    assert x.strides == (12, 4, 1)
    assert tally.reshape(x, (6, -1)).strides == (4, 1)
    assert tally.reshape(x, (2, 1, 2, 6)).shape == (2, 1, 2, 6)
    assert tally.moved == 0
    swapped = tally.permute_dims(x, (1, 0, 2))
    assert tally.reshape(swapped, (3, 2, 2, 2)).strides == (4, 12, 2, 1)
    assert tally.moved == 0
    assert tally.reshape(swapped, (6, 4)).strides == (4, 1)
    assert tally.moved == 2 * 24
    for shape in ((5, 5), (7, -1)):
        with pytest.raises(ValueError, match="cannot reshape"):
            tally.reshape(x, shape)


def test_matrices_without_a_unit_stride_are_copied_first():
    tally = _counting.Tally()
    x = tally.permute_dims(tally.new((2, 3, 4)), (2, 0, 1))  # strides 1, 12, 4
    tally.matmul(x, tally.new((4, 3, 5)))
    assert tally.moved == 2 * 24 + 24 + 60 + 40
    assert tally.flops == 2 * 4 * 2 * 3 * 5
    for shape in ((4, 2, 5), (3, 3, 5)):
        with pytest.raises(ValueError, match="cannot multiply"):
            tally.matmul(x, tally.new(shape))


# ---- formats that cannot be resized ---------------------------------------------------------------------------------


def test_what_cannot_be_resized_is_let_off_unless_there_is_nothing_to_cut():
    stiff = type("Stiff", (tn.LowRank,), {"name": "stiff", "resized": tn.Format.resized})
    rigid = type("Rigid", (tn.MPO,), {"name": "rigid", "resized": tn.Format.resized})
    for law in ("the error of a truncation is within its bound", "truncation at the same bonds loses nothing"):
        assert BY_LAW[law].check(case(stiff(4, 6))) == "does not apply: the format has no resized"
        assert BY_LAW[law].check(case(rigid((4,), (3,)))) == "holds"
