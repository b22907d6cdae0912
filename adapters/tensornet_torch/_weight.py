"""One planned weight: the model's own parameter, and the factors that are the truth about it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tensornet import Format, Mixed, TensorNetError

Pullback = Callable[[Tensor], tuple[Tensor, ...]]

_ODD = 0x9E3779B97F4A7C1  # a large odd constant, which spreads the places over all bits
_INTEGER = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


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

    def pull(self, pullback: Pullback) -> None:
        """dL/dT_k from the dL/dW that backward left behind; none where it left none."""
        gradient = self.parameter.grad
        if gradient is None:
            for factor in self.factors:
                factor.grad = None
            return
        if gradient.is_sparse:
            raise TensorNetError(
                f"overparameterize: {self.name} has a sparse gradient, needed a dense one, because every entry of a factor "
                f"acts on many rows; set sparse=False in its layer or leave it out of the plan"
            )
        with full_precision(gradient):
            pulled = pullback(gradient.to(self.factors[0].dtype))
        for factor, grad in zip(self.factors, pulled, strict=True):
            factor.grad = grad.contiguous()  # LBFGS views gradients as vectors

    def write(self) -> Pullback:
        """W ← contract(T_1 … T_n), in the parameter's own storage and dtype; returns the pullback at these factors."""
        with full_precision(self.parameter):
            w, pullback = self.format.linearize(self.factors)
            self.parameter.copy_(w)
        return pullback

    def checksum(self) -> Tensor:
        """A number that changes with any one entry, and when rows, columns or entries change places.

        The sums of the bits over rows and over columns, each weighted by its place, modulo 2⁶⁴: exact, in any order of
        summation. An entry's weight is odd, so that no change of one entry is lost.
        """
        bits = self.parameter.detach().contiguous().view(_INTEGER[self.parameter.element_size()]).flatten(1)
        sums = bits.sum(1, dtype=torch.int64), bits.sum(0, dtype=torch.int64)
        rows, cols = (torch.arange(1, len(s) + 1, device=s.device) * _ODD for s in sums)
        return (sums[0] * 2 * rows * rows).sum() + (sums[1] * (2 * cols * cols + 1)).sum()


def factors_of(name: str, fmt: Format, weight: Tensor, gauge: str | Mixed) -> tuple[Tensor, ...]:
    try:
        with full_precision(weight):
            return tuple(f.contiguous() for f in fmt.decompose(weight.detach(), gauge=gauge))
    except TensorNetError as error:
        raise TensorNetError(f"{name}: {error}") from error


def full_precision(like: Tensor) -> torch.autocast:
    """Factors are contracted in their own dtype, whatever autocast is on around the step."""
    return torch.autocast(like.device.type, enabled=False)
