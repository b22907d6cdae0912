"""MPO and LowRank: the paper's numbers, defaults, truncation, the registry."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import BY_NAME
from strategies import mpos

import tensornet as tn
from tensornet import formats

PAPER = tn.MPO(rows=(64, 1, 1, 1, 48), cols=(32, 1, 1, 1, 24))


def test_the_papers_layout():
    assert tn.MPO.for_shape((3072, 768), cores=5) == PAPER
    assert PAPER.shape == (3072, 768)
    assert PAPER.bonds == (1152,) * 4
    assert PAPER.num_params == 7_667_712
    assert PAPER.scale == 3.25
    assert PAPER.central == 2
    assert PAPER.auxiliary == (0, 1, 3, 4)


def test_the_papers_operations_counted_by_hand():
    """Three products forward, T₃·T₄ first: unit modes make (1152, 1152) matrices of the middle factors.

    Each of the three products pulls two gradients back, of as many operations each: three times forward.
    """
    d, left, right = 1152, 64 * 32, 48 * 24
    middle = 2 * d * d * d
    forward = 3 * middle + 2 * left * d * right
    assert right == d
    assert PAPER.path.flops == forward
    assert PAPER.flops == 3 * forward
    assert round(PAPER.flops / 1e9, 2) == 43.83


@pytest.mark.parametrize(("cores", "central"), [(2, 1), (3, 1), (4, 2), (5, 2), (6, 3)])
def test_central_is_the_middle(cores, central):
    assert tn.MPO.for_shape((6, 4), cores=cores).central == central


def test_for_shape_splits_as_evenly_as_it_can():
    assert tn.MPO.for_shape((12, 30), cores=2) == tn.MPO((4, 3), (6, 5))
    assert tn.LowRank.for_shape((6, 4)).rank == 4
    assert tn.LowRank.for_shape((6, 4), rank=2).num_params == 20


@given(mpos(full=True))
def test_full_bonds_are_eq_3(fmt):
    modes = [i * j for i, j in zip(fmt.rows, fmt.cols, strict=True)]
    want = [min(np.prod(modes[:k], dtype=int), np.prod(modes[k:], dtype=int)) for k in range(1, len(modes))]
    assert list(fmt.bonds) == want


@given(mpos(), st.integers(0, 99))
def test_contract_is_eq_2(fmt, seed):
    """Against the sum of eq. 2, written with einsum and transposed by hand."""
    rng = np.random.default_rng(seed)
    factors = [rng.normal(size=s) for s in fmt.shapes]
    n = len(factors)
    chain = factors[0]
    for f in factors[1:]:
        chain = np.tensordot(chain, f, axes=1)
    chain = chain[0, ..., 0]  # i_1 j_1 i_2 j_2 …
    want = chain.transpose([*range(0, 2 * n, 2), *range(1, 2 * n, 2)]).reshape(fmt.shape)
    np.testing.assert_allclose(fmt.contract(factors), want, rtol=1e-12, atol=1e-12 * np.abs(want).max())


@given(mpos(full=False), st.integers(0, 99))
def test_truncation_is_quasi_optimal(fmt, seed):
    """‖W − contract(decompose(W))‖² ≤ Σ_k ε_k², ε_k what the k-th unfolding loses (Oseledets 2011, theorem 2.2)."""
    w = np.random.default_rng(seed).normal(size=fmt.shape)
    n = len(fmt.rows)
    interleaved = w.reshape(fmt.rows + fmt.cols).transpose([a for k in range(n) for a in (k, n + k)])
    bound = 0.0
    for k, bond in enumerate(fmt.bonds, start=1):
        left = np.prod(fmt.rows[:k], dtype=int) * np.prod(fmt.cols[:k], dtype=int)
        values = np.linalg.svd(interleaved.reshape(left, -1), compute_uv=False)
        bound += np.sum(values[bond:] ** 2)
    for gauge in ("balanced", "left", "right", "mixed"):
        lost = np.linalg.norm(w - fmt.contract(fmt.decompose(w, gauge=gauge)))
        assert lost <= np.sqrt(bound) * (1 + 1e-10) + 1e-12


def test_low_rank_truncates_to_the_nearest():
    w = np.random.default_rng(0).normal(size=(8, 6))
    fmt = tn.LowRank(8, 6, rank=2)
    lost = np.linalg.norm(w - fmt.contract(fmt.decompose(w)))
    assert lost == pytest.approx(np.linalg.norm(np.linalg.svd(w, compute_uv=False)[2:]), rel=1e-10)


def test_decompose_of_a_stack_keeps_scales_apart():
    fmt = tn.MPO((2, 2), (2, 3))
    w = np.random.default_rng(0).normal(size=(3, 2, 4, 6)) * np.asarray([1e-8, 1.0, 1e8])[:, None, None, None]
    back = fmt.contract(fmt.decompose(w))
    errors = np.linalg.norm(back - w, axis=(-2, -1)) / np.linalg.norm(w, axis=(-2, -1))
    assert errors.max() < 1e-13


def test_regauge_keeps_the_matrix():
    fmt = tn.MPO((2, 3), (3, 2))
    w = np.random.default_rng(0).normal(size=(6, 6))
    factors = fmt.regauge(fmt.decompose(w, gauge="identity"), tn.Mixed(0))
    np.testing.assert_allclose(fmt.contract(factors), w, rtol=1e-12, atol=1e-12)


def test_formats_are_values():
    assert hash(tn.MPO([2, 3], [3, 2])) == hash(tn.MPO((2, 3), (3, 2), bonds=(6,)))
    assert {tn.LowRank(3, 2), tn.LowRank(3, 2, rank=2)} == {tn.LowRank(3, 2)}
    with pytest.raises(AttributeError):
        tn.LowRank(3, 2).rank = 1


def test_registry_names_what_it_has():
    assert {"mpo", "low_rank"} <= set(formats.names())
    assert formats.get("mpo") is tn.MPO
    assert formats.register(tn.MPO) is tn.MPO  # twice the same is no conflict
    assert formats.from_dict(json.loads(json.dumps(PAPER.to_dict()))) == PAPER


def test_a_class_that_is_defined_anew_takes_its_own_place():
    """As when the cell of a notebook is run again."""

    def cell():
        @formats.register
        @dataclass(frozen=True)
        class Anew(tn.LowRank):
            name: ClassVar[str] = "test_anew"

        return Anew

    first, second = cell(), cell()
    assert first is not second
    assert formats.get("test_anew") is second
    assert isinstance(formats.from_dict(first(3, 2).to_dict()), second)
    other = type("Other", (tn.LowRank,), {"name": "test_anew"})
    with pytest.raises(tn.TensorNetError, match=r"belongs to .*Anew already"):
        formats.register(other)
    assert formats.get("test_anew") is second


@pytest.mark.parametrize("gauge", ["balanced", "left", "right", "mixed", "identity"])
@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
def test_exact_at_the_size_of_bert(library, gauge):
    """3072 × 768 in float32: an SVD of 2048 × 1152, which alone leaves up to 2.4e-6."""
    xp = BY_NAME[library].xp
    w = xp.asarray(np.random.default_rng(0).standard_normal((3072, 768), dtype=np.float32))
    factors = PAPER.decompose(w, gauge=gauge)
    wide = PAPER.contract([np.asarray(f, np.float64) for f in factors])
    error = np.linalg.norm(wide - np.asarray(w, np.float64)) / np.linalg.norm(np.asarray(w, np.float64))
    assert error < (1e-6 if gauge != "identity" else 1e-30)
    again = PAPER.contract(factors)
    assert np.linalg.norm(np.asarray(again - w)) / np.linalg.norm(np.asarray(w)) < 3e-6


def test_sizes_of_numpys_integers_are_taken():
    assert tn.MPO(tuple(np.asarray([2, 2])), (2, 3)) == tn.MPO((2, 2), (2, 3))


@pytest.mark.parametrize(
    "name", [n for n in formats.names() if formats.get(n).__module__.startswith("tensornet.") and n != "padded"]
)
def test_ranks_and_shapes_that_numpy_counted_are_taken(name):
    """np.linalg.matrix_rank and (s > tol).sum() are no int of Python's."""
    cls = formats.get(name)
    shape = (12, 8, 3) if name == "conv_mpo" else (12, 8)
    counted = cls.for_shape(tuple(np.asarray(shape)), rank=np.int64(2))
    assert counted == cls.for_shape(shape, rank=2)
    assert json.loads(json.dumps(counted.to_dict())) == json.loads(json.dumps(cls.for_shape(shape, rank=2).to_dict()))
