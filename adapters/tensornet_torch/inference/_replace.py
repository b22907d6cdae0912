"""Which modules hold a planned weight, and what stands in their place."""

import copy
import gc
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import tensornet as tn
from tensornet import Format, TensorNetError
from tensornet.files._compressed import write_note

from .._conv1d import is_conv1d
from ._conv import FactorizedConv2d
from ._embedding import FactorizedEmbedding
from ._factorized import Factorized, factorized_weights
from ._hosts import as_factorized, ties_of
from ._linear import FactorizedLinear

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
        _check_holders(who, w, holders[id(w.parameter)])
    places = {id(w.parameter): nn.Parameter(w.parameter.detach().to("meta")) for w in weights}
    copied = copy.deepcopy(model, dict(places))  # no planned weight is copied
    left = {w.name: weakref.ref(places[id(w.parameter)]) for w in weights}
    ties = ties_of(copied)
    small = replaced(copied, _replacements(copied, [(w, places[id(w.parameter)]) for w in weights], fill, memory))
    del copied, places
    _refuse_hidden(who, left)
    as_factorized(small, note_of(small), ties)
    return small


def _replacements(
    model: nn.Module, weights: list[tuple[Planned, nn.Parameter]], fill: Callable[[Planned], Filled], memory: int | None
) -> dict[int, nn.Module]:
    """id of a module of `model` → what takes its place; of each weight, the parameter that stands for it in `model`."""
    found: dict[int, nn.Module] = {}
    holders = _holders(model)
    for w, place in weights:
        factors, error = fill(w)
        shared = [nn.Parameter(f, requires_grad=w.parameter.requires_grad) for f in factors]
        modules = [module for module, _ in holders[id(place)]]
        for module in modules:
            made = _like(module, w, tied=not _alike(modules), memory=memory)
            made.factors, made.error = nn.ParameterList(shared), error  # a list for each module, of the same parameters
            found[id(module)] = made.train(module.training)
    return found


def _alike(modules: Sequence[nn.Module]) -> bool:
    """Whether no module trains the row of padding that another one keeps as it is."""
    return len({m.padding_idx if isinstance(m, nn.Embedding) else None for m in modules}) == 1


def _refuse_hidden(who: str, left: Mapping[str, weakref.ref[nn.Parameter]]) -> None:
    """What stood for a planned weight must be gone, or a module that was not found goes on with it."""
    if any(ref() is not None for ref in left.values()):
        gc.collect()
    held = [name for name, ref in left.items() if ref() is not None]
    if held:
        raise TensorNetError(
            f"{who}: {', '.join(held)} is also held where nn.Module does not look (a list of modules, a bound method, a "
            f"compiled layer?), needed in submodules only, because that place would stay dense; use nn.ModuleList, or leave it "
            f"out of the plan"
        )


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


def _check_holders(who: str, w: Planned, holders: list[tuple[nn.Module, str]]) -> None:
    weight = w.name
    for module, name in holders:
        kind = type(module)
        if name != "weight" or not (kind in (*_LINEAR, nn.Embedding, nn.Conv2d) or is_conv1d(kind)):
            raise TensorNetError(
                f"{who}: {weight} is the {name} of a {kind.__module__}.{kind.__qualname__}, needed the weight of an nn.Linear, "
                f"nn.Embedding, nn.Conv2d or Conv1D, none of their subclasses, because only for those it is known what they "
                f"compute with it; leave it out of the plan, or write the layer with one of those"
            )
        if w.transposed and kind in (nn.Embedding, nn.Conv2d):
            raise TensorNetError(
                f"{who}: {weight} is planned as the transpose of what an {kind.__name__} holds, needed a format of it as it "
                f"is, because only linear layers come in both ways; take it out of the plan's transposed"
            )
        if lost := _lost(module):
            raise TensorNetError(
                f"{who}: the module of {weight} has {', '.join(lost)}, needed none, because another module takes its place and "
                f"they would be lost; remove them, and put them on the new module"
            )


def _lost(module: nn.Module) -> list[str]:
    """What a module and its parameters carry that a new module would not."""
    own = [p for p in module._parameters.values() if p is not None]
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    found = {
        "hooks": any(hooks) or any(p._backward_hooks for p in own),
        "a forward of its own": "forward" in vars(module),
        "buffers": any(module._buffers),
        "modules": any(module._modules),
        "more parameters than weight and bias": not set(module._parameters) <= {"weight", "bias"},
    }
    return [what for what, there in found.items() if there]


def _like(module: nn.Module, weight: Planned, *, tied: bool, memory: int | None) -> Factorized:
    if isinstance(module, nn.Embedding):
        return FactorizedEmbedding.like(module, weight.format, weight.parameter, tied=tied)
    if isinstance(module, nn.Conv2d):
        return FactorizedConv2d.like(module, weight.format)
    transposed = weight.transposed != is_conv1d(type(module))
    return FactorizedLinear.like(module, weight.format, transposed=transposed, memory=memory)
