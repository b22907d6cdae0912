"""From the optimiser that a user made to the inner one, which holds factors where it held planned weights."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from torch import Tensor, nn
from torch.optim import Optimizer

import tensornet as tn
from tensornet import TensorNetError

from ._exchange import is_sharded, settle
from ._weight import Weight

_NOT_HYPER = ("params", "param_names")  # what a param group holds besides hyper-parameters


def hyper_parameters(group: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in group.items() if k not in _NOT_HYPER}


def carry(source: Iterable[Mapping[str, Any]], target: Iterable[dict[str, Any]]) -> None:
    """Hyper-parameters of one's groups to the other's: schedulers and users write to ours, the inner optimiser reads its own,
    and some keep counters there, which must come back.
    """
    for a, b in zip(source, target, strict=True):
        b.update(hyper_parameters(a))


def forget_empty(inner: Optimizer, dense: Iterable[nn.Parameter]) -> None:
    """Who asks for the state of a dense weight makes an empty one, because it is a defaultdict; it would not be saved."""
    for p in dense:
        if p in inner.state and not inner.state[p]:
            del inner.state[p]


def refuse_direct() -> NoReturn:
    raise TensorNetError(
        "overparameterize: the optimiser that was wrapped is stepped by itself; it would train everything but the planned "
        "weights, whose gradients only the returned optimiser pulls back; step that one"
    )


def refuse_written(inner: Optimizer, carried: Sequence[Mapping[str, Any]]) -> None:
    """Refuse groups of `inner` that are not as last carried, where the next carrying would undo it in silence, and put them
    back, so that it is said once.
    """
    groups = inner.param_groups
    written = [
        f"group {n} has {key}={group.get(key)!r} in place of {old!r}"
        for n, (group, noted) in enumerate(zip(groups, carried, strict=False))
        for key, old in noted.items()
        if not _is_same(group.get(key), old)
    ]
    if len(groups) != len(carried):
        written.append(f"there are {len(groups)} groups in place of {len(carried)}")
    if written:
        del groups[len(carried) :]
        for group, noted in zip(groups, carried, strict=False):
            group.update(noted)
        raise TensorNetError(
            f"overparameterize: somebody wrote to the optimiser that was wrapped: {', '.join(written)}; needed its groups as "
            f"they were, because at each step they take what the returned optimiser's have; write to the param_groups of that "
            f"one, or call its add_param_group; they are put back as they were"
        )


def _is_same(value: Any, old: Any) -> bool:
    """A tensor by identity: both optimisers hold it, so that writing into it does no harm, and to read it a host would wait."""
    return value is old or (not isinstance(value, Tensor) and not isinstance(old, Tensor) and bool(value == old))


def planned_parameters(inner: Optimizer, model: nn.Module, plan: tn.Coordinated[Any]) -> dict[str, nn.Parameter]:
    """The planned parameters of `model`, all of which `inner` must hold and must not have stepped on."""
    if not (
        isinstance(inner, Optimizer) and isinstance(model, nn.Module) and isinstance(plan, tn.Coordinated) and len(plan)
    ):
        raise TensorNetError(
            f"overparameterize: got ({type(inner).__name__}, {type(model).__name__}, {type(plan).__name__}), needed a "
            f"torch.optim.Optimizer, the nn.Module it trains, and a plan with at least one weight, in this order"
        )
    refuse_scheduled(inner)
    settle(model)
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


def hand_over(inner: Optimizer, planned: Mapping[str, nn.Parameter], weights: Mapping[str, Weight]) -> list[int]:
    """Put the factors in the place of their dense parameter in the groups of `inner`; none where another process owns them.

    In place, because some optimisers (LBFGS) keep a reference to the list. State of other parameters stays. Where the
    other parameters are DTensors the factors get groups of their own at the end, because foreach and fused optimisers
    take either kind in a group, not both.

    returns: for each group of `inner` the number of the group it comes from
    """
    of = {id(p): weights[name].factors if name in weights else () for name, p in planned.items()}
    origin = list(range(len(inner.param_groups)))
    for number, group in enumerate(tuple(inner.param_groups)):
        if apart := _taken_apart(group, of):
            inner.param_groups.append(apart)
            origin.append(number)
    for group in inner.param_groups:
        _replace(inner, group, of)
    return origin


def _taken_apart(group: dict[str, Any], of: Mapping[int, Any]) -> dict[str, Any] | None:
    """The planned parameters of a group in one of their own, if the others are DTensors; None if not."""
    params, keys = tuple(group["params"]), [k for k in _NOT_HYPER if k in group]
    planned = [id(p) in of for p in params]
    if not any(planned) or not any(is_sharded(p) for p in params if id(p) not in of):
        return None
    entries = {k: list(zip(group[k], planned, strict=True)) for k in keys}
    for k in keys:
        group[k][:] = [entry for entry, is_planned in entries[k] if not is_planned]
    return {**group, **{k: [entry for entry, is_planned in entries[k] if is_planned] for k in keys}}


def _replace(inner: Optimizer, group: dict[str, Any], of: Mapping[int, tuple[nn.Parameter, ...]]) -> None:
    dense = [p for p in group["params"] if id(p) in of]
    if "param_names" in group:
        named = zip(group["param_names"], group["params"], strict=True)
        group["param_names"] = [
            part for n, p in named for part in ([f"{n}.{k}" for k in range(len(of[id(p)]))] if id(p) in of else [n])
        ]
    group["params"][:] = [part for p in group["params"] for part in of.get(id(p), (p,))]
    _initial_state(inner, group, dense, of)


def _initial_state(
    inner: Optimizer, group: dict[str, Any], dense: list[nn.Parameter], factors: Mapping[int, tuple[nn.Parameter, ...]]
) -> None:
    """Some optimisers (Adagrad) make a state before the first step: make that of the factors as the class makes it."""
    begun = [p for p in dense if p in inner.state]
    made = [f for p in begun for f in factors[id(p)]]
    for p in begun:
        del inner.state[p]
    if made:
        fresh: Optimizer = type(inner)([{**hyper_parameters(group), "params": made}])  # type: ignore[call-arg]
        inner.state.update({f: fresh.state[f] for f in made})


def _has_stepped(state: Mapping[str, Any]) -> bool:
    return bool(state) and float(state.get("step", 1)) > 0
