"""Certificates where factors are much larger than what they add up to: rounding is of their size, not of the weight's."""

import math
from fractions import Fraction

import jax
import numpy as np
import pytest
import torch

import tensornet as tn

LOW = tn.LowRank(6, 6, 2)
LONG = tn.MPO((2,) * 5, (2,) * 5, (2,) * 4)
UNIT = tn.MPO((4, 1, 1, 4), (4, 1, 1, 4), (2,) * 3)
BLOCKS = tn.BlockTensorTrain((2, 3), (3, 2))
FORMATS = [LOW, LONG, UNIT, tn.Tucker((2, 3), (3, 2)), BLOCKS]
LOOPS = [tn.CP((3,), (3,), 2, (3,)), tn.TensorRing((2, 2), (2, 2), 2)]


def exact(fmt, factors):
    """The matrix or tensor that floats contract to, in rational numbers."""
    network, letters = fmt.network, {}
    names = [
        "".join(letters.setdefault(i, chr(97 + len(letters))) for i in f) for f in (*network.factors, network.output)
    ]
    arrays = [np.vectorize(lambda x: Fraction(float(x)), otypes=[object])(np.asarray(f)) for f in factors]
    made, subscript = arrays[0], names[0]
    for k, (array, name) in enumerate(zip(arrays[1:], names[1:-1], strict=True), start=1):
        later = set("".join(names[k + 1 :]))
        kept = "".join(i for i in dict.fromkeys(subscript + name) if i in later)
        made = np.einsum(f"{subscript},{name}->{kept}", made, array)
        subscript = kept
    return np.einsum(f"{subscript}->{names[-1]}", made)


def true_error(fmt, factors, made):
    want, found = exact(fmt, factors), exact(made.format, made.factors)
    return math.sqrt(((found - want) ** 2).sum() / (want**2).sum())


def cancelling(fmt, s, seed=0):
    """Factors of which each bond's first two slices cancel but for s: (…, t, …) and (…, −t + s·p, …) on one side, and on the
    other (…, u, …) and (…, u + s·q, …).
    """
    rng = np.random.default_rng(seed)
    factors = [rng.standard_normal(shape) for shape in fmt.shapes]
    for bond in fmt.network.summed:
        sign = -1.0
        for x, indices in zip(factors, fmt.network.factors, strict=True):
            if bond in indices and x.shape[axis := indices.index(bond)] > 1:
                y = np.moveaxis(x, axis, 0)
                y[1] = sign * y[0] + s * y[1]
                sign = 1.0
    return factors


@pytest.mark.parametrize("s", [1e-1, 1e-3, 1e-6])
@pytest.mark.parametrize("fmt", [*FORMATS, *LOOPS], ids=str)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_bound_holds(library, fmt, s):
    for dtype in ("float64", "float32"):
        convert = torch.as_tensor if library == "torch" else np.asarray
        factors = [convert(f.astype(dtype)) for f in cancelling(fmt, s)]
        made = tn.truncate(fmt, factors, to=fmt)
        assert true_error(fmt, factors, made) <= float(made.bound)


@pytest.mark.parametrize("s", [1e-1, 1e-3])
@pytest.mark.parametrize("fmt", [LOW, LONG], ids=str)
def test_bound_holds_in_float32_alone(fmt, s):
    with jax.enable_x64(False):
        factors = [jax.numpy.asarray(f.astype("float32")) for f in cancelling(fmt, s)]
        made = tn.truncate(fmt, factors, to=fmt)
        assert true_error(fmt, factors, made) <= float(made.bound)


@pytest.mark.parametrize("s", [1e-10, 1e-14, 1e-15, 0.0])
def test_where_next_to_nothing_is_left(s):
    """Down to where the weight is lost in rounding, of which nothing can be said."""
    for seed in range(5):
        u, v = cancelling(LOW, s, seed)
        made = tn.truncate(LOW, (u, v), to=LOW)
        if s:
            assert true_error(LOW, (u, v), made) <= made.bound
        assert (made.bound > 0.1) == (s < 1e-12)


@pytest.mark.parametrize(("goal", "most"), [(1e-4, 1e-1), (1e-3, 1e-2), (3e-2, 1e-3)])
def test_eps_is_kept_or_refused(goal, most):
    """most: the least s at which float32 can promise it, to a factor of ten."""
    with jax.enable_x64(False):
        for s in (1.0, 1e-1, 1e-2, 1e-3, 1e-4):
            factors = [jax.numpy.asarray(f.astype("float32")) for f in cancelling(LOW, s)]
            if s < most:
                with pytest.raises(tn.TensorNetError, match="for factors that cancel as these do; allow more"):
                    tn.truncate(LOW, factors, eps=goal)
            else:
                made = tn.truncate(LOW, factors, eps=goal)
                assert true_error(LOW, factors, made) <= float(made.bound) <= goal


def test_constructive_before_cancelling():
    """A bond along which all terms are alike, next to one along which they cancel: the second sees the sum of the first."""
    d, s, rng = 8, 1e-6, np.random.default_rng(0)
    fmt = tn.MPO((4, 2, 4), (4, 2, 4), (d, 2))
    t, middle = rng.standard_normal((1, 4, 4, 1)), rng.standard_normal((1, 2, 2, 1))
    pair = np.concatenate([middle, -middle + s * rng.standard_normal(middle.shape)], axis=-1)
    last = rng.standard_normal((1, 4, 4, 1))
    factors = [
        np.repeat(t, d, axis=-1),
        np.repeat(pair, d, axis=0),
        np.concatenate([last, last + s * rng.standard_normal(last.shape)], axis=0),
    ]
    factors = [f.reshape(shape) for f, shape in zip(factors, fmt.shapes, strict=True)]
    made = tn.truncate(fmt, factors, to=fmt)
    assert true_error(fmt, factors, made) <= made.bound
    # what the sum over the first bond is as long as, 8 of 1, not the √8 of 8 terms at right angles
    single = [f[..., :1] if k == 0 else f[:1] if k == 1 else f for k, f in enumerate(factors)]
    alone = tn.truncate(fmt.resized({"d1": 1}), [single[0], d * single[1], single[2]], to=fmt.resized({"d1": 1}))
    assert made.bound == pytest.approx(float(alone.bound), rel=1e-6)


@pytest.mark.parametrize("gauge", ["balanced", "left", "right", "mixed", "identity"])
@pytest.mark.parametrize(
    "fmt", [tn.LowRank(6, 6), tn.MPO((2,) * 5, (2,) * 5), tn.MPO((4, 1, 1, 4), (4, 1, 1, 4)), BLOCKS], ids=str
)
def test_no_more_than_before_for_factors_that_do_not_cancel(fmt, gauge):
    """In every gauge of decompose the terms of each bond are orthogonal: the noise is that of a weight of its size."""
    w = np.random.default_rng(0).standard_normal(fmt.shape)
    made = tn.truncate(fmt, fmt.decompose(w, gauge=gauge), to=fmt)
    usual = tn.approximate(fmt, w, to=fmt)
    assert made.bound == pytest.approx(float(usual.bound), rel=1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_no_scale_of_a_bond_counts(scale):
    """T₁ ← T₁ D, T₂ ← D⁻¹ T₂ with a diagonal D changes no rounding."""
    u, v = tn.LowRank(6, 6).decompose(np.random.default_rng(0).standard_normal((6, 6)))
    by = np.asarray([1.0, scale, 1.0, scale, 1.0, scale])
    bounds = [float(tn.truncate(tn.LowRank(6, 6), f, max_bond=6).bound) for f in ((u, v), (u * by, v / by[:, None]))]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-6)
    with jax.enable_x64(False):
        small = [jax.numpy.asarray(f.astype("float32")) for f in (u * by, v / by[:, None])]
        assert float(tn.truncate(tn.LowRank(6, 6), small, max_bond=6).bound) < 1e-4


def test_same_in_jit_and_vmap():
    stack = [np.stack([a, b]) for a, b in zip(cancelling(LOW, 1e-3), cancelling(LOW, 1e-6), strict=True)]
    want = tn.truncate(LOW, stack, to=LOW).bound
    assert want[1] > 100 * want[0]

    def bound(factors):
        return tn.truncate(LOW, factors, to=LOW).bound

    arrays = [jax.numpy.asarray(f) for f in stack]
    for found in (jax.jit(jax.vmap(bound))(arrays), torch.vmap(bound)([torch.as_tensor(f) for f in stack])):
        np.testing.assert_allclose(np.asarray(found), want, rtol=1e-3)
