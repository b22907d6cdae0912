"""Generators over a teacher's arrays, as JAX has them."""

from collections.abc import Callable
from typing import Any

from jax import Array

import tensornet as tn

from ._tree import named_leaves, out_in


def bound(
    plan: tn.Generators,
    teacher: Any,
    start: str = "teacher",
    normal: Callable[[tuple[int, ...]], Array] | None = None,
) -> tn.Generation:
    """The plan over the pytree `teacher`, whose kernels are stored the way round that the student's are."""
    leaves = named_leaves(teacher)
    turned = {source for name in plan.transposed for source in plan[name].sources}
    held = {s: out_in(leaves[s], s in turned) for g in plan.values() for s in g.sources if s in leaves}
    return plan.of(held, start, normal)
