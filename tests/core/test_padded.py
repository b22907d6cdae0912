"""Padding never shows, whatever training makes of it; and tables of embeddings, for which it is there."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import BY_NAME

import tensornet as tn
from tensornet.formats import Padded
from tensornet.testing._gauge_invariance import random_gauge

PADDED = {
    "MPO": tn.MPO.for_shape((7, 5), cores=3, pad=True),
    "few bonds": tn.MPO.for_shape((11, 7), cores=2, pad=True, rank=3),
    "Kronecker": tn.Kronecker.for_shape((7, 5), left=(2, 3), pad=True),
    "blocks": tn.BlockTensorTrain.for_shape((7, 5), rank=2, pad=True),
    "Monarch": tn.Monarch.for_shape((7, 5), pad=True),
    "kernel": tn.ConvMPO.for_shape((5, 7, 3, 2), rank=3, pad=True),
    "rows alone": Padded(tn.LowRank(8, 6), (5, 6)),
    "cols alone": Padded(tn.LowRank(8, 6), (8, 5)),
    "a corner of one": Padded(tn.MPO((2, 2), (2, 3)), (1, 1)),
}
MUCH = {  # more than a digit of an index lies in the padding
    "MPO": Padded(tn.MPO((4, 2), (3, 2)), (6, 4)),
    "few bonds": Padded(tn.MPO((4, 2), (3, 2), (2,)), (5, 6)),
    "Kronecker": Padded(tn.Kronecker((4, 3), (2, 2)), (5, 4)),
    "blocks": Padded(tn.BlockTensorTrain((4, 2), (2, 3), 2), (6, 3)),
    "Monarch": Padded(tn.Monarch((4, 2), (2, 3)), (6, 3)),
    "kernel": Padded(tn.ConvMPO((3, 2), (4, 2), (3, 2), (3, 3)), (4, 4, 3, 2)),
    "rows alone": PADDED["rows alone"],
    "cols alone": PADDED["cols alone"],
}
ALL = pytest.mark.parametrize("fmt", PADDED.values(), ids=PADDED)


def trained(fmt, *lead, seed=0):
    """Factors whose padding is far from zero, as an optimiser may leave them."""
    rng = np.random.default_rng(seed)
    factors = [rng.normal(size=(*lead, *s)) for s in fmt.shapes]
    whole = fmt.inner.contract(factors).reshape(*lead, *fmt.network.shape)
    rows, cols = fmt.matrix_shape
    assert np.abs(whole[..., rows:, :]).max(initial=0) + np.abs(whole[..., cols:]).max(initial=0) > 0.1
    return factors


def corner(fmt, whole):
    out, in_, *_ = fmt.shape
    return whole[..., :out, :in_] if len(fmt.shape) == 2 else whole[:out, :in_]


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10 * (np.abs(want).max(initial=0) or 1.0))


@ALL
def test_contract_and_lookup_are_of_the_corner(fmt):
    factors = trained(fmt)
    w = fmt.contract(factors)
    assert w.shape == fmt.shape == fmt.size
    close(w, corner(fmt, fmt.inner.contract(factors)))
    close(fmt.lookup(factors, np.arange(fmt.shape[0])), w)
    stack = fmt.contract(trained(fmt, 2))
    assert stack.shape == (2, *fmt.shape)


@ALL
def test_apply_neither_reads_nor_writes_the_padding(fmt):
    factors = trained(fmt)
    w = fmt.contract(factors).reshape(fmt.matrix_shape)
    for batch in (0, 1, 3, 200):  # both ways round
        x = np.random.default_rng(1).normal(size=(batch, fmt.matrix_shape[1]))
        close(fmt.apply(factors, x), x @ w.T)


@ALL
def test_pullback_is_that_of_a_gradient_without_padding(fmt):
    """⟨dL/dT_k, D⟩ is how L = ⟨G, W⟩, of the corner W, changes along D."""
    factors = trained(fmt)
    gradient = np.random.default_rng(2).normal(size=fmt.shape)
    for k, pulled in enumerate(fmt.pullback(factors, gradient)):
        step = np.random.default_rng(k).normal(size=fmt.shapes[k])
        moved = fmt.contract([*factors[:k], step, *factors[k + 1 :]])  # W is linear in each factor
        close(np.sum(pulled * step), np.sum(gradient * moved))


@ALL
def test_decompose_and_regauge_begin_anew_with_zeros(fmt):
    """The padding of fresh factors is zero, as far as their bonds allow to say so."""
    factors = trained(fmt)
    w = fmt.contract(factors)
    if fmt.exact:
        fresh = fmt.regauge(factors, "balanced")
        close(fmt.contract(fresh), w)
        whole = fmt.inner.contract(fresh)
        assert np.linalg.norm(whole) == pytest.approx(np.linalg.norm(w), rel=1e-10)


@ALL
def test_distance_and_norm_are_of_the_corner(fmt):
    a, b = trained(fmt, seed=0), trained(fmt, seed=1)
    gap = np.linalg.norm(fmt.contract(a) - fmt.contract(b))
    assert float(tn.distance(fmt, a, fmt, b)) == pytest.approx(gap, rel=1e-10)
    assert float(tn.norm(fmt, a)) == pytest.approx(np.linalg.norm(fmt.contract(a)), rel=1e-10)
    dense = fmt.contract(b)
    if dense.ndim == 2:
        plain = tn.LowRank.for_shape(fmt.shape)
        assert float(tn.distance(fmt, a, plain, plain.decompose(dense))) == pytest.approx(gap, rel=1e-10)


@pytest.mark.parametrize("fmt", MUCH.values(), ids=MUCH)
@pytest.mark.parametrize("gauge", ["procrustes", "invariant"])
def test_alignment_does_not_see_the_teachers_padding(fmt, gauge):
    """Two teachers of one weight, one with other padding and in another gauge, are one and the same teacher."""
    clean = trained(fmt)
    dirty = _with_other_padding(fmt, clean)
    close(fmt.contract(dirty), fmt.contract(clean))
    assert np.abs(fmt.inner.contract(dirty) - fmt.inner.contract(clean)).max() > 0.1
    student = fmt.decompose(fmt.contract(trained(fmt, seed=3)))
    loss = [float(tn.align(fmt, student, random_gauge(fmt, t, orthogonal=False), gauge=gauge)) for t in (clean, dirty)]
    assert loss[1] == pytest.approx(loss[0], rel=1e-6)
    if gauge == "invariant":
        moved = float(tn.align(fmt, _with_other_padding(fmt, student), clean, gauge=gauge))
        assert moved == pytest.approx(loss[0], rel=1e-6)


def _with_other_padding(fmt, factors):
    """The same corner; where a factor's own index reaches into the padding, other numbers."""
    rng, network = np.random.default_rng(7), fmt.network
    for group, size, whole in zip((network.rows, network.cols), fmt.matrix_shape, network.shape, strict=True):
        first = next((i for i in group if network.size[i] > 1), None)
        if size == whole or first is None:
            continue
        used = -(-size * network.size[first] // whole)  # digits of `first` that the corner needs
        k = next(k for k, f in enumerate(network.factors) if first in f)
        axis = network.factors[k].index(first)
        changed = np.moveaxis(factors[k].copy(), axis, 0)
        changed[used:] = rng.normal(size=changed[used:].shape)
        factors = [*factors[:k], np.moveaxis(changed, 0, axis), *factors[k + 1 :]]
    return factors


@pytest.mark.parametrize("fmt", MUCH.values(), ids=MUCH)
def test_truncation_answers_for_the_corner(fmt):
    """Its bound, error and result speak of the weight; the padding may be whatever it was."""
    factors = trained(fmt)
    w = fmt.contract(factors)
    for goal in ({"max_bond": 1}, {"eps": 0.5}):
        cut = tn.truncate(fmt, factors, **goal)
        assert cut.format.shape == fmt.shape
        lost = np.linalg.norm(w - cut.format.contract(cut.factors)) / np.linalg.norm(w)
        assert float(cut.error) == pytest.approx(lost, rel=1e-6, abs=1e-12)
        assert lost <= float(cut.bound) * (1 + 1e-9) + 1e-12
        assert lost <= goal.get("eps", np.inf)


@ALL
def test_plain_data_and_resizing_keep_the_corner(fmt):
    assert tn.formats.from_dict(fmt.to_dict()) == fmt
    smaller = fmt.resized({b: 1 for b in fmt.network.bonds})
    assert smaller.shape == fmt.shape
    assert all(smaller.network.size[b] == 1 for b in smaller.network.bonds)


# ---- tables -------------------------------------------------------------------------------------------------------------

BERT = (30522, 384)


@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
def test_a_table_of_a_real_vocabulary(library):
    """Looked up without making the table: 47 MB of it, of which a batch needs 0.2."""
    xp = BY_NAME[library].xp
    fmt = tn.MPO.for_shape(BERT, cores=3, pad=True, rank=16)
    rng = np.random.default_rng(0)
    factors = [xp.asarray(f.astype(np.float32)) for f in fmt.sample(rng.standard_normal, std=0.02)]
    numbers = rng.integers(0, BERT[0], size=(4, 32))
    numbers[0, :3] = 0, BERT[0] - 1, BERT[0] // 2
    started = time.perf_counter()
    rows = fmt.lookup(factors, xp.asarray(numbers))
    took = time.perf_counter() - started
    assert tuple(rows.shape) == (4, 32, 384)
    assert took < 5.0  # JAX compiles
    table = fmt.contract([np.asarray(f, np.float64) for f in factors])
    assert table.shape == BERT
    assert np.std(table) == pytest.approx(0.02, rel=0.1)
    np.testing.assert_allclose(np.asarray(rows), table[numbers], rtol=1e-4, atol=1e-5 * np.abs(table).max())


def test_a_table_within_a_share_of_its_parameters():
    fmt = tn.MPO.for_shape(BERT, cores=3, pad=True, scale=0.05)
    assert fmt.shape == BERT
    assert 0.045 < fmt.scale <= 0.05


def test_lookup_makes_no_other_rows():
    """The largest array on the way is of the batch's size, not of the table's."""
    fmt = tn.MPO((200, 200), (4, 4), (3,))
    factors, ids = [np.ones(s) for s in fmt.shapes], np.arange(5)
    largest = 0

    class Watched(np.ndarray):
        def __array_finalize__(self, parent):
            nonlocal largest
            largest = max(largest, self.size)

    assert fmt.lookup([f.view(Watched) for f in factors], ids).shape == (5, 16)
    assert 0 < largest <= max(f.size for f in factors)


@given(st.integers(1, 400), st.integers(1, 400), st.booleans())
def test_padding_is_less_than_it_needs(rows, cols, even):
    """The next sizes that split, no other: at most an eighth more of a side, of those that are not tiny."""
    layout = "even" if even else "outer"
    fmt = tn.MPO.for_shape((rows, cols), cores=2, layout=layout, pad=True)
    assert fmt.shape == (rows, cols)
    for n, larger in zip((rows, cols), fmt.network.shape, strict=True):
        assert n <= larger <= max(n + 4, 1.125 * n)
        assert larger == n or isinstance(fmt, Padded)


def test_nothing_is_padded_that_splits():
    assert tn.MPO.for_shape((12, 8), cores=3, pad=True) == tn.MPO.for_shape((12, 8), cores=3)
    assert tn.ConvMPO.for_shape((6, 4, 3), pad=True) == tn.ConvMPO.for_shape((6, 4, 3))
    assert tn.Kronecker.for_shape((6, 4), left=(3, 2), pad=True) == tn.Kronecker((3, 2), (2, 2))


@pytest.mark.parametrize(
    "inner", [tn.Kronecker((4, 3), (2, 4), 3), tn.MPO((2, 6), (4, 3), (4,)), tn.LowRank(12, 12, 4)], ids=str
)
@pytest.mark.parametrize("gauge", ["left", "balanced"])
def test_regauge_is_the_same_weight_whatever_the_padding_holds(inner, gauge):
    fmt = tn.Padded(inner, (inner.shape[0] - 1, inner.shape[1] - 1))
    factors = fmt.sample(np.random.default_rng(0).standard_normal)
    np.testing.assert_allclose(fmt.contract(fmt.regauge(factors, gauge)), fmt.contract(factors), atol=1e-12)
