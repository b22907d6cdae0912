"""One planned weight: the model's own parameter, and the factors that are the truth about it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tensornet import Coordinates, Mixed, TensorNetError

Pullback = Callable[[Tensor], tuple[Tensor, ...]]
Contracted = tuple["Weight", Tensor, Pullback | None]


@dataclass(frozen=True)
class Weight:
    """`parameter` = format.contract(factors), written by the optimiser and by nobody else."""

    name: str
    format: Any  # a Format, or other Coordinates
    parameter: nn.Parameter
    factors: tuple[nn.Parameter, ...]

    @staticmethod
    def started(name: str, fmt: Coordinates, parameter: nn.Parameter, whole: Tensor, gauge: str | Mixed) -> "Weight":
        """whole: the values of `parameter`, which itself may be a shard."""
        return Weight(name, fmt, parameter, tuple(nn.Parameter(f) for f in factors_of(name, fmt.start, whole, gauge)))

    def pull(self, gradient: Tensor | None, pullback: Pullback | None) -> None:
        """dL/dT_k from dL/dW; none where there is none.

        pullback: of the contraction that wrote W; None makes its products again
        """
        if gradient is None:
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

    def contracted(self, *, keep: bool = True) -> tuple[Tensor, Pullback | None]:
        """contract(T_1 … T_n), and the pullback at these factors, which holds its products; None if they are not kept."""
        with full_precision(self.factors[0]):
            return self.format.linearize(self.factors) if keep else (self.format.contract(self.factors), None)


def contracted_each(weights: Sequence[Weight], *, keep: bool) -> Iterator[Contracted]:
    for weight in weights:
        yield weight, *weight.contracted(keep=keep)


def factors_of(
    name: str, make: Callable[..., tuple[Tensor, ...]], weight: Tensor, gauge: str | Mixed
) -> tuple[Tensor, ...]:
    """make: `decompose` or `start` of the weight's coordinates"""
    try:
        with full_precision(weight):
            return tuple(f.contiguous() for f in make(weight.detach(), gauge=gauge))
    except TensorNetError as error:
        raise TensorNetError(f"{name}: {error}") from error


def full_precision(like: Tensor) -> AbstractContextManager[Any]:
    """Factors are contracted in their own dtype, whatever autocast is on around the step."""
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
