"""A wider teacher, and layers of one's own choice, in both frameworks: one loss, which falls, and a state that resumes."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import tensornet as tn
import tensornet_jax as tnj
import tensornet_torch as tnt
from tensornet.planning import joint_formats

STUDENT, TEACHER = (12, 8), (16, 12)
OURS, THEIRS = joint_formats(STUDENT, TEACHER, cores=3)
RNG = np.random.default_rng(0)
W, V = RNG.standard_normal(STUDENT), RNG.standard_normal(TEACHER)


def in_torch(options):
    """Alignment losses of six steps on nothing but alignment, through a saved state after the second."""
    model, losses = torch.nn.Linear(*STUDENT[::-1], bias=False, dtype=torch.float64), []
    model.weight.data = torch.tensor(W)

    def made():
        inner = torch.optim.SGD(model.parameters(), lr=0.5)
        alignment = tnt.Alignment({"weight": torch.tensor(V)}, **options)
        return tnt.overparameterize(inner, model, tnt.plan(model, lambda name, shape: OURS), alignment=alignment)

    optimizer = made()
    for step in range(6):
        if step == 2:
            state = optimizer.state_dict()
            optimizer = made()
            optimizer.load_state_dict(state)
        model.weight.grad = torch.zeros_like(model.weight)
        optimizer.step()
        losses.append(optimizer.alignment_loss.item())
    return losses, model.weight.detach().numpy()


def in_jax(options):
    p, losses = {"kernel": jnp.asarray(W.T)}, []
    alignment = tnj.Alignment({"kernel": jnp.asarray(V.T)}, **options)
    plan = tnj.plan(p, lambda name, shape: OURS)
    tx = tnj.overparameterize(optax.sgd(0.5), plan, alignment=alignment)
    state, update = tx.init(p), jax.jit(tx.update)
    for _ in range(6):
        updates, state = update({"kernel": jnp.zeros_like(p["kernel"])}, state, p)
        p = optax.apply_updates(p, updates)
        losses.append(float(state.alignment.loss))
    return losses, np.asarray(p["kernel"]).T


@pytest.mark.parametrize("gauge", ["procrustes", "invariant"])
def test_a_wider_teacher(gauge):
    options = {"weight": 0.1, "gauge": gauge, "every": 2, "pairs": "last"}
    with jax.enable_x64(True):
        (ours, w), (theirs, v) = in_torch(options), in_jax(options)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    np.testing.assert_allclose(w, v, atol=1e-10)
    assert all(b < a for a, b in pairwise(ours))
    student, teacher = (f.decompose(x) for f, x in ((OURS, W), (THEIRS, V)))
    expected = tn.align(OURS, student, teacher, gauge=gauge, teacher_format=THEIRS)
    np.testing.assert_allclose(ours[0], expected, rtol=1e-9)


def test_a_teacher_that_does_not_fit_is_refused_in_both():
    model = torch.nn.Linear(8, 12)
    teacher = {"weight": torch.ones(13, 8)}
    with pytest.raises(
        tn.TensorNetError, match=r"weight \(12, 8\) is paired with the teacher's weight \(13, 8\), needed"
    ):
        tnt.overparameterize(
            torch.optim.SGD(model.parameters()), model, tnt.plan(model), alignment=tnt.Alignment(teacher)
        )
    p = {"kernel": jnp.ones((8, 12))}
    with pytest.raises(
        tn.TensorNetError, match=r"kernel \(12, 8\) is paired with the teacher's kernel \(13, 8\), needed"
    ):
        tnj.overparameterize(optax.sgd(0.1), tnj.plan(p), alignment=tnj.Alignment({"kernel": jnp.ones((8, 13))}))


@pytest.mark.parametrize(("pairs", "taken"), [("last", [3, 4]), ("uniform", [1, 4]), ({0: 4, 1: 0}, [4, 0])], ids=str)
def test_layers_of_a_stack_follow_the_pairs(pairs, taken):
    stack = jnp.asarray(RNG.standard_normal((5, 12, 16)), jnp.float32)  # (in, out): a wider teacher, too
    p = {"layers": {"kernel": jnp.ones((2, 8, 12))}}
    plan = tnj.plan(p, {r".*kernel": OURS}, stacked="layers.*")
    tx = tnj.overparameterize(optax.sgd(0.1), plan, alignment=tnj.Alignment({"layers": {"kernel": stack}}, pairs=pairs))
    teacher = tx.init(p).alignment.teacher["layers.kernel"]
    np.testing.assert_allclose(THEIRS.contract(teacher), jnp.swapaxes(stack[np.asarray(taken)], 1, 2), atol=1e-5)
