"""A learning rate that transfers: each factor's step times its scale, and no step of W beyond a dense one's."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

import tensornet as tn
from tensornet import TensorNetError
from tensornet.transfer import (
    TRIES,
    Share,
    capped,
    check_rule,
    lengths,
    lent,
    moved,
    reach,
    share,
    slopes,
    step_scales,
    tried,
)

from ._state import Factors, TransferState, all_contracted, placed_as
from ._tree import named_leaves, named_states, out_in

# What these keep is a sum of gradients: a step by it is as long as they are. All else with axes is of single entries.
LINEAR = (optax.TraceState, optax.EmaState)
LATER = (optax.ScaleByLBFGSState,)  # copies the parameters in its updates
GATHERED = ("acc_grads", "grad_acc")  # of MultiSteps, beside the inner state, and of apply_every

Rules = Mapping[str, str]  # weight name → "sign" or "gradient"
Made = tuple[dict[str, Factors], dict[str, Array], dict[str, Factors]]  # factors, weights, products on the way


def check_transfer(lr_transfer: bool | str) -> None:
    if not isinstance(lr_transfer, bool):
        check_rule("overparameterize: lr_transfer", lr_transfer)


def rules_of(lr_transfer: bool | str, plan: tn.Coordinated[Any], params: Any, inner: Any) -> dict[str, str]:
    """Weight name → the rule its factors are stepped by: as the user says, or True: "sign" where the state `inner` of the
    user's transformation has moments of their entries. Known without values; none for no transfer.
    """
    if not isinstance(lr_transfer, bool):
        return dict.fromkeys(plan, lr_transfer)
    ends = {name: name for name in named_leaves(params) if name not in plan}
    ends |= {f"{name}.{k}": name for name, fmt in plan.items() for k in range(len(fmt.shapes))}
    owners = [_owner(path, ends) for path in _moments(inner)]
    return {n: "sign" if {n, None} & {*owners} else "gradient" for n in plan} if lr_transfer else {}


def _moments(inner: Any) -> Iterator[str]:
    for name, leaf in named_states(inner, LINEAR):
        kept = not isinstance(leaf, LINEAR) and not {*GATHERED} & {*name.split(".")}
        if kept and jnp.ndim(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact):
            yield name


def _owner(path: str, ends: Mapping[str, str]) -> str | None:
    """Whose place in the tree a leaf of the state has; None: of no parameter alone, as in optax.flatten."""
    keys = path.split(".")
    return next((ends[end] for k in range(len(keys)) if (end := ".".join(keys[k:])) in ends), None)


def refuse_copies(init: Callable[[Any], Any], factors: Mapping[str, Factors]) -> None:
    """Of the factors in the state that `init` makes of them: beside c_k T_k they would look a step apart."""
    made, state = jax.make_jaxpr(init, return_shape=True)(dict(factors))
    copies = {id(v) for v in made.jaxpr.invars}
    copies |= {id(e.outvars[0]) for e in made.eqns if e.primitive.name == "copy" and id(e.invars[0]) in copies}
    later = any(isinstance(leaf, LATER) for _, leaf in named_states(state, LATER))
    if later or copies & {id(v) for v in made.jaxpr.outvars}:
        raise TensorNetError(
            "overparameterize: lr_transfer with a transformation whose state has a copy of the parameters, needed one that "
            "reads them anew in each update, because it sees the factors at another scale then; pass lr_transfer=False"
        )


def begin(plan: tn.Coordinated[Any], factors: Mapping[str, Factors], rules: Rules) -> TransferState:
    scales = _measured(plan, factors, rules)
    return TransferState(jnp.zeros((), jnp.int32), {n: placed_as(f[0], scales[n]) for n, f in factors.items()})


def seen(factors: Mapping[str, Factors], state: TransferState) -> dict[str, Factors]:
    """c_k T_k, which the user's transformation sees in place of the factors."""
    return {n: lent(f, state.scales[n]) for n, f in factors.items()}


def slopes_of(
    plan: tn.Coordinated[Any], gradients: Any, pulled: Mapping[str, Factors], rules: Rules
) -> dict[str, tuple[Array, ...]]:
    """The gradients of the factors over that of each weight of a linear rule, before alignment adds to them."""
    dense, linear = named_leaves(gradients), [n for n, rule in rules.items() if rule == "gradient"]
    return {n: slopes(out_in(dense[n], False), pulled[n], int(n in plan.stacked)) for n in linear}


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
    far = {n: lengths(steps[n], scales[n][0].ndim) for n in factors}
    after = {n: moved(f, capped(f, scales[n], far[n]), steps[n]) for n, f in factors.items()}
    made, products = all_contracted(plan, after)
    for name, old in factors.items():
        bound = reach(scales[name], far[name], slopes.get(name))
        before = _before(plan, name, old, leaves[name])
        held = (after[name], made[name], products[name])
        after[name], made[name], products[name] = _backed(plan, name, old, bound, before, held)
    return after, made, products


def _backed(plan: tn.Coordinated[Any], name: str, old: Factors, far: Array, before: Array, held: Any) -> Any:
    """(factors, weight, products) after as much of the step as takes W to `far`, each of a stack for itself."""
    whole = [n - t for t, n in zip(old, held[0], strict=True)]

    def back(found: Share) -> Any:
        new = moved(old, (found.share,) * len(old), whole)
        made, products = all_contracted(plan, {name: new})
        return tried(found, far, before, made[name]), (new, made[name], products[name])

    def once(carry: Any, _: None) -> Any:  # a loop of known length has a gradient
        return jax.lax.cond(carry[0].known.all(), lambda: carry, lambda: back(carry[0])), None

    (_, held), _ = jax.lax.scan(once, (share(far, before, held[1], len(old)), held), length=TRIES)
    return held


def _before(plan: tn.Coordinated[Any], name: str, factors: Factors, leaf: Array) -> Array:
    """W before the step, from the factors where its own dtype has rounded it."""
    if leaf.dtype == factors[0].dtype:
        return jnp.asarray(leaf)
    return all_contracted(plan, {name: factors})[0][name]


def counted(
    plan: tn.Coordinated[Any], state: TransferState, factors: Mapping[str, Factors], rules: Rules
) -> TransferState:
    """After a step: the scales anew, if it was the 1st, 2nd, 4th, 8th …

    They follow the norms of factors, which change by steps as a logarithm does: that costs nothing in the long run.
    """
    steps = state.steps + 1
    due = steps & (steps - 1) == 0
    return TransferState(steps, jax.lax.cond(due, lambda: _measured(plan, factors, rules), lambda: state.scales))


def _measured(plan: tn.Coordinated[Any], factors: Mapping[str, Factors], rules: Rules) -> dict[str, tuple[Array, ...]]:
    with jax.default_matmul_precision("float32"):
        return {n: step_scales(plan[n], f, rule=rules[n]) for n, f in factors.items()}
