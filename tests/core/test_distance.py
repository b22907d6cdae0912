"""tn.distance and tn.norm: the truth of float64, from float32 factors; on every graph; and the peers' fault."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from libraries import BY_NAME
from networks import NETWORKS, Bare
from strategies import formats

import tensornet as tn
from tensornet.testing import LAWS, LawError
from tensornet.testing._case import Case

# array_api_compat looks classes up through an lru_cache, which Dynamo traces through and warns of: harmless there.
pytestmark = pytest.mark.filterwarnings("ignore:.*Dynamo detected a call to a `functools.lru_cache`:UserWarning")
RNG = np.random.default_rng


def perturbed(fmt, relative, seed=0, dtype=np.float32):
    """Random factors, and others whose weight is about `relative` away."""
    rng = RNG(seed)
    a = [rng.standard_normal(s).astype(dtype) for s in fmt.shapes]
    b = [(x * (1 + relative * rng.standard_normal(x.shape))).astype(dtype) for x in a]
    return a, b


def truth(fmt_a, a, fmt_b, b):
    """The dense distance of the same factors in float64."""
    wide = [[np.asarray(x, dtype=np.float64) for x in factors] for factors in (a, b)]
    return float(np.linalg.norm(fmt_a.contract(wide[0]) - fmt_b.contract(wide[1])))


def overlap(fmt, a, b):
    """√(‖A‖² + ‖B‖² − 2⟨A, B⟩), as it is usually computed."""
    u, v = fmt.contract(a), fmt.contract(b)
    return math.sqrt(abs(float((u * u).sum() + (v * v).sum() - 2 * (u * v).sum())))


PAPER = tn.MPO((16, 1, 4, 16), (16, 1, 4, 16), (64, 64, 64))


@pytest.mark.parametrize("fmt", [PAPER, tn.LowRank(80, 60, 20)], ids=str)
def test_float32_factors_where_float64_exists(fmt):
    a, b = perturbed(fmt, 1e-5)
    true = truth(fmt, a, fmt, b)
    for xp in (np, torch, BY_NAME["strict"].xp):
        got = tn.distance(fmt, [xp.asarray(x) for x in a], fmt, [xp.asarray(x) for x in b])
        assert float(got) == pytest.approx(true, rel=1e-6)


def test_float32_arithmetic_alone():
    """JAX without x64, at relative distances 1e-5 and 2e-4: within 10 %, where the overlap formula has no digit left."""
    script = f"""if True:
        import numpy as np, jax, jax.numpy as jnp, tensornet as tn
        assert not jax.config.jax_enable_x64
        for fmt in ({PAPER!r}, {tn.LowRank(80, 60, 20)!r}):
            for relative in (1e-5, 2e-4):
                rng = np.random.default_rng(0)
                a = [rng.standard_normal(s).astype("float32") for s in fmt.shapes]
                b = [(x * (1 + relative * rng.standard_normal(x.shape) / len(a) ** 0.5)).astype("float32") for x in a]
                wide = [fmt.contract([x.astype("float64") for x in f]) for f in (a, b)]
                true = np.linalg.norm(wide[0] - wide[1])
                a, b = ([jnp.asarray(x) for x in f] for f in (a, b))
                got = tn.distance(fmt, a, fmt, b)
                assert got.dtype == jnp.float32
                assert tn.norm(fmt, [x.astype(jnp.bfloat16) for x in a]).dtype == jnp.float32
                u, v = fmt.contract(a), fmt.contract(b)
                squares = jnp.sum(u * u) + jnp.sum(v * v) - 2 * jnp.sum(u * v)
                print(true / np.linalg.norm(wide[0]), got / true, jnp.sqrt(jnp.maximum(squares, 0)) / true)
    """.replace("MPO(", "tn.MPO(").replace("LowRank(", "tn.LowRank(")
    env = {k: v for k, v in os.environ.items() if k != "JAX_ENABLE_X64"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [[float(x) for x in line.split()] for line in done.stdout.splitlines()]
    assert len(rows) == 4
    for relative, got, by_overlap in rows:
        assert 0.5e-5 < relative < 3e-4
        assert got == pytest.approx(1, rel=0.1)
        assert abs(by_overlap - 1) > 0.1


@pytest.mark.parametrize("true", [6.35e-3, 6.35e-4])
def test_the_distances_that_a_peer_missed(true):
    """‖A‖ = 64, float32: quimb gave 2.7e-2 for 6.35e-3, and 1.6e-2 or 0 for 6.35e-4."""
    fmt, rng = tn.MPO((8, 8), (8, 8), (16,)), RNG(0)
    a, move = [rng.standard_normal(s) for s in fmt.shapes], rng.standard_normal(fmt.shapes[1])
    a[0] *= 64 / np.linalg.norm(fmt.contract(a))
    b = [a[0], a[1] + move * (true / np.linalg.norm(fmt.contract([a[0], move])))]
    a, b = ([x.astype(np.float32) for x in f] for f in (a, b))
    assert truth(fmt, a, fmt, b) == pytest.approx(true, rel=0.02)  # float32 factors cannot be placed better
    assert float(tn.distance(fmt, a, fmt, b)) == pytest.approx(truth(fmt, a, fmt, b), rel=1e-6)
    assert abs(overlap(fmt, a, b) / true - 1) > 0.5


@given(fmt=formats(), seed=st.integers(0, 9))
def test_distance_is_dense_distance(fmt, seed):
    a, b = perturbed(fmt, 0.1, seed, np.float64)
    assert float(tn.distance(fmt, a, fmt, b)) == pytest.approx(truth(fmt, a, fmt, b), rel=1e-11)
    assert float(tn.norm(fmt, a)) == pytest.approx(float(np.linalg.norm(fmt.contract(a))), rel=1e-12)


@pytest.mark.parametrize("library", ["strict", "numpy", "torch"])  # JAX would compile each anew
@pytest.mark.parametrize("name", NETWORKS)
def test_loops_hyperedges_and_stacks(name, library):
    """Indices in three factors, loops, shared and disconnected ones: compared with the dense matrices."""
    fmt, xp = Bare(NETWORKS[name]), BY_NAME[library].xp
    a, b = perturbed(fmt, 1e-3, dtype=np.float64)
    mine = [[xp.asarray(x) for x in f] for f in (a, b)]
    assert float(tn.distance(fmt, mine[0], fmt, mine[1])) == pytest.approx(truth(fmt, a, fmt, b), rel=1e-9)
    assert float(tn.norm(fmt, mine[0])) == pytest.approx(float(np.linalg.norm(fmt.contract(a))), rel=1e-12)


def test_no_dense_matrix_is_formed(monkeypatch):
    """A chain with two million entries in the dense matrix never holds an array of a hundredth of them."""
    fmt = tn.MPO((8,) * 4, (8, 8, 8, 1), (4, 4, 4))
    largest = []
    qr = np.linalg.qr
    monkeypatch.setattr(np.linalg, "qr", lambda x, *a, **k: largest.append(x.size) or qr(x, *a, **k))
    a, b = perturbed(fmt, 1e-3)
    tn.distance(fmt, a, fmt, b)
    assert len(largest) >= 3
    assert max(largest) <= 8 * 8 * 8 * 8 < math.prod(fmt.shape) // 100


def test_unlike_formats_and_bonds():
    w = RNG(0).standard_normal((12, 18))
    mpo, small, low = tn.MPO((4, 3), (3, 6)), tn.MPO((4, 3), (3, 6), (5,)), tn.LowRank(12, 18, 7)
    made = {fmt: fmt.decompose(w) for fmt in (mpo, small, low)}
    for one, a in made.items():
        for other, b in made.items():
            want = np.linalg.norm(one.contract(a) - other.contract(b))
            assert float(tn.distance(one, a, other, b)) == pytest.approx(float(want), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("turned", [False, True])
def test_one_graph_with_other_rows(turned):
    """Two MPOs of one weight whose rows are split unlike: same names of indices, other sizes."""
    w, (one, other) = RNG(0).standard_normal((12, 18)), (tn.MPO((4, 3), (3, 6), (5,)), tn.MPO((3, 4), (3, 6), (5,)))
    if turned:
        one, other = other, one
    a, b = one.decompose(w), other.decompose(w)
    assert float(tn.distance(one, a, other, b)) == pytest.approx(truth(one, a, other, b), rel=1e-10)


def test_padding_does_not_count():
    """Random factors fill the padding too, which is no part of the weight."""
    fmt, rng = tn.formats.Padded(tn.MPO((4, 4), (3, 3)), (13, 7)), RNG(0)
    a, b = ([rng.standard_normal(s) for s in fmt.shapes] for _ in range(2))
    assert float(tn.norm(fmt, a)) == pytest.approx(float(np.linalg.norm(fmt.contract(a))), rel=1e-12)
    assert float(tn.distance(fmt, a, fmt, b)) == pytest.approx(truth(fmt, a, fmt, b), rel=1e-12)
    whole = tn.LowRank(13, 7)
    assert float(tn.distance(fmt, a, whole, whole.decompose(fmt.contract(a)))) < 1e-12 * float(tn.norm(fmt, a))


def test_zero_factors(library):
    fmt = tn.MPO((2, 3), (3, 2))
    zero = [library.xp.zeros(s) for s in fmt.shapes]
    one = [library.xp.ones(s) for s in fmt.shapes]
    assert float(tn.norm(fmt, zero)) == float(tn.distance(fmt, zero, fmt, zero)) == 0.0
    assert float(tn.distance(fmt, zero, fmt, one)) == pytest.approx(float(tn.norm(fmt, one)), rel=1e-6)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_complex_and_real_together(library):
    xp, fmt, rng = BY_NAME[library].xp, tn.MPO((3, 4), (2, 5), (6,)), RNG(0)
    a = [rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in fmt.shapes]
    b = [x.real for x in a]
    narrow = [xp.asarray(x.astype(np.complex64)) for x in a], [xp.asarray(x.astype(np.float32)) for x in b]
    assert tn.distance(fmt, narrow[1], fmt, narrow[0]).dtype == xp.float64
    got = tn.distance(fmt, narrow[0], fmt, narrow[1])
    assert float(got) == pytest.approx(float(np.linalg.norm(fmt.contract(a) - fmt.contract(b))), rel=1e-6)


def test_half_precision_factors():
    a, b = perturbed(PAPER, 0.1)
    a, b = ([torch.asarray(x).bfloat16() for x in f] for f in (a, b))
    got = tn.distance(PAPER, a, PAPER, b)
    assert got.dtype == torch.float64
    assert float(got) == pytest.approx(truth(PAPER, [x.float() for x in a], PAPER, [x.float() for x in b]), rel=1e-9)


@pytest.mark.parametrize("power", [-20, 20])
def test_huge_and_tiny_norms(power):
    """Whose squares float32 cannot hold; in one factor, in all, and against factors scaled the other way round."""
    fmt = tn.MPO((4, 3, 2), (3, 2, 4))
    xp, (a, b) = BY_NAME["jax"].xp, perturbed(fmt, 0.1)
    grow = np.float32(10.0**power)
    moves = {"first": (grow, 1, 1), "last": (1, 1, grow), "all": (grow**0.3, grow**0.3, grow**0.4)}
    for name, move in moves.items():
        here, there = ([x * m for x, m in zip(f, move, strict=True)] for f in (a, b))
        there = [there[0] * grow**0.5, there[1], there[2] / grow**0.5]
        got = tn.distance(fmt, [xp.asarray(x) for x in here], fmt, [xp.asarray(x) for x in there])
        assert float(got) == pytest.approx(truth(fmt, here, fmt, there), rel=1e-4), name


def test_compiled_vectorised_and_with_gradients():
    import jax

    fmt = tn.MPO((4, 3, 2), (3, 2, 4), (5, 3))
    a, b = perturbed(fmt, 1e-2)
    true = truth(fmt, a, fmt, b)
    in_torch = [[torch.asarray(x).requires_grad_() for x in f] for f in (a, b)]
    compiled = torch.compile(lambda a, b: tn.distance(fmt, a, fmt, b), fullgraph=True, backend="eager")
    for distance in (compiled, lambda a, b: tn.distance(fmt, a, fmt, b)):
        got = distance(*in_torch)
        assert not got.requires_grad
        assert float(got) == pytest.approx(true, rel=1e-6)
    in_jax = [[jax.numpy.asarray(x)[None] for x in f] for f in (a, b)]
    got = jax.jit(jax.vmap(lambda a, b: tn.distance(fmt, a, fmt, b)))(*in_jax)
    assert got.shape == (1,)
    assert float(got[0]) == pytest.approx(true, rel=1e-6)
    gradient = jax.grad(lambda a: tn.norm(fmt, [x[0] for x in a]))(in_jax[0])
    assert all(not g.any() for g in gradient)


class Doubled(tn.LowRank):
    """Contracts to twice what its network says."""

    def contract(self, factors):
        return 2 * super().contract(factors)


def test_the_law_can_fail():
    law = next(law for law in tn.testing.LAWS if "distance" in law.name)
    assert law.check(Case(tn.LowRank(4, 3, 2), np, np.float32)) == "holds"
    with pytest.raises(tn.testing.LawError, match="far from A: the distance is"):
        law.check(Case(Doubled(4, 3, 2), np, np.float32))


LAW = next(law for law in LAWS if law.name == "distance is that of the dense matrices")


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_a_distance_that_sees_no_near_pair_is_caught(dtype, monkeypatch):
    """In a library without float64, as JAX is unless told otherwise."""
    case = Case(tn.MPO((2, 3, 2), (3, 2, 2)), np, getattr(np, dtype))
    monkeypatch.setattr("tensornet._precise.widest", lambda x: x)
    assert LAW.check(case) == "holds"

    def blind(fmt_a, a, fmt_b, b):
        found, size = tn.distance(fmt_a, a, fmt_b, b), tn.norm(fmt_a, a)
        return np.where(found < 5e-5 * size, 0 * found, found)

    monkeypatch.setattr("tensornet._distance.distance", blind)
    with pytest.raises(LawError, match=r"B near A: the distance is 0.0, and 0.0 the other way round, needed"):
        LAW.check(case)
