"""Kernels of scan over layers, (layers, in, out): one format, factors with the leading axis, one batched call."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from jax_adapter.small import close

import tensornet as tn
import tensornet_jax as tnj
import tensornet_torch as tnt

LAYERS, STEPS = 3, range(3)
NAME = "layers.kernel"


def one(seed):
    rng = np.random.default_rng(seed)
    return {"kernel": jnp.asarray(rng.normal(size=(6, 6)) / 6**0.5), "bias": jnp.asarray(rng.normal(size=6))}


def stacked(seeds=range(LAYERS)):
    return {"layers": jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(one, seeds))}


def listed(seeds=range(LAYERS)):
    return {"layers": [one(s) for s in seeds]}


def layer(x, w):
    return x + jnp.tanh(x @ w["kernel"] + w["bias"]), None


def loss(p, x):
    if isinstance(p["layers"], list):
        for w in p["layers"]:
            x, _ = layer(x, w)
    else:
        x, _ = jax.lax.scan(layer, x, p["layers"])
    return jnp.mean(x**2)


def train(p, plan, teacher=None, gauge="procrustes"):
    alignment = teacher and tnj.Alignment(teacher, weight=0.5, gauge=gauge, every=2)
    tx = tnj.overparameterize(optax.adamw(1e-2), plan, alignment=alignment)

    @jax.jit
    def step(p, state, x):
        updates, state = tx.update(jax.grad(loss)(p, x), state, p)
        return optax.apply_updates(p, updates), state

    state = tx.init(p)
    for k in STEPS:
        p, state = step(p, state, jnp.asarray(np.random.default_rng(50 + k).normal(size=(8, 6))))
    return p, state


def plans(**options):
    return (
        tnj.plan(stacked(), r".*kernel", stacked=r"layers\..*", **options),
        tnj.plan(listed(), r".*kernel", **options),
    )


def test_a_plan_counts_the_layers():
    ours, theirs = plans(cores=3)
    assert ours.stacked == {NAME: LAYERS}
    assert ours.transposed == {NAME}
    assert ours.num_params == theirs.num_params
    assert "3 of 6×6" in str(ours)
    assert tn.Plan.from_json(ours.to_json()) == ours


def test_all_linear_takes_no_stack_of_biases_for_a_matrix():
    assert list(tnj.plan(stacked(), stacked=r"layers\..*", cores=2)) == [NAME]


@pytest.mark.parametrize("gauge", [None, "procrustes", "invariant"])
def test_a_stack_trains_as_its_layers_do(gauge):
    """And is aligned as they are, with every second layer of a teacher that is twice as deep."""
    ours, theirs = plans(cores=2)
    deep = range(10, 10 + 2 * LAYERS)
    teachers = (stacked(deep), listed(deep)) if gauge else (None, None)
    p, state = train(stacked(), ours, teachers[0], gauge)
    q, reference = train(listed(), theirs, teachers[1], gauge)
    close(p["layers"], jax.tree.map(lambda *leaves: jnp.stack(leaves), *q["layers"]), 1e-9)
    assert all(f.shape == (LAYERS, *s) for f, s in zip(state.factors[NAME], ours[NAME].shapes, strict=True))
    close(tnj.materialize(ours, state, p), p, 1e-12)
    if gauge:
        np.testing.assert_allclose(state.alignment.loss, reference.alignment.loss, rtol=1e-9)


def test_one_changed_layer_is_an_overwrite():
    plan, _ = plans(cores=2)
    tx, p = tnj.overparameterize(optax.sgd(0.1), plan), stacked()
    state = tx.init(p)
    p["layers"]["kernel"] = p["layers"]["kernel"].at[1, 0, 0].add(1.0)
    with pytest.raises(tn.TensorNetError, match=rf"somebody else wrote {NAME}"):
        tx.update(p, state, p)


def test_pytorch_reads_the_same_plan():
    """A parameter of that name and shape trains as a stack there too; a model without one is refused by name."""
    plan = tn.Plan.from_json(tn.plan({"weight": (6, 6)}, cores=2, stacked={"weight": LAYERS}).to_json())

    class Stack(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor(np.asarray(stacked()["layers"]["kernel"])))

    model = Stack()
    before = model.weight.detach().clone()
    optimizer = tnt.overparameterize(torch.optim.SGD(model.parameters(), lr=0.1), model, plan)
    assert [tuple(f.shape[:1]) for f in optimizer.factors("weight")] == [(LAYERS,)] * 2
    model.weight.square().sum().backward()
    optimizer.step()
    assert 0 < float((model.weight.detach() - before).abs().max()) < 10
    with pytest.raises(tn.TensorNetError, match=rf"the model has no parameter {NAME}; plan and model must belong"):
        tnt.overparameterize(torch.optim.SGD(model.parameters(), lr=0.1), model, plans(cores=2)[0])


# ---- mistakes -------------------------------------------------------------------------------------------------------


def test_an_expression_that_matches_no_stack():
    with pytest.raises(tn.TensorNetError, match=r"stacked='layer' matches no array; needed .*; they are layers.bias, "):
        tnj.plan(stacked(), stacked="layer")


def test_a_plan_of_other_depths():
    plan, _ = plans(cores=2)
    tx = tnj.overparameterize(optax.sgd(0.1), plan)
    with pytest.raises(
        tn.TensorNetError, match=r"layers.kernel has shape \(2, 6, 6\), needed a stack of 3 of \(6, 6\)"
    ):
        tx.init(stacked(range(2)))
    flat = tnj.overparameterize(optax.sgd(0.1), tnj.plan({"kernel": jnp.ones((6, 6))}, cores=2))
    with pytest.raises(tn.TensorNetError, match=r"kernel has shape \(3, 6, 6\), needed one of \(6, 6\)"):
        flat.init({"kernel": stacked()["layers"]["kernel"]})


def test_a_teacher_of_fewer_layers():
    plan, _ = plans(cores=2)
    with pytest.raises(tn.TensorNetError, match=r"3 student layers and 2 of the teacher's, needed as many at least"):
        tnj.overparameterize(optax.sgd(0.1), plan, alignment=tnj.Alignment(stacked(range(2))))
