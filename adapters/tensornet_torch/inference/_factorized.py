"""Factorized: a module whose weight is given by factors. No subclass of nn.Linear and its like.

What takes an nn.Linear for its weight (PEFT, torchao, `isinstance` in a model's own initialisation) would write to a weight
that is not there: it must see that this is another kind of module.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tensornet import Format

from .._weight import full_precision


class Factorized(nn.Module, ABC):
    """`factors` are the parameters, with which the weight is `format.contract(factors)`.

    format  of the weight as the dense module stores it
    error   relative error of the weight when it was compressed, in the Frobenius norm; None if it never was
    """

    origin: type[nn.Module]  # the dense class that `to_dense` makes

    def __init__(self, format: Format, *, device: Any = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.format = format
        self.error: float | None = None
        self._path = format.path  # worked out before torch.compile traces it
        self._names = tuple(str(k) for k in range(len(format.shapes)))
        empty = (torch.empty(shape, device=device, dtype=dtype) for shape in format.shapes)
        self.factors = nn.ParameterList([nn.Parameter(f) for f in empty])

    @abstractmethod
    def to_dense(self, weight: nn.Parameter) -> nn.Module:
        """The module that this one stands for, with `weight` and with the parameters of this one that are not factors."""

    @property
    def weight(self) -> Tensor:
        """As the dense module has it, contracted when it is asked for: to read, as torch.nn.MultiheadAttention and T5 do."""
        return self.contracted()

    @property
    def of_transpose(self) -> bool:
        """Whether `format` is of the weight's transpose."""
        return False

    def contracted(self, dtype: torch.dtype | None = None) -> Tensor:
        """`weight`, worked out in `dtype`."""
        factors = [f if dtype is None else f.to(dtype) for f in self._factors()]
        with full_precision(factors[0]):
            weight = self.format.contract(factors)
        return weight.mT if self.of_transpose else weight

    @property
    def fan_in(self) -> int:
        """How many inputs each output sums over."""
        return self.format.matrix_shape[1]

    @property
    def num_params(self) -> int:
        """What stands for the weight."""
        return self.format.num_params

    def reset_parameters(self) -> None:
        """As nn.Linear and nn.Conv2d are initialised: entries of variance 1/(3 in) in the weight, and in the bias."""
        fan_in = self.fan_in
        self._sample(std=(3 * fan_in) ** -0.5)
        if isinstance(bias := getattr(self, "bias", None), Tensor):
            nn.init.uniform_(bias, -(fan_in**-0.5), fan_in**-0.5)

    @torch.no_grad()
    def _sample(self, *, std: float) -> None:
        like = self._factors()[0]
        sampled = self.format.sample(lambda shape: torch.randn(shape, device=like.device, dtype=like.dtype), std=std)
        for factor, value in zip(self._factors(), sampled, strict=True):
            factor.copy_(value)

    def _factors(self) -> Sequence[Tensor]:
        held = self._modules["factors"]._parameters  # type: ignore[union-attr]  # a list's own iterator takes µs for each
        if tuple(held) == self._names:
            return tuple(held.values())
        return tuple(getattr(self.factors, name) for name in self._names)  # pruned, or parametrised

    def extra_repr(self) -> str:
        return f"{self.format}, parameters={self.format.num_params:,} ({self.format.scale:.3g} ×)"


def factorized_weights(model: nn.Module) -> dict[str, list[Factorized]]:
    """Name of the dense weight → the modules that hold its factors, more than one where it is tied."""
    first: dict[int, str] = {}
    found: dict[str, list[Factorized]] = {}
    for name, module in model.named_modules():
        if isinstance(module, Factorized):
            weight = first.setdefault(id(next(iter(module.factors))), f"{name}.weight" if name else "weight")
            found.setdefault(weight, []).append(module)
    return found
