"""Compiled is eager: torch.compile as one graph, and jax.jit, for everything with static shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import tensornet as tn

# array_api_compat looks classes up through an lru_cache, which Dynamo traces through and warns of: harmless there.
pytestmark = pytest.mark.filterwarnings("ignore:.*Dynamo detected a call to a `functools.lru_cache`:UserWarning")

FORMATS = [tn.MPO((2, 1, 3), (2, 1, 4)), tn.MPO((2, 2, 3), (2, 1, 3), bonds=(3, 3)), tn.LowRank(6, 4)]


def arrays(fmt):
    rng = np.random.default_rng(0)
    w, g, x = (rng.normal(size=s) for s in (fmt.shape, fmt.shape, (5, fmt.shape[1])))
    return w, g, x, fmt.decompose(w)


def calls(fmt):
    """(name, function of arrays, its arguments)."""
    w, g, x, factors = arrays(fmt)
    yield "contract", fmt.contract, (factors,)
    yield "apply", fmt.apply, (factors, x)
    yield "pullback", fmt.pullback, (factors, g)
    teacher = fmt.decompose(g)
    for gauge in ("none", "procrustes", "invariant"):
        yield f"align {gauge}", lambda s, t, gauge=gauge: tn.align(fmt, s, t, gauge=gauge), (factors, teacher)
    for gauge in ("balanced", "left"):
        back = lambda w, gauge=gauge: fmt.contract(fmt.decompose(w, gauge=gauge, check_finite=False))  # noqa: E731
        yield f"decompose {gauge}", back, (w,)


CALLS = [pytest.param(*call, id=f"{fmt.name}{i} {call[0]}") for i, fmt in enumerate(FORMATS) for call in calls(fmt)]


def converted(tree, kind):
    return tuple(converted(t, kind) for t in tree) if isinstance(tree, tuple) else kind(tree)


def assert_equal(got, want):
    got, want = ([np.asarray(x) for x in (t if isinstance(t, tuple) else (t,))] for t in (got, want))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "function", "args"), CALLS)
def test_torch_compiles_to_one_graph(name, function, args):
    """Once a format has been used eagerly, which spares Dynamo the search for paths."""
    args = converted(args, torch.asarray)
    want = function(*args)
    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    assert_equal(compiled(*args), want)


@pytest.mark.parametrize(("name", "function", "args"), CALLS)
def test_jax_compiles(name, function, args):
    args = converted(args, jnp.asarray)
    assert_equal(jax.jit(function)(*args), function(*converted(args, np.asarray)))


def test_vmap_is_a_lead_axis():
    fmt = FORMATS[0]
    stack = jnp.asarray(np.random.default_rng(0).normal(size=(3, *fmt.shape)))
    factors = fmt.decompose(stack)
    assert_equal(jax.vmap(lambda *f: fmt.contract(f))(*factors), fmt.contract(factors))
    tensors = [torch.tensor(np.asarray(f)) for f in factors]
    assert_equal(torch.vmap(lambda *f: fmt.contract(f))(*tensors), fmt.contract(tensors))


@pytest.mark.parametrize("method", ["contract", "apply"])
def test_torch_compiles_a_format_that_was_never_used(method):
    """Its network and its paths are worked out while Dynamo traces."""
    fresh = tn.MPO((5, 1, 2), (2, 3, 1), bonds=(3, 2))
    factors = [torch.randn(s, dtype=torch.float64) for s in ((1, 5, 2, 3), (3, 1, 3, 2), (2, 2, 1, 1))]
    args = (factors,) if method == "contract" else (factors, torch.randn(5, 6, dtype=torch.float64))
    torch.compiler.reset()
    got = torch.compile(getattr(fresh, method), fullgraph=True, backend="eager")(*args)
    assert_equal(got, getattr(fresh, method)(*args))
