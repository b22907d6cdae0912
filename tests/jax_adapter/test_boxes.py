"""Arrays in boxes (Linen's Partitioned, NNX's Variable): the names and the training of bare ones, in boxes as before."""

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import linen, nnx
from jax_adapter.small import NAME, close, params

import tensornet_jax as tnj


def partitioned(p):
    return jax.tree.map(lambda a: linen.Partitioned(a, names=("in", "out")[: a.ndim]), p)


def variables(p):
    return nnx.State(jax.tree.map(nnx.Param, p))


def boxes(tree):
    return jax.tree.leaves(tree, is_leaf=lambda n: isinstance(n, linen.Partitioned | nnx.Variable))


@pytest.mark.parametrize("boxed", [partitioned, variables])
def test_boxes_stay_around_what_is_no_factor(boxed):
    p, gradients = params(0), params(1)
    plan = tnj.plan(boxed(p), [NAME], cores=2)
    assert plan == tnj.plan(p, [NAME], cores=2)
    tx = tnj.overparameterize(optax.adam(1e-2), plan, alignment=tnj.Alignment(boxed(params(2)), gauge="none"))

    @jax.jit
    def two_steps(p, gradients):
        state = tx.init(p)
        for _ in range(2):
            updates, state = tx.update(gradients, state, p)
            p = optax.apply_updates(p, updates)
        return p, updates, state

    ours, updates, state = two_steps(boxed(p), boxed(gradients))
    assert jax.tree.structure(ours) == jax.tree.structure(updates) == jax.tree.structure(boxed(p))
    moments = boxes(state.inner[0].mu)
    assert (
        sum(isinstance(m, jax.Array) for m in moments) == len(plan[NAME].shapes) == 2
    )  # of factors, which have no box
    assert len(moments) == 2 + len(boxes(boxed(p))) - 1
    exact = tnj.materialize(plan, state, ours)
    assert jax.tree.structure(exact) == jax.tree.structure(boxed(p))
    theirs, _, _ = two_steps(p, gradients)
    close(ours, theirs, 1e-6)
    close(exact, theirs, 1e-6)
    assert float(jnp.abs(theirs["fc"]["kernel"] - p["fc"]["kernel"]).max()) > 1e-3


def test_only_a_box_is_passed_over():
    """A key called value, and more than one array in a node, are names like any other."""
    tree = {"value": jnp.ones((4, 6)), "head": {"value": jnp.ones((4, 6)), "kernel": jnp.ones((4, 6))}}
    assert list(tnj.plan(tree, cores=2)) == ["head.kernel", "head.value", "value"]
