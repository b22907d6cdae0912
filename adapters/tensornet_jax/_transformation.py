"""Over-parameterisation as an optax.GradientTransformation."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

import tensornet as tn
from tensornet import TensorNetError

from . import _alignment, _transfer
from ._guard import check_guard, first_sums, overwritten, refuse, sums
from ._state import AlignmentState, Factors, OverparameterizedState, all_contracted, started
from ._tree import branches, map_named, named_leaves, out_in


def overparameterize(
    tx: optax.GradientTransformation,
    plan: tn.Coordinated[Any],
    *,
    alignment: tn.Alignment | None = None,
    gauge: str | tn.Mixed = "balanced",
    lr_transfer: bool | str = True,
    guard: str = "raise",
    keep_products: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Train the planned weights through their factors, with the user's own transformation `tx`.

    The updates that come out move the dense parameters to W = contract(T_1 … T_n); the parameters stay the dense student
    throughout. `tx` sees the parameter tree with a tuple of factors in place of each planned weight; weight decay and
    the learning rate act on those, by lr_transfer so that W moves and decays as a dense weight does. Compose what must see
    dense gradients (clipping) before, and nothing after: a later transformation would move W away from its factors, which the
    next update refuses.

    plan       from `plan(params, …)`, and for generated weights see `generate`; truncated formats hold part of a weight
               only: after init, go on with
               params = materialize(plan, state, params), so that the first gradient is of the model that is trained
    alignment  adds the gradient of the tensor alignment loss; its last value is state.alignment.loss, weight by weight
               state.alignment.losses
    gauge      of the first decomposition; "balanced" is the paper's
    lr_transfer  lets an update do for each planned weight what a dense one at the same learning rate and weight decay would,
               whatever its format: "sign" for Adam and other rules whose step has one length, "gradient" for SGD. True tells
               them by their state: Adam and its kin have moments of single entries, SGD with momentum or schedules has none.
               Say "sign" for optax.sign_sgd and signum, whose state does not tell. False: plain steps, those of explicit
               training of the factors, as a `tx` that keeps copies of the parameters needs. See docs/learning-rate.md and
               `tensornet.step_scales`
    guard      what a compiled update does when somebody else wrote a planned weight since the last one: "raise"
               jax.errors.JaxRuntimeError; or "nan", which makes the updates of that weight NaN and writes the message to the
               log of `tensornet_jax`. On several devices take "nan": the one that raises leaves the others waiting

    keep_products  keeps in the state, and so in its checkpoints, what the contraction makes on the way to each weight (for
               the paper's layout half as many entries as the factors), so that the next update need not make it again

    raises: TensorNetError if the parameters lack a planned weight, one has NaN or Inf, or somebody else wrote one between
    two updates. Inside jit, where values cannot be looked at, the last arrives as `guard` says, and the first decomposition
    takes values as they are.
    """
    check_guard(guard)
    _check_arguments(tx, plan, alignment or lr_transfer)
    _transfer.check_transfer(lr_transfer)
    inner = optax.with_extra_args_support(tx)
    teacher: dict[str, Factors] = {}
    if alignment is not None and isinstance(plan, tn.Plan):
        plan, teacher = _alignment.start(alignment, plan, gauge)

    def init(params: Any) -> OverparameterizedState:
        factors = started(plan, params, gauge)
        leaves = named_leaves(params)
        made, products = all_contracted(plan, factors)
        inner_state = inner.init(_with_factors(params, factors))
        rules = _transfer.rules_of(lr_transfer, plan, params, inner_state)
        if rules:
            _transfer.refuse_copies(lambda f: inner.init(_with_factors(params, f)), factors)
        return OverparameterizedState(
            factors=factors,
            inner=inner_state,
            written={n: first_sums(plan[n], made[n], leaves[n]) for n in factors},
            alignment=_alignment.begin(alignment, plan, teacher, factors) if alignment else None,
            products=products if keep_products else {},
            transfer=_transfer.begin(plan, factors, rules) if rules else None,
        )

    def update(gradients: Any, state: OverparameterizedState, params: Any = None, **extra: Any) -> Any:
        _check(state, params, alignment is not None, bool(lr_transfer), keep_products)
        rules = _transfer.rules_of(lr_transfer, plan, params, state.inner)
        changed = overwritten(state.written, params)
        refuse(changed, guard)
        pulled = _pulled(plan, state, gradients)
        slopes = _transfer.slopes_of(plan, gradients, pulled, rules)
        aligned = _aligned(plan, alignment, state, pulled)
        scaled = state.transfer
        before = _with_factors(params, _transfer.seen(state.factors, scaled) if scaled else state.factors)
        steps, inner_state = inner.update(_with_factors(gradients, pulled), state.inner, before, **extra)
        named = branches(params, steps)
        if scaled:
            factors, made, products = _transfer.step(plan, scaled, state.factors, named, slopes, params)
        else:
            after = branches(params, optax.apply_updates(before, steps))
            factors = {name: after[name] for name in plan}
            made, products = all_contracted(plan, factors)
        updates = _updates(made, params, gradients, named, changed if guard == "nan" else {})
        arrived = named_leaves(optax.apply_updates(params, updates))
        return updates, OverparameterizedState(
            factors=factors,
            inner=inner_state,
            written={name: sums(arrived[name], w) for name, w in made.items()},
            alignment=aligned,
            products=products if keep_products else {},
            transfer=_transfer.counted(plan, scaled, factors, rules) if scaled else None,
        )

    return optax.GradientTransformationExtraArgs(init, update)


