"""MPO: matrix product operators, also called tensor-train matrices."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .._arrays import Array
from .._cached import cached_property
from .._errors import TensorNetError
from .._format import Format
from .._gauge import Gauge, orthogonal_centre
from .._network import Network
from .._splits import divisor_pair
from . import _layouts
from ._chained import checked_bonds, fill
from ._registry import register
from ._sizing import check_matrix, positive


@register
@dataclass(frozen=True)
class MPO(Format):
    """W[i_1…i_n, j_1…j_n] = Σ_d Π_k T_k[d_{k-1}, i_k, j_k, d_k]   (OPDF, arXiv 2411.06448, eq. 2).

    rows    (i_1, …, i_n), their product is the number of rows
    cols    (j_1, …, j_n), their product is the number of columns
    bonds   (d_1, …, d_{n-1}); None takes the full bonds of eq. 3, at which every matrix is represented exactly

    >>> MPO(rows=(64, 1, 1, 1, 48), cols=(32, 1, 1, 1, 24)).num_params
    7667712
    """

    name: ClassVar[str] = "mpo"

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    bonds: tuple[int, ...] = None  # type: ignore[assignment]  # None is resolved below, so that readers see numbers

    def __post_init__(self) -> None:
        for field in ("rows", "cols"):
            object.__setattr__(self, field, positive("MPO", field, getattr(self, field)))
        if len(self.rows) != len(self.cols) or not self.rows:
            raise TensorNetError(
                f"MPO: rows {self.rows} and cols {self.cols} must have the same length, at least 1, because factor k "
                f"carries rows[k] and cols[k]; fill up with ones"
            )
        object.__setattr__(self, "bonds", checked_bonds("MPO", self.bonds, self._modes))

    @classmethod
    def for_shape(
        cls,
        shape: tuple[int, int],
        *,
        cores: int = 5,
        layout: str = "outer",
        rank: int | None = None,
        num_params: int | None = None,
        scale: float | None = None,
        pad: bool = False,
    ) -> Any:  # an MPO, or one that is Padded
        """An MPO of `cores` factors for a matrix of `shape`, at full bonds unless told otherwise.

        layout      "outer", the paper's: two outer factors that split rows and cols evenly, unit modes between them;
                    "even": rows and cols split into `cores` factors each, as even as their primes allow
        rank        no bond above it
        num_params  at most so many parameters
        scale       up to 1, at most this share of the dense parameters; above 1, the full bonds of those modes of this layout
                    that come nearest to it
        pad         round sizes up to such as split evenly; the padding never shows (see Padded)

        >>> MPO.for_shape((3072, 768), cores=5)
        MPO(rows=(64, 1, 1, 1, 48), cols=(32, 1, 1, 1, 24), bonds=(1152, 1152, 1152, 1152))
        >>> MPO.for_shape((768, 768), cores=3, layout="even", rank=8)
        MPO(rows=(12, 8, 8), cols=(12, 8, 8), bonds=(8, 8))
        """
        who = "MPO.for_shape"
        check_matrix(who, shape)
        size = {"rank": rank, "num_params": num_params, "scale": scale}
        return _layouts.for_shape(who, cls, shape, cores=cores, layout=layout, pad=pad, **size)

    @property
    def central(self) -> int:
        """The factor "right in the middle" (below eq. 3); of an even number, the right one of the two in the middle."""
        return len(self.rows) // 2

    @cached_property
    def network(self) -> Network:
        n = len(self.rows)
        ends = (1, *self.bonds, 1)
        return Network(
            factors=tuple((f"d{k}", f"i{k}", f"j{k}", f"d{k + 1}") for k in range(n)),
            rows=tuple(f"i{k}" for k in range(n)),
            cols=tuple(f"j{k}" for k in range(n)),
            sizes=tuple(
                (f"{letter}{k}", size)
                for letter, group in (("i", self.rows), ("j", self.cols), ("d", ends))
                for k, size in enumerate(group)
            ),
        )

    def resized(self, sizes: Mapping[str, int]) -> "MPO":
        bonds = tuple(sizes.get(f"d{k}", b) for k, b in enumerate(self.bonds, start=1))
        return MPO(self.rows, self.cols, bonds)

    def shape_error(self, got: tuple[int, ...]) -> TensorNetError:
        if len(got) < 2:  # a bias, say
            return super().shape_error(got)
        wrong = [
            f"{field} {sizes} multiply to {math.prod(sizes)}, but the matrix has {n} {field}; choose factors of {n}, e.g. "
            f"{divisor_pair(n)}"
            for field, sizes, n in (("rows", self.rows, got[-2]), ("cols", self.cols, got[-1]))
            if math.prod(sizes) != n
        ]
        if not wrong:  # but the number of axes
            return super().shape_error(got)
        return TensorNetError(f"MPO: {'; '.join(wrong)}; or take MPO.for_shape({got[-2:]})")

    @property
    def _modes(self) -> tuple[int, ...]:
        return tuple(i * j for i, j in zip(self.rows, self.cols, strict=True))

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        return fill("MPO", self.network, w, gauge, orthogonal_centre("MPO", gauge, len(self.rows), self.central))
