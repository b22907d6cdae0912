"""Weight Distillation in JAX: the same definition, the teacher an argument of the step and in no state."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from torch import nn

import tensornet as tn
import tensornet_jax as tnj
import tensornet_torch as tnt

WORDS = 11


def tree(layers, d, seed, words=WORDS):
    """An embedding, layers x ← x + tanh(x K + b), a head."""
    rng = np.random.default_rng(seed)

    def array(*shape):
        return jnp.asarray(rng.standard_normal(shape) / 2)

    stack = {str(k): {"kernel": array(d, d), "bias": array(d)} for k in range(layers)}
    return {"words": {"embedding": array(words, d)}, "layers": stack, "head": {"kernel": array(d, WORDS)}}


def loss(params, ids):
    x = params["words"]["embedding"][ids]
    for layer in params["layers"].values():
        x = x + jnp.tanh(x @ layer["kernel"] + layer["bias"])
    return optax.softmax_cross_entropy_with_integer_labels(x @ params["head"]["kernel"], (3 * ids + 1) % WORDS).mean()


def batch(step):
    return np.random.default_rng(100 + step).integers(0, WORDS, (8,))


STUDENT, TEACHER = tree(2, 4, 0), tree(5, 6, 1)
PLAN = tnj.generators(STUDENT, TEACHER)
ADAM = optax.adam(1e-2)


def begun(tx, teacher=TEACHER):
    state = tx.init(STUDENT)
    return tnj.materialize(PLAN, state, STUDENT, teacher=teacher), state


def stepper(tx):
    def step(params, state, teacher, ids):
        value, gradients = jax.value_and_grad(loss)(params, ids)
        updates, state = tx.update(gradients, state, params, teacher=teacher)
        return optax.apply_updates(params, updates), state, value

    return step


@pytest.fixture(scope="module")
def step():
    """One compilation for all tests."""
    return jax.jit(stepper(tnj.generate(ADAM, PLAN, TEACHER)))


class Student(nn.Module):
    """`tree` in PyTorch."""

    def __init__(self, params):
        super().__init__()
        array = {n: torch.from_numpy(np.array(x)) for n, x in tnj._tree.named_leaves(params).items()}
        words, d = array["words.embedding"].shape
        self.words, self.head = nn.Embedding(words, d), nn.Linear(d, WORDS, bias=False)
        self.layers = nn.ModuleList(nn.Linear(d, d) for _ in params["layers"])
        self.double()
        with torch.no_grad():
            self.words.weight.copy_(array["words.embedding"])
            self.head.weight.copy_(array["head.kernel"].T)
            for k, layer in enumerate(self.layers):
                layer.weight.copy_(array[f"layers.{k}.kernel"].T)
                layer.bias.copy_(array[f"layers.{k}.bias"])

    def forward(self, ids):
        x = self.words(ids)
        for layer in self.layers:
            x = x + torch.tanh(layer(x))
        return self.head(x)


def test_both_frameworks_agree(step):
    tx = tnj.generate(ADAM, PLAN, TEACHER)
    params, state = begun(tx)
    model, teacher = Student(STUDENT), Student(TEACHER)
    optimizer = tnt.generate(
        torch.optim.Adam(model.parameters(), lr=1e-2), model, tnt.generators(model, teacher), teacher
    )
    for k in range(4):
        ids = torch.from_numpy(batch(k))
        value = nn.functional.cross_entropy(model(ids), (3 * ids + 1) % WORDS)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        params, state, ours = step(params, state, TEACHER, batch(k))
        assert float(ours) == pytest.approx(value.item(), rel=1e-9)
    theirs = dict(model.named_parameters())
    for name, x in tnj._tree.named_leaves(params).items():
        other = theirs[name.replace("embedding", "weight").replace("kernel", "weight")].detach().numpy()
        np.testing.assert_allclose(x, other.T if "kernel" in name else other, rtol=1e-7, atol=1e-9)


def test_the_exported_student_is_the_generated_one(step):
    """And a pytree of the student's own form, with which phase 2 goes on."""
    params, state = begun(tnj.generate(ADAM, PLAN, TEACHER))
    for k in range(3):
        params, state, _ = step(params, state, TEACHER, batch(k))
    written = tnj._tree.named_leaves(tnj.materialize(PLAN, state, params, teacher=TEACHER))
    over = tnj._teacher.bound(PLAN, TEACHER)
    assert jax.tree.structure(params) == jax.tree.structure(STUDENT)
    for name, x in tnj._tree.named_leaves(params).items():
        made = over[name].contract(state.over.factors[name])
        made = made.T if name in PLAN.transposed else made
        assert np.array_equal(written[name], made)  # to the last bit
        np.testing.assert_allclose(x, made, rtol=1e-12, atol=1e-14)  # one rounding of p + (S − p)


