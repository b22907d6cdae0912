"""TensorRing: a tensor train whose two ends are joined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from .. import _chain
from .._arrays import Array, adjoint, eye, namespace
from .._cached import cached_property
from .._errors import TensorNetError
from .._gauge import Gauge
from .._network import Network
from .._splits import divisor_pairs
from .._unfold import by_index
from ..fitting import searched
from ._chained import check_bridges
from ._modes import Moded, split
from ._padded import padded
from ._registry import register
from ._sizing import positive, sized


@register
@dataclass(frozen=True)
class TensorRing(Moded):
    """W[i_1…i_n, j_1…j_n] = Σ_d Π_k T_k[d_{k-1}, i_k, j_k, d_k] with d_n = d_0   (Zhao et al. 2016, arXiv 1606.05535, eq. 1).

    At its full sizes exact, by TR-SVD (their alg. 1); below, the factors are found by search, and their alg. 2 is its core.

    rows, cols  (i_1, …, i_n) and (j_1, …, j_n); the weight is (Πrows, Πcols, *kernel)
    ring        d_0; None takes the divisor of the first unfolding's rank that is nearest to its square root
    bonds       (d_1, …); None takes the full ones of that ring
    kernel      sizes of a kernel's axes, which one more factor carries

    >>> TensorRing((4, 4, 4), (4, 4, 4), 3, (3, 3)).shapes
    ((3, 4, 4, 3), (3, 4, 4, 3), (3, 4, 4, 3))
    """

    name: ClassVar[str] = "tensor_ring"

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    ring: int = None  # type: ignore[assignment]  # None is resolved below, so that readers see a number
    bonds: tuple[int, ...] = None  # type: ignore[assignment]
    kernel: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self._resolve_modes()
        if len(self.rows) != len(self.cols) or len(self.volumes) < 2:
            raise TensorNetError(
                f"TensorRing: rows {self.rows}, cols {self.cols} and kernel {self.kernel}, needed as many rows as cols and two "
                f"factors at least, because factor k carries rows[k] and cols[k], and one alone is no ring; fill up with ones"
            )
        pairs = divisor_pairs(self._rank)
        if self.ring is None:
            object.__setattr__(self, "ring", min(pairs, key=lambda p: abs(p[0] - self._rank**0.5))[0])
        object.__setattr__(self, "ring", positive("TensorRing", "ring", (self.ring,))[0])
        if self.bonds is None:
            if self._rank % self.ring:
                raise TensorNetError(
                    f"TensorRing: ring={self.ring} without bonds, needed one of {', '.join(str(a) for a, _ in pairs)}, because "
                    f"the rank {self._rank} of the first unfolding is split into ring and first bond; pass one, or bonds too"
                )
            object.__setattr__(self, "bonds", self.full_bonds)
        object.__setattr__(self, "bonds", positive("TensorRing", "bonds", self.bonds, len(self.volumes) - 1))
        check_bridges("TensorRing", self.volumes, (self.ring, *self.bonds, self.ring))

    @classmethod
    def for_shape(
        cls,
        shape: tuple[int, ...],
        *,
        cores: int = 3,
        rank: int | None = None,
        num_params: int | None = None,
        scale: float | None = None,
        pad: bool = False,
    ) -> Any:  # a TensorRing, or one that is Padded
        """For a weight (out, in, *kernel), at full sizes unless told otherwise.

        cores       rows and cols are split over so many factors, as even as their primes allow; a kernel has one more
        rank        ring and bonds of at most this
        num_params  at most so many parameters
        scale       at most this share of the dense parameters
        pad         round sizes up to such as split evenly; the padding never shows (see Padded)
        """
        if pad:
            options: dict[str, Any] = {"cores": cores, "rank": rank, "num_params": num_params, "scale": scale}
            return padded(shape, cls.for_shape, options, parts=cores)
        rows, cols, kernel = split("TensorRing.for_shape", shape, cores)
        full = cls(rows, cols, kernel=kernel)

        def of_rank(r: int | None) -> "TensorRing":
            return (
                full if r is None else cls(rows, cols, min(r, full.ring), tuple(min(r, b) for b in full.bonds), kernel)
            )

        return sized("TensorRing.for_shape", of_rank, rank=rank, num_params=num_params, scale=scale)

    @property
    def volumes(self) -> tuple[int, ...]:
        """Entries of rows and columns that each factor carries."""
        pairs = tuple(i * j for i, j in zip(self.rows, self.cols, strict=False))
        return (*pairs, prod(self.kernel)) if self.kernel else pairs

    @property
    def _rank(self) -> int:
        """Of the first unfolding, at most."""
        return min(self.volumes[0], prod(self.volumes[1:]))

    @property
    def _chain_modes(self) -> tuple[int, ...]:
        """The other factors are a chain, whose first mode takes d_1 along and whose last one d_0."""
        modes = list(self.volumes[1:])
        modes[0] *= self._rank // self.ring
        modes[-1] *= self.ring
        return tuple(modes)

    @property
    def full_bonds(self) -> tuple[int, ...]:
        """Those with which every matrix is represented, where `ring` divides the rank of the first unfolding."""
        return (self._rank // self.ring, *_chain.full_bonds(self._chain_modes))

    @property
    def central(self) -> None:
        return None

    @property
    def exact(self) -> bool:
        return self._rank % self.ring == 0 and self.bonds == self.full_bonds

    @property
    def iterative(self) -> bool:
        return not self.exact

    @cached_property
    def network(self) -> Network:
        n, rows, cols = len(self.volumes), self.row_indices, self.col_indices
        carried = [(i, j) for i, j in zip(rows, cols, strict=False)] + [cols[len(rows) :]] * bool(self.kernel)
        factors = tuple((f"d{k}", *own, f"d{(k + 1) % n}") for k, own in enumerate(carried))
        bonds = tuple((f"d{k}", d) for k, d in enumerate((self.ring, *self.bonds)))
        return Network(factors, rows, cols, self.mode_sizes + bonds)

    def resized(self, sizes: Mapping[str, int]) -> "TensorRing":
        ring, *bonds = (sizes.get(f"d{k}", d) for k, d in enumerate((self.ring, *self.bonds)))
        return TensorRing(self.rows, self.cols, ring, tuple(bonds), self.kernel)

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        if self.iterative:
            return searched(self, w, gauge)
        if gauge not in ("identity", "balanced"):
            raise TensorNetError(
                f"TensorRing: gauge {gauge!r}, needed 'balanced' or 'identity', because no factor of a ring is a centre "
                f"with all others around it; take one of those"
            )
        return self._ring_svd(self._interleaved(w), gauge)

    def _ring_svd(self, w: Array, gauge: Gauge) -> list[Array]:
        """First factor and all others by one SVD (*lead, m_1, rest), whose rank is d_0·d_1; the others are a chain."""
        xp, lead, (r0, r1) = namespace(w), tuple(w.shape[:-2]), (self.ring, self.bonds[0])
        first, rest = _identity(w) if gauge == "identity" else _balanced(w)
        first = xp.moveaxis(xp.reshape(first, (*lead, -1, r0, r1)), -2, -3)
        rest = xp.moveaxis(xp.reshape(rest, (*lead, r0, r1, -1)), -3, -1)
        flat = xp.reshape(rest, (*lead, -1))
        chain = _chain.fill("TensorRing", flat, self._chain_modes, self.bonds[1:], gauge, 0)
        return [xp.reshape(f, lead + s) for f, s in zip((first, *chain), self.shapes, strict=True)]

    def _interleaved(self, w: Array) -> Array:
        """(*lead, rows, cols) → (*lead, m_1, rest): the order in which the ring meets the modes."""
        network = self.network
        met = by_index(network, w, [i for factor in network.factors for i in factor if i in network.output])
        return namespace(w).reshape(met, (*w.shape[:-2], self.volumes[0], -1))


def _identity(w: Array) -> tuple[Array, Array]:
    """W = 1 W or W 1, whichever is the smaller identity."""
    lead, (rows, cols) = tuple(w.shape[:-2]), w.shape[-2:]
    return (eye(rows, rows, w, lead), w) if rows <= cols else (w, eye(cols, cols, w, lead))


def _balanced(w: Array) -> tuple[Array, Array]:
    """W = (U g)(g⁻¹ Uᴴ W) with g² the singular values, or the like from the right: the smaller side is invertible, and
    keeps the floor (see _chain.balance).
    """
    xp, (rows, cols) = namespace(w), w.shape[-2:]
    if rows > cols:
        right, left = (xp.matrix_transpose(x) for x in _balanced(xp.matrix_transpose(w)))
        return left, right
    u, s, _ = xp.linalg.svd(w, full_matrices=False)
    g = xp.astype(_chain.even(s), w.dtype)
    rest = xp.matmul(adjoint(u), w)
    rest = rest + xp.matmul(adjoint(u), w - xp.matmul(u, rest))  # see _chain.schmidt
    return u * g[..., None, :], rest / g[..., :, None]
