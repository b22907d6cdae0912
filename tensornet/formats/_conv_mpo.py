"""ConvMPO: matrix product operators of a convolution's kernel."""

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
from . import _layouts
from ._chained import checked_bonds, fill
from ._registry import register
from ._sizing import check_kernel, positive


@register
@dataclass(frozen=True)
class ConvMPO(Format):
    """W[i_1…i_n, j_1…j_n, k_1…] = Σ_d T_0[k_1…, d_1] Π_k T_k[d_k, i_k, j_k, d_{k+1}]   (Garipov et al. 2016, arXiv 1611.03214).

    An MPO of the channels, with the kernel's axes in a factor of their own at the front. The weight is (out, in / groups,
    *kernel), as torch.nn.Conv2d stores it, of any number of axes.

    rows    (i_1, …, i_n), their product is the number of output channels
    cols    (j_1, …, j_n), their product is the number of input channels of a group
    kernel  sizes of the kernel's axes
    bonds   (d_1, …, d_n); None takes the full bonds, at which every weight is represented exactly

    >>> ConvMPO.for_shape((64, 32, 3, 3), rank=8).shapes
    ((1, 3, 3, 8), (8, 8, 8, 8), (8, 8, 4, 1))
    """

    name: ClassVar[str] = "conv_mpo"

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    kernel: tuple[int, ...]
    bonds: tuple[int, ...] = None  # type: ignore[assignment]  # None is resolved below, so that readers see numbers

    def __post_init__(self) -> None:
        for field in ("rows", "cols", "kernel"):
            object.__setattr__(self, field, positive("ConvMPO", field, getattr(self, field)))
        if len(self.rows) != len(self.cols) or not self.rows or not self.kernel:
            raise TensorNetError(
                f"ConvMPO: rows {self.rows}, cols {self.cols}, kernel {self.kernel}, needed as many rows as cols, at least 1, "
                f"because a factor carries one of each, and a kernel of at least one axis; fill up with ones, or take an MPO"
            )
        object.__setattr__(self, "bonds", checked_bonds("ConvMPO", self.bonds, self._modes))

    @classmethod
    def for_shape(
        cls,
        shape: tuple[int, ...],
        *,
        cores: int = 2,
        layout: str = "outer",
        rank: int | None = None,
        num_params: int | None = None,
        scale: float | None = None,
        pad: bool = False,
    ) -> Any:  # a ConvMPO, or one that is Padded
        """For a weight of `shape` (out, in / groups, *kernel), at full bonds unless told otherwise.

        cores       factors that carry channels; the kernel's comes on top
        layout, rank, num_params, scale, pad    as those of MPO.for_shape
        """
        who = "ConvMPO.for_shape"
        check_kernel(who, shape)
        size = {"rank": rank, "num_params": num_params, "scale": scale}
        kernel = tuple(shape[2:])
        return _layouts.for_shape(
            who, lambda rows, cols: cls(rows, cols, kernel), shape, cores=cores, layout=layout, pad=pad, **size
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return prod(self.rows), prod(self.cols), *self.kernel

    @property
    def central(self) -> int:
        """The factor in the middle of the chain, as in an MPO."""
        return (len(self.rows) + 1) // 2

    @cached_property
    def network(self) -> Network:
        n = len(self.rows)
        rows, cols = (tuple(f"{letter}{k}" for k in range(1, n + 1)) for letter in "ij")
        kernel = tuple(f"k{axis}" for axis in range(len(self.kernel)))
        bonds = tuple(f"d{k}" for k in range(n + 2))
        sizes = (*self.rows, *self.cols, *self.kernel, 1, *self.bonds, 1)
        return Network(
            factors=(
                (bonds[0], *kernel, bonds[1]),
                *((bonds[k + 1], rows[k], cols[k], bonds[k + 2]) for k in range(n)),
            ),
            rows=rows,
            cols=cols + kernel,
            sizes=tuple(zip(rows + cols + kernel + bonds, sizes, strict=True)),
        )

    def resized(self, sizes: Mapping[str, int]) -> "ConvMPO":
        bonds = tuple(sizes.get(f"d{k}", b) for k, b in enumerate(self.bonds, start=1))
        return ConvMPO(self.rows, self.cols, self.kernel, bonds)

    @property
    def _modes(self) -> tuple[int, ...]:
        return prod(self.kernel), *(i * j for i, j in zip(self.rows, self.cols, strict=True))

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        centre = orthogonal_centre("ConvMPO", gauge, len(self.shapes), self.central)
        return fill("ConvMPO", self.network, w, gauge, centre)
