"""A small student and data for the tests of the JAX adapter: the same network as the PyTorch tests', in a bare pytree."""

import jax
import jax.numpy as jnp
import numpy as np
import optax


def params(seed, dtype=np.float32):
    rng = np.random.default_rng(seed)

    def linear(n_in, n_out):
        return {
            "kernel": jnp.asarray(rng.uniform(-1, 1, (n_in, n_out)) / n_in**0.5, dtype),
            "bias": jnp.asarray(rng.uniform(-1, 1, n_out) / n_in**0.5, dtype),
        }

    norm = {"scale": jnp.ones(12, dtype), "bias": jnp.zeros(12, dtype)}
    return {"blocks": [linear(12, 16), linear(16, 12)], "norm": norm, "head": linear(12, 6)}


def batch(step, dtype=np.float32):
    rng = np.random.default_rng(1000 + step)
    return jnp.asarray(rng.standard_normal((32, 12)), dtype), jnp.asarray(rng.integers(0, 6, 32))


def forward(p, x):
    def dense(layer, x):
        return jnp.matmul(x, layer["kernel"], precision="highest") + layer["bias"]

    h = x + dense(p["blocks"][1], jnp.tanh(dense(p["blocks"][0], x)))
    h = (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 1e-5)
    return dense(p["head"], h * p["norm"]["scale"] + p["norm"]["bias"])


def loss_of(p, data):
    return optax.softmax_cross_entropy_with_integer_labels(forward(p, data[0]), data[1]).mean()


def train(tx, p, state, steps, jit=True):
    dtype = p["head"]["bias"].dtype

    def step(p, state, data):
        updates, state = tx.update(jax.grad(loss_of)(p, data), state, p)
        return optax.apply_updates(p, updates), state

    run = jax.jit(step) if jit else step
    for k in steps:
        p, state = run(p, state, batch(k, dtype))
    return p, state


def distance(a, b):
    return max(
        float(jnp.linalg.norm(x - y) / jnp.maximum(jnp.linalg.norm(y), 1e-30))
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )
