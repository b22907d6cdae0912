"""Which modules hold a planned weight, and what stands in their place."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import tensornet as tn
from tensornet import Format, TensorNetError

from ._conv import FactorizedConv2d
from ._embedding import FactorizedEmbedding
from ._factorized import Factorized, factorized_weights
from ._hosts import as_factorized, ties_of
from ._linear import FactorizedLinear, is_conv1d
from ._note import write_note

_LINEAR = (nn.Linear, nn.modules.linear.NonDynamicallyQuantizableLinear)  # the latter is in nn.MultiheadAttention
Filled = tuple[Sequence[torch.Tensor], float | None]  # factors, and the relative error that they make


@dataclass(frozen=True)
class Planned:
    """A planned parameter of a model, under its first name."""

    name: str
    format: Format
    transposed: bool
    parameter: nn.Parameter


def planned(model: nn.Module, plan: tn.Plan, who: str) -> list[Planned]:
    """The parameters that `plan` names, by any of their names, which must all be there and of its shapes."""
    first = {id(p): n for n, p in model.named_parameters()}
    named = dict(model.named_parameters(remove_duplicate=False))
    found: dict[str, Planned] = {}
    for alias, fmt in plan.items():
        if alias not in named:
            raise TensorNetError(
                f"{who}: the model has no parameter {alias}; plan and model must belong together, because a weight that is "
                f"left dense in silence would be missed late; plan it anew"
            )
        parameter, transposed = named[alias], alias in plan.transposed
        name, shape = first[id(parameter)], tuple(parameter.shape)
        if name in found:
            raise TensorNetError(
                f"{who}: {alias} and {name} are one tied weight and both are planned; one weight has one format; plan one of "
                f"them"
            )
        if fmt.shape != (shape[::-1] if transposed else shape):
            raise TensorNetError(f"{who}: {alias}: {fmt.shape_error(shape)}")
        found[name] = Planned(name, fmt, transposed, parameter)
    return list(found.values())


def factorized(
    model: nn.Module, weights: list[Planned], fill: Callable[[Planned], Filled], *, who: str, memory: int | None
) -> nn.Module:
    """A copy of `model` in which all modules that hold one of `weights` are factorised; factors are shared as weights are."""
    holders = _holders(model)
    for w in weights:
        _check_holders(who, w.name, holders[id(w.parameter)])
    # The planned weights are not copied: nothing of the copy will hold them.
    copied = copy.deepcopy(model, {id(w.parameter): w.parameter for w in weights})
    holders, ties, replacements = _holders(copied), ties_of(copied), {}
    for w in weights:
        factors, error = fill(w)
        shared = nn.ParameterList([nn.Parameter(f, requires_grad=w.parameter.requires_grad) for f in factors])
        modules = [module for module, _ in holders[id(w.parameter)]]
        for module in modules:
            made = _like(module, w, tied=len(modules) > 1, memory=memory)
            # a list of its own for each module, of the same parameters
            made.factors, made.error = nn.ParameterList(list(shared)), error
            replacements[id(module)] = made.train(module.training)
    small = replaced(copied, replacements)
    as_factorized(small, note_of(small), ties)
    return small


def replaced(model: nn.Module, replacements: Mapping[int, nn.Module]) -> nn.Module:
    """`model` with other modules in the places of those with these ids; changed, not copied."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if id(child) in replacements:
                setattr(parent, name, replacements[id(child)])
    return replacements.get(id(model), model)


def note_of(model: nn.Module) -> dict[str, Any]:
    """What a file says of the factorised weights of a model."""
    first = {name: modules[0] for name, modules in factorized_weights(model).items()}
    transposed = frozenset(name for name, m in first.items() if m.of_transpose)
    plan = tn.Plan({name: m.format for name, m in first.items()}, transposed=transposed)
    return write_note(plan, {name: m.error for name, m in first.items()})


def _holders(model: nn.Module) -> dict[int, list[tuple[nn.Module, str]]]:
    """id of a parameter → the modules that hold it, each with the name that it has there."""
    found: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                found.setdefault(id(parameter), []).append((module, name))
    return found


def _check_holders(who: str, weight: str, holders: list[tuple[nn.Module, str]]) -> None:
    for module, name in holders:
        kind = type(module)
        if name != "weight" or not (kind in (*_LINEAR, nn.Embedding, nn.Conv2d) or is_conv1d(kind)):
            raise TensorNetError(
                f"{who}: {weight} is the {name} of a {kind.__module__}.{kind.__qualname__}, needed the weight of an nn.Linear, "
                f"nn.Embedding, nn.Conv2d or Conv1D, none of their subclasses, because only for those it is known what they "
                f"compute with it; leave it out of the plan, or write the layer with one of those"
            )
        if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
            raise TensorNetError(
                f"{who}: the module of {weight} has hooks, needed none, because another module takes its place and they would "
                f"be lost; remove them, and register them on the new module"
            )


def _like(module: nn.Module, weight: Planned, *, tied: bool, memory: int | None) -> Factorized:
    if isinstance(module, nn.Embedding):
        return FactorizedEmbedding.like(module, weight.format, tied=tied)
    if isinstance(module, nn.Conv2d):
        return FactorizedConv2d.like(module, weight.format)
    transposed = weight.transposed != is_conv1d(type(module))
    return FactorizedLinear.like(module, weight.format, transposed=transposed, memory=memory)
