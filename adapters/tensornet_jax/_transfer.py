"""A learning rate that transfers: each factor's step times its scale, and no step of W beyond a dense one's."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import tensornet as tn
from tensornet.transfer import check_rule, lent, moved, reach, share, slopes, step_scales

from ._state import Factors, TransferState, all_contracted
from ._tree import named_leaves, out_in

Made = tuple[dict[str, Factors], dict[str, Array], dict[str, Factors]]  # factors, weights, products on the way


def rule_of(lr_transfer: bool | str) -> str | None:
    """The rule that the user's transformation steps by: True is that of Adam; None for no transfer."""
    if lr_transfer is False:
        return None
    rule = "sign" if lr_transfer is True else lr_transfer
    check_rule("overparameterize: lr_transfer", rule)
    return rule


def begin(plan: tn.Coordinated[Any], factors: Mapping[str, Factors], rule: str) -> TransferState:
    return TransferState(jnp.zeros((), jnp.int32), _measured(plan, factors, rule))


def seen(factors: Mapping[str, Factors], state: TransferState) -> dict[str, Factors]:
    """c_k T_k, which the user's transformation sees in place of the factors."""
    return {n: lent(f, state.scales[n]) for n, f in factors.items()}


def slopes_of(plan: tn.Coordinated[Any], gradients: Any, pulled: Mapping[str, Factors]) -> dict[str, tuple[Array, ...]]:
    """The gradients of the factors over that of each weight, before alignment adds to them."""
    dense = named_leaves(gradients)
    return {n: slopes(out_in(dense[n], False), p, int(n in plan.stacked)) for n, p in pulled.items()}


def step(
    plan: tn.Coordinated[Any],
    state: TransferState,
    factors: Mapping[str, Factors],
    steps: Mapping[str, Factors],
    slopes: Mapping[str, tuple[Array, ...]],
    params: Any,
) -> Made:
    """T_k + m_k u_k, as much of it as W may move by, and W."""
    scales, leaves = state.scales, named_leaves(params)
    after = {n: moved(f, scales[n], steps[n]) for n, f in factors.items()}
    made, products = all_contracted(plan, after)
    for name, old in factors.items():
        bound = reach(scales[name], steps[name], slopes.get(name))
        part = share(bound, _before(plan, name, old, leaves[name]), made[name])
        held = (after[name], made[name], products[name])
        after[name], made[name], products[name] = _backed(plan, name, old, part, held)
    return after, made, products


def _backed(plan: tn.Coordinated[Any], name: str, old: Factors, part: Array, held: Any) -> Any:
    """(factors, weight, products) after `part` of the step, each of a stack for itself."""

    def back() -> Any:
        new = moved(old, (part,) * len(old), [n - t for t, n in zip(old, held[0], strict=True)])
        made, products = all_contracted(plan, {name: new})
        return new, made[name], products[name]

    return jax.lax.cond((part < 1).any(), back, lambda: held)


def _before(plan: tn.Coordinated[Any], name: str, factors: Factors, leaf: Array) -> Array:
    """W before the step, from the factors where its own dtype has rounded it."""
    if leaf.dtype == factors[0].dtype:
        return leaf
    return all_contracted(plan, {name: factors})[0][name]


def counted(
    plan: tn.Coordinated[Any], state: TransferState, factors: Mapping[str, Factors], rule: str
) -> TransferState:
    """After a step: the scales anew, if it was the 1st, 2nd, 4th, 8th …

    They follow the norms of factors, which change by steps as a logarithm does: that costs nothing in the long run.
    """
    steps = state.steps + 1
    due = steps & (steps - 1) == 0
    return TransferState(steps, jax.lax.cond(due, lambda: _measured(plan, factors, rule), lambda: state.scales))


def _measured(plan: tn.Coordinated[Any], factors: Mapping[str, Factors], rule: str) -> dict[str, tuple[Array, ...]]:
    with jax.default_matmul_precision("float32"):
        return {n: step_scales(plan[n], f, rule=rule) for n, f in factors.items()}
