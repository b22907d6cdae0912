"""A fault that was found in another library is a property that ours keeps: one test for each, for every format.

Each docstring says what was observed, and in which library; the tests themselves need none of them.
"""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch_adapter.students as students
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import tensornet as tn
import tensornet_torch as tnt
from tensornet import TensorNetError
from tensornet.formats import get, names

OURS = [n for n in names() if get(n).__module__.startswith("tensornet.")]  # other tests register formats of their own
KERNELS_ONLY = {"conv_mpo"}
KERNELS = KERNELS_ONLY | {"cp", "tensor_ring", "tucker"}  # those that take (out, in, *kernel)
every = pytest.mark.parametrize("name", OURS)


def weight(name, rows=48, cols=64):
    return (rows, cols, 3, 3) if name in KERNELS_ONLY else (rows, cols)


def made(name, shape=None, **options):
    return get(name).for_shape(shape or weight(name), **options)


def refusal(name, shape):
    try:
        made(name, shape)
    except TensorNetError as error:
        return str(error)
    return ""


def relative(got, want):
    return np.linalg.norm(np.asarray(got) - want) / np.linalg.norm(want)


@pytest.mark.parametrize("rank", [None, 3])
@every
def test_initial_variance_is_the_one_asked_for(name, rank):
    """tltorch 0.5: a fresh 512 × 512 tensor-train layer had entries of std 1.3e-4 where 0.099 was meant."""
    fmt, rng, std = made(name, rank=rank), np.random.default_rng(0), 0.099
    factors = fmt.sample(lambda shape: rng.normal(size=(200, *shape)), std=std)  # a stack of 200 weights
    assert np.std(fmt.contract(factors)) == pytest.approx(std, rel=0.1)


STATE = """
def state():
    import os, warnings, numpy, tensorly, torch, jax
    return (tensorly.get_backend(), numpy.geterr(), numpy.get_printoptions(), warnings.filters[:], dict(os.environ),
            torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), str(torch.initial_seed()),
            torch.backends.cuda.matmul.allow_tf32, jax.config.values, numpy.random.get_state()[1].tolist())
import array_api_compat.torch, optax, safetensors  # what we depend on may do what it likes
before = state()
{statement}
print("same" if state() == before else [(a, b) for a, b in zip(before, state()) if a != b])
"""


def settings_after(statement):
    code = STATE.replace("{statement}", statement)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_has_no_side_effect():
    """tltorch: importing it switches TensorLy, of the whole process, to PyTorch; NumPy users then get a TypeError."""
    assert settings_after("import tensornet, tensornet_torch, tensornet_jax, opdf") == "same"


def test_a_side_effect_of_an_import_would_be_seen():
    assert settings_after("import tensorly; tensorly.set_backend('pytorch')") != "same"


@pytest.mark.parametrize("gauge", ["balanced", "identity", "left", "right"])
@every
def test_decompose_copies(name, gauge):
    """tltorch: a layer made from another shared the bias with it, so that training one edited the other."""
    fmt = made(name)
    if (name == "tensor_ring" and gauge in ("left", "right")) or (gauge == "identity" and not fmt.exact):
        with pytest.raises(
            TensorNetError, match="gauge"
        ):  # a ring has no sides, and into Monarch not every matrix fits
            fmt.decompose(np.ones(fmt.shape), gauge=gauge)
        return
    w = np.random.default_rng(0).normal(size=fmt.shape)
    for array in (w, torch.tensor(w)):
        factors = fmt.decompose(array, gauge=gauge)
        before = [np.asarray(f).copy() for f in factors]
        array *= 0
        assert all(np.array_equal(f, b) for f, b in zip(factors, before, strict=True))


@every
def test_contract_copies(name):
    """The other way round: writing to W leaves the factors alone."""
    fmt = made(name)
    factors = [np.asarray(f) for f in fmt.decompose(np.random.default_rng(0).normal(size=fmt.shape))]
    before = [f.copy() for f in factors]
    w = np.array(fmt.contract(factors), copy=False)
    w *= 0
    assert all(np.array_equal(f, b) for f, b in zip(factors, before, strict=True))


@every
def test_prime_sizes(name):
    """tltorch: 61 × 47 is an IndexError."""
    shape = weight(name, 61, 47)
    w = np.random.default_rng(0).normal(size=shape)
    message = refusal(name, shape)
    if message:  # a format that splits sizes names those that split, and takes pad=True
        assert {"60", "62", "pad=True"} <= set(re.findall(r"[\w=]+", message))
    fmt = made(name, shape, **({"pad": True} if message else {}))
    assert fmt.shape == shape
    if fmt.exact:
        assert relative(fmt.contract(fmt.decompose(w)), w) <= 1e-13


