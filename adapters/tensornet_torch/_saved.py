"""The optimiser's state by names of parameters, the same for any number of processes, and what it must have to be loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

import tensornet as tn
from tensornet import TensorNetError

from ._alignment import Aligner
from ._exchange import is_sharded
from ._handover import hyper_parameters
from ._weight import Weight

Groups = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Settings:
    """What a state must have been saved with: names of parameters by group, gauge, alignment, the rule of lr_transfer."""

    names: Sequence[Sequence[str]]
    gauge: str
    aligner: Aligner | None
    rule: str | None


def names_of(groups: Groups, model: nn.Module) -> list[list[str]]:
    """Of each parameter in the groups the name that the model gives it; what is no parameter of the model goes by place."""
    known = {id(p): name for name, p in model.named_parameters()}
    return [
        [known.get(id(p), f"group {g}, {k}") for k, p in enumerate(group["params"])] for g, group in enumerate(groups)
    ]


def inner_names(inner: Optimizer, weights: Mapping[str, Weight], names: Mapping[int, str]) -> list[str]:
    """Of each parameter of the inner optimiser, in the order of its own numbers: "weight.k" of factor k."""
    factors = {id(f): f"{w.name}.{k}" for w in weights.values() for k, f in enumerate(w.factors)}
    return [factors.get(id(p)) or names[id(p)] for group in inner.param_groups for p in group["params"]]


def state_of(inner: Optimizer, mine: Sequence[str], groups: Groups, names: Sequence[Sequence[str]]) -> dict[str, Any]:
    """state         name → the inner optimiser's state of that parameter
    slots         name → keys of its state: a reader that asks for too few is found out
    param_groups  hyper-parameters, and names of the dense parameters
    """
    numbered = inner.state_dict()["state"]
    state = {mine[k]: slots for k, slots in numbered.items()}
    held = [{**hyper_parameters(g), "params": list(n)} for g, n in zip(groups, names, strict=True)]
    return {"state": state, "slots": {n: sorted(state.get(n, ())) for n in mine}, "param_groups": held}


def load_inner(inner: Optimizer, mine: Sequence[str], saved: Mapping[str, Any]) -> None:
    """Give `inner` the state of its own parameters; that of others stays unread."""
    number = {name: k for k, name in enumerate(mine)}
    state = {number[n]: slots for n, slots in saved["state"].items() if n in number}
    inner.load_state_dict({"state": state, "param_groups": inner.state_dict()["param_groups"]})


def check_saved(
    state: Mapping[str, Any],
    plan: tn.Coordinated[Any],
    weights: Mapping[str, Weight],
    held: Mapping[str, Tensor],
    ours: Settings,
) -> None:
    """Refuse a state of another kind of optimiser, another plan, other settings, or a part of one."""
    if "formats" not in state:
        raise TensorNetError(
            "load_state_dict: this state has no factors; needed one from an over-parameterised optimiser; a plain "
            "optimiser's state is about dense weights; load the model's weights instead and start a new optimiser"
        )
    for name, fmt in plan.items():
        if state["formats"].get(name) != fmt.to_dict():
            raise TensorNetError(
                f"load_state_dict: {name} is {fmt} here and {state['formats'].get(name, 'absent')} in the state; both "
                f"must be the same plan; make the plan that the state was saved with"
            )
    extra = [n for n in state["formats"] if n not in plan]
    if extra:
        raise TensorNetError(
            f"load_state_dict: the state has factors of {', '.join(extra)}, which this plan does not; both must be the same "
            f"plan; make the plan that the state was saved with"
        )
    if state["gauge"] != ours.gauge:
        raise TensorNetError(
            f"load_state_dict: the state was saved with gauge={state['gauge']!r}, this optimiser has {ours.gauge!r}; a resync "
            f"and the teacher's factors depend on it; pass the same gauge to overparameterize"
        )
    _check_parameters(state, weights, held, ours.names)
    _check_alignment(state, ours.aligner)
    rule = state.get("lr_transfer", {}).get("rule")
    if rule != ours.rule:
        raise TensorNetError(
            f"load_state_dict: the state was saved with lr_transfer={rule or False!r}, this optimiser has "
            f"{ours.rule or False!r}; needed the same, because a learning rate means another thing with it; make the optimiser "
            f"as it was made then"
        )


def _check_alignment(state: Mapping[str, Any], aligner: Aligner | None) -> None:
    if (aligner is not None) != ("alignment" in state):
        here, there = ("with", "without") if aligner else ("without", "with")
        raise TensorNetError(
            f"load_state_dict: this optimiser is {here} alignment, the state was saved {there}; make the optimiser as it was "
            f"made then"
        )
    if (
        aligner
        and aligner.rotates
        and (saved := set(state["alignment"]["targets"]))
        and not saved >= set(aligner.targets)
    ):
        raise TensorNetError(
            f"load_state_dict: the state has alignment targets of {', '.join(sorted(saved))}, this optimiser aligns "
            f"{', '.join(sorted(aligner.targets))}; both must pair the same weights; make the optimiser as it was made then"
        )


def _check_parameters(
    state: Mapping[str, Any], weights: Mapping[str, Weight], held: Mapping[str, Tensor], names: Sequence[Sequence[str]]
) -> None:
    absent = [n for n in weights if n not in state["factors"]]
    if absent:
        raise TensorNetError(
            f"load_state_dict: the state has no factors of {', '.join(absent)}, which this process owns; it is the part of one "
            f"process of a group, and weights have other owners now; save with torch.distributed.checkpoint and load with "
            f"tensornet_torch.distributed.load, for any number of processes"
        )
    there = [list(g["params"]) for g in state["param_groups"]]
    if there != [list(n) for n in names]:
        raise TensorNetError(
            f"load_state_dict: the parameter groups of the state hold {there}, those of this optimiser {list(names)}; needed "
            f"the same, because state goes by their names; make the optimiser as it was made then"
        )
    whole = [n for n, p in held.items() if is_sharded(p) and _is_whole(state["state"].get(n, {}), p)]
    if whole:
        raise TensorNetError(
            f"load_state_dict: the state has whole tensors for {', '.join(whole)}, of which this process holds a shard, needed "
            f"shards; save with torch.distributed.checkpoint, from one process too, and load with "
            f"tensornet_torch.distributed.load"
        )
    lost = [n for n in held if sorted(state["state"].get(n, ())) != list(state["slots"].get(n, ()))]
    if lost:
        raise TensorNetError(
            f"load_state_dict: the state lacks what was saved of the inner optimiser's state for {', '.join(lost)}, as when "
            f"torch.distributed.checkpoint fills the state of an optimiser that has not stepped; training would go on "
            f"without it; load with tensornet_torch.distributed.load"
        )


def _is_whole(slots: Mapping[str, Any], parameter: Tensor) -> bool:
    plain = [t for t in slots.values() if isinstance(t, Tensor) and not is_sharded(t)]
    return any(t.ndim and t.shape == parameter.shape for t in plain)
