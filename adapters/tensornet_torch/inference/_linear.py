"""FactorizedLinear: y = x Wᵀ + b from the factors of W, the quicker way round."""

from typing import Any, Self, final

import torch
from torch import Tensor, nn

from tensornet import Format

from .._conv1d import is_conv1d
from ._factorized import Factorized
from ._transposed import Transposed
from ._ways import Ways


@final
class FactorizedLinear(Factorized):
    """In the place of an nn.Linear, or of a Conv1D of Transformers, whose weight is (in, out).

    format      of the weight (out, in), or of its transpose (in, out) if `transposed`
    memory      bytes that may be alive at once in a call, operands and result included; None is no limit

    Nothing is kept between calls but the order of products for each number of rows: nothing can be stale after a step of an
    optimiser or a loaded state. Where W is worth forming it is formed in each call; to keep it, use `tnt.dense`.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        format: Format,
        bias: bool = True,
        *,
        transposed: bool = False,
        memory: int | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(format, device=device, dtype=dtype)
        self.origin, self.transposed, self.memory = nn.Linear, transposed, memory
        self._map = Transposed(format) if transposed else format
        self._ways = Ways.of(self._map)
        self.out_features, self.in_features = self._map.matrix_shape
        vector = nn.Parameter(torch.empty(self.out_features, device=device, dtype=dtype)) if bias else None
        self.register_parameter("bias", vector)
        self.reset_parameters()

    @classmethod
    def like(cls, module: Any, format: Format, *, transposed: bool, memory: int | None) -> Self:
        """With the bias of `module`, and factors without values."""
        made = cls(format, False, transposed=transposed, memory=memory, device="meta")
        made.origin, made.bias = type(module), module.bias
        return made

    @property
    def of_transpose(self) -> bool:
        return self.transposed != is_conv1d(self.origin)

    @property
    def fan_in(self) -> int:
        return self.in_features

    def forward(self, x: Tensor) -> Tensor:
        """(…, out) for x (…, in)."""
        factors, bias, gradients = self._factors(), self.bias, torch.is_grad_enabled()
        if self.memory is None or not x.numel():
            y = self._ways(factors, x, gradients=gradients)
        else:
            y = self._map.apply(factors, x, memory=self.memory, gradients=gradients)
        if bias is None:
            return y
        return y + (bias if bias.dtype == y.dtype else bias.to(y.dtype))  # autocast has made y of another

    def to_dense(self, weight: nn.Parameter) -> nn.Module:
        if is_conv1d(self.origin):
            made: Any = self.origin(self.out_features, 1)  # it takes no device: a small one, of which nothing stays
            made.nx = self.in_features
        else:
            made = self.origin(self.in_features, self.out_features, bias=False, device="meta")
        made.weight, made.bias = weight, self.bias
        return made
