"""CP, Tucker and tensor rings, beyond what the laws say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import split_shapes, tuckers

import tensornet as tn


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def error(fmt, w, **options):
    return np.linalg.norm(fmt.contract(fmt.decompose(w, **options)) - w) / np.linalg.norm(w)


def unfolded(x, mode):
    return np.moveaxis(x, mode, 0).reshape(x.shape[mode], -1)


# ---- the formulas, by einsum ----------------------------------------------------------------------------------------


def test_cp_is_its_formula():
    fmt = tn.CP((4,), (5,), 3, (2, 3))
    a, b, c, d = fmt.sample(np.random.default_rng(0).standard_normal)
    np.testing.assert_allclose(fmt.contract((a, b, c, d)), np.einsum("ir,jr,kr,lr->ijkl", a, b, c, d))


def test_tucker_is_its_formula():
    fmt = tn.Tucker((4,), (5,), (2, 3, None, 2), (2, 3))
    u, v, y, g = fmt.sample(np.random.default_rng(0).standard_normal)
    assert [x.shape for x in (u, v, y, g)] == [(4, 2), (5, 3), (3, 2), (2, 3, 2, 2)]
    np.testing.assert_allclose(fmt.contract((u, v, y, g)), np.einsum("ia,jb,lc,abkc->ijkl", u, v, y, g))


def test_ring_is_its_formula():
    fmt = tn.TensorRing((2, 3), (4, 2), 3, (4, 2), kernel=(2, 3))
    a, b, c = fmt.sample(np.random.default_rng(0).standard_normal)
    want = np.einsum("aijb,bklc,cmna->ikjlmn", a, b, c).reshape(6, 8, 2, 3)
    np.testing.assert_allclose(fmt.contract((a, b, c)), want)


# ---- exactness ------------------------------------------------------------------------------------------------------


@given(shape=split_shapes(entries=100, modes=5), seed=st.integers(0, 99))
def test_full_cp_and_tucker_are_exact(shape, seed):
    rows, cols, kernel = shape
    for fmt in (tn.CP(rows, cols, kernel=kernel), tn.Tucker(rows, cols, kernel=kernel)):
        w = random(*fmt.shape, seed=seed)
        assert fmt.exact
        assert not fmt.iterative
        assert error(fmt, w) < 1e-13
        if fmt.name == "tucker" or len(fmt.modes) > 2:
            np.testing.assert_array_equal(fmt.contract(fmt.decompose(w, gauge="identity")), w)


@given(shape=split_shapes(entries=100, modes=5), seed=st.integers(0, 99), data=st.data())
def test_full_rings_are_exact(shape, seed, data):
    n = max(len(shape[0]), len(shape[1]))
    rows, cols = ((*modes, *(1,) * (n - len(modes))) for modes in shape[:2])
    if n == 1 and not shape[2]:
        rows, cols = (*rows, 1), (1, *cols)
    first = tn.TensorRing(rows, cols, kernel=shape[2])
    rank = first.ring * first.bonds[0]
    ring = data.draw(st.sampled_from([r for r in range(1, rank + 1) if rank % r == 0]))
    fmt = tn.TensorRing(rows, cols, ring, kernel=shape[2])
    w = random(*fmt.shape, seed=seed)
    assert fmt.exact
    assert error(fmt, w) < 1e-13
    np.testing.assert_array_equal(fmt.contract(fmt.decompose(w, gauge="identity")), w)


def test_a_smaller_bond_is_not_exact():
    full = tn.TensorRing((2, 2, 2), (2, 2, 2))
    assert full.ring * full.bonds[0] == 4
    assert not tn.TensorRing(full.rows, full.cols, full.ring, (full.bonds[0], full.bonds[1] - 1)).exact
    assert not tn.CP((2, 2), (4,), 3).exact


# ---- as good as theory asks -----------------------------------------------------------------------------------------


def test_cp_of_two_modes_is_the_svd():
    w = random(9, 7)
    values = np.linalg.svd(w, compute_uv=False)
    assert error(tn.CP((9,), (7,), 3), w) == pytest.approx(math.sqrt(sum(values[3:] ** 2) / sum(values**2)))


@given(fmt=tuckers(), seed=st.integers(0, 99))
def test_tucker_is_within_the_bound_of_the_higher_order_svd(fmt, seed):
    """error² ≤ Σ_k of the squares cut off each unfolding (De Lathauwer et al. 2000, eq. 24), and ≥ the largest of them."""
    w = random(*fmt.shape, seed=seed)
    tensor = w.reshape(fmt.modes)
    cut = [np.sum(np.linalg.svd(unfolded(tensor, k), compute_uv=False)[fmt.ranks[k] :] ** 2) for k in fmt.compressed]
    missed = np.linalg.norm(fmt.contract(fmt.decompose(w)) - w) ** 2
    assert max(cut, default=0.0) - 1e-12 <= missed <= sum(cut) + 1e-12


def test_hooi_improves_on_the_sequential_svd(monkeypatch):
    fmt, w = tn.Tucker((6,), (5,), (2, 2, 2), (4,)), random(6, 5, 4)
    refined = error(fmt, w)
    monkeypatch.setattr("tensornet.formats._tucker.SWEEPS", 0)
    assert refined < error(fmt, w) - 1e-4


def test_tucker_factors_are_isometries_in_the_mixed_gauge():
    fmt = tn.Tucker((6,), (5,), (3, 2, None), (4,))
    u, v, _ = fmt.decompose(random(6, 5, 4), gauge="mixed")
    for x in (u, v):
        np.testing.assert_allclose(x.T @ x, np.eye(x.shape[1]), atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_a_cp_kernel_of_low_rank_is_found(rank):
    fmt = tn.CP((8,), (6,), rank, (3, 3))
    w = fmt.contract(fmt.sample(np.random.default_rng(rank).standard_normal))
    assert tn.fit(fmt, w).error < 1e-10


def test_more_rank_is_nearer():
    w = random(6, 6, 3, 3)
    errors = [float(tn.fit(tn.CP((6,), (6,), r, (3, 3)), w, sweeps=60).error) for r in (1, 3, 6, 12)]
    assert errors == sorted(errors, reverse=True)


def test_cp_columns_are_of_one_norm():
    for fmt in (tn.CP((4,), (5,), 3, (3,)), tn.CP((2, 3), (4,))):
        factors = fmt.decompose(random(*fmt.shape))
        norms = [np.linalg.norm(f, axis=0) for f in factors]
        for n in norms[1:]:
            np.testing.assert_allclose(n, norms[0], rtol=1e-6)


# ---- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [tn.CP, tn.Tucker, tn.TensorRing])
@pytest.mark.parametrize("shape", [(12, 8), (12, 8, 3, 3)])
def test_for_shape_keeps_its_budget(cls, shape):
    split = {"cores": 2} if cls is tn.TensorRing else {"modes": 2}
    full = cls.for_shape(shape, **split)
    assert full.shape == shape
    assert full.exact
    for budget in (60, 200, 700):
        fmt = cls.for_shape(shape, num_params=budget, **split)
        assert fmt.num_params <= budget
        assert fmt.shape == shape
    assert cls.for_shape(shape, rank=10**6, **split) == full
    assert cls.for_shape(shape, scale=0.3, **split).scale <= 0.3


def test_for_shape_pads_primes():
    fmt = tn.CP.for_shape((13, 8), modes=2, rank=3, pad=True)
    assert fmt.shape == (13, 8)
    assert fmt.iterative
    assert fmt.contract(fmt.decompose(random(13, 8))).shape == (13, 8)


def test_a_kernel_stays_on_the_core_unless_told():
    assert tn.Tucker.for_shape((8, 6, 3, 3), rank=4).ranks == (4, 4, None, None)
    assert tn.Tucker.for_shape((8, 6, 3, 3), rank=4, whole_kernel=False).ranks == (4, 4, 3, 3)


def test_resized():
    assert tn.CP((4,), (5,), 3, (2,)).resized({"r": 2}).rank == 2
    assert tn.Tucker((4,), (5,), (3, None)).resized({"r0": 2}).ranks == (2, None)
    assert tn.TensorRing((2, 2), (3, 2), 2, (3,)).resized({"d0": 1, "d1": 2}) == tn.TensorRing((2, 2), (3, 2), 1, (2,))


def test_regauge_of_a_search_keeps_the_matrix():
    fmt = tn.TensorRing((2, 2, 2), (2, 3, 2), 2, (2, 2))
    factors = fmt.sample(np.random.default_rng(0).standard_normal)
    again = fmt.regauge([100 * factors[0], *factors[1:]], "balanced")
    np.testing.assert_allclose(fmt.contract(again), 100 * fmt.contract(factors), rtol=1e-12)
    assert np.linalg.norm(again[0]) == pytest.approx(np.linalg.norm(again[1]))
