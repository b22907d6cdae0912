"""PyTorch and JAX train the same student from the same factors to the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from jax_adapter import students as jax_side
from torch_adapter import students as torch_side

import tensornet_jax as tnj
import tensornet_torch as tnt

STEPS = range(10)


def as_pytree(model):
    def linear(layer):
        return {
            "kernel": jnp.asarray(layer.weight.detach().numpy().T),
            "bias": jnp.asarray(layer.bias.detach().numpy()),
        }

    norm = {
        "scale": jnp.asarray(model.norm.weight.detach().numpy()),
        "bias": jnp.asarray(model.norm.bias.detach().numpy()),
    }
    return {"blocks": [linear(b) for b in model.blocks], "norm": norm, "head": linear(model.head)}


@pytest.mark.parametrize(
    ("alignment", "lr_transfer", "lr"),
    [
        (None, False, 1e-2),
        ("procrustes", False, 1e-2),
        ("invariant", False, 1e-2),
        ("none", False, 1e-2),
        ("none", True, 0.3),
    ],
)
def test_ten_adamw_steps(alignment, lr_transfer, lr):
    """With lr_transfer at a rate at which the bound acts."""
    model, teacher = torch_side.student(0, torch.float64), torch_side.student(1, torch.float64)
    with jax.enable_x64(True):
        p = as_pytree(model)
        options = {"weight": 5.0, "gauge": alignment, "every": 3} if alignment else None
        plan = tnj.plan(p, r".*kernel", cores=3)
        tx = tnj.overparameterize(
            optax.adamw(lr, weight_decay=0.1),
            plan,
            lr_transfer=lr_transfer,
            alignment=tnj.Alignment(as_pytree(teacher), **options) if options else None,
            gauge="identity",  # the one gauge in which every library starts from the same factors
        )
        optimizer = tnt.overparameterize(
            torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.1),
            model,
            tnt.plan(model, r".*(blocks|head).*weight", cores=3),
            lr_transfer=lr_transfer,
            alignment=tnt.Alignment(teacher, **options) if options else None,
            gauge="identity",
        )
        torch_side.train(model, optimizer, STEPS)

        @jax.jit
        def step(p, state, data):
            updates, state = tx.update(jax.grad(jax_side.loss_of)(p, data), state, p)
            return optax.apply_updates(p, updates), state

        state = tx.init(p)
        for k in STEPS:
            x, y = torch_side.batch(k, torch.float64)
            p, state = step(p, state, (jnp.asarray(x.numpy()), jnp.asarray(y.numpy())))
        assert jax_side.distance(p, as_pytree(model)) < 1e-9
        if options:
            assert np.isclose(float(state.alignment.loss), float(optimizer.alignment_loss), rtol=1e-9)
            ours, theirs = (
                sorted(map(float, o.values())) for o in (state.alignment.losses, optimizer.alignment_losses)
            )
            assert np.allclose(ours, theirs, rtol=1e-9)  # weight by weight, whose names differ


def test_one_plan_serves_both():
    model = torch_side.student(0)
    torch_plan = tnt.plan(model, ["head.weight"], cores=5)
    jax_plan = tnj.plan(as_pytree(model), r"head.kernel", cores=5)
    assert torch_plan["head.weight"] == jax_plan["head.kernel"]
