"""The smallest tree that has everything: one planned weight, and two beside it. It compiles in no time."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tensornet_jax as tnj

NAME = "fc.kernel"


def params(seed, dtype=np.float32, **more):
    rng = np.random.default_rng(seed)

    def array(*shape):
        return jnp.asarray(rng.normal(size=shape), dtype)

    return {"fc": {"kernel": array(6, 4), "bias": array(4)}, "head": {"kernel": array(4, 2)}, **more}


def data(step, dtype=np.float32):
    rng = np.random.default_rng(100 + step)
    return jnp.asarray(rng.normal(size=(8, 6)), dtype), jnp.asarray(rng.normal(size=(8, 2)), dtype)


def loss(p, batch):
    x, y = batch
    h = jnp.tanh(jnp.matmul(x, p["fc"]["kernel"], precision="highest") + p["fc"]["bias"][None, :])
    return jnp.mean((jnp.matmul(h, p["head"]["kernel"], precision="highest") - y) ** 2)


def plan(p, **options):
    return tnj.plan(p, [NAME], **{"cores": 2, **options})


def stepper(tx):
    """(params, state, batch) → (params, state)."""

    def step(p, state, batch):
        updates, state = tx.update(jax.grad(loss)(p, batch), state, p)
        return optax.apply_updates(p, updates), state

    return step


def train(tx, p, state, steps):
    step, dtype = jax.jit(stepper(tx)), p["fc"]["kernel"].dtype
    for k in steps:
        p, state = step(p, state, data(k, dtype))
    return p, state


def close(a, b, bound):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x, np.float64), np.asarray(y, np.float64), rtol=bound, atol=bound)
