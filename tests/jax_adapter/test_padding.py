"""Weights whose sizes do not split train as their factors do, padding and all; kernels are left out."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tensornet as tn
import tensornet_jax as tnj
from tensornet.formats import Padded

STEPS = 5
NAMES = ["table.embedding", "head.kernel"]


def params():
    """A table of 13 rows and a layer of 7 and 5: nothing here splits."""
    rng = np.random.default_rng(0)
    return {
        "table": {"embedding": jnp.asarray(rng.normal(size=(13, 7)))},
        "head": {"kernel": jnp.asarray(rng.normal(size=(7, 5))), "bias": jnp.zeros(5, jnp.float64)},
    }


def loss(p, ids):
    h = jnp.tanh(p["table"]["embedding"][ids])
    logits = jnp.matmul(h, p["head"]["kernel"], precision="highest") + p["head"]["bias"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, ids % 5).mean()


def dense(plan, tree):
    return {
        "table": {"embedding": plan[NAMES[0]].contract(tree["table"]["embedding"])},
        "head": {**tree["head"], "kernel": plan[NAMES[1]].contract(tree["head"]["kernel"]).T},
    }


def run(tx, start, loss):
    @jax.jit
    def step(p, state, ids):
        updates, state = tx.update(jax.grad(loss)(p, ids), state, p)
        return optax.apply_updates(p, updates), state

    p, state = start, tx.init(start)
    for seed in range(STEPS):
        p, state = step(p, state, jnp.asarray(np.random.default_rng(seed).integers(0, 13, 32)))
    return p, state


@pytest.mark.parametrize("options", [{"cores": 3}, {"layout": "even", "cores": 2}], ids=str)
def test_padded_weights_train_as_their_factors(options):
    with jax.enable_x64(True):
        p = params()
        plan = tnj.plan(p, NAMES, pad=True, **options)
        assert all(isinstance(f, Padded) for f in plan.values())
        trained, state = run(tnj.overparameterize(optax.adamw(1e-2), plan, lr_transfer=False), p, loss)
        tree = {
            "table": {"embedding": plan[NAMES[0]].decompose(p["table"]["embedding"])},
            "head": {**p["head"], "kernel": plan[NAMES[1]].decompose(p["head"]["kernel"].T)},
        }
        tree, _ = run(optax.adamw(1e-2), tree, lambda tree, ids: loss(dense(plan, tree), ids))
        for ours, theirs in zip(jax.tree.leaves(trained), jax.tree.leaves(dense(plan, tree)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)
        whole = plan[NAMES[0]].inner.contract(state.factors[NAMES[0]])
        np.testing.assert_allclose(trained["table"]["embedding"], whole[:13, :7], rtol=1e-14, atol=1e-14)


def test_kernels_of_convolutions_are_left_out_and_said_so():
    """Flax stores them (*kernel, in, out), where a format takes (out, in, *kernel): a plan of them would be of other axes."""
    shapes = {"conv": {"kernel": jax.ShapeDtypeStruct((3, 3, 6, 4), jnp.float32)}, **params_of_shapes()}
    for rules in ("all-linear", r".*kernel"):
        plan = tnj.plan(shapes, rules, cores=3, pad=True)
        assert list(plan) == ["head.kernel"]
        assert plan.skipped["conv.kernel"] == "no matrix, but 4 axes"
    with pytest.raises(tn.TensorNetError, match=r"it would match conv.kernel, left out: no matrix, but 4 axes"):
        tnj.plan(shapes, ["conv.kernel"])


def params_of_shapes():
    return jax.eval_shape(params)
