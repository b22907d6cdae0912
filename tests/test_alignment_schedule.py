"""An alignment weight that changes with the step: the same in both frameworks, and λ of the step that is taken."""

import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch import nn

import tensornet_jax as tnj
import tensornet_torch as tnt
from opdf.losses import Schedule

RATE, STEPS = 0.1, 4
SCHEDULE = Schedule(4.0, 0.0, steps=2)  # 4, 2, 0, 0, …
RNG = np.random.default_rng(0)
STUDENT, TEACHER = RNG.normal(size=(2, 8, 6))


def in_torch(weight, cut=None):
    """The weight after each step of SGD on no other loss; after `cut` steps it goes on from the state."""
    model = nn.Linear(6, 8, bias=False, dtype=torch.float64)
    model.weight.data.copy_(torch.from_numpy(STUDENT))
    alignment = tnt.Alignment({"weight": torch.from_numpy(TEACHER)}, weight=weight, gauge="none")

    def made():
        inner = torch.optim.SGD(model.parameters(), lr=RATE)
        return tnt.overparameterize(inner, model, tnt.plan(model, cores=3), alignment=alignment)

    optimizer, found = made(), []
    for step in range(STEPS):
        if step == cut:
            state = optimizer.state_dict()
            optimizer = made()
            optimizer.load_state_dict(state)
        model.weight.grad = torch.zeros_like(model.weight)
        optimizer.step()
        found.append(model.weight.detach().numpy().copy())
    return found


def in_jax(weight):
    params = {"weight": jnp.asarray(STUDENT)}
    alignment = tnj.Alignment({"weight": jnp.asarray(TEACHER)}, weight=weight, gauge="none")
    tx = tnj.overparameterize(optax.sgd(RATE), tnj.plan(params, cores=3), alignment=alignment)
    state, found = tx.init(params), []
    for _ in range(STEPS):
        updates, state = tx.update({"weight": jnp.zeros_like(params["weight"])}, state, params)
        params = optax.apply_updates(params, updates)
        found.append(np.asarray(params["weight"]))
    return found


def test_the_weight_is_that_of_the_step():
    moved = in_torch(SCHEDULE)
    np.testing.assert_array_equal(moved[0], in_torch(4.0)[0])
    assert not np.array_equal(moved[1], moved[0])
    np.testing.assert_allclose(moved[2], moved[1], rtol=0, atol=1e-12)  # λ = 0
    np.testing.assert_allclose(moved[3], moved[1], rtol=0, atol=1e-12)


def test_it_goes_on_from_the_state():
    np.testing.assert_array_equal(in_torch(SCHEDULE, cut=1)[-1], in_torch(SCHEDULE)[-1])


def test_both_frameworks():
    signs = in_torch(4.0)[0] - STUDENT, in_jax(4.0)[0] - STUDENT
    np.testing.assert_allclose(*signs, atol=1e-5)
    np.testing.assert_allclose(in_torch(SCHEDULE)[-1], in_jax(SCHEDULE)[-1], atol=1e-5)
