"""Kronecker, BlockTensorTrain, Monarch: against their definitions, written anew in NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import block_tensor_trains, conv_mpos, kroneckers, monarchs

import tensornet as tn

SEEDS = st.integers(0, 99)


def transposition(m: int, n: int) -> np.ndarray:
    """P with P vec(X) = vec(Xᵀ), X (m, n) and vec row by row."""
    p = np.zeros((m * n, m * n))
    for a in range(m):
        for b in range(n):
            p[b * m + a, a * n + b] = 1.0
    return p


def block_diagonal(blocks: np.ndarray) -> np.ndarray:
    """(number, rows, cols) → one matrix."""
    number, rows, cols = blocks.shape
    whole = np.zeros((number * rows, number * cols))
    for n, block in enumerate(blocks):
        whole[n * rows : (n + 1) * rows, n * cols : (n + 1) * cols] = block
    return whole


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12 * (np.abs(want).max() or 1.0))


def random_factors(fmt, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=s) for s in fmt.shapes]


@given(kroneckers(), SEEDS)
def test_kronecker_is_a_sum_of_kronecker_products(fmt, seed):
    a, b = random_factors(fmt, seed)
    close(fmt.contract((a, b)), sum(np.kron(a[..., r], b[r]) for r in range(fmt.terms)))


@given(kroneckers(), SEEDS)
def test_kronecker_truncates_to_the_nearest(fmt, seed):
    """The error is the tail of the singular values of the matrix whose rows are the blocks of W (Van Loan 1993)."""
    w = np.random.default_rng(seed).normal(size=fmt.shape)
    (b, d), (a, c) = fmt.right, fmt.left
    blocks = [w[i * b : (i + 1) * b, j * d : (j + 1) * d].ravel() for i in range(a) for j in range(c)]
    tail = np.linalg.norm(np.linalg.svd(np.asarray(blocks), compute_uv=False)[fmt.terms :])
    lost = np.linalg.norm(w - fmt.contract(fmt.decompose(w)))
    assert lost == pytest.approx(tail, rel=1e-9, abs=1e-12)


@given(monarchs(), SEEDS)
def test_monarch_is_two_block_diagonals_and_permutations(fmt, seed):
    (i1, i2), (j1, _) = fmt.rows, fmt.cols
    left, right = random_factors(fmt, seed)
    r = block_diagonal(right[:, :, 0, :].transpose(1, 0, 2))  # j1 blocks (i2, j2)
    ell = block_diagonal(left[..., 0].transpose(0, 2, 1))  # i2 blocks (i1, j1)
    close(fmt.contract((left, right)), transposition(i2, i1) @ ell @ transposition(j1, i2) @ r)


@given(block_tensor_trains(), SEEDS)
def test_block_tensor_train_is_a_sum_of_monarchs(fmt, seed):
    left, right = random_factors(fmt, seed)
    one = tn.Monarch(fmt.rows, fmt.cols)
    terms = (one.contract((left[..., d : d + 1], right[:, :, d : d + 1, :])) for d in range(fmt.rank))
    close(fmt.contract((left, right)), sum(terms))


@given(block_tensor_trains(), SEEDS)
def test_every_block_is_truncated_to_the_nearest(fmt, seed):
    w = np.random.default_rng(seed).normal(size=fmt.shape)
    back = fmt.contract(fmt.decompose(w))
    (i1, i2), (j1, j2) = fmt.rows, fmt.cols
    for a in range(i2):
        for b in range(j1):
            block, got = (m.reshape(i1, i2, j1, j2)[:, a, b] for m in (w, back))
            tail = np.linalg.norm(np.linalg.svd(block, compute_uv=False)[fmt.rank :])
            assert np.linalg.norm(block - got) == pytest.approx(tail, rel=1e-9, abs=1e-12)


def test_monarch_is_the_block_tensor_train_of_rank_1():
    w = np.random.default_rng(0).normal(size=(6, 8))
    one, other = tn.Monarch((2, 3), (2, 4)), tn.BlockTensorTrain((2, 3), (2, 4), 1)
    close(one.contract(one.decompose(w)), other.contract(other.decompose(w)))


@pytest.mark.parametrize("fmt", [tn.BlockTensorTrain((3, 2), (2, 4)), tn.Monarch((3, 2), (2, 4))], ids=str)
def test_alignment_turns_each_block_alone(fmt):
    """A teacher whose blocks have had their signs changed one by one is still no distance away."""
    w = fmt.contract(random_factors(fmt, 0))
    student = fmt.decompose(w)
    signs = np.where(np.arange(4).reshape(2, 2, 1, 1) % 3 == 0, -1.0, 1.0)
    teacher = [f * signs for f in student]
    close(fmt.contract(teacher), w)
    assert float(tn.align(fmt, student, teacher, gauge="none")) > 1e-3
    assert float(tn.alignment.align(fmt, student, tuple(teacher), gauge="procrustes")) < 1e-20


@given(st.one_of(kroneckers(), block_tensor_trains(), conv_mpos()), SEEDS, st.integers(1, 3))
def test_truncation_keeps_the_largest_terms(fmt, seed, bond):
    """Same graph, smaller bonds; what it says it lost is what it lost, and at most what it promised."""
    factors = random_factors(fmt, seed)
    w = fmt.contract(factors)
    cut = tn.truncate(fmt, factors, max_bond=bond)
    assert type(cut.format) is type(fmt)
    assert cut.format.shape == fmt.shape
    assert all(cut.format.network.size[b] <= bond for b in fmt.network.bonds)
    lost = np.linalg.norm(w - cut.format.contract(cut.factors)) / np.linalg.norm(w)
    assert float(cut.error) == pytest.approx(lost, rel=1e-6, abs=1e-12)
    assert lost <= float(cut.bound) * (1 + 1e-9) + 1e-12
    nearest = cut.format.contract(cut.format.decompose(w))
    if len(fmt.network.bonds) == 1:  # one SVD for each block: nothing is nearer
        assert lost == pytest.approx(np.linalg.norm(w - nearest) / np.linalg.norm(w), rel=1e-6, abs=1e-9)


def test_a_monarch_matrix_has_nothing_to_truncate():
    fmt = tn.Monarch((3, 2), (2, 4))
    factors = random_factors(fmt, 0)
    cut = tn.truncate(fmt, factors, max_bond=1)
    assert cut.format == fmt
    close(cut.format.contract(cut.factors), fmt.contract(factors))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int64"])
def test_narrow_ids_do_not_wrap_around(dtype):
    for fmt in (tn.BlockTensorTrain((20, 15), (4, 2), 2), tn.LowRank(300, 8, 2), tn.Kronecker((30, 4), (10, 2), 2)):
        factors = fmt.sample(np.random.default_rng(0).standard_normal)
        ids = np.array([0, 14, 99, 127], dtype=dtype)
        want = fmt.contract(factors)[ids.astype(int)]
        for check in (True, False):
            np.testing.assert_allclose(fmt.lookup(factors, ids, check=check), want, atol=1e-12)
