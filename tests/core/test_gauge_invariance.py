"""assert_gauge_invariant: what a loss may see of factors."""

import numpy as np
import pytest

import tensornet as tn
from tensornet._unfold import along
from tensornet.testing import LAWS, LawError, assert_gauge_invariant
from tensornet.testing._case import Case
from tensornet.testing._gauge_invariance import KINDS, random_gauge, regauged

ROTATIONS = next(law for law in LAWS if law.name == "alignment undoes rotations")
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


COMPLEX = [tn.MPO((2, 2, 3), (2, 3, 2)), tn.LowRank(5, 4, 3), tn.Kronecker((2, 3), (3, 2))]


@pytest.mark.parametrize("orthogonal", [True, False])
def test_gauges_of_complex_factors_are_complex(orthogonal):
    """Of U V with U = V = 1 they are G and G⁻¹."""
    for size in (1, 5):
        eye = np.eye(size, dtype=complex)
        g, inverse = random_gauge(tn.LowRank(size, size), [eye, eye], orthogonal=orthogonal)
        np.testing.assert_allclose(g @ inverse, eye, atol=1e-12)
        values = np.linalg.svd(g, compute_uv=False)
        assert np.allclose(values, 1.0) if orthogonal else 0.5 <= values.min() <= values.max() <= 2.0
        assert abs(g.imag).max() > 0.1


@pytest.mark.parametrize("fmt", COMPLEX, ids=str)
def test_a_conjugation_that_alignment_forgets_is_caught(fmt, monkeypatch):
    case = Case(fmt, np, np.complex64)
    assert ROTATIONS.check(case) == "holds"

    def unconjugated(self, k):
        factor, n = self.teacher[k], len(self.factors[k])
        for axis, index in enumerate(self.factors[k]):
            if index in self.rotation:
                factor = along(factor, axis - n, n, self.rotation[index])
        return factor

    monkeypatch.setattr("tensornet.alignment._procrustes._Turns._rotate", unconjugated)
    with pytest.raises(LawError, match="alignment undoes rotations"):
        ROTATIONS.check(case)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("fmt", [tn.CP((4,), (4,), 2, (3,)), tn.CP((2, 2), (3,), 1)], ids=str)
def test_an_index_of_many_factors_is_scaled_and_permuted(fmt, dtype):
    """It is no bond: a G on one side of it has no inverse on the others."""
    factors = [f.astype(dtype) for f in factors_of(fmt)]
    others = dict(regauged(fmt, factors))
    assert set(others) == {"orthogonal", "invertible", "decompose(gauge='balanced')"}
    for moved in others.values():
        np.testing.assert_allclose(fmt.contract(moved), fmt.contract(factors), rtol=1e-10, atol=1e-10)
        assert any(np.abs(a - b).max() > 0.05 for a, b in zip(moved, factors, strict=True))
    for a, b in zip(others["orthogonal"], factors, strict=True):
        np.testing.assert_allclose(np.sort(np.linalg.norm(a, axis=0)), np.sort(np.linalg.norm(b, axis=0)))
        assert dtype is float or np.abs(a.imag).max() > 0.1
    assert_gauge_invariant(lambda f: np.real((np.abs(fmt.contract(f)) ** 2).sum()), fmt, factors)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_of_raw_entries_of_cp_fails(kind):
    fmt = tn.CP((4,), (4,), 2, (3,))
    with pytest.raises(LawError):
        assert_gauge_invariant(lambda q: q[0][0, 0] + q[1][1, 0] ** 3, fmt, factors_of(fmt), kinds=[kind])


@pytest.mark.parametrize("seed", range(6))
def test_a_sign_is_drawn_until_it_is_another(seed):
    for fmt in (tn.LowRank(1, 1), tn.TensorRing((1, 1), (1, 1))):
        factors = factors_of(fmt)
        moved = random_gauge(fmt, factors, orthogonal=True, seed=seed)
        assert not all(np.array_equal(a, b) for a, b in zip(moved, factors, strict=True))


def test_where_nothing_moves_nothing_is_said():
    fmt = tn.MPO((4,), (3,))
    with pytest.raises(
        tn.TensorNetError, match="none of the gauges of kinds orthogonal moves these factors, needed one"
    ):
        assert_gauge_invariant(lambda f: f[0][0, 0, 0, 0], fmt, factors_of(fmt), kinds=["orthogonal"])
    with pytest.raises(tn.TensorNetError, match="of kinds none moves"):
        assert_gauge_invariant(norm, FORMATS[0], factors_of(FORMATS[0]), kinds=[])
