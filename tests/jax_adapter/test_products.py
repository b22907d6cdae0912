"""Products that are kept from one update to the next: the same training, with fewer operations."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tensornet as tn
import tensornet_jax as tnj

WIDTH, LAYERS = 12, 2


def params():
    rng = np.random.default_rng(0)
    stack = jnp.asarray(rng.normal(size=(LAYERS, WIDTH, WIDTH)), jnp.float32)
    return {"layers": {"kernel": stack}, "head": {"kernel": jnp.asarray(rng.normal(size=(WIDTH, 6)), jnp.float32)}}


def transformation(**options):
    plan = tnj.plan(params(), stacked=r"layers.*", cores=5)
    return tnj.overparameterize(optax.adam(1e-2), plan, **options)


def gradients(p):
    return jax.grad(lambda p: jnp.sum(p["head"]["kernel"] ** 3) + jnp.sum(jnp.sin(p["layers"]["kernel"])))(p)


def trained(tx, steps=5):
    def step(p, state):
        updates, state = tx.update(gradients(p), state, p)
        return optax.apply_updates(p, updates), state

    compiled, p = jax.jit(step, donate_argnums=(0, 1)), params()
    state = jax.jit(tx.init)(p)
    for _ in range(steps):
        p, state = compiled(p, state)
    assert compiled._cache_size() == 1
    return p, state


def test_the_same_training():
    (ours, kept), (theirs, again) = (trained(transformation(keep_products=keep)) for keep in (True, False))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-6), ours, theirs)
    assert again.products == {}
    assert {n: len(products) for n, products in kept.products.items()} == {"head.kernel": 3, "layers.kernel": 3}


def test_fewer_operations():
    def flops(keep):
        tx, p = transformation(keep_products=keep), params()
        state = jax.eval_shape(tx.init, p)
        return jax.jit(tx.update).lower(p, state, p).compile().cost_analysis()["flops"]

    assert flops(True) < flops(False)


def test_a_state_without_products_is_refused():
    state = transformation().init(params())
    with pytest.raises(
        tn.TensorNetError, match=r"differ in whether there is alignment, lr_transfer, or products are kept"
    ):
        transformation(keep_products=True).update(params(), state, params())
