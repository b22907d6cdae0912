"""assert_gauge_invariant: what a loss may see of factors."""

import numpy as np
import pytest

import tensornet as tn
from tensornet.testing import LawError, assert_gauge_invariant
from tensornet.testing._gauge_invariance import KINDS, random_gauge, regauged

FORMATS = [tn.MPO((2, 2, 3), (2, 3, 2)), tn.MPO((2, 2, 3), (2, 3, 2), bonds=(2, 3)), tn.LowRank(5, 4, 3)]


def factors_of(fmt):
    rng = np.random.default_rng(0)
    return [rng.normal(size=s) for s in fmt.shapes]


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_other_gauges_are_of_the_same_matrix(fmt):
    factors = factors_of(fmt)
    others = list(regauged(fmt, factors))
    assert len(others) == 5
    for _, moved in others:
        np.testing.assert_allclose(fmt.contract(moved), fmt.contract(factors), rtol=1e-10, atol=1e-10)
        assert any(np.abs(a - b).max() > 0.1 for a, b in zip(moved, factors, strict=True))


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_a_loss_of_the_matrix_passes(fmt, library):
    factors = [library.xp.asarray(f) for f in factors_of(fmt)]
    assert_gauge_invariant(lambda f: library.xp.sum(fmt.contract(f) ** 2), fmt, factors)


def norm(factors):
    return sum((f**2).sum() for f in factors)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "orthogonal"])
def test_the_norm_of_raw_factors_fails(kind):
    fmt = FORMATS[0]
    with pytest.raises(LawError, match=r"needed the same within .* because both are the same matrix; compare"):
        assert_gauge_invariant(norm, fmt, factors_of(fmt), kinds=[kind])


def test_orthogonal_gauges_keep_the_norm():
    fmt = FORMATS[0]
    assert_gauge_invariant(norm, fmt, factors_of(fmt), kinds=["orthogonal"])
    with pytest.raises(LawError):
        assert_gauge_invariant(lambda f: f[0].sum(), fmt, factors_of(fmt), kinds=["orthogonal"])


def test_a_nan_loss_fails():
    with pytest.raises(LawError, match="nan"):
        assert_gauge_invariant(lambda f: np.nan, FORMATS[0], factors_of(FORMATS[0]))


def test_gauges_follow_the_seed():
    fmt, factors = FORMATS[2], factors_of(FORMATS[2])
    one, same, other = (random_gauge(fmt, factors, orthogonal=False, seed=s) for s in (0, 0, 1))
    assert np.array_equal(one[0], same[0])
    assert not np.array_equal(one[0], other[0])


def test_gauges_that_a_format_lacks_are_left_out():
    class OnlyBalanced(tn.LowRank):
        def _fill(self, w, gauge):
            if gauge != "balanced":
                raise tn.TensorNetError("OnlyBalanced: unknown gauge; take 'balanced'")
            return super()._fill(w, gauge)

    fmt = OnlyBalanced(5, 4)
    kinds = [kind for kind, _ in regauged(fmt, factors_of(fmt))]
    assert kinds == ["orthogonal", "invertible", "decompose(gauge='balanced')"]


def test_other_refusals_are_not_swallowed():
    class Broken(tn.LowRank):
        def _fill(self, w, gauge):
            raise tn.TensorNetError("Broken: out of order; mend it")

    with pytest.raises(tn.TensorNetError, match="out of order"):
        list(regauged(Broken(5, 4), factors_of(tn.LowRank(5, 4))))