def test_gradients_are_those_of_autodiff():
    over = PLAN.of(
        {n: x.T if n in PLAN.transposed or "kernel" in n else x for n, x in tnj._tree.named_leaves(TEACHER).items()}
    )
    made = over["layers.1.kernel"]
    assert (made.generator.mapped, made.generator.depth) == ((0, 1), 3)
    keys = iter(jax.random.split(jax.random.key(0), 20))
    factors = [jax.random.normal(next(keys), s) for s in made.shapes]
    g = jax.random.normal(next(keys), made.shape)
    by_autodiff = jax.grad(lambda f: jnp.sum(g * made.contract(f)))(factors)
    for ours, theirs in zip(made.pullback(factors, g), by_autodiff, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def test_the_teacher_is_no_literal_of_the_program(step):
    params, state = begun(tnj.generate(ADAM, PLAN, TEACHER))
    text = step.lower(params, state, TEACHER, batch(0)).as_text()
    weights = r"stablehlo.constant dense<\S.*: tensor<6x6xf64>"
    assert not re.search(weights, text)
    held = stepper(tnj.generate(ADAM, PLAN, TEACHER))
    closed = jax.jit(lambda p, s, ids: held(p, s, None, ids)).lower(params, state, batch(0)).as_text()
    assert re.search(weights, closed)  # what is looked for is there where it is not an argument


def test_the_state_holds_no_teacher_and_resumes_bit_for_bit(step):
    params, state = begun(tnj.generate(ADAM, PLAN, TEACHER))
    assert sum(x.size for parts in state.over.factors.values() for x in parts) == PLAN.num_params
    assert state.teacher.size == len(jax.tree.leaves(TEACHER))
    params, state, _ = step(params, state, TEACHER, batch(0))
    saved, form = jax.tree.flatten((params, state))
    again = jax.tree.unflatten(form, [jnp.asarray(np.array(x)) for x in saved])
    there, here = (step(*held, TEACHER, batch(1)) for held in ((params, state), again))
    for a, b in zip(jax.tree.leaves(there), jax.tree.leaves(here), strict=True):
        assert np.array_equal(a, b)


def test_another_teacher_is_refused(step):
    params, state = begun(tnj.generate(ADAM, PLAN, TEACHER))
    other = jax.tree.map(lambda x: x + 1e-9, TEACHER)
    with pytest.raises(jax.errors.JaxRuntimeError, match="the teacher has other weights than that of the state"):
        jax.block_until_ready(step(params, state, other, batch(0)))
    tx = tnj.generate(ADAM, PLAN, other, guard="nan")
    updates, _ = jax.jit(lambda s: tx.update(params, s, params))(state)
    assert all(np.isnan(u).all() for u in jax.tree.leaves(updates))


def test_plan():
    assert PLAN.transposed == {"layers.0.kernel", "layers.1.kernel", "head.kernel"}
    assert PLAN["words.embedding"].mapped == (1,)
    assert PLAN["head.kernel"].mapped == (1,)  # (out, in): of the words there is nothing to mix
    stacked = {"scan": {"kernel": jnp.zeros((3, 4, 4))}, "n": jnp.zeros((), jnp.int32), "w": jnp.zeros((4,))}
    plan = tnj.generators(stacked, {"scan": {"kernel": jnp.zeros((3, 6, 6))}, "w": jnp.zeros((6,))})
    equinox = {"tok": {"weight": jnp.zeros((9, 4))}, "fc": {"weight": jnp.zeros((4, 4))}}
    words = tnj.generators(equinox, jax.tree.map(lambda w: jnp.zeros((w.shape[0], 6)), equinox), tables=r"tok\.weight")
    assert (words["tok.weight"].table, words["fc.weight"].table) == (True, False)
    assert plan.dense == {"scan.kernel": "no vector or matrix, but 3 axes", "n": "no floats, but int32"}


def test_errors():
    with pytest.raises(
        tn.TensorNetError, match=r"generate: got a Plan for a plan, needed tensornet.Generators.*; make them"
    ):
        tnj.generate(ADAM, tnj.plan(STUDENT, cores=2), TEACHER)
    with pytest.raises(
        tn.TensorNetError, match=r"the teacher has no layers.3.bias, .*, needed all weights.*; pass the teacher"
    ):
        tnj.generate(ADAM, PLAN, tree(3, 6, 0))
    with pytest.raises(
        tn.TensorNetError, match=r"got a Generation with alignment= or lr_transfer=, needed a Plan for these, .*; "
    ):
        tnj.overparameterize(ADAM, tnj._teacher.bound(PLAN, TEACHER), lr_transfer=True)
    with pytest.raises(
        tn.TensorNetError, match=r"words.embedding has 11 rows and the teacher's words.embedding 12.*words"
    ):
        tnj.generators(STUDENT, tree(5, 6, 1, words=12))
    with pytest.raises(tn.TensorNetError, match=r"Generated: start='published' without random numbers"):
        tnj.generate(ADAM, PLAN, TEACHER, start="published")