@pytest.mark.parametrize("cores", [9, 12, 30])
def test_many_modes(cores):
    """tltorch: from nine modes on it runs out of letters, and einsum refuses the subscript."""
    fmt = tn.MPO(tuple(2 if k < 9 else 1 for k in range(cores)), (2, *(1,) * (cores - 2), 2))
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=fmt.shape), rng.normal(size=(3, fmt.shape[1]))
    for array in (np.asarray, torch.asarray, jnp.asarray):
        factors = fmt.decompose(array(w))
        assert relative(fmt.contract(factors), w) <= 1e-13
        assert relative(fmt.apply(factors, array(x)), x @ w.T) <= 1e-12


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_grouped_convolutions_and_same_padding(name):
    """tltorch: a factorised convolution with groups=2 is a RuntimeError, one with padding='same' an AssertionError."""
    layer = nn.Conv2d(8, 12, 3, groups=2, padding="same", dtype=torch.float64)
    x = torch.randn(2, 8, 7, 6, dtype=torch.float64)
    fmt = made(name, tuple(layer.weight.shape))
    w = fmt.contract(fmt.decompose(layer.weight))
    with torch.no_grad():
        got = nn.functional.conv2d(x, w, layer.bias, groups=2, padding="same")
        assert relative(got, layer(x).numpy()) <= 1e-13


def test_these_formats_take_kernels():
    assert {n for n in OURS if not refusal(n, (12, 4, 3, 3))} == KERNELS


@every
def test_stored_rank_is_real(name):
    """tltorch: rank (1, 1000, 1000, 1) is kept in the layer although its factors are smaller."""
    fmt = made(name, rank=1000)
    factors = fmt.decompose(np.random.default_rng(0).normal(size=fmt.shape))
    assert [f.shape for f in factors] == list(fmt.shapes)
    assert sum(f.size for f in factors) == fmt.num_params
    assert fmt.to_dict() == made(name).to_dict() or not fmt.exact


@pytest.mark.parametrize("make", [lambda: tn.MPO((4, 2, 6), (4, 2, 8), (1000, 1000)), lambda: tn.LowRank(48, 64, 1000)])
def test_an_unreachable_rank_is_refused(make):
    with pytest.raises(TensorNetError, match="needed"):
        make()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@every
