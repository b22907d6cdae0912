"""compress and dense: a model with factors in the place of its weights, and back."""

import copy

import torch
from torch import nn

import tensornet as tn
from tensornet import TensorNetError
from tensornet._arrays import widest
from tensornet._receipt import relative_error

from .._weight import factors_of
from ._factorized import factorized_weights
from ._hosts import as_dense
from ._replace import Filled, Planned, factorized, planned, replaced


def compress(model: nn.Module, plan: tn.Plan, *, memory: int | None = None) -> nn.Module:
    """A copy of `model` whose planned weights are held as factors, also at inference; `model` stays as it is.

    plan    from `plan(model, …)`: every weight of it must be the weight of an nn.Linear, nn.Embedding, nn.Conv2d or Conv1D of
            Transformers. A format that cannot represent the weight takes what its `decompose` finds; `receipt` tells the error
    memory  bytes that may be alive at once in the call of a linear layer; None is no limit

    Tied weights stay tied, biases, dtypes, devices and requires_grad as they were. Factors are parameters like any other.
    raises: TensorNetError for a planned weight that the model has not, or in a module of another kind; for NaN or Inf
    """
    if not (isinstance(model, nn.Module) and isinstance(plan, tn.Plan) and len(plan)):
        raise TensorNetError(
            f"compress: got ({type(model).__name__}, {type(plan).__name__}), needed an nn.Module and a plan with at least one "
            f"weight, because the plan says what becomes of which; pass tensornet_torch.plan(model, …)"
        )
    weights = planned(model, plan, "compress")
    return factorized(model, weights, _decomposed, who="compress", memory=memory)


def dense(model: nn.Module) -> nn.Module:
    """A copy of a compressed `model` that is dense again: modules of the original classes, with the weights contracted.

    raises: TensorNetError if nothing of it is factorised
    """
    if not (isinstance(model, nn.Module) and factorized_weights(model)):
        raise TensorNetError(
            f"dense: got a {type(model).__name__} without a factorised weight, needed what compress gave, because there is "
            f"nothing to contract; use the model as it is"
        )
    copied = copy.deepcopy(model)
    replacements: dict[int, nn.Module] = {}
    with torch.no_grad():
        for modules in factorized_weights(copied).values():
            trains = next(iter(modules[0].factors)).requires_grad
            weight = nn.Parameter(modules[0].contracted().contiguous(), requires_grad=trains)
            replacements |= {id(m): m.to_dense(weight).train(m.training) for m in modules}
    made = replaced(copied, replacements)
    as_dense(made)
    return made


@torch.no_grad()
def _decomposed(w: Planned) -> Filled:
    """Factors in the dtype of the weight, and the error of what they make in it; on the meta device shapes alone."""
    if w.parameter.is_meta:
        return [torch.empty(s, dtype=w.parameter.dtype, device="meta") for s in w.format.shapes], None
    matrix = w.parameter.mT if w.transposed else w.parameter
    factors = [f.to(w.parameter.dtype) for f in factors_of(w.name, w.format.decompose, matrix, "balanced")]
    made = w.format.contract([widest(f) for f in factors])
    return factors, relative_error(made, matrix)
