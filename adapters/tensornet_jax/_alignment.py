"""The alignment loss of all paired weights, and its gradient on their factors."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import tensornet as tn
from tensornet.alignment import checked_options, distance_and_gradient, target

from ._state import AlignmentState, Factors, copied, factors_of
from ._tree import named_leaves


def start(options: tn.Alignment, plan: tn.Plan, gauge: str | tn.Mixed) -> tuple[tn.Plan, dict[str, Factors]]:
    """The plan with its pairs, and the teacher's factors by student weight."""
    teacher = named_leaves(checked_options(options).teacher)
    matrices = {n: w for n, w in teacher.items() if getattr(w, "ndim", 0) == 2}
    turned = _transposed_alike(plan, matrices)
    plan = plan.aligned({n: w.shape[::-1] if n in turned else w.shape for n, w in matrices.items()}, options.pairs)
    factors = {
        name: factors_of(f"Alignment: teacher of {name}", plan[name], matrices[other], other in turned, gauge)
        for name, other in plan.teachers.items()
    }
    return plan, factors


def begin(teacher: Mapping[str, Factors]) -> AlignmentState:
    """The state before the first update, whose step 0 makes the first targets."""
    ours, targets = ({n: copied(f) for n, f in teacher.items()} for _ in range(2))
    return AlignmentState(jnp.zeros((), jnp.int32), jnp.full((), jnp.nan), ours, targets)


def loss_and_gradient(
    options: tn.Alignment, plan: tn.Plan, factors: Mapping[str, Factors], state: AlignmentState
) -> tuple[AlignmentState, dict[str, tuple[Array | None, ...]]]:
    """The state after this step, and λ dL_Aux/dT_k of every paired weight; None for a central factor that stays free."""
    ours = {name: factors[name] for name in state.teacher}

    def refreshed() -> dict[str, Factors]:
        return {n: target(plan[n], ours[n], state.teacher[n], options.gauge) for n in ours}

    with jax.default_matmul_precision("float32"):
        targets = jax.lax.cond(state.steps % options.every == 0, refreshed, lambda: state.targets)
        found = {n: distance_and_gradient(plan[n], ours[n], targets[n], options.gauge) for n in ours}
    loss = sum((loss for loss, _ in found.values()), jnp.zeros(()))
    pull = {n: tuple(None if g is None else options.weight * g for g in gradient) for n, (_, gradient) in found.items()}
    return AlignmentState(state.steps + 1, loss, state.teacher, targets), pull


def _transposed_alike(plan: tn.Plan, teacher: Mapping[str, Any]) -> set[str]:
    """The teacher's weights that are stored (in, out): those with the last name of a student weight that is."""
    last = {n.rsplit(".", 1)[-1] for n in plan.transposed}
    return {n for n in teacher if n.rsplit(".", 1)[-1] in last}
