"""The state of the transformation, and the two ways between it and the dense parameters."""

from contextlib import nullcontext
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

import tensornet as tn
from tensornet import TensorNetError

from ._tree import map_named, named_leaves, out_in

Factors = tuple[Array, ...]


class AlignmentState(NamedTuple):
    """steps: () int32 · loss: Σ_pairs L_Aux of the last step · teacher, targets: weight name → factors."""

    steps: Array
    loss: Array
    teacher: dict[str, Factors]
    targets: dict[str, Factors]


class OverparameterizedState(NamedTuple):
    """All that training goes on from; a pytree of arrays.

    factors    weight name → factors, the truth about that weight
    inner      state of the user's own transformation, over the parameters with factors in place of planned weights
    written    weight name → checksum of the weight as the last update leaves it
    alignment  None without alignment
    """

    factors: dict[str, Factors]
    inner: Any
    written: dict[str, Array]
    alignment: AlignmentState | None


def decomposed(plan: tn.Plan, params: Any, gauge: str) -> dict[str, Factors]:
    """Factors of every planned weight of `params`."""
    leaves = named_leaves(params)
    missing = [n for n in plan if n not in leaves]
    if missing:
        raise TensorNetError(
            f"overparameterize: the parameters have no {', '.join(missing)}; plan and parameters must belong together; they "
            f"are {', '.join(leaves)}; plan them anew"
        )
    return {name: factors_of(name, fmt, leaves[name], name in plan.transposed, gauge) for name, fmt in plan.items()}


def factors_of(name: str, fmt: tn.Format, weight: Array, transposed: bool, gauge: str) -> Factors:
    """Factors of a weight as its framework stores it. One whose values are known is decomposed, and checked for NaN and
    Inf, at once, even where jit traces around it.
    """
    traced = isinstance(weight, jax.core.Tracer)
    try:
        with nullcontext() if traced else jax.ensure_compile_time_eval(), jax.default_matmul_precision("float32"):
            return fmt.decompose(out_in(weight, transposed), gauge=gauge, check_finite=not traced)
    except TensorNetError as error:
        raise TensorNetError(f"{name}: {error}") from error


def materialize(plan: tn.Plan, state: OverparameterizedState, params: Any) -> Any:
    """`params` with every planned weight written anew from its factors: W = contract(T_1 … T_n), bit for bit.

    `optax.apply_updates` leaves the same up to one rounding of params + (W − params), which never adds up.
    """

    def write(name: str, leaf: Array) -> Array:
        return contracted(plan, name, state.factors[name]).astype(leaf.dtype) if name in plan else leaf

    return map_named(write, params)


def resync(plan: tn.Plan, state: OverparameterizedState, params: Any, tx: Any) -> OverparameterizedState:
    """A state for weights that somebody else wrote: decomposed anew; the inner state starts again.

    tx: what `overparameterize` returned
    """
    fresh = tx.init(params)
    return fresh if state.alignment is None else fresh._replace(alignment=state.alignment)


def contracted(plan: tn.Plan, name: str, factors: Factors) -> Array:
    """The weight as its framework stores it, in float32 precision whatever the default is."""
    with jax.default_matmul_precision("float32"):
        w = plan[name].contract(factors)
    return jnp.swapaxes(w, -1, -2) if name in plan.transposed else w


def checksum(array: Array) -> Array:
    """The sum of the bits as integers modulo 2³²: exact in any order, and changed by any single change."""
    words = jax.lax.bitcast_convert_type(array, {1: jnp.uint8, 2: jnp.uint16}.get(array.dtype.itemsize, jnp.uint32))
    return jnp.sum(words.astype(jnp.uint32), dtype=jnp.uint32)
