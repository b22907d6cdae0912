"""compress, dense and receipt of pytrees, and the node that stands for a weight as an array would: jit, grad, vmap."""

import equinox as eqx
import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import linen, nnx
from jax_adapter.students import batch, forward, params

import tensornet as tn
import tensornet_jax as tnj
import tensornet_torch as tnt

SHAPE = (60, 48)
FORMATS = [
    tn.MPO.for_shape(SHAPE, cores=3, layout="even", rank=6),
    tn.Kronecker((30, 3), (2, 16), terms=2),
    tn.Padded.for_shape((59, 47), inner="mpo", cores=2, layout="even"),
]


def node(fmt, transposed=False, lead=()):
    rng = np.random.default_rng(0)
    return tnj.Factorized(tuple(jnp.asarray(rng.standard_normal((*lead, *s))) for s in fmt.shapes), fmt, transposed)


def normal(*shape):
    return jnp.asarray(np.random.default_rng(1).standard_normal(shape))


def close(a, b):
    return a.shape == b.shape and float(jnp.abs(a - b).max()) < 1e-10 * float(jnp.abs(b).max())


def small(dtype=np.float32):
    p = params(0, dtype)
    return p, tnj.compress(p, tnj.plan(p, "head.kernel", format="low_rank", rank=4))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_it_multiplies_as_the_array_it_stands_for(fmt, transposed):
    weight = node(fmt, transposed)
    rows, cols = weight.shape

    def products(w, left, right):
        return left @ w, left[0, 0] @ w, w @ right, w @ right[0, :, 0], jnp.swapaxes(right, -1, -2) @ w.T

    @jax.jit
    def both(weight, left, right):
        w = weight.dense()
        x = right[..., 0] if not transposed else left
        y = fmt.contract(weight.factors)
        ours = (*products(weight, left, right), weight.apply(x))
        return list(zip(ours, (*products(w, left, right), x @ y.T), strict=True)), w

    compared, w = both(weight, normal(2, 3, rows), normal(3, cols, 2))
    assert (weight.shape, weight.ndim, weight.dtype, weight.T.shape) == (w.shape, 2, w.dtype, (cols, rows))
    assert all(close(a, b) for a, b in compared)
    with pytest.raises(tn.TensorNetError, match=r"x has \d+ features, .*because.*; "):
        normal(2, rows + 1) @ weight
    with pytest.raises(tn.TensorNetError, match=r"x has \d+ features, .*because.*; "):
        weight @ normal(cols + 1)


def test_numpy_operands_are_taken():
    weight = node(FORMATS[1])
    assert close(np.ones(SHAPE[0]) @ weight, weight.dense().sum(0))
    assert close(tnj.Factorized(tuple(map(np.asarray, weight.factors)), weight.format).dense(), weight.dense())


def test_jit_grad_and_vmap_see_the_factors():
    fmt = FORMATS[0]
    weight, x = node(fmt), normal(3, SHAPE[0])

    def loss(w):
        return jnp.sum(jnp.tanh(x @ w)) + jnp.sum(jnp.tanh(w @ x.T[: SHAPE[1]]))

    @jax.jit
    def both(weight):
        theirs = jax.grad(lambda factors: loss(fmt.contract(factors)))(weight.factors)
        return jax.grad(loss)(weight), theirs, jax.vmap(lambda row: row @ weight)(x), x @ weight

    gradient, theirs, by_row, at_once = both(weight)
    assert isinstance(gradient, tnj.Factorized)
    assert all(close(a, b) for a, b in zip(gradient.factors, theirs, strict=True))
    assert close(by_row, at_once)

    @jax.jit
    def stacked(weight, gradient):
        stack = jax.tree.map(lambda a, b: jnp.stack([a, b]), weight, gradient)
        last, _ = jax.lax.scan(lambda x, one: (x @ one @ one.T, None), x, stack)
        ours = jax.vmap(lambda one: x @ one)(stack)[1], last
        w, g = weight.dense(), gradient.dense()
        return list(zip(ours, (x @ g, x @ w @ w.T @ g @ g.T), strict=True))

    assert all(close(a, b) for a, b in stacked(weight, gradient))


