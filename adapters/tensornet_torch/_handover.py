"""From the optimiser that a user made to the inner one, which holds factors where it held planned weights."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from torch import nn
from torch.optim import Optimizer

import tensornet as tn
from tensornet import TensorNetError

from ._weight import Weight

_NOT_HYPER = ("params", "param_names")  # what a param group holds besides hyper-parameters


def hyper_parameters(group: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in group.items() if k not in _NOT_HYPER}


def carry(source: Optimizer, target: Optimizer) -> None:
    """Hyper-parameters of one's groups to the other's: schedulers and users write to ours, the inner optimiser reads its own,
    and some keep counters there, which must come back.
    """
    for a, b in zip(source.param_groups, target.param_groups, strict=True):
        b.update(hyper_parameters(a))


def forget_empty(inner: Optimizer, weights: Iterable[Weight]) -> None:
    """Who asks for the state of a dense weight makes an empty one, because it is a defaultdict; it would not be saved."""
    for w in weights:
        if w.parameter in inner.state and not inner.state[w.parameter]:
            del inner.state[w.parameter]


def refuse_direct() -> NoReturn:
    raise TensorNetError(
        "overparameterize: the optimiser that was wrapped is stepped by itself; it would train everything but the planned "
        "weights, whose gradients only the returned optimiser pulls back; step that one"
    )


def planned_parameters(inner: Optimizer, model: nn.Module, plan: tn.Plan) -> dict[str, nn.Parameter]:
    """The planned parameters of `model`, all of which `inner` must hold and must not have stepped on."""
    if not (isinstance(inner, Optimizer) and isinstance(model, nn.Module) and isinstance(plan, tn.Plan) and len(plan)):
        raise TensorNetError(
            f"overparameterize: got ({type(inner).__name__}, {type(model).__name__}, {type(plan).__name__}), needed a "
            f"torch.optim.Optimizer, the nn.Module it trains, and a plan with at least one weight, in this order"
        )
    refuse_scheduled(inner)
    named, held = dict(model.named_parameters()), {id(p) for g in inner.param_groups for p in g["params"]}
    for name in plan:
        if name not in named:
            raise TensorNetError(
                f"overparameterize: the model has no parameter {name}; plan and model must belong together; plan it anew"
            )
        if named[name].is_meta:
            raise TensorNetError(
                f"overparameterize: {name} is on the meta device, needed one with values, because factors are made of them; "
                f"load the model's weights, and make the optimiser after that; a plan needs none"
            )
        if id(named[name]) not in held:
            raise TensorNetError(
                f"overparameterize: the optimiser does not hold {name}; it would never be trained, as happens when a model "
                f"is rebuilt or moved after its optimiser was made; make the optimiser from model.parameters() again"
            )
        if _has_stepped(inner.state.get(named[name], {})):
            raise TensorNetError(
                f"overparameterize: the optimiser has stepped on {name} already; its state is about the dense weight and "
                f"means nothing for factors; wrap a fresh optimiser"
            )
    return {name: named[name] for name in plan}


def refuse_scheduled(inner: Optimizer) -> None:
    if getattr(inner.step, "_wrapped_by_lr_sched", False):
        raise TensorNetError(
            "overparameterize: a learning-rate scheduler hangs on the optimiser that is wrapped; it would miss the optimiser "
            "that is returned; make the scheduler after overparameterize, on its result"
        )


def hand_over(inner: Optimizer, weights: Iterable[Weight]) -> None:
    """Put the factors in the place of their dense parameter in the groups of `inner`.

    In place, because some optimisers (LBFGS) keep a reference to the list. State of other parameters stays.
    """
    of = {id(w.parameter): w for w in weights}
    for group in inner.param_groups:
        names = group.get("param_names")
        if names is not None:
            group["param_names"] = [
                part for name, p in zip(names, group["params"], strict=True) for part in _names(name, of.get(id(p)))
            ]
        dense = [p for p in group["params"] if id(p) in of]
        group["params"][:] = [part for p in group["params"] for part in (of[id(p)].factors if id(p) in of else (p,))]
        _initial_state(inner, group, dense, of)


def _initial_state(inner: Optimizer, group: dict[str, Any], dense: list[nn.Parameter], of: dict[int, Weight]) -> None:
    """Some optimisers (Adagrad) make a state before the first step: make that of the factors as the class makes it."""
    begun = [p for p in dense if p in inner.state]
    if not begun:
        return
    factors = [f for p in begun for f in of[id(p)].factors]
    fresh: Optimizer = type(inner)([{**hyper_parameters(group), "params": factors}])  # type: ignore[call-arg]
    for p in begun:
        del inner.state[p]
    for f in factors:
        inner.state[f] = fresh.state[f]


def _has_stepped(state: Mapping[str, Any]) -> bool:
    return bool(state) and float(state.get("step", 1)) > 0


def _names(name: str, weight: Weight | None) -> list[str]:
    return [name] if weight is None else [f"{name}.{k}" for k in range(len(weight.factors))]