def test_half_precision_weights(name, dtype):
    """tltorch, torch-mpo, torchTT, tensorkrowch: NotImplementedError or TypeError."""
    fmt = made(name)
    w = torch.randn(fmt.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    factors = fmt.decompose(w)
    assert {f.dtype for f in factors} == {torch.float32}
    if fmt.exact:
        assert relative(fmt.contract(factors), w.double().numpy()) <= 3e-6


@every
def test_rank_above_the_size(name):
    """torch-mpo: ranks=50 of a tensor (2, 3, 4), or tt_ranks=50, is a RuntimeError about shapes."""
    shape = weight(name, 4, 6)
    fmt = made(name, shape, rank=50)
    w = np.random.default_rng(0).normal(size=shape)
    if fmt.exact:
        assert relative(fmt.contract(fmt.decompose(w)), w) <= 1e-13


@pytest.mark.parametrize("rank", [None, 2, 50])
@every
def test_rank_deficient_weights(name, rank):
    """torch-mpo: a matrix of ones is a RuntimeError about shapes, because fewer singular values came than were asked for."""
    fmt = made(name, rank=rank)
    factors = fmt.decompose(np.ones(fmt.shape))
    assert [f.shape for f in factors] == list(fmt.shapes)
    np.testing.assert_allclose(fmt.contract(factors), np.ones(fmt.shape), atol=1e-10)


@every
@given(st.integers(6, 40), st.integers(6, 40), st.sampled_from([0.2, 0.5, 0.8]))
def test_the_share_of_parameters_is_kept(name, rows, cols, scale):
    """torch-mpo: asked for a compression ratio of 0.5, it gave 0.013."""
    shape = weight(name, 2 * rows, 2 * cols)
    shares = {r: made(name, shape, rank=r).scale for r in range(1, 2 * max(rows, cols))}
    fitting = [share for share in shares.values() if share <= scale]
    if fitting:
        assert made(name, shape, scale=scale).scale == max(fitting)  # the largest rank that fits is the one taken
    else:
        with pytest.raises(TensorNetError, match="raise the budget"):
            made(name, shape, scale=scale)


TREE = tn.MPO((2, 2, 2), (2, 2, 2))


def test_gradients_at_the_identity_are_finite_in_torch():
    """quimb: of a truncation to bond 2 at the identity, where singular values repeat, in PyTorch and in JAX: NaN or Inf."""
    w = torch.eye(8, dtype=torch.float64, requires_grad=True)
    t = tn.approximate(TREE, w, max_bond=2)
    near = t.format.contract(t.factors)
    ((w - near) ** 2).sum().backward()
    assert torch.equal(
        w.grad, 2 * (w - near).detach()
    )  # the gradient of a distance to the nearest, by the envelope theorem
    leaves = [f.requires_grad_() for f in t.factors]
    teacher = t.format.decompose(torch.eye(8, dtype=torch.float64))
    (tn.align(t.format, leaves, teacher) + t.format.contract(leaves).square().sum()).backward()
    assert all(torch.isfinite(f.grad).all() for f in leaves)


def test_gradients_at_the_identity_are_finite_in_jax():
    """The same in JAX."""

    def to_the_nearest(w):
        t = tn.approximate(TREE, w, max_bond=2, check_finite=False)
        return jnp.sum((w - t.format.contract(t.factors)) ** 2)

    gradient = np.asarray(jax.grad(to_the_nearest)(jnp.eye(8)))
    t = tn.approximate(TREE, jnp.eye(8), max_bond=2)
    near = np.asarray(t.format.contract(t.factors))
    np.testing.assert_allclose(gradient, 2 * (np.eye(8) - near), atol=1e-12)
    teacher = t.format.decompose(jnp.eye(8))
    loss = lambda f: tn.align(t.format, f, teacher) + jnp.sum(t.format.contract(f) ** 2)  # noqa: E731
    assert all(np.isfinite(g).all() for g in jax.grad(loss)(list(t.factors)))


def test_truncation_in_jit():
    """quimb: a cutoff in jit is a TracerBoolConversionError."""
    w = jnp.asarray(np.random.default_rng(0).normal(size=(8, 8)))

    def nearest(w, **goal):
        t = tn.approximate(TREE, w, check_finite=False, **goal)
        return t.format.contract(t.factors)

    with pytest.raises(TensorNetError, match="outside jit"):
        jax.jit(lambda w: nearest(w, eps=1e-2))(w)
    compiled = jax.jit(lambda w: nearest(w, max_bond=3))(w)
    np.testing.assert_allclose(compiled, nearest(w, max_bond=3), atol=1e-12)


def close_pair(step):
    """Two float32 trains with ‖A‖ = 64, and ‖A − B‖ of those very factors in float64."""
    fmt, rng = tn.MPO((4, 4, 4), (4, 4, 4)), np.random.default_rng(0)
    w = rng.normal(size=fmt.shape)
    a = [f.astype(np.float32) for f in fmt.decompose(64 * w / np.linalg.norm(w))]
    b = [f + (step * rng.normal(size=f.shape)).astype(np.float32) for f in a]
    exact = [fmt.contract([f.astype(np.float64) for f in t]) for t in (a, b)]
    return fmt, a, b, np.linalg.norm(exact[0] - exact[1])


@pytest.mark.parametrize("step", [1e-5, 1e-6])
def test_distance_of_large_close_factors(step):
    """quimb, float32, ‖A‖ = 64: true 6.35e-3 read 2.7e-2, true 6.35e-4 read 1.6e-2 by the overlap and 0 by the dense one."""
    fmt, a, b, exact = close_pair(step)
    inner = lambda x, y: np.sum(fmt.contract(x) * fmt.contract(y))  # noqa: E731
    overlap = np.sqrt(np.abs(inner(a, a) - 2 * inner(a, b) + inner(b, b)))
    assert abs(overlap / exact - 1) > 0.1  # what they compute is blind here
    assert float(tn.distance(fmt, a, fmt, b)) == pytest.approx(exact, rel=1e-6)
    with jax.enable_x64(False):  # nothing but float32 at hand
        alone = tn.distance(fmt, [jnp.asarray(f) for f in a], fmt, [jnp.asarray(f) for f in b])
        assert alone.dtype == jnp.float32
        assert float(alone) == pytest.approx(exact, rel=0.1)


@every
def test_tensors_that_require_gradients_are_taken(name):
    """torchTT: its constructor calls numpy() on a tensor that requires a gradient, a RuntimeError."""
    fmt = made(name)
    w = torch.randn(fmt.shape, dtype=torch.float64, requires_grad=True)
    factors = fmt.decompose(w)
    assert not any(f.requires_grad for f in factors)
    leaves = [f.requires_grad_() for f in factors]
    fmt.contract(leaves).sum().backward()
    assert all(f.grad is not None for f in leaves)
    assert float(tn.distance(fmt, leaves, fmt, leaves)) <= 1e-13 * float(tn.norm(fmt, leaves)) * len(leaves)


def test_the_optimiser_keeps_the_dense_weight():
    """torch.nn.utils.parametrize: what remove_parametrizations leaves is a new parameter, which no optimiser holds."""
    model = students.student(0)
    dense = {n: p for n, p in model.named_parameters()}
    inner = torch.optim.AdamW(model.parameters(), lr=1e-2)
    optimizer = tnt.overparameterize(inner, model, tnt.plan(model, "all-linear", cores=3))
    students.train(model, optimizer, range(3))
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    assert dict(model.named_parameters()).keys() == dense.keys()
    for name, parameter in model.named_parameters():
        assert parameter is dense[name]
        assert id(parameter) in held
        assert isinstance(parameter, nn.Parameter)
    plain = torch.optim.SGD(
        [p for g in optimizer.param_groups for p in g["params"]], lr=1e-2
    )  # the factors are dropped
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    students.train(model, plain, range(1))
    assert all(not torch.equal(p, before[n]) for n, p in model.named_parameters())
