"""What training loops do to a transformation: trees, jit, scan, saving, and mistakes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax_adapter.students import batch, distance, loss_of, params, train

import tensornet as tn
import tensornet_jax as tnj

BY_NAME = "an embedding, by its name; a rule of its own takes it"


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


@pytest.mark.parametrize("gauge", ["balanced", "identity"])
def test_parameters_and_state_can_be_donated(gauge):
    """No buffer stands in them twice, and none is the transformation's own: a second start finds all it needs."""
    p = {"weight": jnp.asarray(np.random.default_rng(0).standard_normal((6, 12)), jnp.float32)}
    teacher = {"weight": jnp.asarray(np.random.default_rng(1).standard_normal((6, 12)), jnp.float32)}
    plan = tnj.plan(p, format="low_rank")
    tx = tnj.overparameterize(optax.sgd(0.1), plan, alignment=tnj.Alignment(teacher), gauge=gauge)

    def step(p, state):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, p), state, p)
        return optax.apply_updates(p, updates), state

    donating = jax.jit(step, donate_argnums=(0, 1))
    ends = []
    for _ in range(2):
        carry = (jax.tree.map(jnp.copy, p), tx.init(p))
        for _ in range(2):
            carry = donating(*carry)
        ends.append(carry[0]["weight"])
    assert jnp.array_equal(*ends)
    assert bool(jnp.all(jnp.isfinite(teacher["weight"])))


def test_half_precision_parameters_have_float32_factors():
    p = jax.tree.map(lambda a: a.astype(jnp.bfloat16), params(0))
    plan, tx = wrapped(p, cores=2)
    trained, state = train(tx, p, tx.init(p), range(3))
    assert all(f.dtype == jnp.float32 for fs in state.factors.values() for f in fs)
    assert signature(trained) == signature(p)
    assert distance(trained, tnj.materialize(plan, state, trained)) < 2**-8


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
    state = tx.init(p)
    updates, state = tx.update(gradients, state, p)
    moved = optax.apply_updates(p, updates)
    assert 0 < distance(moved, p) < 1
    assert distance(moved, tnj.materialize(plan, state, moved)) < 1e-6


def swapped(w):
    return w.at[0, 0].set(w[1, 2]).at[1, 2].set(w[0, 0])


PLACES = [lambda w: w[::-1], lambda w: w[:, ::-1], swapped]
SIGNS = [lambda w: -w, lambda w: w.at[0].multiply(-1), lambda w: w.at[:, 1].multiply(-1), lambda w: 2 * w]


@pytest.mark.parametrize("change", PLACES + SIGNS)
def test_the_same_entries_in_other_places_or_of_other_signs_are_an_overwrite(change):
    p = params(0)
    _, tx = wrapped(p, rules=r"head.kernel", cores=2)
    state = tx.init(p)
    p["head"]["kernel"] = change(p["head"]["kernel"])
    with pytest.raises(tn.TensorNetError, match=r"somebody else wrote head.kernel"):
        tx.update(p, state, p)


def test_numpy_parameters_are_taken():
    p = jax.tree.map(np.asarray, params(0))
    plan, tx = wrapped(p, rules=r"head.kernel", cores=2)
    updates, state = tx.update(jax.grad(loss_of)(params(0), batch(0)), tx.init(p), p)
    moved = optax.apply_updates(p, updates)
    assert distance(moved, tnj.materialize(plan, state, moved)) < 1e-6


def test_materialize_finds_its_state_in_a_chain():
    p = params(0)
    plan, tx = wrapped(p, rules=r"head.kernel", cores=2)
    chain = optax.chain(optax.clip_by_global_norm(1.0), tx)
    trained, state = train(chain, p, chain.init(p), range(2))
    assert distance(trained, tnj.materialize(plan, state, trained)) < 1e-6
    with pytest.raises(tn.TensorNetError, match=r"holds 0 states of overparameterize, needed one"):
        tnj.materialize(plan, optax.sgd(0.1).init(p), p)


def test_layers_are_counted_over_the_whole_student():
    def stack(depth):
        rng = np.random.default_rng(depth)
        return {"blocks": [{"kernel": jnp.asarray(rng.standard_normal((12, 12)))} for _ in range(depth)]}

    student, teacher = stack(2), stack(6)
    plan = tnj.plan(student, r"blocks.0.kernel", cores=2)
    state = tnj.overparameterize(optax.sgd(0.1), plan, alignment=tnj.Alignment(teacher)).init(student)
    want = plan["blocks.0.kernel"].decompose(teacher["blocks"][2]["kernel"].T)
    assert all(jnp.array_equal(a, b) for a, b in zip(state.alignment.teacher["blocks.0.kernel"], want, strict=True))


def test_all_linear_lists_what_it_leaves_out():
    shapes = {"conv": {"kernel": (3, 3, 4, 8)}, "token": {"embedding": (8, 4)}, "fc": {"kernel": (4, 8)}}
    plan = tnj.plan(jax.tree.map(jnp.ones, shapes, is_leaf=lambda s: isinstance(s, tuple)), cores=2)
    assert list(plan) == ["fc.kernel"]
    assert plan.skipped == {"conv.kernel": "no matrix, but 4 axes", "token.embedding": BY_NAME}


