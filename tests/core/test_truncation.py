"""Truncation: the certificate over random shapes, spectra and tolerances; goals; stacks; tracing; spectra; suggestions."""

import dataclasses
import importlib
import math
import re

import jax
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import low_ranks, mpos

import tensornet as tn

FMT = tn.MPO((2, 3, 2), (3, 2, 2))


def spectrum(kind: str, n: int, rate: float) -> np.ndarray:
    k = np.arange(n)
    made = {
        "flat": np.ones(n),
        "exponential": np.exp(-rate * k),
        "power": (k + 1.0) ** -rate,
        "deficient": (k < max(1, n // 2)) * 1.0,
        "one": (k < 1) * 1.0,
        "pairs": np.exp(-rate * (k // 2)),
    }
    return made[kind]


KINDS = ("flat", "exponential", "power", "deficient", "one", "pairs")


def with_spectrum(shape, values, seed):
    """A matrix of these singular values."""
    rng, n = np.random.default_rng(seed), len(values)
    u, v = (np.linalg.qr(rng.standard_normal((size, n)))[0] for size in shape)
    return (u * values) @ v.T


def wide(fmt, factors):
    """In float64, whatever the factors are in."""
    return fmt.contract([np.asarray(f, dtype=np.float64) for f in factors])


def distance(a, b):
    size = np.linalg.norm(b)
    return np.linalg.norm(a - b) / (size or 1.0)


@st.composite
def problems(draw):
    fmt = draw(st.one_of(mpos(full=True), low_ranks()))
    n, kind = min(fmt.shape), draw(st.sampled_from(KINDS))
    values = spectrum(kind, n, draw(st.floats(0.1, 8.0)))
    return fmt, with_spectrum(fmt.shape, values, draw(st.integers(0, 99))) * 10.0 ** draw(st.integers(-15, 15))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gauge", ["balanced", "left"])
@settings(max_examples=300)
@given(problem=problems(), exponent=st.floats(-4.8, 0.0))
def test_certificate(dtype, gauge, problem, exponent):
    """1,200 cases: true error ≤ bound and ≤ eps, against the input in its own dtype, evaluated in float64."""
    fmt, w = problem
    eps = 10.0 ** (exponent if dtype == "float32" else 2.4 * exponent)
    factors = fmt.decompose(w.astype(dtype), gauge=gauge)
    made = tn.truncate(fmt, factors, eps=eps, gauge=gauge)
    error = distance(wide(made.format, made.factors), wide(fmt, factors))
    assert error <= made.bound
    assert made.bound <= eps
    assert abs(made.error - error) <= 1e-14 + 1e-6 * error
    assert all(f.dtype == dtype for f in made.factors)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=150)
@given(problem=problems(), bond=st.integers(1, 8), exponent=st.floats(-4.8, 0.0))
def test_certificate_of_a_dense_matrix(dtype, problem, bond, exponent):
    fmt, w = problem
    w = w.astype(dtype)
    eps = 10.0 ** (exponent if dtype == "float32" else 2.4 * exponent)
    for goal in ({"max_bond": bond}, {"eps": eps}):
        made = tn.approximate(fmt, w, **goal)
        error = distance(wide(made.format, made.factors), w.astype(np.float64))
        assert error <= made.bound
        assert "eps" not in goal or made.bound <= eps
        assert abs(made.error - error) <= 1e-14 + 1e-6 * error


def one_less(run):
    """A sweep that cuts one value more than it was asked for, and does not say so."""

    def cut(self, choose):
        return run(
            self, lambda bond, tails: max(1, choose(bond, tails[..., :-1] if tails.shape[-1] > 2 else tails) - 1)
        )

    return cut


def forgetful(run):
    def cut(self, choose):
        run(self, choose)
        self.lost = {b: 0 * e for b, e in self.lost.items()}
        return self

    return cut


@pytest.mark.parametrize(
    ("where", "bug", "law"),
    [
        ("_sweep.Sweep.run", forgetful, "the error of a truncation is within its bound"),
        ("_sweep.Sweep.run", one_less, "truncation at the same bonds loses nothing"),
        (
            "truncation._spectra.schmidt",
            lambda f: lambda *a: {b: 1.01 * s for b, s in f(*a).items()},
            "spectra are singular values",
        ),
    ],
)
def test_law_catches_a_bug(monkeypatch, where, bug, law):
    from tensornet.testing import LAWS, LawError
    from tensornet.testing._case import Case

    (held,) = (each for each in LAWS if each.name == law)
    case = Case(FMT, np, np.float64)
    assert held.check(case) == "holds"
    module, *name = re.split(r"\.(?=Sweep|schmidt|run)", where)
    target = importlib.import_module(f"tensornet.{module}")
    for part in name[:-1]:
        target = getattr(target, part)
    monkeypatch.setattr(target, name[-1], bug(getattr(target, name[-1])))
    with pytest.raises(LawError, match=law):
        held.check(case)


def test_bound_is_tight():
    """Squares of what a sweep discards add up exactly (Oseledets 2011): the bound is the error, but for rounding."""
    for seed in range(5):
        w = np.random.default_rng(seed).standard_normal(FMT.shape)
        made = tn.approximate(FMT, w, max_bond=3)
        assert made.bound == pytest.approx(float(made.error), rel=1e-12)


def test_one_bond_is_the_nearest_matrix():
    """Eckart and Young."""
    w = np.random.default_rng(0).standard_normal((7, 9))
    values = np.linalg.svd(w, compute_uv=False)
    made = tn.approximate(tn.LowRank(7, 9), w, max_bond=3)
    assert made.error == pytest.approx(math.sqrt((values[3:] ** 2).sum() / (values**2).sum()), rel=1e-12)


@pytest.mark.parametrize("gauge", ["balanced", "left", "right", "mixed", tn.Mixed(1)])
@pytest.mark.parametrize(("dtype", "rel"), [("float64", 1e-9), ("float32", 1e-4)])  # by triangles, by Gram matrices
@pytest.mark.parametrize("fmt", [FMT, tn.MPO((2,) * 5, (2,) * 5)], ids=str)
def test_gauge_is_that_of_decompose(gauge, fmt, dtype, rel):
    """At the same bonds the truncated factors have the norms that decompose gives in this gauge."""
    w = (1e3 * np.random.default_rng(0).standard_normal(fmt.shape)).astype(dtype)
    made = tn.approximate(fmt, w, max_bond=3, gauge=gauge)
    again = made.format.decompose(made.format.contract(made.factors), gauge=gauge)
    norms = [[np.linalg.norm(f) for f in factors] for factors in (made.factors, again)]
    assert norms[0] == pytest.approx(norms[1], rel=rel)


@given(fmt=mpos(full=True), budget=st.floats(0.0, 1.0))
def test_budget_is_kept(fmt, budget):
    w = np.random.default_rng(0).standard_normal(fmt.shape)
    least = fmt.resized({f"d{k + 1}": 1 for k in range(len(fmt.bonds))}).num_params
    num_params = int(least + budget * (fmt.num_params - least))
    made = tn.approximate(fmt, w, num_params=num_params)
    assert made.format.num_params <= num_params


def test_budget_is_spent_where_the_spectra_say():
    """One factor pair of rank 1 in a product of Kronecker shape: the bond that carries nothing gets nothing."""
    rng = np.random.default_rng(0)
    w = np.kron(rng.standard_normal((4, 4)), rng.standard_normal((16, 16)))
    fmt = tn.MPO((4, 4, 4), (4, 4, 4))
    made = tn.approximate(fmt, w, num_params=16 + 600)
    assert made.format.bonds == (1, 16)
    assert made.error < 1e-13


def test_unit_modes_are_cut_together():
    """Bonds along unit modes have one spectrum: a value that is cut from one is gone from all, and counts once."""
    w = with_spectrum((16, 16), spectrum("exponential", 16, 0.5), 0)
    long, short = tn.MPO((16, 1, 1, 1), (1, 1, 1, 16)), tn.MPO((16, 1), (1, 16))
    for goal in ({"eps": 0.1}, {"eps": 1e-3}):
        (bond,) = tn.approximate(short, w, **goal).format.bonds
        assert tn.approximate(long, w, **goal).format.bonds == (bond, bond, bond)


@pytest.mark.parametrize("fmt", [tn.MPO((5,), (7,)), tn.MPO((1, 1), (1, 1)), tn.MPO((1, 4, 1), (1, 3, 1))])
def test_nothing_to_cut(fmt):
    w = np.random.default_rng(0).standard_normal(fmt.shape)
    for goal in ({"eps": 1e-8}, {"max_bond": 1}, {"num_params": fmt.num_params}):
        made = tn.approximate(fmt, w, **goal)
        assert np.allclose(made.format.contract(made.factors), w)
        assert tn.truncate(fmt, fmt.decompose(w), **goal).format == fmt


@pytest.mark.parametrize("goal", [{"eps": 0.1}, {"max_bond": 2}, {"num_params": 60}])
def test_zero_matrix(goal):
    made = tn.truncate(FMT, FMT.decompose(np.zeros(FMT.shape)), **goal)
    assert made.error == 0.0
    assert all(np.isfinite(f).all() for f in made.factors)
    assert not made.format.contract(made.factors).any()


def test_rank_deficient_comes_back_exactly():
    w = np.outer(np.arange(1.0, 13), np.arange(1.0, 13))
    made = tn.approximate(tn.LowRank(12, 12), w, eps=1e-10)
    assert made.format.rank == 1
    assert made.error < 1e-14


def test_stack_shares_its_bonds():
    rng = np.random.default_rng(0)
    stack = np.stack([rng.standard_normal(FMT.shape), 1e6 * with_spectrum((12, 12), spectrum("exponential", 12, 3), 1)])
    factors = FMT.decompose(stack)
    made = tn.truncate(FMT, factors, eps=0.3)
    assert made.bound.shape == made.error.shape == (2,)
    errors = [distance(a, b) for a, b in zip(made.format.contract(made.factors), stack, strict=True)]
    assert made.error == pytest.approx(errors)
    assert (made.error <= made.bound).all()
    assert (made.bound <= 0.3).all()
    alone = [tn.truncate(FMT, [f[k] for f in factors], eps=0.3).format.num_params for k in range(2)]
    assert made.format.num_params >= max(alone)


@pytest.mark.parametrize(
    "fmt", [tn.Tucker((4, 3), (3, 4)), tn.Kronecker((3, 4), (4, 3)), tn.BlockTensorTrain((3, 4), (4, 3))]
)
def test_other_trees(fmt):
    w = np.random.default_rng(0).standard_normal(fmt.shape).astype(np.float32)
    factors = fmt.decompose(w)
    for goal in ({"eps": 0.4}, {"max_bond": 2}):
        made = tn.truncate(fmt, factors, **goal)
        assert distance(wide(made.format, made.factors), wide(fmt, factors)) <= made.bound
        assert made.format.num_params < fmt.num_params


def test_padding_does_not_excuse():
    """Errors are relative to the weight that is seen, whatever the padding has become."""
    fmt = tn.formats.Padded(tn.MPO((4, 4), (4, 4)), (9, 9))
    rng = np.random.default_rng(0)
    w = rng.standard_normal((16, 16))
    w[9:] *= 100
    factors = fmt.inner.decompose(w)
    made = tn.truncate(fmt, factors, eps=0.2)
    assert distance(made.format.contract(made.factors), w[:9, :9]) <= made.bound <= 0.2


def test_sixteen_bits():
    w = torch.randn(FMT.shape, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    made = tn.approximate(FMT, w, eps=0.1)
    assert all(f.dtype == torch.float32 for f in made.factors)
    assert made.error <= 0.1


def test_same_in_jit_and_vmap():
    w = np.random.default_rng(0).standard_normal((2, *FMT.shape))
    factors = FMT.decompose(w)
    want = tn.truncate(FMT, factors, max_bond=3)
    dense = want.format.contract(want.factors)

    def cut(factors):
        made = tn.truncate(FMT, factors, max_bond=3)
        return made.format.contract(made.factors), made.bound, made.error

    arrays = [jax.numpy.asarray(f) for f in factors]
    for found in (jax.jit(cut)(arrays), jax.vmap(cut)(arrays), torch.vmap(cut)([torch.as_tensor(f) for f in factors])):
        assert np.allclose(found[0], dense)
        assert np.allclose(found[1], want.bound)
        assert np.allclose(found[2], want.error)


def test_gradients_do_not_flow():
    factors = [torch.as_tensor(f).requires_grad_() for f in FMT.decompose(np.eye(12))]
    made = tn.truncate(FMT, factors, max_bond=2)
    assert not any(f.requires_grad for f in made.factors)


def test_float32_only():
    """JAX without x64 has nothing wider: QR and SVD then, and a bound that says what float32 costs."""
    with jax.enable_x64(False):
        w = jax.numpy.asarray(with_spectrum((12, 12), spectrum("exponential", 12, 1.0), 0), dtype="float32")
        for goal in ({"max_bond": 3}, {"eps": 1e-2}, {"eps": 1e-4}):
            made = tn.approximate(FMT, w, **goal)
            error = distance(wide(made.format, made.factors), np.asarray(w, dtype=np.float64))
            assert error <= float(made.bound) <= goal.get("eps", 1.0)
        with pytest.raises(tn.TensorNetError, match=r"eps=1e-07, needed more than .* in float32"):
            tn.approximate(FMT, w, eps=1e-7)


# ---- spectra ------------------------------------------------------------------------------------------------------------


def test_entropy():
    """Of r equal values ln r; of one, or of none, 0; it does not see the norm."""
    fmt = tn.LowRank(6, 8)
    for r in (1, 2, 6):
        for scale in (1e-200, 1.0, 1e200):
            w = scale * with_spectrum((6, 8), (np.arange(6) < r) * 1.0, 0)
            assert tn.entropy(fmt, fmt.decompose(w))["d"] == pytest.approx(math.log(r), abs=1e-12)
    assert tn.entropy(fmt, fmt.decompose(np.zeros((6, 8))))["d"] == 0


def test_spectra_in_any_gauge():
    w = np.random.default_rng(0).standard_normal(FMT.shape)
    found = [tn.spectra(FMT, FMT.decompose(w, gauge=g)) for g in ("identity", "left", "right", "balanced")]
    for other in found[1:]:
        assert all(np.allclose(found[0][b], other[b]) for b in ("d1", "d2"))


# ---- suggest ------------------------------------------------------------------------------------------------------------

PLAN = tn.plan({f"layers.{i}.weight": (12, 16) for i in range(4)}, "all-linear", cores=3)
MOST = PLAN.num_params


def weights(seed):
    rng = np.random.default_rng(seed)
    return {
        n: with_spectrum((12, 16), spectrum(rng.choice(KINDS), 12, rng.uniform(0.1, 3)), seed) * rng.uniform(0.1, 3)
        for n in PLAN
    }


def whole_error(formats, given):
    """√Σ‖W − Ŵ‖² over √Σ‖W‖²."""
    lost = whole = 0.0
    for n, w in given.items():
        made = tn.truncate(PLAN[n], PLAN[n].decompose(w), to=formats[n])
        assert made.format == formats[n]
        lost += np.linalg.norm(made.format.contract(made.factors) - w) ** 2
        whole += np.linalg.norm(w) ** 2
    return math.sqrt(lost / whole)


@pytest.mark.parametrize("share", [0.2, 0.4, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_suggestion_beats_one_cap_for_all(seed, share):
    given = weights(seed)
    found = tn.suggest(PLAN, given, num_params=int(share * MOST))
    assert found.num_params <= share * MOST
    error = whole_error(found.formats, given)
    assert error <= found.error * (1 + 1e-9) + 1e-12
    caps = [
        {
            n: f.resized({b: min(c, s) for b, s in f.network.size.items() if b in f.network.bonds})
            for n, f in PLAN.items()
        }
        for c in range(1, 29)
    ]
    uniform = [c for c in caps if sum(f.num_params for f in c.values()) <= share * MOST][-1]
    assert error <= whole_error(uniform, given) * (1 + 1e-9) + 1e-12


def test_suggestion_keeps_the_plan():
    plan = dataclasses.replace(PLAN, skipped={"bias": "no matrix"})
    found = tn.suggest(plan, weights(0), num_params=MOST // 2)
    assert isinstance(found.formats, tn.Plan)
    assert found.formats.skipped == {"bias": "no matrix"}
    assert found.num_params == found.formats.num_params


def test_weights_factors_and_spectra_say_the_same():
    given = weights(1)
    factors = {n: PLAN[n].decompose(w) for n, w in given.items()}
    spectra = {n: tn.spectra(PLAN[n], f) for n, f in factors.items()}
    found = [tn.suggest(PLAN, g, num_params=MOST // 3) for g in (given, factors, spectra)]
    assert found[0].formats == found[1].formats == found[2].formats
    assert found[0].error == pytest.approx(found[1].error)


def test_importance_moves_parameters():
    first, *_ = PLAN
    w = with_spectrum((12, 16), spectrum("power", 12, 1.0), 0)
    given = {n: w if n == first else 1e3 * w for n in PLAN}

    def first_gets(**options):
        return tn.suggest(PLAN, given, num_params=MOST // 3, **options).formats[first].num_params

    assert first_gets() < first_gets(relative=True) < first_gets(relative=True, importance={first: 1e4})


def test_uniform_is_taken_where_greed_loses():
    """Whichever of the two has the smaller bound; over these spectra greed wins nearly always, and it says when not."""
    taken = [tn.suggest(PLAN, weights(seed), num_params=MOST // 2).uniform for seed in range(10)]
    assert not all(taken)


@pytest.mark.filterwarnings("ignore:.*Dynamo detected a call to a `functools.lru_cache`:UserWarning")
def test_same_in_one_compiled_graph():
    factors = [torch.as_tensor(f) for f in FMT.decompose(np.random.default_rng(0).standard_normal(FMT.shape))]

    def cut(factors):
        made = tn.truncate(FMT, factors, max_bond=3)
        return made.bound, *made.factors

    for found, want in zip(torch.compile(cut, fullgraph=True, backend="eager")(factors), cut(factors), strict=True):
        assert torch.allclose(found, want)


def test_suggest_counts_what_the_formats_own_bonds_leave_out():
    w = np.random.default_rng(0).standard_normal((32, 32))
    fmt = tn.LowRank(32, 32, 4)
    for budget in (10**6, fmt.num_params // 2):
        found = tn.suggest({"a": fmt}, {"a": w}, num_params=budget)
        true = tn.approximate(fmt, w, to=found.formats["a"])
        assert found.error == pytest.approx(float(true.error), rel=1e-9)


@pytest.mark.parametrize("scale", [1e180, 1e-180])
def test_suggest_at_any_scale(scale):
    w = np.random.default_rng(0).standard_normal((8, 6))
    fmt = tn.LowRank(8, 6)
    here, there = (tn.suggest({"a": fmt}, {"a": s * w}, num_params=42).error for s in (1.0, scale))
    assert there == pytest.approx(here, rel=1e-9)


def test_suggest_with_padding_that_is_not_zero():
    fmt = tn.Padded(tn.LowRank(40, 40, 10), (20, 20))
    u, v = fmt.sample(np.random.default_rng(0).standard_normal)
    u[20:] *= 30
    v[:, 20:] *= 30
    found = tn.suggest({"a": fmt}, {"a": (u, v)}, num_params=fmt.num_params // 2)
    assert float(tn.truncate(fmt, (u, v), to=found.formats["a"]).error) <= found.error
    values = np.linalg.svd(fmt.contract((u, v)), compute_uv=False)[:10]
    np.testing.assert_allclose(tn.spectra(fmt, (u, v))["d"], values, rtol=1e-10)


def test_factors_of_two_kinds_are_of_the_wider_one():
    fmt = tn.LowRank(12, 10, 4)
    u, v = fmt.sample(np.random.default_rng(0).standard_normal)
    made = tn.truncate(fmt, [u, v * (1 + 1j)], max_bond=4)
    assert float(made.error) < 1e-12
    assert {f.dtype for f in tn.truncate(fmt, [u.astype(np.float32), v], max_bond=4).factors} == {np.dtype("float64")}


def test_monarch_is_cut_from_its_block_tensor_train():
    w = np.random.default_rng(0).standard_normal((6, 6))
    made = tn.approximate(tn.Monarch((2, 3), (3, 2)), w, eps=0.3)
    assert isinstance(made.format, tn.BlockTensorTrain)
    assert made.error <= made.bound <= 0.3
