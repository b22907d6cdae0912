"""The alignment loss of all paired weights, and its gradient on their factors."""

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import tensornet as tn
from tensornet.alignment import Reduced, checked_options, distance_and_gradient, prepared, target
from tensornet.planning import layers_taken

from ._plan import KERNEL
from ._state import AlignmentState, Factors, copied, factors_of
from ._tree import named_leaves


def start(options: tn.Alignment, plan: tn.Plan, gauge: str | tn.Mixed) -> tuple[tn.Plan, dict[str, Factors]]:
    """The plan with its pairs, and the teacher's factors by student weight."""
    teacher = named_leaves(checked_options(options).teacher)
    weights = {n: w for n, w in teacher.items() if getattr(w, "ndim", 0) in (2, 3)}  # a matrix, or a stack of them
    turned = _transposed_alike(plan, weights)
    shapes = {n: _turned(tuple(w.shape)) if n in turned else tuple(w.shape) for n, w in weights.items()}
    plan = plan.aligned(shapes, options.pairs)

    def factors(name: str, other: str) -> Factors:
        w = weights[other]
        if name in plan.stacked:
            w = w[np.asarray(layers_taken(plan.stacked[name], w.shape[0], options.pairs))]
        return factors_of(
            f"Alignment: teacher of {name}", plan.teacher_format(name).decompose, w, other in turned, gauge
        )

    return plan, {name: factors(name, other) for name, other in plan.teachers.items()}


def begin(
    options: tn.Alignment, plan: Any, teacher: Mapping[str, Factors], student: Mapping[str, Factors]
) -> AlignmentState:
    """The state before the first update, in which "procrustes" makes its first targets; the others' stand for good."""
    ours = {n: tuple(t.astype(s.dtype) for t, s in zip(f, student[n], strict=True)) for n, f in teacher.items()}
    with jax.default_matmul_precision("float32"):
        targets = {n: copied(_arrays(prepared(plan.teacher_format(n), f, options.gauge))) for n, f in ours.items()}
    kept = {n: copied(f) for n, f in ours.items()} if options.gauge == "procrustes" else {}
    losses = {n: jnp.full((), jnp.nan, jnp.result_type(float)) for n in targets}
    return AlignmentState(jnp.zeros((), jnp.int32), losses, kept, targets)


def loss_and_gradient(
    options: tn.Alignment, plan: tn.Coordinated[Any], factors: Mapping[str, Factors], state: AlignmentState
) -> tuple[AlignmentState, dict[str, tuple[Array | None, ...]]]:
    """The state after this step, and λ dL_Aux/dT_k of every paired weight; None for a central factor that stays free."""

    def rotated() -> dict[str, Factors]:
        return {n: target(plan[n], factors[n], teacher, options.gauge) for n, teacher in state.teacher.items()}

    with jax.default_matmul_precision("float32"):
        turn = state.steps % options.every == 0
        targets = jax.lax.cond(turn, rotated, lambda: state.targets) if state.teacher else state.targets
        found = {
            n: distance_and_gradient(plan[n], factors[n], _as_target(t, options.gauge), options.gauge)
            for n, t in targets.items()
        }
    losses = {n: loss.astype(state.losses[n].dtype) for n, (loss, _) in found.items()}
    weight = options.weight_at(state.steps)
    pull = {n: tuple(None if g is None else weight * g for g in gradient) for n, (_, gradient) in found.items()}
    return AlignmentState(state.steps + 1, losses, state.teacher, targets), pull


def _arrays(target: Any) -> Factors:
    """What `tensornet.alignment.prepared` makes, as a pytree of arrays."""
    return (target.unit, *target.grams) if isinstance(target, Reduced) else tuple(target)


def _as_target(arrays: Factors, gauge: str) -> Any:
    """The inverse of `_arrays`."""
    return Reduced(arrays[0], arrays[1:]) if gauge == "invariant" else arrays


def _transposed_alike(plan: tn.Plan, teacher: Mapping[str, Any]) -> set[str]:
    """The teacher's weights that are stored (in, out): those with the last name of a student weight that is, and Flax's
    kernels, unless the student's are (out, in).
    """
    turned, others = ({_last(n) for n in plan if (n in plan.transposed) is so} for so in (True, False))
    return {n for n in teacher if _last(n) in turned or (_last(n) not in others and re.fullmatch(KERNEL, n))}


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _turned(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2])