def test_rows_are_looked_up():
    table, ids = node(FORMATS[0]), jnp.asarray([[0, 59, 3], [7, 7, 1]])
    assert close(table[ids], table.dense()[ids])
    assert close(table.lookup([5]), table.dense()[5:6])
    assert table[...] is table
    with pytest.raises(tn.TensorNetError, match=r"lookup: got ids from -1 to 60, needed 0…59"):
        table[jnp.asarray([-1, 60])]
    found = jax.jit(lambda table, ids: table[ids])(table, jnp.asarray([-1, 0, 60]))
    assert jnp.isnan(found[::2]).all()
    assert close(found[1], table.dense()[0])
    biggest = max(v.aval.size for e in jax.make_jaxpr(table.lookup)(ids).eqns for v in e.outvars)
    assert biggest < table.dense().size  # the table is never formed


def test_compress_keeps_the_tree_and_the_rest():
    p, s = small()
    assert isinstance(s["head"]["kernel"], tnj.Factorized)
    assert s["head"]["bias"] is p["head"]["bias"]
    back = tnj.dense(s)
    assert jax.tree.structure(back) == jax.tree.structure(p)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), back) == jax.tree.map(lambda a: (a.shape, a.dtype), p)
    full = tnj.compress(p, tnj.plan(p, r"head.kernel", format="low_rank"))
    assert float(jnp.abs(tnj.dense(full)["head"]["kernel"] - p["head"]["kernel"]).max()) < 1e-6


def test_halves_stay_halves():
    p, s = small(dtype=jnp.bfloat16)
    assert {a.dtype for a in jax.tree.leaves(s)} == {jnp.dtype(jnp.bfloat16)}
    assert (jnp.ones((2, 12), jnp.bfloat16) @ s["head"]["kernel"]).dtype == jnp.bfloat16
    assert max(e.error for e in tnj.receipt(s, p).entries) < 1


def test_shapes_alone_give_shapes():
    p, s = small()
    plan = tnj.plan(p, "head.kernel", format="low_rank", rank=4)
    for abstract in (
        tnj.compress(jax.eval_shape(lambda: p), plan),
        jax.eval_shape(lambda p: tnj.compress(p, plan), p),
    ):
        assert jax.tree.structure(abstract) == jax.tree.structure(s)
        assert all(
            a.shape == b.shape and a.dtype == b.dtype for a, b in zip(*map(jax.tree.leaves, (abstract, s)), strict=True)
        )


def test_a_stack_of_layers_is_one_node():
    stack = {"layers": {"kernel": normal(3, 12, 6)}}
    s = tnj.compress(stack, tnj.plan(stack, stacked="layers.*", format="low_rank"))
    assert s["layers"]["kernel"].shape == (3, 12, 6)
    assert close(tnj.dense(s)["layers"]["kernel"], stack["layers"]["kernel"])
    with pytest.raises(
        tn.TensorNetError, match=r"Factorized.@: the weight is \(3, 12, 6\), needed a matrix.*; of a stack take"
    ):
        normal(2, 12) @ s["layers"]["kernel"]


def test_an_optimiser_trains_the_factors():
    _, s = small()
    tx = optax.adamw(1e-2)

    @jax.jit
    def step(s, state, data):
        def loss(s):
            return optax.softmax_cross_entropy_with_integer_labels(forward(tnj.dense(s), data[0]), data[1]).mean()

        value, gradient = jax.value_and_grad(loss)(s)
        updates, state = tx.update(gradient, state, s)
        return optax.apply_updates(s, updates), state, value

    state, values = tx.init(s), []
    assert state[0].mu["head"]["kernel"].format == s["head"]["kernel"].format
    for _ in range(30):
        s, state, value = step(s, state, batch(0))
        values.append(float(value))
    assert values[-1] < values[0] - 0.1
    assert step._cache_size() == 1


def test_the_receipt_is_that_of_pytorch():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(12, 6), torch.nn.Linear(6, 4))
    p = {n: jnp.asarray(t.detach().numpy()) for n, t in model.named_parameters()}
    plan = tnt.plan(model, ["0.weight"], format="low_rank", rank=4)
    theirs = tnt.receipt(tnt.compress(model, plan))
    s = tnj.compress(p, plan)
    ours = tnj.receipt(s, p)
    assert (ours.before, ours.after) == (theirs.before, theirs.after)
    for a, b in zip(ours.entries, theirs.entries, strict=True):
        assert (a.name, a.format, a.before, a.after) == (b.name, b.format, b.before, b.after)
        assert a.error == pytest.approx(b.error, rel=1e-5)
    assert str(ours) == str(theirs)
    assert [e.error for e in tnj.receipt(s).entries] == [None]
    assert [f"{e.name} {e.error:.3f}" for e in tnj.receipt(tnj.dense(s), p).entries] == [
        f"{e.name} {e.error:.3f}" for e in theirs.entries
    ]
    assert tnj.receipt(p, p).entries == ()