def test_all_linear_takes_no_table_whatever_its_framework_calls_it():
    """Equinox calls a table `weight`, as it does a linear layer's."""

    class Net(eqx.Module):
        embed: eqx.nn.Embedding
        wte: eqx.nn.Embedding
        body: eqx.nn.Linear
        head: eqx.nn.Linear

    keys = jax.random.split(jax.random.key(0), 4)
    tables, layers = (eqx.nn.Embedding(8, 4, key=k) for k in keys[:2]), (eqx.nn.Linear(4, 8, key=k) for k in keys[2:])
    model = eqx.filter(Net(*tables, *layers), eqx.is_inexact_array)
    plan = tnj.plan(model, cores=2)
    assert list(plan) == ["body.weight", "head.weight"]
    assert plan.skipped == {"embed.weight": BY_NAME, "wte.weight": BY_NAME}
    assert list(tnj.plan(model, ["embed.weight"], cores=2)) == ["embed.weight"]


def square(seed, depth=2):
    return [np.random.default_rng((seed, k)).standard_normal((6, 6)) for k in range(depth)]


def layers(weights, last, turned=False):
    return {"layers": [{last: jnp.asarray(w.T if turned else w)} for w in weights]}


@pytest.mark.parametrize(
    ("student", "teacher", "kernels"),
    [
        (("weight", False), ("kernel", True), {}),  # Equinox and Flax
        (("kernel", True), ("weight", False), {}),
        (("w", True), ("weight", False), {"kernels": ".*w"}),  # names of one's own, and PyTorch's
        (("w", True), ("kernel", True), {"kernels": ".*w"}),
        (("w", True), ("w", True), {"kernels": ".*w"}),
        (("kernel", False), ("kernel", False), {"kernels": "none"}),  # `kernel` is (out, in) in this house
    ],
    ids=lambda value: "-".join(map(str, value)),
)
def test_a_teacher_is_read_the_way_round_that_its_names_say(student, teacher, kernels):
    """Square weights forgive a transpose in silence."""
    p = layers(square(0), *student)
    plan = tnj.plan(p, **{"cores": 3, **kernels})
    pairs = {f"layers.{k}.{student[0]}": f"layers.{k}.{teacher[0]}" for k in range(2)}

    def loss(seed):
        alignment = tnj.Alignment(layers(square(seed), *teacher), gauge="invariant", pairs=pairs)
        tx = tnj.overparameterize(optax.sgd(0.0), plan, alignment=alignment)
        return float(tx.update(jax.tree.map(jnp.zeros_like, p), tx.init(p), p)[1].alignment.loss)

    assert loss(0) < 1e-6 * loss(1)


def test_two_leaves_of_one_name():
    with pytest.raises(tn.TensorNetError, match=r"a.b names two leaves of this tree"):
        tnj.plan({"a.b": jnp.ones((4, 4)), "a": {"b": jnp.ones((4, 4))}})


def test_state_made_without_alignment():
    p = params(0)
    _, plain = wrapped(p, cores=2)
    _, aligned = wrapped(p, cores=2, alignment=tnj.Alignment(params(1)))
    with pytest.raises(tn.TensorNetError, match=r"differ in whether there is alignment"):
        aligned.update(p, plain.init(p), p)


def test_arguments_of_the_wrong_kind():
    plan = tnj.plan(params(0), r".*kernel", cores=2)
    with pytest.raises(tn.TensorNetError, match=r"needed an optax transformation and a plan"):
        tnj.overparameterize(plan, optax.sgd(0.1))
    with pytest.raises(tn.TensorNetError, match=r"alignment is a dict, needed an Alignment"):
        tnj.overparameterize(optax.sgd(0.1), plan, alignment=params(1))


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
    with pytest.raises(tn.TensorNetError, match=r"it would match kernel, left out: no floats, but int32"):
        wrapped(p, cores=2)
    _, tx = wrapped({"kernel": jnp.ones((12, 6))}, cores=2)
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


def test_a_truncated_weight_has_to_be_replaced_before_the_first_gradient():
    """A gradient at the untruncated weight would be of another model than the one that is trained."""
    params = {"kernel": jnp.asarray(np.random.default_rng(0).normal(size=(12, 10)))}
    plan = tnj.plan(params, "kernel", format="low_rank", rank=2)
    tx = tnj.overparameterize(optax.sgd(0.0), plan)
    state, grads = tx.init(params), {"kernel": jnp.ones((12, 10))}
    with pytest.raises(
        tn.TensorNetError, match=r"a truncated weight was never replaced .* params = tensornet_jax\.materialize"
    ):
        tx.update(grads, state, params)
    params = tnj.materialize(plan, state, params)
    updates, _ = tx.update(grads, state, params)
    assert float(jnp.abs(updates["kernel"]).max()) < 1e-12


def test_a_plan_of_exact_and_truncated_formats_goes_on_from_materialize():
    rng = np.random.default_rng(0)
    params = {"a": jnp.asarray(rng.normal(size=(12, 16))), "b": jnp.asarray(rng.normal(size=(8, 12)))}
    plan = tnj.plan(params, {"a": tn.LowRank(12, 16, 4), "b": tn.LowRank(8, 12)})
    tx = tnj.overparameterize(optax.sgd(1e-2), plan)
    state, grads = tx.init(params), jax.tree.map(jnp.ones_like, params)
    params = tnj.materialize(plan, state, params)
    for _ in range(2):
        updates, state = tx.update(grads, state, params)
        params = tnj.materialize(plan, state, optax.apply_updates(params, updates))
