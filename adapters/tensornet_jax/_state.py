"""The state of the transformation, and the two ways between it and the dense parameters."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

import tensornet as tn
from tensornet import TensorNetError

from ._teacher import bound
from ._tree import map_named, named_leaves, out_in

Factors = tuple[Array, ...]


class AlignmentState(NamedTuple):
    """What alignment goes on from.

    steps    () int32, updates so far
    losses   weight name → (), its L_Aux at the last update, not multiplied by its weight λ; NaN before the first
    teacher  weight name → the teacher's factors, if the gauge rotates them; else none, as the targets stand
    targets  weight name → what the student is compared with: the teacher's factors, as last rotated onto the student for
             "procrustes", and for "invariant" ‖W_T‖ and the teacher's reduced Gram matrices
    """

    steps: Array
    losses: dict[str, Array]
    teacher: dict[str, Factors]
    targets: dict[str, Factors]

    @property
    def loss(self) -> Array:
        """(), or under vmap (n,): Σ_pairs L_Aux of the last update, not multiplied by its weight λ; NaN before the first."""
        return jnp.stack([jnp.asarray(loss) for loss in self.losses.values()]).sum(0)


class TransferState(NamedTuple):
    """What a learning rate that transfers goes on from.

    steps   () int32, updates so far; after 1, 2, 4, 8 … of them the scales are measured anew
    scales  weight name → m_k of each factor, (), or (layers,) of a stack; see `tensornet.step_scales`
    """

    steps: Array
    scales: dict[str, tuple[Array, ...]]


class OverparameterizedState(NamedTuple):
    """All that training goes on from; a pytree of arrays.

    factors    weight name → factors, the truth about that weight
    inner      state of the user's own transformation, over the parameters with factors in place of planned weights
    written    weight name → (2,) checksums of the weight: as the last update leaves it, and as `materialize` writes it
    alignment  None without alignment
    products   weight name → the products on the way to W at these factors, if they are kept
    transfer   None without lr_transfer
    """

    factors: dict[str, Factors]
    inner: Any
    written: dict[str, Array]
    alignment: AlignmentState | None
    products: dict[str, Factors]
    transfer: TransferState | None = None


def started(plan: tn.Coordinated[Any], params: Any, gauge: str | tn.Mixed) -> dict[str, Factors]:
    """The factors that every planned weight of `params` begins with."""
    leaves = named_leaves(params)
    missing = [n for n in plan if n not in leaves]
    if missing:
        raise TensorNetError(
            f"overparameterize: the parameters have no {', '.join(missing)}; plan and parameters must belong together; they "
            f"are {', '.join(leaves)}; plan them anew"
        )
    for name, fmt in plan.items():
        _check_stack(name, fmt, plan.stacked.get(name), tuple(leaves[name].shape))
    return {n: factors_of(n, fmt.start, leaves[n], n in plan.transposed, gauge) for n, fmt in plan.items()}


def _check_stack(name: str, fmt: tn.Coordinates, layers: int | None, shape: tuple[int, ...]) -> None:
    if shape[: -len(fmt.shape)] != ((layers,) if layers else ()):
        raise TensorNetError(
            f"overparameterize: {name} has shape {shape}, needed {f'a stack of {layers}' if layers else 'one'} of {fmt.shape} "
            f"or its transpose, because the plan counts so many layers along a leading axis; plan these parameters, with "
            f"stacked= naming what is a stack"
        )


def factors_of(
    name: str, make: Callable[..., Factors], weight: Array, transposed: bool, gauge: str | tn.Mixed
) -> Factors:
    """Factors of a weight, or of a stack of them, as its framework stores it.

    make  `decompose` or `start` of its coordinates

    One whose values are known is decomposed, and checked for NaN and Inf, at once, even where jit traces around it.
    """
    traced = isinstance(weight, jax.core.Tracer)
    try:
        with nullcontext() if traced else jax.ensure_compile_time_eval(), jax.default_matmul_precision("float32"):
            factors = make(out_in(weight, transposed), gauge=gauge, check_finite=not traced)
            return copied(placed_as(weight, factors))  # the weight itself may be among them, and both may be donated
    except TensorNetError as error:
        raise TensorNetError(f"{name}: {error}") from error


def placed_as(weight: Array, arrays: Factors) -> Factors:
    """Beside a weight that is committed to no device they are so too: else all that a step returns would become committed, and
    the second step compile anew.
    """
    traced = any(isinstance(a, jax.core.Tracer) for a in (weight, *arrays))
    if traced or getattr(weight, "committed", False):
        return arrays
    return tuple(jnp.asarray(jax.device_get(a)) if a.committed else a for a in arrays)


def copied(factors: Factors) -> Factors:
    """The same in buffers of their own: a jitted step that donates its state takes each buffer once and for ever."""
    return tuple(jnp.array(f, copy=True) for f in factors)


def materialize(plan: tn.Plan | tn.Generators, state: Any, params: Any, *, teacher: Any = None) -> Any:
    """`params` with every planned weight written anew from its factors: W = contract(T_1 … T_n), bit for bit.

    `optax.apply_updates` leaves the same up to one rounding of params + (W − params), which never adds up.

    state    the transformation's, or one that holds it, such as that of an optax.chain
    teacher  whose weights the plan's are generated from, if it is one of generators
    """
    factors = found(state, "materialize").factors
    over = bound(plan, teacher) if isinstance(plan, tn.Generators) else plan

    def write(name: str, leaf: Array) -> Array:
        return contracted(over, name, factors[name]).astype(leaf.dtype) if name in over else leaf

    return map_named(write, params)


def found(state: Any, who: str) -> OverparameterizedState:
    """The state of the transformation in one that holds it."""
    leaves = jax.tree.leaves(state, is_leaf=lambda s: isinstance(s, OverparameterizedState))
    held = [s for s in leaves if isinstance(s, OverparameterizedState)]
    if len(held) != 1:
        raise TensorNetError(
            f"{who}: the state holds {len(held)} states of overparameterize, needed one, because its factors are the truth; "
            f"pass the state that its init and update return"
        )
    return held[0]


def contracted(plan: tn.Coordinated[Any], name: str, factors: Factors) -> Array:
    """The weight as its framework stores it, in float32 precision whatever the default is."""
    return all_contracted(plan, {name: factors})[0][name]


def all_contracted(
    plan: tn.Coordinated[Any], factors: dict[str, Factors]
) -> tuple[dict[str, Array], dict[str, Factors]]:
    """The weights, and the products on the way to each."""
    with jax.default_matmul_precision("float32"):
        made = {name: plan[name].with_products(f) for name, f in factors.items()}
    turned = {n: jnp.swapaxes(w, -1, -2) if n in plan.transposed else w for n, (w, _) in made.items()}
    return turned, {n: products for n, (_, products) in made.items()}
