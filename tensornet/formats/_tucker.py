"""Tucker: a core tensor and a factor matrix for each mode that is compressed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from .._arrays import Array, conj, namespace
from .._cached import cached_property
from .._errors import TensorNetError
from .._gauge import Gauge
from .._network import Network
from .._reduced import Triangle
from .._tree import embed, regauge
from .._unfold import along
from ._modes import Moded, split
from ._padded import padded
from ._registry import register
from ._sizing import is_rank, plain, sized

SWEEPS = 5  # of HOOI; fixed, so that decompose can be compiled


@register
@dataclass(frozen=True)
class Tucker(Moded):
    """W[m_1, m_2, …] = Σ_r G[r_1, r_2, …] Π_k U_k[m_k, r_k] over the modes of rows, cols and kernel.

    A mode without a rank stays on the core as it is: of a convolution's kernel, Tucker-2 compresses out and in alone and is
    three convolutions (Kim et al. 2016, arXiv 1511.06530). At full ranks exact; below, ST-HOSVD (Vannieuwenhoven et al. 2012,
    doi 10.1137/110836067) improved by HOOI (De Lathauwer et al. 2000, doi 10.1137/S0895479898346995);
    `tensornet.fit` goes on until nothing is gained.

    rows, cols   the weight is (Πrows, Πcols, *kernel)
    ranks        one for each mode, None for a mode that stays on the core; None takes the full ranks of all modes
    kernel       sizes of a kernel's axes

    >>> Tucker((64,), (32,), (16, 8, None, None), kernel=(3, 3)).shapes
    ((64, 16), (32, 8), (16, 8, 3, 3))
    """

    name: ClassVar[str] = "tucker"

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    ranks: tuple[int | None, ...] = None  # type: ignore[assignment]  # None is resolved below
    kernel: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self._resolve_modes()
        if self.ranks is None:
            object.__setattr__(self, "ranks", full_ranks(self.modes))
        object.__setattr__(self, "ranks", tuple(plain(r) for r in self.ranks))
        core = [m if r is None else r for m, r in zip(self.modes, self.ranks, strict=False)]
        good = len(self.ranks) == len(self.modes) and all(
            is_rank(r) and r <= min(m, prod(core) // r)
            for m, r in zip(self.modes, self.ranks, strict=True)
            if r is not None
        )
        if not good:
            raise TensorNetError(
                f"Tucker: ranks {self.ranks} of modes {self.modes}, needed one for each mode, an integer up to it and up "
                f"to the product of the core's other sizes, because a larger one has directions that carry nothing; lower it, "
                f"or pass None for a mode that stays on the core"
            )

    @classmethod
    def for_shape(
        cls,
        shape: tuple[int, ...],
        *,
        modes: int = 1,
        whole_kernel: bool = True,
        rank: int | None = None,
        num_params: int | None = None,
        scale: float | None = None,
        pad: bool = False,
    ) -> Any:  # a Tucker, or one that is Padded
        """For a weight (out, in, *kernel), at full ranks unless told otherwise.

        modes         rows and cols are split into so many modes each, as even as their primes allow
        whole_kernel  the kernel's axes stay on the core
        rank          no rank above it
        num_params    at most so many parameters
        scale         at most this share of the dense parameters
        pad           round sizes up to such as split evenly; the padding never shows (see Padded)
        """
        rows, cols, kernel = split("Tucker.for_shape", shape, modes)
        if pad:
            options: dict[str, Any] = {"modes": modes, "whole_kernel": whole_kernel}
            options |= {"rank": rank, "num_params": num_params, "scale": scale}
            return padded(shape, cls.for_shape, options, parts=modes)
        full = full_ranks(rows + cols + kernel)

        def of_rank(r: int | None) -> "Tucker":
            ranks = [f if r is None else min(r, f) for f in full]
            kept = [None if whole_kernel and k >= 2 * modes else r for k, r in enumerate(ranks)]
            return cls(rows, cols, tuple(kept), kernel)

        return sized("Tucker.for_shape", of_rank, rank=rank, num_params=num_params, scale=scale)

    @property
    def compressed(self) -> tuple[int, ...]:
        """The modes that have a rank."""
        return tuple(k for k, r in enumerate(self.ranks) if r is not None)

    @property
    def central(self) -> int:
        """The core."""
        return len(self.compressed)

    @cached_property
    def network(self) -> Network:
        rows, cols = self.row_indices, self.col_indices
        modes, kept = rows + cols, self.compressed
        core = tuple(f"r{k}" if k in kept else i for k, i in enumerate(modes))
        ranks = tuple((f"r{k}", r) for k, r in enumerate(self.ranks) if r is not None)
        return Network((*((modes[k], f"r{k}") for k in kept), core), rows, cols, self.mode_sizes + ranks)

    def resized(self, sizes: Mapping[str, int]) -> "Tucker":
        ranks = tuple(None if r is None else sizes.get(f"r{k}", r) for k, r in enumerate(self.ranks))
        return Tucker(self.rows, self.cols, ranks, self.kernel)

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        factors = embed(self.network, w)[0] if self.exact else self._truncated(self._tensor(w))
        return factors if self.exact and gauge == "identity" else regauge(self.network, factors, gauge, self.central)

    def _truncated(self, tensor: Array) -> list[Array]:
        """Isometries and the core, which is what is left of the tensor seen through them."""
        bases: dict[int, Array] = {}
        rest = tensor
        for k in self.compressed:  # ST-HOSVD: what one mode has lost, the next ones need not carry
            bases[k] = self._basis(rest, k)
            rest = self._projected(rest, {k: bases[k]})
        for _ in range(SWEEPS if len(bases) > 1 else 0):  # HOOI: each basis is the best one beside the others
            for k in self.compressed:
                bases[k] = self._basis(self._projected(tensor, {n: u for n, u in bases.items() if n != k}), k)
        core = self._projected(tensor, bases)
        core = core + self._projected(tensor - self._expanded(core, bases), bases)  # see _chain.schmidt
        return [*bases.values(), core]

    def _basis(self, x: Array, k: int) -> Array:
        """The leading left singular vectors (*lead, m_k, r_k) of the unfolding of mode k."""
        n = len(self.modes)
        _, v = Triangle().schmidt(Triangle().of(x, k - n, n))  # of its transpose, whose right vectors they conjugate
        return conj(v[..., : self.ranks[k]])

    def _projected(self, x: Array, bases: Mapping[int, Array]) -> Array:
        """x ×_k U_kᴴ for all of `bases`."""
        n = len(self.modes)
        for k, u in bases.items():
            x = along(x, k - n, n, conj(u))
        return x

    def _expanded(self, core: Array, bases: Mapping[int, Array]) -> Array:
        """core ×_k U_k, the adjoint of `_projected`."""
        n = len(self.modes)
        for k, u in bases.items():
            core = along(core, k - n, n, namespace(u).matrix_transpose(u))
        return core


def full_ranks(modes: tuple[int, ...]) -> tuple[int, ...]:
    """min(m, the product of the other modes)."""
    return tuple(min(m, prod(modes) // m) for m in modes)
