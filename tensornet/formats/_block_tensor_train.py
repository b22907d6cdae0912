"""BlockTensorTrain: blocks of low rank, each with factors of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .._arrays import Array
from .._cached import cached_property
from .._errors import TensorNetError
from .._format import Format
from .._gauge import Gauge, orthogonal_centre
from .._network import Network
from .._splits import split_in_two
from ._chained import fill
from ._padded import padded
from ._registry import register
from ._sizing import capped, check_matrix, is_rank, plain, positive, sized


@register
@dataclass(frozen=True)
class BlockTensorTrain(Format):
    """W[i₁i₂, j₁j₂] = Σ_d L[i₂, j₁, i₁, d] R[i₂, j₁, d, j₂]   (Qiu et al. 2024, arXiv 2406.06248, two cores).

    For each i₂ and j₁ the i₁ × j₂ block W[·i₂, j₁·] is a matrix of rank `rank`. As a product with x both factors are batched
    matrix products, which is what makes it fast on an accelerator. Truncated SVDs of the blocks give the nearest such W.

    rows    (i₁, i₂)
    cols    (j₁, j₂)
    rank    of each block; None takes min(i₁, j₂), at which every matrix is represented exactly

    >>> BlockTensorTrain.for_shape((768, 768), rank=2)
    BlockTensorTrain(rows=(32, 24), cols=(24, 32), rank=2)
    """

    name: ClassVar[str] = "block_tensor_train"

    rows: tuple[int, int]
    cols: tuple[int, int]
    rank: int = None  # type: ignore[assignment]  # None is resolved below, so that readers see a number

    def __post_init__(self) -> None:
        for field in ("rows", "cols"):
            object.__setattr__(self, field, positive("BlockTensorTrain", field, getattr(self, field), 2))
        full = min(self._block)
        object.__setattr__(self, "rank", full if self.rank is None else plain(self.rank))
        if not is_rank(self.rank, full):
            raise TensorNetError(
                f"BlockTensorTrain: rank={self.rank!r}, needed an integer in 1…{full}, because the blocks are "
                f"{self._block[0]} × {self._block[1]}; choose one in that range, or larger blocks"
            )

    @classmethod
    def for_shape(
        cls,
        shape: tuple[int, int],
        *,
        rank: int | None = None,
        num_params: int | None = None,
        scale: float | None = None,
        pad: bool = False,
    ) -> Any:  # a BlockTensorTrain, or one that is Padded
        """For a matrix of `shape`, rows and cols split evenly into few large blocks, exact unless told otherwise.

        rank        of each block, at most the full one
        num_params  at most so many parameters
        scale       at most this share of the dense parameters
        pad         round sizes up to such as split evenly; the padding never shows (see Padded)
        """
        who = "BlockTensorTrain.for_shape"
        check_matrix(who, shape)
        if pad:
            return padded(shape, cls.for_shape, {"rank": rank, "num_params": num_params, "scale": scale})
        full = cls(*even_modes(who, shape))
        return sized(who, capped(full), rank=rank, num_params=num_params, scale=scale)

    @cached_property
    def network(self) -> Network:
        (i1, i2), (j1, j2) = self.rows, self.cols
        return Network(
            factors=(("i2", "j1", "i1", "d"), ("i2", "j1", "d", "j2")),
            rows=("i1", "i2"),
            cols=("j1", "j2"),
            sizes=(("i1", i1), ("i2", i2), ("j1", j1), ("j2", j2), ("d", self.rank)),
        )

    def resized(self, sizes: Mapping[str, int]) -> "BlockTensorTrain":
        return BlockTensorTrain(self.rows, self.cols, sizes.get("d", self.rank))

    @property
    def _block(self) -> tuple[int, int]:
        return self.rows[0], self.cols[1]

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        who = "BlockTensorTrain"
        return fill(who, self.network, w, gauge, orthogonal_centre(who, gauge, 2, 1))


def even_modes(who: str, shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """rows (i₁, i₂) and cols (j₁, j₂), with the larger factors i₁ and j₂ in the blocks."""
    rows, (j2, j1) = (split_in_two(who, axis, n) for axis, n in zip(("rows", "cols"), shape, strict=True))
    return rows, (j1, j2)
