"""One planned weight: the model's own parameter, and the factors that are the truth about it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tensornet import Format, Mixed, TensorNetError

Pullback = Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Weight:
    """`parameter` (out, in) or (out, in, *kernel) = format.contract(factors), written by `write` and by nobody else."""

    name: str
    format: Format
    parameter: nn.Parameter
    factors: tuple[nn.Parameter, ...]

    @staticmethod
    def decomposed(name: str, fmt: Format, parameter: nn.Parameter, gauge: str | Mixed) -> "Weight":
        return Weight(name, fmt, parameter, tuple(nn.Parameter(f) for f in factors_of(name, fmt, parameter, gauge)))

    @property
    def has_gradient(self) -> bool:
        """Whether backward left a dL/dW behind, which must be dense."""
        gradient = self.parameter.grad
        if gradient is not None and gradient.is_sparse:
            raise TensorNetError(
                f"overparameterize: {self.name} has a sparse gradient, needed a dense one, because every entry of a factor "
                f"acts on many rows; set sparse=False in its layer or leave it out of the plan"
            )
        return gradient is not None

    def pull(self, pullback: Pullback | None) -> None:
        """dL/dT_k from the dL/dW that backward left behind; none where it left none.

        pullback: of the contraction that wrote W; None makes its products again
        """
        gradient = self.parameter.grad
        if gradient is None or not self.has_gradient:
            self.clear()
            return
        with full_precision(gradient):
            gradient = gradient.to(self.factors[0].dtype)
            pulled = self.format.pullback(self.factors, gradient) if pullback is None else pullback(gradient)
        for factor, grad in zip(self.factors, pulled, strict=True):
            factor.grad = grad.contiguous()  # LBFGS views gradients as vectors

    def clear(self) -> None:
        """Let the gradients of the factors go."""
        for factor in self.factors:
            factor.grad = None

    def write(self, *, keep: bool = True) -> Pullback | None:
        """W ← contract(T_1 … T_n), in the parameter's own storage and dtype.

        returns: the pullback at these factors, which holds the products of the contraction; None if they are not kept
        """
        with full_precision(self.parameter):
            w, pullback = self.format.linearize(self.factors) if keep else (self.format.contract(self.factors), None)
            self.parameter.copy_(w)
        return pullback


def factors_of(name: str, fmt: Format, weight: Tensor, gauge: str | Mixed) -> tuple[Tensor, ...]:
    try:
        with full_precision(weight):
            return tuple(f.contiguous() for f in fmt.decompose(weight.detach(), gauge=gauge))
    except TensorNetError as error:
        raise TensorNetError(f"{name}: {error}") from error


def full_precision(like: Tensor) -> AbstractContextManager[Any]:
    """Factors are contracted in their own dtype, whatever autocast is on around the step."""
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
