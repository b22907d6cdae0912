"""A student distilled with alignment in the four ways in which JAX users write a loop, and in PyTorch: the same losses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import linen, nnx
from flax.training.train_state import TrainState

import tensornet_jax as tnj
import tensornet_torch as tnt
from opdf.losses import hinton

STEPS, BLOCKS, SIZES = 20, {"student": 1, "teacher": 2}, {"up": (16, 12), "down": (12, 16), "head": (6, 12)}
ADAMW = {"weight_decay": 0.1, "eps": 1e-8}  # of which optax and PyTorch have defaults of their own
OURS = {"gauge": "identity"}  # the one gauge in which every library starts from the same factors, to the last bit
ALIGNED = {"weight": 2.0, "every": 3}
RULE = r"blocks.*\.(weight|kernel)"


# ---- what all of them share: weights by PyTorch's names, and data ----------------------------------------------------


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = torch.nn.Linear(12, 16), torch.nn.Linear(16, 12)

    def forward(self, x):
        return x + self.down(torch.tanh(self.up(x)))


class Net(torch.nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.blocks = torch.nn.Sequential(*(Block() for _ in range(depth)))
        self.head = torch.nn.Linear(12, 6)

    def forward(self, x):
        return self.head(self.blocks(x))


def network(who):
    torch.manual_seed(len(who))
    return Net(BLOCKS[who])


def weights(who):
    """Name → array, as PyTorch stores them: (out, in)."""
    return {n: p.detach().numpy() for n, p in network(who).named_parameters()}


def batch(step):
    """(32, 12) inputs and the teacher's logits."""
    x = torch.randn(32, 12, generator=torch.Generator().manual_seed(step))
    with torch.no_grad():
        return x, network("teacher")(x)


def batches():
    return [tuple(jnp.asarray(a.numpy()) for a in batch(k)) for k in range(STEPS)]


def distillation(student, logits):
    return hinton(student, logits, temperature=2.0)


# ---- PyTorch, once ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference():
    """Losses, alignment losses and the last weights."""
    student, teacher = network("student"), network("teacher")
    inner = torch.optim.AdamW(student.parameters(), lr=1e-2, **ADAMW)
    plan = tnt.plan(student, RULE, cores=3)
    optimizer = tnt.overparameterize(inner, student, plan, alignment=tnt.Alignment(teacher, **ALIGNED), **OURS)
    losses, aligned = [], []
    for k in range(STEPS):
        x, logits = batch(k)
        optimizer.zero_grad()
        loss = distillation(student(x), logits)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        aligned.append(float(optimizer.alignment_loss))
    assert losses[-1] < 0.7 * losses[0]
    return losses, aligned, weights_of(student.named_parameters())


def weights_of(named):
    return {n: np.asarray(w.detach().numpy()) for n, w in named}


def check(reference, losses, aligned, last, traces):
    """Losses within 1e-5 over all steps (1.4e-7 was found), what they trained, and one compilation."""
    assert traces == 1
    expected, expected_aligned, weights = reference
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(aligned, expected_aligned, rtol=0, atol=1e-5)
    assert last.keys() == weights.keys()
    for name, w in weights.items():
        np.testing.assert_allclose(last[name], w, rtol=0, atol=1e-5, err_msg=name)


def transformation(params, teacher):
    plan = tnj.plan(params, RULE, cores=3)
    inner = optax.adamw(1e-2, **ADAMW)
    return plan, tnj.overparameterize(inner, plan, alignment=tnj.Alignment(teacher, **ALIGNED), **OURS)


# ---- a bare pytree ---------------------------------------------------------------------------------------------------


def as_tree(named):
    """Nested dicts with (in, out) kernels."""
    tree = {}
    for name, w in named.items():
        *path, leaf = name.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[{"weight": "kernel"}.get(leaf, leaf)] = jnp.asarray(w.T)
    return tree


