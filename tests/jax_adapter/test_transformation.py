"""What training loops do to a transformation: trees, jit, scan, saving, and mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax_adapter.students import batch, distance, loss_of, params, train

import tensornet as tn
import tensornet_jax as tnj


def wrapped(p, rules=r".*kernel", alignment=None, tx=None, cores=3, **options):
    plan = tnj.plan(p, rules, cores=cores)
    return plan, tnj.overparameterize(tx or optax.adamw(1e-2), plan, alignment=alignment, **options)


def signature(p):
    return jax.tree.structure(p), [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(p)]


def test_the_parameters_keep_their_tree():
    p = params(0)
    _, tx = wrapped(p)
    trained, _ = train(tx, p, tx.init(p), range(2))
    assert signature(trained) == signature(p)


def test_kernels_are_planned_as_out_in():
    plan = tnj.plan(params(0), r".*kernel", cores=3)
    assert plan["blocks.0.kernel"].shape == (16, 12)
    assert "blocks.0.kernel" in plan.transposed
    assert not tnj.plan({"weight": jnp.ones((16, 12))}, cores=3).transposed


def test_a_plan_needs_shapes_only():
    shapes = jax.eval_shape(lambda: params_of_ones())
    assert tnj.plan(shapes, cores=5)["big.kernel"].num_params == 7_667_712


def params_of_ones():
    return {"big": {"kernel": jnp.ones((768, 3072))}, "token": {"embedding": jnp.ones((8, 4))}}


def test_materialize_gives_the_contraction_to_the_last_bit():
    p = params(0)
    plan, tx = wrapped(p)
    trained, state = train(tx, p, tx.init(p), range(3))
    exact = tnj.materialize(plan, state, trained)
    for n, leaf in {"blocks.0.kernel": exact["blocks"][0]["kernel"], "head.kernel": exact["head"]["kernel"]}.items():
        assert jnp.array_equal(leaf, plan[n].contract(state.factors[n]).T)
    assert distance(trained, exact) < 2e-7


def test_state_is_a_pytree_that_scan_carries():
    p = params(0)
    _, tx = wrapped(p, alignment=tnj.Alignment(params(1), weight=1.0, every=2), cores=2)
    batches = [batch(k) for k in range(4)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)

    def step(carry, data):
        p, state = carry
        updates, state = tx.update(jax.grad(loss_of)(p, data), state, p)
        return (optax.apply_updates(p, updates), state), None

    (scanned, _), _ = jax.jit(lambda p: jax.lax.scan(step, (p, tx.init(p)), stacked))(p)
    looped, _ = train(tx, p, tx.init(p), range(4))
    assert distance(scanned, looped) < 1e-5


def test_half_precision_parameters_have_float32_factors():
    p = jax.tree.map(lambda a: a.astype(jnp.bfloat16), params(0))
    plan, tx = wrapped(p, cores=2)
    trained, state = train(tx, p, tx.init(p), range(3))
    assert all(f.dtype == jnp.float32 for fs in state.factors.values() for f in fs)
    assert signature(trained) == signature(p)
    assert distance(trained, tnj.materialize(plan, state, trained)) == 0


def test_a_zero_weight_trains():
    p = params(0)
    p["head"]["kernel"] = jnp.zeros_like(p["head"]["kernel"])
    _, tx = wrapped(p, rules=r"head.kernel", cores=2)
    trained, _ = train(tx, p, tx.init(p), [0] * 50)
    assert loss_of(trained, batch(0)) < loss_of(p, batch(0)) - 0.1
    assert jnp.linalg.matrix_rank(trained["head"]["kernel"]) == 6


# ---- mistakes, each with its message --------------------------------------------------------------------------------


def overwritten():
    p = params(0)
    plan, tx = wrapped(p, rules=r"head.kernel", cores=2)
    p, state = train(tx, p, tx.init(p), range(1))
    p["head"]["kernel"] = p["head"]["kernel"].at[-1, -1].add(1e-3)
    return plan, tx, p, state


def test_an_overwritten_weight_is_refused_and_resync_takes_it():
    plan, tx, p, state = overwritten()
    gradients = jax.grad(loss_of)(p, batch(0))
    with pytest.raises(tn.TensorNetError, match=r"somebody else wrote head.kernel since the last update"):
        tx.update(gradients, state, p)
    state = tnj.resync(plan, state, p, tx)
    tx.update(gradients, state, p)


def test_an_overwritten_weight_is_refused_under_jit():
    _, tx, p, state = overwritten()

    def step_and_wait():
        jax.block_until_ready(train(tx, p, state, range(1)))
        jax.effects_barrier()

    with pytest.raises(jax.errors.JaxRuntimeError, match=r"somebody else wrote head.kernel since the last update"):
        step_and_wait()


def test_update_without_params():
    p = params(0)
    _, tx = wrapped(p, cores=2)
    with pytest.raises(tn.TensorNetError, match=r"update was called without params"):
        tx.update(p, tx.init(p))


def test_plan_of_other_parameters():
    p = params(0)
    _, tx = wrapped(p, cores=2)
    with pytest.raises(tn.TensorNetError, match=r"the parameters have no head.kernel"):
        tx.init({"blocks": p["blocks"]})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weight_with_nan_or_inf(bad):
    p = params(0)
    _, tx = wrapped(p, cores=2)
    p["head"]["kernel"] = p["head"]["kernel"].at[0, 0].set(bad)
    with pytest.raises(tn.TensorNetError, match=r"head.kernel: MPO: the weight .* has 1 NaN or Inf"):
        tx.init(p)


def test_integer_weight():
    p = {"kernel": jnp.ones((12, 6), jnp.int32)}
    _, tx = wrapped(p, cores=2)
    with pytest.raises(tn.TensorNetError, match=r"kernel: MPO: got a weight of dtype int32"):
        tx.init(p)


def test_rule_that_matches_nothing():
    with pytest.raises(tn.TensorNetError, match=r"'weight' matches no weight"):
        tnj.plan(params(0), "weight")


def test_pairs_of_unequal_shapes():
    teacher = params(1)
    teacher["head"]["kernel"] = jnp.ones((24, 6))
    with pytest.raises(
        tn.TensorNetError, match=r"head.kernel \(6, 12\) is paired with the teacher's head.kernel \(6, 24\)"
    ):
        wrapped(params(0), alignment=tnj.Alignment(teacher))
