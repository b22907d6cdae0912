"""Weights of finite entries whose norm, or whose inverse, is no number of their dtype."""

import jax
import numpy as np
import pytest
import torch

import tensornet as tn
from tensornet import _chain

CHAINS = [
    tn.LowRank(16, 16),
    tn.LowRank(16, 16, 5),
    tn.MPO((4, 4), (4, 4)),
    tn.MPO((2, 4, 2), (4, 1, 4)),
    tn.MPO((16,), (16,)),
]
CLOSED = [tn.BlockTensorTrain((4, 4), (4, 4)), tn.Kronecker((4, 4), (4, 4))]
LARGEST = {"float32": 3.3e38, "float64": 1.7e308}
SMALLEST = {"float32": 3e-36, "float64": 4e-306}
CONVERT = {"numpy": np.asarray, "torch": torch.as_tensor, "jax": jax.numpy.asarray}


def drawn(dtype, size):
    w = np.random.default_rng(0).standard_normal((16, 16)) / 3
    return (np.sign(w) * np.clip(np.abs(w), 0.02, 1.0) * size).astype(
        dtype
    )  # no entry so small that JAX takes it for zero


def small(factors):
    """In float64."""
    return [np.asarray(f, dtype="float64") for f in factors]


def compared(fmt, factors, want, unit):
    """‖contract(factors) / unit − want‖ / ‖want‖, divided before anything is multiplied out."""
    first, *rest = small(factors)
    return np.linalg.norm(fmt.contract([first / unit, *rest]) - want) / np.linalg.norm(want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("fmt", "library"),
    [*((f, n) for f in [*CHAINS, *CLOSED] for n in ("numpy", "torch")), (CHAINS[2], "jax"), (CLOSED[1], "jax")],
    ids=str,
)
def test_decompose_at_both_ends(fmt, dtype, library):
    for size in (LARGEST[dtype], SMALLEST[dtype]):
        w = drawn(dtype, size)
        factors = fmt.decompose(CONVERT[library](w))
        assert all(np.isfinite(np.asarray(f)).all() for f in factors)
        usual = fmt.decompose(CONVERT[library](w / np.asarray(size, dtype)))
        want = fmt.contract(small(usual))  # truncated formats are not the weight
        assert compared(fmt, factors, want, size) < (1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("fmt", [tn.LowRank(16, 16), tn.MPO((4, 4), (4, 4)), *CLOSED], ids=str)
@pytest.mark.parametrize("goal", [{"max_bond": 3}, {"eps": 0.1}])
def test_certificates_at_both_ends(fmt, goal):
    w = drawn("float64", 1.0)
    want = tn.approximate(fmt, w, **goal)
    for size in (2.0**1023, 2.0**-1000):
        for made in (tn.approximate(fmt, w * size, **goal), tn.truncate(fmt, fmt.decompose(w * size), **goal)):
            assert made.format == want.format
            assert float(made.bound) == pytest.approx(float(want.bound), rel=1e-9)
            assert float(made.error) == pytest.approx(float(want.error), rel=1e-9)
            assert compared(made.format, made.factors, w, size) <= made.bound


def test_all_entries_the_same_and_large():
    w = np.full((16, 16), 1e308)
    for fmt in (tn.LowRank(16, 16), tn.MPO((4, 4), (4, 4))):
        for made in (tn.approximate(fmt, w, eps=1e-8), tn.truncate(fmt, fmt.decompose(w), eps=1e-8)):
            assert set(made.format.bonds if isinstance(fmt, tn.MPO) else (made.format.rank,)) == {1}
            assert made.error <= made.bound <= 1e-8
            assert compared(made.format, made.factors, w / 1e308, 1e308) < 1e-13


@pytest.mark.parametrize("library", CONVERT)
@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e-44), ("float32", 1e-40), ("float64", 1e-321)])
@pytest.mark.parametrize("gauge", ["balanced", "left"])
def test_what_is_too_small_for_an_inverse(gauge, dtype, size, library):
    """Kept to the last digit it has, or zero where the library takes it for that."""
    w = np.diag([size, 0.0, 0.0]).astype(dtype)
    assert w.any()
    for fmt in (tn.LowRank(3, 3), tn.MPO((3, 1), (1, 3)), tn.MPO((3,), (3,))):
        factors = fmt.decompose(CONVERT[library](w), gauge=gauge)
        assert all(np.isfinite(np.asarray(f)).all() for f in factors)
        made = fmt.contract(small(factors))
        if library != "jax":
            assert np.abs(made - w).max() <= 2 * np.finfo(dtype).smallest_subnormal
        else:
            assert np.abs(made).max() <= 2 * size


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fmt", CHAINS[:4], ids=str)
def test_of_usual_size_not_a_bit_changes(fmt, dtype):
    """By powers of 2: the factors are those made with no scaling at all, and a larger weight has the same digits."""
    w = np.random.default_rng(0).standard_normal((16, 16)).astype(dtype)
    factors = fmt.decompose(w)
    for k in (-40, 40):
        first, *middle, last = fmt.decompose(w * np.asarray(2.0**k, dtype))
        half = np.asarray(2.0 ** (k // 2), dtype)
        for found, want in zip((first / half, *middle, last / half), factors, strict=True):
            np.testing.assert_array_equal(found, want)
    if isinstance(fmt, tn.LowRank):
        modes, bonds = (16, 16), (fmt.rank,)
        plain = _chain.balance(*_chain.schmidt(w.reshape(-1), modes, bonds), _chain.peak(modes, bonds))
        for found, want in zip(factors, plain, strict=True):
            np.testing.assert_array_equal(found, want.reshape(found.shape))


def test_of_a_stack_each_has_its_own_unit():
    fmt = tn.LowRank(16, 16)
    stack = np.stack(
        [drawn("float32", 3e38), drawn("float32", 1.0), drawn("float32", 3e-38), np.zeros((16, 16), "float32")]
    )
    together = fmt.decompose(stack)
    for k, w in enumerate(stack):
        for found, want in zip(together, fmt.decompose(w), strict=True):
            np.testing.assert_array_equal(found[k], want)
    assert all(f.dtype == np.float32 for f in together)
