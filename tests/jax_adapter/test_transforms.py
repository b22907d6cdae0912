"""The transformation under JAX's own transformations and settings: grad, vmap, precision, dtypes, shapes alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax_adapter.small import NAME, close, data, loss, params, plan, stepper, train

import tensornet as tn
import tensornet_jax as tnj

GAUGES = [None, "procrustes", "none", "invariant"]


def ours(p, inner=None, gauge=None, lr_transfer=True, **options):
    alignment = gauge and tnj.Alignment(params(9, p["fc"]["kernel"].dtype), weight=0.3, gauge=gauge, every=2)
    made = plan(p, **options)
    return tnj.overparameterize(inner or optax.adamw(1e-2), made, alignment=alignment, lr_transfer=lr_transfer)


# ---- grad -----------------------------------------------------------------------------------------------------------


def test_gradient_through_several_updates():
    """d loss / d learning rate after three steps, as meta-learning takes it, is the difference quotient."""
    with jax.enable_x64(True):
        p = params(0, np.float64)

        @jax.jit
        def after(rate):
            tx = ours(p, optax.sgd(rate, momentum=0.5))
            q, state = p, tx.init(p)
            for k in range(3):
                q, state = stepper(tx)(q, state, data(k, np.float64))
            return loss(q, data(7, np.float64))

        slope, h = jax.grad(after)(0.1), 1e-5
        quotient = (after(0.1 + h) - after(0.1 - h)) / (2 * h)
        assert abs(quotient) > 1e-3
        np.testing.assert_allclose(slope, quotient, rtol=1e-6)


# ---- vmap -----------------------------------------------------------------------------------------------------------

SEEDS = range(2)


def seeds():
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(params, SEEDS))


def test_vmap_over_seeds():
    """Initial states and steps of many runs at once are those of each; the guard raises no false alarm."""
    tx = ours(params(0), gauge="procrustes")
    step = jax.jit(jax.vmap(stepper(tx), in_axes=(0, 0, None)))
    many, state = seeds(), jax.jit(jax.vmap(tx.init))(seeds())
    for k in range(3):
        many, state = step(many, state, data(k))
    jax.effects_barrier()
    alone = jax.jit(stepper(tx))
    for seed in SEEDS:
        one, held = params(seed), tx.init(params(seed))
        for k in range(3):
            one, held = alone(one, held, data(k))
        close(jax.tree.map(lambda leaf, seed=seed: leaf[seed], many), one, 2e-5)
        np.testing.assert_allclose(state.alignment.loss[seed], held.alignment.loss, rtol=2e-5)


def test_the_guard_sees_one_overwritten_seed_of_many():
    tx, many = ours(params(0)), seeds()
    step = jax.jit(jax.vmap(stepper(tx), in_axes=(0, 0, None)))
    many, state = step(many, jax.vmap(tx.init)(many), data(0))
    many["fc"]["kernel"] = many["fc"]["kernel"].at[1, 0, 0].add(1.0)

    def step_and_wait():
        jax.block_until_ready(step(many, state, data(1)))
        jax.effects_barrier()

    with pytest.raises(jax.errors.JaxRuntimeError, match=rf"somebody else wrote {NAME} since the last update"):
        step_and_wait()


# ---- precision and dtypes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gauge", GAUGES)
def test_products_are_in_float32_whatever_the_default_is(gauge):
    """On a CPU all precisions give one result, so that what counts is what is asked of the device."""
    p = params(0)
    with jax.default_matmul_precision("bfloat16"):
        tx = ours(p, optax.sgd(0.1), gauge, cores=3)
        state = tx.init(p)
        asked = [
            *precisions(jax.make_jaxpr(tx.update)(p, state, p)),
            *precisions(jax.make_jaxpr(tx.init)(p)),
            *precisions(jax.make_jaxpr(lambda s: tnj.materialize(plan(p, cores=3), s, p))(state)),
        ]
        assert set(precisions(jax.make_jaxpr(jnp.matmul)(jnp.eye(2), jnp.eye(2)))) == {jax.lax.Precision.DEFAULT}
    assert len(asked) > 10
    assert set(asked) == {jax.lax.Precision.HIGHEST}


def precisions(jaxpr):
    """Of every product in it, however deep."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            asked = equation.params["precision"]
            found += [p for p in (asked if isinstance(asked, tuple) else (asked,))]
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")):
            if hasattr(inner, "eqns"):
                found += precisions(inner)
    return found


@pytest.mark.parametrize(
    ("dtype", "x64", "gauge"),
    [
        ("float32", False, "invariant"),
        ("float32", True, "procrustes"),
        ("float64", True, "none"),
        ("bfloat16", False, "invariant"),
    ],
)
def test_nothing_is_promoted_in_silence(dtype, x64, gauge):
    """Strict promotion of dtypes and ranks, x64 on and off; Adam of optax itself is not strict, so SGD."""
    with jax.enable_x64(x64), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        p = params(0, dtype)
        tx = ours(p, optax.sgd(0.1, momentum=0.5), gauge)
        state = tx.init(p)
        trained, after = train(tx, p, state, range(2))
        assert jax.tree.map(lambda a: a.dtype, after) == jax.tree.map(lambda a: a.dtype, state)
        assert {f.dtype for f in after.factors[NAME]} == {jnp.dtype("float64" if dtype == "float64" else "float32")}
        assert {leaf.dtype for leaf in jax.tree.leaves(trained)} == {jnp.dtype(dtype)}
        close(trained, tnj.materialize(plan(p), after, trained), 2e-2 if dtype == "bfloat16" else 1e-6)


