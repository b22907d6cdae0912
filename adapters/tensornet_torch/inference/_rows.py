"""W[ids]: from each factor the slices that the digits of a row number pick, and the products of those."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from tensornet import Format, Network

from ._carry import ROWS, Carry, View, untraced


@dataclass(frozen=True)
class Digit:
    """(id // stride) % size, counted in steps of `step`; size None leaves the most significant one as it is, so that an id
    beyond the table is out of range for PyTorch too.
    """

    stride: int
    size: int | None
    step: int

    def __call__(self, ids: Tensor) -> Tensor:
        if self.stride > 1:
            ids = ids // self.stride
        if self.size is not None:
            ids = ids % self.size
        return ids * self.step if self.step > 1 else ids


@dataclass(frozen=True)
class Pick:
    """Factor number `factor` as a table (rows that it knows, the rest), and the digits that number them."""

    factor: int
    table: View
    digits: tuple[Digit, ...]

    def __call__(self, factor: Tensor, ids: Tensor) -> Tensor:
        first, *rest = (digit(ids) for digit in self.digits)
        return F.embedding(sum(rest, first), self.table(factor))


@dataclass(frozen=True)
class Rows:
    """Rows of one format's table, `features` of their entries shown (the rest is padding); `one` is for a row alone, where no
    gradient is taken.
    """

    picks: tuple[Pick, ...]
    carry: Carry
    one: Carry
    features: int

    @staticmethod
    @lru_cache(maxsize=256)
    def of(fmt: Format) -> "Rows":
        network = fmt.network
        picks = tuple(_pick(network, k) for k in range(len(network.factors)) if _held(network, k))
        numbers = {p.factor for p in picks}
        rest = [tuple(i for i in f if i not in network.rows) for f in network.factors]
        picked = tuple((ROWS, *r) if k in numbers else r for k, r in enumerate(rest))
        carry, one = (Carry.of_lookup(network, picked, one=alone) for alone in (False, True))
        return Rows(picks, carry, one, fmt.matrix_shape[1])

    def __call__(self, factors: Sequence[Tensor], ids: Tensor) -> Tensor:
        """(*ids.shape, features)."""
        operands, flat = list(factors), ids.reshape(-1)
        for pick in self.picks:
            operands[pick.factor] = pick(operands[pick.factor], flat)
        alone = not torch.is_grad_enabled() and untraced() and flat.shape[0] == 1
        rows = (self.one if alone else self.carry)(operands)
        return rows[:, : self.features].reshape(*ids.shape, self.features)


def _held(network: Network, k: int) -> list[str]:
    """The row indices of factor k, the most significant first."""
    return [i for i in _rows(network) if i in network.factors[k]]


def _rows(network: Network) -> tuple[str, ...]:
    """The row indices that number anything; of a table of one row, one of size 1."""
    return tuple(i for i in network.rows if network.size[i] > 1) or network.rows[:1]


def _pick(network: Network, k: int) -> Pick:
    size, held, rows = network.size, _held(network, k), _rows(network)
    digits = []
    for place, i in enumerate(held):
        stride = math.prod([size[j] for j in rows[rows.index(i) + 1 :]])
        step = math.prod([size[j] for j in held[place + 1 :]])
        digits.append(Digit(stride, None if i == rows[0] else size[i], step))
    stored = tuple(i for i in network.factors[k] if size[i] > 1 or i in held)
    rest = tuple(i for i in stored if i not in held)
    return Pick(k, View.of(stored, (tuple(held), rest), dict(size)), tuple(digits))