# ---- mistakes, each with its message --------------------------------------------------------------------------------


def test_what_cannot_be_compressed():
    p = params(0)
    plan = tnj.plan(p, r"head.kernel", format="low_rank")
    with pytest.raises(
        tn.TensorNetError, match=r"compress: got \(dict, dict\), needed a pytree of parameters and a plan"
    ):
        tnj.compress(p, dict(plan))
    with pytest.raises(tn.TensorNetError, match=r"compress: the parameters have no head.kernel; .*plan them anew"):
        tnj.compress({"blocks": p["blocks"]}, plan)
    with pytest.raises(tn.TensorNetError, match=r"head.kernel has shape \(6, 12\), needed \(12, 6\)"):
        tnj.compress({"head": {"kernel": p["head"]["kernel"].T}}, plan)
    with pytest.raises(tn.TensorNetError, match=r"head.kernel: LowRank: the weight .* has 72 NaN"):
        tnj.compress({"head": {"kernel": p["head"]["kernel"] * jnp.nan}}, plan)
    with pytest.raises(tn.TensorNetError, match="dense: got a dict without a factorised weight"):
        tnj.dense(p)


def test_what_a_node_does_not_do():
    weight = node(tn.LowRank(6, 4), transposed=True)
    with pytest.raises(tn.TensorNetError, match=r"lookup: the weight is a transpose, needed one table"):
        weight[jnp.asarray([0])]
    with pytest.raises(TypeError):
        jnp.dot(jnp.ones((2, 4)), weight)  # would have to form W without being asked
    with pytest.raises(TypeError):
        list(weight)


def test_a_receipt_against_other_parameters():
    _, s = small()
    with pytest.raises(
        tn.TensorNetError, match=r"receipt: head.kernel is \(12, 6\), and in the original none of this name"
    ):
        tnj.receipt(s, {"blocks": []})


# ---- what frameworks do with a node ---------------------------------------------------------------------------------


def test_layers_of_equinox_take_it():
    class Model(eqx.Module):
        table: eqx.nn.Embedding
        layer: eqx.nn.Linear

        def __call__(self, token):
            return self.layer(jax.nn.gelu(self.table(token)))

    model = Model(eqx.nn.Embedding(30, 16, key=jax.random.key(0)), eqx.nn.Linear(16, 8, key=jax.random.key(1)))
    plan = tnj.plan(model, ["table.weight", "layer.weight"], format="low_rank", rank=3)
    s = tnj.compress(model, plan)
    assert isinstance(eqx.partition(s, eqx.is_inexact_array)[0].layer.weight, tnj.Factorized)
    ours, dense = eqx.filter_jit(lambda *models: [jax.vmap(m)(jnp.arange(5)) for m in models])(s, tnj.dense(s))
    assert float(jnp.abs(ours - dense).max()) < 1e-5


def test_nnx_keeps_it_in_its_parameter():
    class Layer(nnx.Module):
        def __init__(self):
            self.kernel = nnx.Param(normal(12, 6))

        def __call__(self, x):
            return x @ self.kernel[...]

    graph, state = nnx.split(Layer())
    s = tnj.compress(state, tnj.plan(state, format="low_rank", rank=4))
    assert isinstance(s["kernel"], nnx.Param)
    assert close(nnx.merge(graph, s)(normal(2, 12)), nnx.merge(graph, tnj.dense(s))(normal(2, 12)))
    assert [e.name for e in tnj.receipt(s, state).entries] == ["kernel"]


def test_linen_does_not_take_it_and_says_so():
    """docs/inference.md has an interceptor for this."""
    _, s = small()
    with pytest.raises(flax.errors.ScopeParamShapeError):
        linen.Dense(6).apply({"params": s["head"]}, jnp.ones((2, 12)))
