"""CP: a sum of outer products, also called CANDECOMP and PARAFAC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from array_api_compat import device

from .. import _chain
from .._arrays import Array, eye, namespace
from .._cached import cached_property
from .._errors import TensorNetError
from .._gauge import Gauge, orthogonal_centre
from .._network import Network
from ..fitting import balanced, searched
from ._modes import Moded, split
from ._padded import padded
from ._registry import register
from ._sizing import is_rank, plain, sized


@register
@dataclass(frozen=True)
class CP(Moded):
    """W[i_1…, j_1…, k_1…] = Σ_r Π_n A_n[·, r], one factor (mode, rank) for each mode of rows, cols and kernel.

    Of a convolution's kernel, it is four smaller convolutions (Lebedev et al. 2015, arXiv 1412.6553). Of two modes it is a
    low-rank product, by SVD. At full rank W itself is the factor of the largest mode, and the others say where its fibres
    lie; below, the factors are found by search (Kolda, Bader 2009, doi 10.1137/07070111X, sec. 3.4).

    rows, cols   the weight is (Πrows, Πcols, *kernel)
    rank         None takes the full one, the product of all modes but the largest
    kernel       sizes of a kernel's axes

    >>> CP.for_shape((64, 32, 3, 3), rank=16).shapes
    ((64, 16), (32, 16), (3, 16), (3, 16))
    """

    name: ClassVar[str] = "cp"

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    rank: int = None  # type: ignore[assignment]  # None is resolved below, so that readers see a number
    kernel: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self._resolve_modes()
        object.__setattr__(self, "rank", self.full_rank if self.rank is None else plain(self.rank))
        if not is_rank(self.rank, self.full_rank):
            raise TensorNetError(
                f"CP: rank {self.rank!r} of modes {self.modes}, needed an integer in 1…{self.full_rank}, because so many terms "
                f"make every tensor; choose one in that range"
            )

    @classmethod
    def for_shape(
        cls,
        shape: tuple[int, ...],
        *,
        modes: int = 1,
        rank: int | None = None,
        num_params: int | None = None,
        scale: float | None = None,
        pad: bool = False,
    ) -> Any:  # a CP, or one that is Padded
        """For a weight (out, in, *kernel), of full rank unless told otherwise.

        modes       rows and cols are split into so many modes each, as even as their primes allow
        rank        of the given rank, at most the full one
        num_params  at most so many parameters
        scale       at most this share of the dense parameters
        pad         round sizes up to such as split evenly; the padding never shows (see Padded)
        """
        rows, cols, kernel = split("CP.for_shape", shape, modes)
        if pad:
            options: dict[str, Any] = {"modes": modes, "rank": rank, "num_params": num_params, "scale": scale}
            return padded(shape, cls.for_shape, options, parts=modes)
        full = cls(rows, cols, kernel=kernel).rank
        return sized(
            "CP.for_shape",
            lambda r: cls(rows, cols, full if r is None else min(r, full), kernel),
            rank=rank,
            num_params=num_params,
            scale=scale,
        )

    @property
    def full_rank(self) -> int:
        return prod(self.modes) // max(self.modes)

    @property
    def central(self) -> None:
        return None

    @property
    def exact(self) -> bool:
        return self.rank == self.full_rank

    @property
    def iterative(self) -> bool:
        return not self.exact and len(self.modes) > 2

    @cached_property
    def network(self) -> Network:
        rows, cols = self.row_indices, self.col_indices
        return Network(tuple((i, "r") for i in rows + cols), rows, cols, (*self.mode_sizes, ("r", self.rank)))

    def resized(self, sizes: Mapping[str, int]) -> "CP":
        return CP(self.rows, self.cols, sizes.get("r", self.rank), self.kernel)

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        if len(self.modes) == 2:
            return self._product(w, gauge)
        if self.iterative:
            return searched(self, w, gauge)
        if gauge not in ("identity", "balanced"):
            raise TensorNetError(
                f"CP: gauge {gauge!r}, needed 'balanced' or 'identity', because the columns of several factors that share an "
                f"index have no isometries; take one of those"
            )
        factors = self._fibres(w)
        return factors if gauge == "identity" else balanced(self.network, factors)

    def _product(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        """W = A Bᵀ."""
        xp, lead = namespace(w), tuple(w.shape[:-2])
        centre = orthogonal_centre("CP", gauge, 2, 1) or 0
        a, b = _chain.fill("CP", xp.reshape(w, (*lead, prod(self.modes))), self.modes, (self.rank,), gauge, centre)
        return xp.reshape(a, lead + self.shapes[0]), xp.matrix_transpose(xp.reshape(b, (*lead, *self.shapes[1][::-1])))

    def _fibres(self, w: Array) -> list[Array]:
        """Exact to the last bit: term r is a fibre of W along the largest mode, at the place that the unit vectors name."""
        xp, lead, n = namespace(w), tuple(w.shape[:-2]), w.ndim - 2
        long = self.modes.index(max(self.modes))
        others = [m for k, m in enumerate(self.modes) if k != long]
        tensor = xp.moveaxis(self._tensor(w), n + long, n)
        factors = []
        for k, m in enumerate(others):  # A[i, r] = 1 where digit k of r is i
            before, after = prod(others[:k]), prod(others[k + 1 :])
            ones = xp.ones((1, before, 1, after), dtype=w.dtype, device=device(w))
            factors.append(xp.reshape(eye(m, m, w, lead)[..., :, None, :, None] * ones, (*lead, m, self.rank)))
        factors.insert(long, xp.reshape(tensor, (*lead, self.modes[long], self.rank)))
        return factors
