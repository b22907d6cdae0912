"""Kronecker: a sum of Kronecker products."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
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
class Kronecker(Format):
    """W = Σ_r A_r ⊗ B_r:  W[ab, cd] = Σ_r A[a, c, r] B[r, b, d].

    The rearrangement R(W)[ac, bd] = W[ab, cd] turns a Kronecker product into an outer product, so that the nearest sum of
    `terms` of them is a truncated SVD (Van Loan, Pitsianis 1993, doi 10.1007/978-94-015-8196-7_17).

    left    shape (a, c) of each A_r
    right   shape (b, d) of each B_r
    terms   None takes min(ac, bd), with which every matrix is represented exactly

    >>> Kronecker.for_shape((768, 768), rank=2)
    Kronecker(left=(32, 24), right=(24, 32), terms=2)
    """

    name: ClassVar[str] = "kronecker"

    left: tuple[int, int]
    right: tuple[int, int]
    terms: int = None  # type: ignore[assignment]  # None is resolved below, so that readers see a number

    def __post_init__(self) -> None:
        for field in ("left", "right"):
            object.__setattr__(self, field, positive("Kronecker", field, getattr(self, field), 2))
        full = min(self._modes)
        object.__setattr__(self, "terms", full if self.terms is None else plain(self.terms))
        if not is_rank(self.terms, full):
            raise TensorNetError(
                f"Kronecker: terms={self.terms!r}, needed an integer in 1…{full}, because so many products of {self.left} and "
                f"{self.right} make every matrix; choose one in that range"
            )

    @classmethod
    def for_shape(
        cls,
        shape: tuple[int, int],
        *,
        left: tuple[int, int] | None = None,
        rank: int | None = None,
        num_params: int | None = None,
        scale: float | None = None,
        pad: bool = False,
    ) -> Any:  # a Kronecker, or one that is Padded
        """For a matrix of `shape`, with all terms unless told otherwise.

        left        shape of the left factors; by default rows and cols are split evenly, and crosswise, which makes terms small
        rank        so many terms, all of them at most
        num_params  at most so many parameters
        scale       at most this share of the dense parameters
        pad         round sizes up to such as split evenly, or are multiples of `left`; the padding never shows (see Padded)
        """
        who = "Kronecker.for_shape"
        check_matrix(who, shape)
        if left is not None:
            left = positive(who, "left", left, 2)  # type: ignore[assignment]
        if pad:
            options = {"left": left, "rank": rank, "num_params": num_params, "scale": scale}
            return padded(shape, cls.for_shape, options, multiples=left)
        if left is None:
            (a, b), (d, c) = (split_in_two(who, axis, n) for axis, n in zip(("rows", "cols"), shape, strict=True))
            left, right = (a, c), (b, d)
        else:
            right = _rest(who, shape, left)
        return sized(who, capped(cls(left, right)), rank=rank, num_params=num_params, scale=scale)

    @cached_property
    def network(self) -> Network:
        (a, c), (b, d) = self.left, self.right
        return Network(
            factors=(("a", "c", "r"), ("r", "b", "d")),
            rows=("a", "b"),
            cols=("c", "d"),
            sizes=(("a", a), ("b", b), ("c", c), ("d", d), ("r", self.terms)),
        )

    def resized(self, sizes: Mapping[str, int]) -> "Kronecker":
        return Kronecker(self.left, self.right, sizes.get("r", self.terms))

    @property
    def _modes(self) -> tuple[int, int]:
        return prod(self.left), prod(self.right)

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        return fill("Kronecker", self.network, w, gauge, orthogonal_centre("Kronecker", gauge, 2, 1))


def _rest(who: str, shape: tuple[int, int], left: tuple[int, ...]) -> tuple[int, int]:
    """The shape of the right factors."""
    if any(n % part for n, part in zip(shape, left, strict=True)):
        raise TensorNetError(
            f"{who}: left={left}, needed divisors of {shape}, because rows and cols are those of the left factors times those "
            f"of the right ones; choose divisors, or pass pad=True"
        )
    return shape[0] // left[0], shape[1] // left[1]