def _check_arguments(tx: Any, plan: Any, linear: Any) -> None:
    if not (isinstance(plan, tn.Coordinated) and len(plan) and hasattr(tx, "update")):
        raise TensorNetError(
            f"overparameterize: got ({type(tx).__name__}, {type(plan).__name__}), needed an optax transformation and a plan "
            f"with at least one weight, in this order"
        )
    if linear and not isinstance(plan, tn.Plan):
        raise TensorNetError(
            f"overparameterize: got a {type(plan).__name__} with alignment= or lr_transfer=, needed a Plan for these, because "
            f"they are about tensors in which a weight is linear; pass lr_transfer=False and no alignment"
        )


def _aligned(
    plan: tn.Coordinated[Any], alignment: tn.Alignment | None, state: OverparameterizedState, pulled: dict[str, Factors]
) -> AlignmentState | None:
    """Adds the gradient of the alignment loss to those of the factors; returns the state of alignment after this update."""
    if alignment is None or state.alignment is None:
        return None
    aligned, pull = _alignment.loss_and_gradient(alignment, plan, state.factors, state.alignment)
    for name, parts in pull.items():
        pulled[name] = tuple(g if p is None else g + p for g, p in zip(pulled[name], parts, strict=True))
    return aligned


def _updates(
    made: dict[str, Array], params: Any, gradients: Any, steps: dict[str, Any], poisoned: dict[str, Array]
) -> Any:
    """The way from `params` to the weights `made` of the new factors; elsewhere the inner transformation's own step.

    In the dtype of the gradient, as all of optax has it: wrappers that may reject an update need that.
    """
    dense = named_leaves(gradients)

    def way(name: str, leaf: Array) -> Array:
        if name not in made:
            return steps[name]
        update = _rounded(made[name] - jnp.asarray(leaf, made[name].dtype), dense[name].dtype)
        return jnp.where(poisoned[name], jnp.nan, update) if name in poisoned else update

    return map_named(way, params)


def _rounded(array: Array, dtype: Any) -> Array:
    """`array` as `dtype`, rounded for certain: a compiler may take a conversion to 16 bits and back for none, so that who
    adds it here and who adds it outside would not get the same sum.
    """
    info = jnp.finfo(dtype)
    if info.bits < jnp.finfo(array.dtype).bits:
        array = jax.lax.reduce_precision(array, info.nexp, info.nmant)
    return array.astype(dtype)


def _check(state: OverparameterizedState, params: Any, aligned: bool, scaled: bool, kept: bool) -> None:
    if params is None:
        raise TensorNetError(
            "overparameterize: update was called without params; needed the dense parameters, because the update is the "
            "way from them to contract(factors); call tx.update(grads, state, params)"
        )
    if (aligned, scaled, kept) != (state.alignment is not None, state.transfer is not None, bool(state.products)):
        raise TensorNetError(
            "overparameterize: transformation and state differ in whether there is alignment, lr_transfer, or products are "
            "kept; one of them was made with other arguments; make the state with this transformation's init"
        )


def _pulled(plan: tn.Coordinated[Any], state: OverparameterizedState, gradients: Any) -> dict[str, Factors]:
    """dL/dT_k of every planned weight from its dL/dW."""
    dense = named_leaves(gradients)
    with jax.default_matmul_precision("float32"):
        return {
            n: f.pullback(state.factors[n], out_in(dense[n], n in plan.transposed), products=state.products.get(n))
            for n, f in plan.items()
        }


def _with_factors(tree: Any, factors: dict[str, Factors]) -> Any:
    return map_named(lambda name, leaf: factors.get(name, leaf), tree)
