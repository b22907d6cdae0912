"""Monarch: two block-diagonal matrices and the permutations between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .._arrays import Array
from .._cached import cached_property
from .._format import Format
from .._gauge import Gauge
from .._network import Network
from ._block_tensor_train import BlockTensorTrain, even_modes
from ._padded import padded
from ._registry import register
from ._sizing import capped, check_matrix, positive, sized


@register
@dataclass(frozen=True)
class Monarch(Format):
    """W = P₂ L P₁ R with L and R block-diagonal (Dao et al. 2022, arXiv 2204.00595):

    W[i₁i₂, j₁j₂] = L[i₂, j₁, i₁] R[i₂, j₁, j₂]

    R has j₁ blocks (i₂, j₂), L has i₂ blocks (i₁, j₁); P₁ transposes j₁i₂ to i₂j₁, and P₂ i₂i₁ to i₁i₂. It is the
    BlockTensorTrain of rank 1: rank-1 SVDs of its blocks give the nearest such W (theorem 1 there).

    rows    (i₁, i₂)
    cols    (j₁, j₂)

    >>> Monarch((4, 4), (4, 4)).scale
    0.5
    """

    name: ClassVar[str] = "monarch"

    rows: tuple[int, int]
    cols: tuple[int, int]

    def __post_init__(self) -> None:
        for field in ("rows", "cols"):
            object.__setattr__(self, field, positive("Monarch", field, getattr(self, field), 2))

    @classmethod
    def for_shape(
        cls,
        shape: tuple[int, int],
        *,
        rank: int | None = None,
        num_params: int | None = None,
        scale: float | None = None,
        pad: bool = False,
    ) -> Any:  # a Monarch, or one that is Padded
        """For a matrix of `shape`, rows and cols split evenly into few large blocks.

        rank, num_params, scale  the rank is 1 whatever they allow; a budget that does not suffice for it is refused
        pad                      round sizes up to such as split evenly; the padding never shows (see Padded)
        """
        who = "Monarch.for_shape"
        check_matrix(who, shape)
        if pad:
            return padded(shape, cls.for_shape, {"rank": rank, "num_params": num_params, "scale": scale})
        return sized(who, capped(cls(*even_modes(who, shape))), rank=rank, num_params=num_params, scale=scale)

    @property
    def _train(self) -> BlockTensorTrain:
        return BlockTensorTrain(self.rows, self.cols, rank=1)

    @cached_property
    def network(self) -> Network:
        return self._train.network

    def resized(self, sizes: Mapping[str, int]) -> "Monarch | BlockTensorTrain":
        """Of a rank above 1, the block tensor train that it is then."""
        return self if all(s == 1 for s in sizes.values()) else self._train.resized(sizes)

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        return self._train._fill(w, gauge)
