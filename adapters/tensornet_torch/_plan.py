"""A plan from a model: names and shapes of its weights, and which of them are linear layers."""

from typing import Any

from torch import nn

import tensornet as tn
from tensornet.planning import Rules


def plan(model: nn.Module, rules: Rules = "all-linear", **options: Any) -> tn.Plan:
    """Which weights of `model` take which format; only names and shapes are looked at, so a meta-device model will do.

    rules    as in `tensornet.plan`; "all-linear" is the weight of every nn.Linear
    options  format="mpo" and what its for_shape takes, e.g. cores=5

    Tied parameters are one weight, under the first of their names. Frozen ones are left out, which the table says.
    raises: TensorNetError if a rule matches nothing or two rules match one weight
    """
    trainable = {n: tuple(p.shape) for n, p in model.named_parameters() if p.requires_grad}
    frozen = {
        n: "frozen (requires_grad=False)" for n, p in model.named_parameters() if not p.requires_grad and p.ndim == 2
    }
    first_name = {id(p): n for n, p in model.named_parameters()}
    linear = dict.fromkeys(first_name[id(m.weight)] for m in model.modules() if isinstance(m, nn.Linear))
    return tn.plan(trainable, rules, linear=[n for n in linear if n in trainable], skipped=frozen, **options)
