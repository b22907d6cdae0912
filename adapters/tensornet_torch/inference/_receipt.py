"""Receipt: what compression took and what it cost, weight by weight."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tensornet import Format, TensorNetError
from tensornet._arrays import nonzero, widest
from tensornet._columns import columns
from tensornet._precise import frobenius, precise

from ._factorized import factorized_weights


@dataclass(frozen=True)
class Entry:
    """One weight: ‖W − contract(T)‖/‖W‖ in the Frobenius norm, and its numbers of parameters.

    format  None of a weight that is dense
    error   None where it was never measured, because no dense weight was there
    """

    name: str
    format: Format | None
    error: float | None
    before: int
    after: int


@dataclass(frozen=True)
class Receipt:
    """All factorised weights, and the parameters of the whole model. As text, a table."""

    entries: tuple[Entry, ...]
    before: int
    after: int

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("weight", "format", "rel. error", "before", "after", "×")]
        rows += [_row(e.name, e.format.name if e.format else "dense", e.error, e.before, e.after) for e in self.entries]
        rows += [_row("whole model", "", None, self.before, self.after)]
        return columns(rows, right=range(2, 6))


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


def relative_error(made: Tensor, weight: Tensor) -> float:
    """‖W − made‖/‖W‖ in the widest dtype; of a zero weight ‖made‖."""
    made, exact = precise([made, weight])
    return float(frobenius(exact - made, 0) / nonzero(frobenius(exact, 0)))


def _of(weights: dict[str, nn.Parameter], name: str, shape: torch.Size) -> Tensor:
    if name not in weights or weights[name].shape != shape:
        got = tuple(weights[name].shape) if name in weights else "none of this name"
        raise TensorNetError(
            f"receipt: {name} is {tuple(shape)} in the model, and in the original {got}, needed the same, because one is "
            f"measured against the other; pass the dense model that was compressed"
        )
    return weights[name]


def _row(name: str, kind: str, error: float | None, before: int, after: int) -> tuple[str, ...]:
    return name, kind, "–" if error is None else f"{error:.1e}", f"{before:,}", f"{after:,}", f"{after / before:.3f}"
