"""Without lr_transfer: The transformation does exactly what explicit training of the factors through jax.grad does."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax_adapter.students import batch, distance, loss_of, params, train

import tensornet as tn
import tensornet_jax as tnj

STEPS = range(10)
OPTIMIZERS = {
    "adamw": lambda: optax.adamw(1e-2, weight_decay=0.1),
    "sgd": lambda: optax.sgd(0.1, momentum=0.9, nesterov=True),
    "chain": lambda: optax.chain(
        optax.clip_by_global_norm(1.0), optax.scale_by_adam(), optax.scale_by_schedule(lambda n: -0.01 / (1 + n))
    ),
    "lion": lambda: optax.lion(1e-3),
}


def explicit(p, plan, tx, gauge, alignment=None):
    """Factors as leaves of the differentiated tree, W contracted in the loss: none of the adapter's code."""

    def dense(tree):
        return {
            "blocks": [
                {**b, "kernel": plan[f"blocks.{n}.kernel"].contract(b["kernel"]).T}
                for n, b in enumerate(tree["blocks"])
            ],
            "norm": tree["norm"],
            "head": {**tree["head"], "kernel": plan["head.kernel"].contract(tree["head"]["kernel"]).T},
        }

    def split(name, layer):
        decompose = jax.jit(lambda w: plan[name].decompose(w, gauge=gauge, check_finite=False))
        return {**layer, "kernel": decompose(layer["kernel"].T)}

    tree = {
        "blocks": [split(f"blocks.{n}.kernel", b) for n, b in enumerate(p["blocks"])],
        "norm": p["norm"],
        "head": split("head.kernel", p["head"]),
    }

    def loss(tree, data):
        return loss_of(dense(tree), data) + (0 if alignment is None else alignment(tree))

    @jax.jit
    def step(tree, state, data):
        updates, state = tx.update(jax.grad(loss)(tree, data), state, tree)
        return optax.apply_updates(tree, updates), state

    state = tx.init(tree)
    for k in STEPS:
        tree, state = step(tree, state, batch(k, p["head"]["bias"].dtype))
    return dense(tree)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("gauge", ["balanced", "identity"])
def test_ten_adamw_steps(dtype, bound, gauge):
    with jax.enable_x64(dtype is np.float64):
        check("adamw", dtype, bound, gauge, cores=5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_transformation(name):
    with jax.enable_x64(True):
        check(name, np.float64, 1e-12, "balanced")


def check(name, dtype, bound, gauge, cores=3):
    p = params(0, dtype)
    plan = tnj.plan(p, r".*kernel", cores=cores)
    tx = tnj.overparameterize(OPTIMIZERS[name](), plan, gauge=gauge, lr_transfer=False)
    trained, _ = train(tx, p, tx.init(p), STEPS)
    # the first gradient is taken at the weight the factors contract to, as explicit training does
    assert distance(trained, explicit(p, plan, OPTIMIZERS[name](), gauge)) < bound


@pytest.mark.parametrize("gauge", ["none", "invariant", "procrustes"])
def test_alignment_is_one_more_term_of_the_loss(gauge):
    with jax.enable_x64(True):
        p, teacher = params(0, np.float64), params(1, np.float64)
        plan = tnj.plan(p, r".*kernel", cores=3)
        alignment = tnj.Alignment(teacher, weight=3.0, gauge=gauge, every=1)
        tx = tnj.overparameterize(optax.adamw(1e-2), plan, alignment=alignment, lr_transfer=False)
        trained, state = train(tx, p, tx.init(p), STEPS)
        targets = {n: plan[n].decompose(w) for n, w in kernels(teacher).items()}

        def alignment(tree):
            factors = {
                "blocks.0.kernel": tree["blocks"][0]["kernel"],
                "blocks.1.kernel": tree["blocks"][1]["kernel"],
                "head.kernel": tree["head"]["kernel"],
            }
            return 3.0 * sum(tn.align(plan[n], factors[n], targets[n], gauge=gauge) for n in plan)

        expected = explicit(p, plan, optax.adamw(1e-2), "balanced", alignment)
        assert distance(trained, expected) < 1e-10
        assert state.alignment.loss > 0
        assert state.alignment.steps == 10


def kernels(p):
    return {
        "blocks.0.kernel": p["blocks"][0]["kernel"].T,
        "blocks.1.kernel": p["blocks"][1]["kernel"].T,
        "head.kernel": p["head"]["kernel"].T,
    }


def test_without_jit_it_is_the_same():
    p = params(0)
    plan = tnj.plan(p, r"head.kernel", cores=2)
    tx = tnj.overparameterize(optax.adamw(1e-2), plan)
    one, _ = train(tx, p, tx.init(p), range(3))
    two, _ = train(tx, p, tx.init(p), range(3), jit=False)
    assert distance(one, two) < 1e-6
    assert jnp.isfinite(loss_of(one, batch(0)))
