"""A plan from a model: names and shapes of its weights, and which of them are linear layers."""

from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

import tensornet as tn
from tensornet.planning import Rules

from ._conv1d import stores_transposed
from ._wrapped import inside


def plan(model: nn.Module, rules: Rules = "all-linear", **options: Any) -> tn.Plan:
    """Which weights of `model` take which format; only names and shapes are looked at, so a meta-device model will do.

    rules    as in `tensornet.plan`; "all-linear" is the weight of every nn.Linear and of every Conv1D
             of transformers (GPT-2), which stores it as (in, out)
    options  format="mpo" and what its for_shape takes, e.g. cores=5

    Tied parameters are one weight, under the first of their names. Frozen ones are left out, which the table says.
    raises: TensorNetError if a rule matches nothing or two rules match one weight, or for a layer that knows no shape yet
    """
    if not isinstance(model, nn.Module):
        raise tn.TensorNetError(
            f"plan: got a {type(model).__name__}, needed an nn.Module, because it says which weights are linear layers; pass "
            f"the model, or use tensornet.plan with names and shapes"
        )
    model = inside(model)
    named = dict(model.named_parameters())
    if lazy := [n for n, p in named.items() if is_lazy(p)]:
        raise tn.TensorNetError(
            f"plan: {', '.join(lazy)} {'has' if len(lazy) == 1 else 'have'} no shape before the first batch (a lazy layer), "
            f"needed one, because a format is chosen by it; call the model on a batch, then plan"
        )
    trainable = {n: tuple(p.shape) for n, p in named.items() if p.requires_grad}
    skipped = {n: "frozen (requires_grad=False)" for n, p in named.items() if not p.requires_grad and p.ndim > 1}
    linear = [n for n in _linear_weights(model) if n in trainable]
    if rules == "all-linear":
        others = [n for n, shape in trainable.items() if len(shape) > 1 and n not in linear]
        skipped |= dict.fromkeys(others, "not the weight of an nn.Linear")
    return tn.plan(trainable, rules, linear=linear, skipped=skipped, **options)


def _linear_weights(model: nn.Module) -> list[str]:
    """The weight of every linear layer, by the first of its names; one that is computed (parametrize) is no parameter."""
    first_name = {id(p): n for n, p in model.named_parameters()}
    weights = [m.weight for m in model.modules() if _is_linear(m)]
    return list(dict.fromkeys(first_name[id(w)] for w in weights if isinstance(w, nn.Parameter)))


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or stores_transposed(module)
