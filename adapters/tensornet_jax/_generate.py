"""Weight Distillation: a plan of generators from two pytrees, and the transformation that trains them."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

import tensornet as tn
from tensornet import TensorNetError
from tensornet.generator import Pairs

from ._guard import checksum, refuse
from ._plan import KERNEL
from ._state import OverparameterizedState
from ._teacher import bound
from ._transformation import overparameterize
from ._tree import named_leaves

TABLES = r"(.*\.)?(embedding|pos[^.]*)"


class GeneratorState(NamedTuple):
    """All that phase 1 goes on from; a pytree of arrays, none of them the teacher's.

    over     the factors, the inner state, and checksums of the weights
    teacher  (n,) checksums of the teacher's weights, by which another one is refused
    """

    over: OverparameterizedState
    teacher: Array


def generators(
    student: Any,
    teacher: Any,
    *,
    pairs: Pairs | None = None,
    heads: tuple[int, int] | None = None,
    kernels: str = KERNEL,
    tables: str = TABLES,
) -> tn.Generators:
    """Which arrays of `student` are generated from which of `teacher`; arrays or jax.ShapeDtypeStruct leaves.

    Every vector and matrix. Arrays of more axes, as kernels of convolutions and layers stacked for scan are, are trained
    densely, which the table says. The rest is as in `tensornet.generators`.

    kernels  regular expression of the names that are stored (in, out), in both
    tables   of the names whose rows are words, positions and the like; Equinox calls them weight
    """
    ours, theirs = (
        {n: leaf for n, leaf in named_leaves(tree).items() if hasattr(leaf, "shape")} for tree in (student, teacher)
    )
    left = {n: why for n, leaf in ours.items() if (why := _why_dense(leaf))}
    turned = {n for n in {**ours, **theirs} if re.fullmatch(kernels, n)}

    def shapes(leaves: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        found = {n: tuple(leaf.shape) for n, leaf in leaves.items()}
        return {n: s[::-1] if n in turned and len(s) == 2 else s for n, s in found.items()}

    words = {n for n in ours if re.fullmatch(tables, n)}
    options: dict[str, Any] = {"pairs": pairs, "heads": heads, "tables": words, "dense": left}
    planned = {n for n in turned if n in ours and len(ours[n].shape) == 2}
    return tn.generators(shapes(ours), shapes(theirs), transposed=planned, **options)


def generate(
    tx: optax.GradientTransformation,
    plan: tn.Generators,
    teacher: Any,
    *,
    start: str = "teacher",
    normal: Callable[[tuple[int, ...]], Array] | None = None,
    guard: str = "raise",
    keep_products: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Train the generators of the planned weights in their place, with `tx`: phase 1 of Weight Distillation.

    After init, outside jit, go on with the generated student, params = materialize(plan, state, params, teacher=teacher); the
    updates move it to what the generators make. Export by materialize as well, to the last bit; but train on from what the
    updates made, because a compiled S may differ from it in that bit, which the guard takes for another weight. Phase 2 is
    going on without all this: a dense transformation over the same parameters.

    Give the teacher to update as well, as an argument of the step that you compile,

        updates, state = tx.update(grads, state, params, teacher=teacher)

    or it becomes a literal in the compiled program. The state holds checksums of it, no weights, and refuses another one.

    plan     from `generators(params, teacher)`
    teacher  its pytree of parameters; constants
    start    "teacher": S = T where shapes are equal, a part of it else; "published", random; see `tensornet.Generated.start`
    normal   shape → standard normal entries from your own keys, for "published"
    the rest as in `overparameterize`

    raises: TensorNetError for a teacher without a planned weight, with NaN or Inf, or of another digest than the state's
    """
    if not isinstance(plan, tn.Generators):
        raise TensorNetError(
            f"generate: got a {type(plan).__name__} for a plan, needed tensornet.Generators, because they say what a weight is "
            f"generated from; make them by generators(student, teacher); a Plan of formats goes to overparameterize"
        )
    held = teacher

    def over(teacher: Any) -> optax.GradientTransformationExtraArgs:
        made = bound(plan, teacher, start, normal)
        return overparameterize(tx, made, lr_transfer=False, guard=guard, keep_products=keep_products)

    def init(params: Any) -> GeneratorState:
        with jax.ensure_compile_time_eval():  # the start and the sums are of values, also where jit traces around them
            begun, sums = over(held), _checksums(plan, held)
        return GeneratorState(begun.init(params), sums)

    def update(
        gradients: Any, state: GeneratorState, params: Any = None, *, teacher: Any = None, **extra: Any
    ) -> tuple[Any, GeneratorState]:
        given = held if teacher is None else teacher
        other = jnp.any(_checksums(plan, given) != state.teacher)
        refuse({"the teacher": other}, guard, _another)
        updates, after = over(given).update(gradients, state.over, params, **extra)
        if guard == "nan":
            updates = jax.tree.map(lambda u: jnp.where(other, jnp.full_like(u, jnp.nan), u), updates)
        return updates, GeneratorState(after, state.teacher)

    over(held)  # what is wrong with it is said here
    return optax.GradientTransformationExtraArgs(init, update)


def _checksums(plan: tn.Generators, teacher: Any) -> Array:
    leaves = named_leaves(teacher)
    sources = sorted({s for g in plan.values() for s in g.sources})
    return jnp.stack([checksum(leaves[s]) for s in sources])


def _another(_: str) -> str:
    return (
        "generate: the teacher has other weights than that of the state, needed the same, because the generators' "
        "parameters mean nothing over another; pass the teacher that training began with, or begin anew with tx.init(params)"
    )


def _why_dense(leaf: Any) -> str:
    if not jnp.issubdtype(getattr(leaf, "dtype", jnp.float32), jnp.inexact):
        return f"no floats, but {leaf.dtype}"
    return "" if 0 < len(leaf.shape) < 3 else f"no vector or matrix, but {len(leaf.shape)} axes"
