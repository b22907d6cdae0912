"""MPO: matrix product operators, also called tensor-train matrices."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, SupportsIndex

from .. import _chain
from .._arrays import Array, eye, namespace
from .._errors import TensorNetError
from .._format import Format
from .._gauge import Gauge, orthogonal_centre
from .._network import Network
from .._splits import divisor_pair
from . import _layouts
from ._padded import padded
from ._registry import register
from ._sizing import check_matrix, sized


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
            object.__setattr__(self, field, _sizes(field, getattr(self, field)))
        if len(self.rows) != len(self.cols) or not self.rows:
            raise TensorNetError(
                f"MPO: rows {self.rows} and cols {self.cols} must have the same length, at least 1, because factor k "
                f"carries rows[k] and cols[k]; fill up with ones"
            )
        full = _chain.full_bonds(self._modes)
        object.__setattr__(self, "bonds", full if self.bonds is None else _sizes("bonds", self.bonds))
        _check_bonds(self.bonds, self._modes, full)

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
        check_matrix("MPO.for_shape", shape)
        _layouts.check("MPO.for_shape", cores, layout)
        options = {"cores": cores, "layout": layout, "rank": rank, "num_params": num_params, "scale": scale}
        if pad:
            parts = cores if layout == "even" else 2
            return padded(shape, lambda larger: cls.for_shape(larger, **options), parts=parts)  # type: ignore[arg-type]
        if scale is not None and scale > 1 and rank is None and num_params is None:
            wide = [cls(*modes) for modes in _layouts.candidates("MPO.for_shape", shape, cores, layout)]
            return min(wide, key=lambda f: abs(math.log(f.scale / scale)))
        rows, cols = _layouts.modes("MPO.for_shape", shape, cores, layout)
        full = _chain.full_bonds(tuple(i * j for i, j in zip(rows, cols, strict=True)))
        return sized(
            "MPO.for_shape",
            lambda r: cls(rows, cols, full if r is None else tuple(min(r, b) for b in full)),
            rank=rank,
            num_params=num_params,
            scale=scale,
        )

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

    def shape_error(self, got: tuple[int, ...]) -> TensorNetError:
        if len(got) < 2:  # a bias, say
            return super().shape_error(got)
        wrong = [
            f"{field} {sizes} multiply to {math.prod(sizes)}, but the matrix has {n} {field}; choose factors of {n}, e.g. "
            f"{divisor_pair(n)}"
            for field, sizes, n in (("rows", self.rows, got[-2]), ("cols", self.cols, got[-1]))
            if math.prod(sizes) != n
        ]
        return TensorNetError(f"MPO: {'; '.join(wrong)}; or take MPO.for_shape({got[-2:]})")

    @property
    def _modes(self) -> tuple[int, ...]:
        return tuple(i * j for i, j in zip(self.rows, self.cols, strict=True))

    def _fill(self, w: Array, gauge: Gauge) -> Sequence[Array]:
        """Decompose over the factors that carry a mode; those of unit modes are identities, never swept over."""
        n = len(self.rows)
        centre = orthogonal_centre("MPO", gauge, n, self.central)
        carrying = [k for k in range(n) if self._modes[k] > 1] or [0]
        modes = tuple(self._modes[k] for k in carrying)
        bonds = tuple(self.bonds[k] for k in carrying[:-1])
        near = 0 if centre is None else min(range(len(carrying)), key=lambda p: abs(carrying[p] - centre))
        chain = _chain.fill("MPO", self._interleaved(w), modes, bonds, gauge, near)
        xp, lead, dense = namespace(w), tuple(w.shape[:-2]), dict(zip(carrying, chain, strict=True))
        shapes = _chain.shapes(self._modes, self.bonds)
        factors = [
            dense[k] if k in dense else xp.reshape(eye(a, b, w, lead), lead + (a, m, b))
            for k, (a, m, b) in enumerate(shapes)
        ]
        if centre is not None:
            factors = _chain.sweep(factors, carrying[near], centre)
        return [xp.reshape(f, lead + s) for f, s in zip(factors, self.shapes, strict=True)]

    def _interleaved(self, w: Array) -> Array:
        """(*lead, I, J) → (*lead, i_1 j_1 i_2 j_2 …), flattened: the order in which a chain meets the modes."""
        xp, n, lead = namespace(w), len(self.rows), tuple(w.shape[:-2])
        split = xp.reshape(w, lead + self.rows + self.cols)
        order = [len(lead) + axis for k in range(n) for axis in (k, n + k)]
        return xp.reshape(xp.permute_dims(split, (*range(len(lead)), *order)), (*lead, math.prod(self.shape)))


def _sizes(field: str, sizes: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(sizes, Sequence) or not all(isinstance(s, SupportsIndex) and int(s) > 0 for s in sizes):
        raise TensorNetError(
            f"MPO: {field}={sizes!r}, needed a sequence of positive integers, one for each factor; pass a tuple"
        )
    return tuple(int(s) for s in sizes)


def _check_bonds(bonds: tuple[int, ...], modes: tuple[int, ...], full: tuple[int, ...]) -> None:
    """Each bond must be reachable from both of its sides, or some of its directions could never carry anything."""
    if len(bonds) != len(full) or any(b > f for b, f in zip(bonds, full, strict=True)):
        raise TensorNetError(
            f"MPO: bonds {bonds}, needed {len(full)} of at most {full}, the full bonds of eq. 3; lower them"
        )
    for k, (a, m, b) in enumerate(_chain.shapes(modes, bonds)):
        if b > a * m or a > m * b:
            raise TensorNetError(
                f"MPO: bonds {a} and {b} at factor {k} differ by more than its {m} entries can bridge, so that some "
                f"directions of the larger would be dead; lower the larger one to at most {m * min(a, b)}"
            )
