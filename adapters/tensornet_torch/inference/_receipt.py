"""What the factorised weights of a model cost."""

import math

import torch
from torch import nn

from tensornet import TensorNetError
from tensornet._arrays import widest
from tensornet._receipt import Entry, Receipt, relative_error

from ._factorized import factorized_weights


def receipt(model: nn.Module, original: nn.Module | None = None) -> Receipt:
    """What the factorised weights of `model` cost, and how far they are from the dense ones.

    original  the dense model, to measure against now. Without it the errors are those noted by `compress`, before any
              training since. Of a model that is dense again, the weights that differ are told
    raises: TensorNetError if `original` lacks a weight, or has another shape of it
    """
    weights = None if original is None else dict(original.named_parameters(remove_duplicate=False))
    entries = []
    for name, (module, *_) in factorized_weights(model).items():
        error = module.error
        if weights is not None:
            made = module.contracted(widest(next(iter(module.factors))).dtype)
            error = relative_error(made, _of(weights, name, made.shape))
        before = math.prod([*module.format.shape])
        entries.append(Entry(name, module.format, error, before, module.num_params))
    for name, p in model.named_parameters():
        if p.ndim > 1 and weights is not None and name in weights:
            error = relative_error(p, _of(weights, name, p.shape))
            if error:
                entries.append(Entry(name, None, error, p.numel(), p.numel()))
    after = sum(p.numel() for p in model.parameters())
    after += sum(m[0].num_params - m[0].format.num_params for m in factorized_weights(model).values())
    return Receipt(tuple(entries), after + sum(e.before - e.after for e in entries), after)


def _of(weights: dict[str, nn.Parameter], name: str, shape: torch.Size) -> nn.Parameter:
    if name not in weights or weights[name].shape != shape:
        got = tuple(weights[name].shape) if name in weights else "none of this name"
        raise TensorNetError(
            f"receipt: {name} is {tuple(shape)} in the model, and in the original {got}, needed the same, because one is "
            f"measured against the other; pass the dense model that was compressed"
        )
    return weights[name]
