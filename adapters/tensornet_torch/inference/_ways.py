"""Which way round for how many rows: worked out once for a format, so that a call compares numbers and no more."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from tensornet import Format, TensorNetError

from ._carry import Carry, untraced

ROWS = tuple(4**k for k in range(9))  # 1 … 65,536; costs are asked for at these, and taken up to twice as many
Way = tuple[float, Carry]  # up to so many rows, how


@dataclass(frozen=True)
class Ways:
    """x @ W.T by the quickest order of products for the rows that x has, by `tensornet.cost`.

    one       for one row, where no gradient is taken
    forward   where no gradient is taken, in rising order of rows; the last has no limit
    training  where one is
    features  columns of the weight
    missing   columns that the network has beyond those
    out       rows of the weight
    """

    one: Carry
    forward: tuple[Way, ...]
    training: tuple[Way, ...]
    features: int
    missing: int
    out: int

    @staticmethod
    @lru_cache(maxsize=256)
    def of(fmt: Format) -> "Ways":
        out, features = fmt.matrix_shape
        missing = fmt.network.shape[1] - features
        one = Carry.of_product(fmt.network, fmt.explain(1, gradients=False).chosen, one=True)
        return Ways(one, _ways(fmt, gradients=False), _ways(fmt, gradients=True), features, missing, out)

    def choose(self, rows: int, *, gradients: bool) -> Carry:
        if not gradients and untraced() and rows == 1:
            return self.one
        ways = self.training if gradients else self.forward
        for limit, carry in ways[:-1]:
            if _surely(rows <= limit):
                return carry
        return ways[-1][1]

    def __call__(self, factors: Sequence[Tensor], x: Tensor, *, gradients: bool) -> Tensor:
        """(…, out) for x (…, in)."""
        if x.shape[-1] != self.features:
            raise TensorNetError(
                f"FactorizedLinear: x has {x.shape[-1]} features, the weight has {self.features} columns, needed as many, "
                f"because y is x @ W.T with W (out, in); bring x of shape (…, {self.features})"
            )
        flat = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        if self.missing:
            flat = F.pad(flat, (0, self.missing))
        y = self.choose(flat.shape[0], gradients=gradients)((*factors, flat))
        if y.shape[1] != self.out:
            y = y[:, : self.out]
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], self.out)


def _surely(known: bool) -> bool:
    """Whether it holds; in a program that is exported for any number of rows, whether it holds for all of them."""
    if not torch.compiler.is_exporting():
        return known
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    return statically_known_true(known)


def _ways(fmt: Format, *, gradients: bool) -> tuple[Way, ...]:
    """Neighbours that go the same way are one."""
    found: list[Way] = []
    for rows in ROWS:
        carry = Carry.of_product(fmt.network, fmt.explain(rows, gradients=gradients).chosen, few=rows == 1)
        limit = float("inf") if rows == ROWS[-1] else 2 * rows
        if found and found[-1][1] == carry:
            found.pop()
        found.append((limit, carry))
    return tuple(found)