def as_named(tree):
    """The inverse of `as_tree`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in leaves]
    return {n.replace("kernel", "weight"): np.asarray(a).T for n, (_, a) in zip(names, leaves, strict=True)}


def forward(p, x):
    def dense(layer, x):
        return x @ layer["kernel"] + layer["bias"]

    for block in p["blocks"].values():
        x = x + dense(block["down"], jnp.tanh(dense(block["up"], x)))
    return dense(p["head"], x)


def test_a_bare_pytree(reference):
    p = as_tree(weights("student"))
    _, tx = transformation(p, as_tree(weights("teacher")))

    def step(p, state, x, logits):
        loss, gradients = jax.value_and_grad(lambda p: distillation(forward(p, x), logits))(p)
        updates, state = tx.update(gradients, state, p)
        return optax.apply_updates(p, updates), state, loss

    donating, state, losses, aligned = jax.jit(step, donate_argnums=(0, 1)), tx.init(p), [], []
    for data in batches():
        p, state, loss = donating(p, state, *data)
        losses.append(loss)
        aligned.append(state.alignment.loss)
    check(reference, losses, aligned, as_named(p), donating._cache_size())


# ---- Flax Linen ------------------------------------------------------------------------------------------------------


class LinenBlock(linen.Module):
    @linen.compact
    def __call__(self, x):
        return x + linen.Dense(12, name="down")(jnp.tanh(linen.Dense(16, name="up")(x)))


class LinenNet(linen.Module):
    depth: int

    @linen.compact
    def __call__(self, x):
        for n in range(self.depth):
            x = LinenBlock(name=f"blocks_{n}")(x)
        return linen.Dense(6, name="head")(x)


def linen_params(who):
    tree = as_tree(weights(who))
    return {f"blocks_{n}": block for n, block in tree["blocks"].items()} | {"head": tree["head"]}


def test_linen(reference):
    model = LinenNet(BLOCKS["student"])
    p = linen_params("student")
    plan, tx = transformation(p, linen_params("teacher"))
    assert list(plan) == ["blocks_0.down.kernel", "blocks_0.up.kernel"]
    state, traced = TrainState.create(apply_fn=model.apply, params=p, tx=tx), []

    @jax.jit
    def step(state, x, logits):
        traced.append(x)

        def loss(p):
            return distillation(state.apply_fn({"params": p}, x), logits)

        value, gradients = jax.value_and_grad(loss)(state.params)
        return state.apply_gradients(grads=gradients), value

    losses, aligned = [], []
    for data in batches():
        state, loss = step(state, *data)
        losses.append(loss)
        aligned.append(state.opt_state.alignment.loss)
    named = as_named(state.params)
    named = {n.replace("blocks_", "blocks."): w for n, w in named.items()}
    check(reference, losses, aligned, named, len(traced))


# ---- Flax NNX --------------------------------------------------------------------------------------------------------


class NNXBlock(nnx.Module):
    def __init__(self, rngs):
        self.up, self.down = nnx.Linear(12, 16, rngs=rngs), nnx.Linear(16, 12, rngs=rngs)

    def __call__(self, x):
        return x + self.down(jnp.tanh(self.up(x)))


class NNXNet(nnx.Module):
    def __init__(self, depth, rngs):
        self.blocks = nnx.List([NNXBlock(rngs) for _ in range(depth)])
        self.head = nnx.Linear(12, 6, rngs=rngs)

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def nnx_model(who):
    model = nnx.eval_shape(lambda: NNXNet(BLOCKS[who], nnx.Rngs(0)))
    tree = as_tree(weights(who))
    nnx.update(model, tree | {"blocks": {int(n): block for n, block in tree["blocks"].items()}})
    return model


def test_nnx(reference):
    student, teacher = nnx_model("student"), nnx_model("teacher")
    plan, tx = transformation(nnx.state(student, nnx.Param), teacher)
    assert list(plan) == list(tnj.plan(student, RULE, cores=3)) == ["blocks.0.down.kernel", "blocks.0.up.kernel"]
    optimizer, traced = nnx.Optimizer(student, tx, wrt=nnx.Param), []

    @nnx.jit
    def step(student, optimizer, x, logits):
        traced.append(x)
        loss, gradients = nnx.value_and_grad(lambda m: distillation(m(x), logits))(student)
        optimizer.update(student, gradients)
        return loss

    losses, aligned = [], []
    for data in batches():
        losses.append(step(student, optimizer, *data))
        aligned.append(optimizer.opt_state.alignment.loss[...])
    check(reference, losses, aligned, as_named(nnx.to_pure_dict(nnx.state(student, nnx.Param))), len(traced))


# ---- Equinox ---------------------------------------------------------------------------------------------------------


class EqxBlock(eqx.Module):
    up: eqx.nn.Linear
    down: eqx.nn.Linear

    def __call__(self, x):
        return x + self.down(jnp.tanh(self.up(x)))


class EqxNet(eqx.Module):
    blocks: list
    head: eqx.nn.Linear

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def eqx_model(who):
    """Equinox's weights are (out, in), as PyTorch's are, and of the same names."""
    named = weights(who)

    def linear(name):
        layer = eqx.nn.Linear(*SIZES[name.split(".")[-1]][::-1], key=jax.random.key(0))
        new = [jnp.asarray(named[f"{name}.{leaf}"]) for leaf in ("weight", "bias")]
        return eqx.tree_at(lambda m: (m.weight, m.bias), layer, new)

    blocks = [EqxBlock(linear(f"blocks.{n}.up"), linear(f"blocks.{n}.down")) for n in range(BLOCKS[who])]
    return EqxNet(blocks, linear("head"))


def test_equinox(reference):
    student, teacher = eqx_model("student"), eqx_model("teacher")
    plan, tx = transformation(*(eqx.filter(m, eqx.is_inexact_array) for m in (student, teacher)))
    assert list(plan) == ["blocks.0.up.weight", "blocks.0.down.weight"]
    assert not plan.transposed

    @eqx.filter_jit(donate="all-except-first")
    def step(data, student, state):
        x, logits = data
        traced.append(x)
        loss, gradients = eqx.filter_value_and_grad(lambda m: distillation(jax.vmap(m)(x), logits))(student)
        updates, state = tx.update(gradients, state, eqx.filter(student, eqx.is_inexact_array))
        return eqx.apply_updates(student, updates), state, loss

    state, losses, aligned, traced = tx.init(eqx.filter(student, eqx.is_inexact_array)), [], [], []
    for data in batches():
        student, state, loss = step(data, student, state)
        losses.append(loss)
        aligned.append(state.alignment.loss)
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(student, eqx.is_inexact_array))
    named = {jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(a) for path, a in leaves}
    check(reference, losses, aligned, named, len(traced))
