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
    """What alignment goes on from.

    steps             () int32, updates so far
    loss              (), Σ_pairs L_Aux of the last update, not multiplied by its weight λ; NaN before the first
    teacher, targets  weight name → factors: the teacher's, and those as last rotated onto the student
    """

    steps: Array
    loss: Array
    teacher: dict[str, Factors]
    targets: dict[str, Factors]


class OverparameterizedState(NamedTuple):
    """All that training goes on from; a pytree of arrays.

    factors    weight name → factors, the truth about that weight
    inner      state of the user's own transformation, over the parameters with factors in place of planned weights
    written    weight name → (2,) checksums of the weight: as the last update leaves it, and as `materialize` writes it
    alignment  None without alignment
    """

    factors: dict[str, Factors]
    inner: Any
    written: dict[str, Array]
    alignment: AlignmentState | None


def decomposed(plan: tn.Plan, params: Any, gauge: str | tn.Mixed) -> dict[str, Factors]:
    """Factors of every planned weight of `params`."""
    leaves = named_leaves(params)
    missing = [n for n in plan if n not in leaves]
    if missing:
        raise TensorNetError(
            f"overparameterize: the parameters have no {', '.join(missing)}; plan and parameters must belong together; they "
            f"are {', '.join(leaves)}; plan them anew"
        )
    return {name: factors_of(name, fmt, leaves[name], name in plan.transposed, gauge) for name, fmt in plan.items()}


def factors_of(name: str, fmt: tn.Format, weight: Array, transposed: bool, gauge: str | tn.Mixed) -> Factors:
    """Factors of a weight as its framework stores it. One whose values are known is decomposed, and checked for NaN and
    Inf, at once, even where jit traces around it.
    """
    traced = isinstance(weight, jax.core.Tracer)
    try:
        with nullcontext() if traced else jax.ensure_compile_time_eval(), jax.default_matmul_precision("float32"):
            factors = fmt.decompose(out_in(weight, transposed), gauge=gauge, check_finite=not traced)
            return copied(factors)  # the weight itself may be among them, and both may be donated
    except TensorNetError as error:
        raise TensorNetError(f"{name}: {error}") from error


def copied(factors: Factors) -> Factors:
    """The same in buffers of their own: a jitted step that donates its state takes each buffer once and for ever."""
    return tuple(jnp.array(f, copy=True) for f in factors)


def materialize(plan: tn.Plan, state: Any, params: Any) -> Any:
    """`params` with every planned weight written anew from its factors: W = contract(T_1 … T_n), bit for bit.

    `optax.apply_updates` leaves the same up to one rounding of params + (W − params), which never adds up.

    state: the transformation's, or one that holds it, such as that of an optax.chain
    """
    factors = _found(state).factors

    def write(name: str, leaf: Array) -> Array:
        return contracted(plan, name, factors[name]).astype(leaf.dtype) if name in plan else leaf

    return map_named(write, params)


def _found(state: Any) -> OverparameterizedState:
    leaves = jax.tree.leaves(state, is_leaf=lambda s: isinstance(s, OverparameterizedState))
    held = [s for s in leaves if isinstance(s, OverparameterizedState)]
    if len(held) != 1:
        raise TensorNetError(
            f"materialize: the state holds {len(held)} states of overparameterize, needed one, whose factors to contract; pass "
            f"the state that its init and update return"
        )
    return held[0]


def contracted(plan: tn.Plan, name: str, factors: Factors) -> Array:
    """The weight as its framework stores it, in float32 precision whatever the default is."""
    with jax.default_matmul_precision("float32"):
        w = plan[name].contract(factors)
    return jnp.swapaxes(w, -1, -2) if name in plan.transposed else w


def checksum(array: Array) -> Array:
    """A number that changes with any one entry, and when entries change places or signs.

    The sum modulo 2³² of the words, each with its place mixed in and then mixed as MurmurHash3 does: exact, in any order of
    summation. The mixing is one to one, so that no change of one word is lost.
    """
    array = jnp.asarray(array)
    kind = {1: jnp.uint8, 2: jnp.uint16}.get(array.dtype.itemsize, jnp.uint32)
    words = jax.lax.bitcast_convert_type(array, kind).astype(jnp.uint32).ravel()
    places = jax.lax.iota(jnp.uint32, words.size) * jnp.uint32(0x9E3779B1)
    mixed = words + places
    for shift, odd in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed = (mixed ^ (mixed >> shift)) * jnp.uint32(odd)
    return jnp.sum(mixed ^ (mixed >> 16), dtype=jnp.uint32)
