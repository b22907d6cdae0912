"""LowRank: W = U V."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .._arrays import Array
from .._cached import cached_property
from .._errors import TensorNetError
from .._format import Format
from .._gauge import Gauge, orthogonal_centre
from .._network import Network
from ._chained import fill
from ._registry import register
from ._sizing import capped, check_matrix, is_rank, plain, positive, sized


@register
@dataclass(frozen=True)
class LowRank(Format):
    """W = U V with U (out, rank) and V (rank, in); the nearest such W, by SVD, where the rank is not full.

    out, in_   the matrix is (out, in_)
    rank       None takes the full rank, min(out, in_)

    >>> LowRank.for_shape((6, 4)).shapes
    ((6, 4), (4, 4))
    """

    name: ClassVar[str] = "low_rank"

    out: int
    in_: int
    rank: int = None  # type: ignore[assignment]  # None is resolved below, so that readers see a number

    def __post_init__(self) -> None:
        for field, size in zip(("out", "in_"), positive("LowRank", "(out, in_)", (self.out, self.in_), 2), strict=True):
            object.__setattr__(self, field, size)
        full = min(self.out, self.in_)
        object.__setattr__(self, "rank", full if self.rank is None else plain(self.rank))
        if not is_rank(self.rank, full):
            raise TensorNetError(
                f"LowRank: rank {self.rank!r} of a {self.out} × {self.in_} matrix, needed an integer in 1…{full}, because a "
                f"larger one has directions that carry nothing; choose one in that range"
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
    ) -> "LowRank":
        """Of the given rank, at most the full one; or of the largest within a budget.

        pad: taken as in other formats, but there is nothing to round up: no size has to split
        """
        check_matrix("LowRank.for_shape", shape)
        return sized("LowRank.for_shape", capped(cls(*shape)), rank=rank, num_params=num_params, scale=scale)

    @cached_property
    def network(self) -> Network:
        sizes = (("i", self.out), ("d", self.rank), ("j", self.in_))
        return Network(factors=(("i", "d"), ("d", "j")), rows=("i",), cols=("j",), sizes=sizes)

    def resized(self, sizes: Mapping[str, int]) -> "LowRank":
        return LowRank(self.out, self.in_, sizes.get("d", self.rank))

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        return fill("LowRank", self.network, w, gauge, orthogonal_centre("LowRank", gauge, 2, 1))