def test_sixteen_bits_do_not_drift():
    """The factors are float32 and the truth: after 200 steps the weight is as near to them as after one."""
    p = params(0, "bfloat16")
    tx = ours(p, optax.adamw(1e-3))

    @jax.jit
    def run(p, state):
        def step(carry, _):
            return stepper(tx)(*carry, data(0, "bfloat16")), None

        return jax.lax.scan(step, (p, state), None, length=200)[0]

    q, state = run(p, tx.init(p))
    exact = plan(p)[NAME].contract(state.factors[NAME]).T
    assert float(jnp.abs(q["fc"]["kernel"].astype(jnp.float32) - p["fc"]["kernel"].astype(jnp.float32)).max()) > 0.05
    np.testing.assert_allclose(q["fc"]["kernel"].astype(jnp.float32), exact, rtol=2**-8, atol=2**-8)


def test_sixteen_bit_updates_may_be_applied_in_another_program():
    """What the compiled update thinks that the weight becomes is what anybody's addition makes of it."""
    p = params(0, "bfloat16")
    tx = ours(p, optax.sgd(0.5))
    update, state = jax.jit(tx.update), tx.init(p)
    for k in range(5):
        updates, state = update(jax.grad(loss)(p, data(k, "bfloat16")), state, p)
        p = optax.apply_updates(p, updates)
    jax.effects_barrier()


# ---- shapes alone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gauge", ["procrustes", "invariant"])
def test_shapes_are_known_without_arrays(gauge):
    """For planning, and for the restoring of checkpoints: the state's shapes are those that it has."""
    shapes = jax.eval_shape(lambda: params(0))
    tx = ours(params(0), gauge=gauge)
    assert plan(shapes) == plan(params(0))
    state = tx.init(params(0))
    found = jax.eval_shape(tx.init, shapes)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), found) == jax.tree.map(lambda a: (a.shape, a.dtype), state)
    updates, after = jax.eval_shape(tx.update, shapes, found, shapes)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == jax.tree.map(lambda a: (a.shape, a.dtype), found)
    assert jax.tree.structure(updates) == jax.tree.structure(shapes)


# ---- what alignment carries -----------------------------------------------------------------------------------------


def test_the_teachers_gram_matrices_are_made_once():
    """The state holds them: an update contracts the student alone."""
    p = params(0)
    tx = ours(p, optax.sgd(0.1), "invariant", lr_transfer=False, cores=3)
    state = tx.init(p)
    assert state.alignment.teacher == {}
    fmt, teacher = plan(p, cores=3)[NAME], params(9)["fc"]["kernel"].T
    unit, *grams = state.alignment.targets[NAME]
    assert all(g.shape == (k, k) for g, k in zip(grams, (g.shape[0] for g in grams), strict=True))
    np.testing.assert_allclose(unit.ravel(), jnp.linalg.norm(teacher), rtol=1e-6)
    pulled = jax.jit(tx.update)(jax.tree.map(jnp.zeros_like, p), state, p)[0]["fc"]["kernel"]
    factors, target = state.factors[NAME], fmt.decompose(teacher)
    slope = jax.jit(jax.grad(lambda f: tn.align(fmt, f, target, gauge="invariant")))(factors)
    moved = tuple(f - 0.1 * 0.3 * s for f, s in zip(factors, slope, strict=True))
    np.testing.assert_allclose(pulled, fmt.contract(moved).T - p["fc"]["kernel"], atol=2e-6)


def test_targets_that_stand_are_held_once():
    states = {gauge: ours(params(0), gauge=gauge).init(params(0)).alignment for gauge in ("none", "procrustes")}
    assert states["none"].teacher == {}
    assert states["none"].targets.keys() == states["procrustes"].teacher.keys() == {NAME}


# ---- the other guard ------------------------------------------------------------------------------------------------


def test_a_guard_that_poisons_one_seed_and_says_so(caplog):
    many = seeds()
    tx = tnj.overparameterize(optax.sgd(0.1), plan(params(0)), guard="nan")
    step = jax.jit(jax.vmap(stepper(tx), in_axes=(0, 0, None)))
    many, state = step(many, jax.jit(jax.vmap(tx.init))(many), data(0))
    many["fc"]["kernel"] = many["fc"]["kernel"].at[1, 0, 0].add(1.0)
    after, _ = step(many, state, data(1))
    jax.effects_barrier()
    assert jnp.isnan(after["fc"]["kernel"]).all(axis=(1, 2)).tolist() == [False, True]
    assert jnp.isfinite(after["fc"]["kernel"][0]).all()
    assert [r.message.startswith(f"overparameterize: somebody else wrote {NAME}") for r in caplog.records] == [True]
    with pytest.raises(tn.TensorNetError, match=r"guard='warn', needed one of raise, nan"):
        tnj.overparameterize(optax.sgd(0.1), plan(params(0)), guard="warn")
