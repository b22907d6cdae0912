"""Transposed: the format of Wᵀ, for a module that stores its weight (in, out)."""

from dataclasses import dataclass
from typing import ClassVar

from tensornet import Format, Network
from tensornet._cached import cached_property


@dataclass(frozen=True)
class Transposed(Format):
    """The same factors as `inner`, rows and columns having changed places. In no file: there `inner` stands."""

    name: ClassVar[str] = "transposed"

    inner: Format

    @cached_property
    def network(self) -> Network:
        of = self.inner.network
        return Network(of.factors, of.cols, of.rows, of.sizes)

    @property
    def shape(self) -> tuple[int, ...]:
        rows, cols = self.inner.shape
        return cols, rows
