"""Reduced Gram matrices: what a factor's own modes see of the whole, in no gauge at all.

    ρ_k[a, a'] = Σ_rest W[a, rest] W̄[a', rest]

where a runs over the row and column indices that factor k carries and `rest` over all others. In the paper's layout of
an MPO the two outer factors see W̃ W̃ᴴ and W̃ᴴ W̃ of the rearranged matrix: its Schmidt vectors of that side and its
spectrum, while the rotation between the two sides, which the central factor carries, stays free.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .._arrays import Array, abs2, adjoint, namespace, nonzero
from .._errors import TensorNetError
from .._format import Format


@dataclass(frozen=True)
class Reduced:
    """The teacher's side of the distance, which stays while the student trains: ‖W_T‖ (*lead, 1, 1) and ρ_k(T)/‖W_T‖²."""

    unit: Array
    grams: tuple[Array, ...]

    @staticmethod
    def of(fmt: Format, teacher: Sequence[Array]) -> "Reduced":
        w = fmt._as_matrix(fmt.contract(teacher))  # padding, if any, is zero
        xp = namespace(w)
        largest = nonzero(xp.max(xp.abs(w), axis=(-2, -1), keepdims=True))
        unit = largest * nonzero(xp.sqrt(xp.sum(abs2(w / largest), axis=(-2, -1), keepdims=True)))
        return Reduced(unit, tuple(_gram(v.flat(w / unit)) for v in _views(fmt)))


def reduced_distance(fmt: Format, student: Sequence[Array], teacher: Sequence[Array] | Reduced) -> Array:
    """1/n Σ_k ‖ρ_k(S) − ρ_k(T)‖² / ‖ρ_k(T)‖² over the auxiliary factors that carry a row or column index above 1.

    Both matrices are divided by ‖W_T‖ first, so that no norm over- or underflows; a zero teacher counts as norm 1.
    """
    return _terms(fmt, student, teacher)[0]


def reduced_distance_and_gradient(
    fmt: Format, student: Sequence[Array], teacher: Sequence[Array] | Reduced
) -> tuple[Array, tuple[Array | None, ...]]:
    """`reduced_distance` and its gradient: dL/dW = Σ_k 4 (ρ_k(S) − ρ_k(T)) W_S / (n ‖ρ_k(T)‖²), pulled back."""
    loss, slopes, flats, unit = _terms(fmt, student, teacher)
    views = _views(fmt)
    dw = sum(v.matrix(namespace(w).matmul(slope, w)) for v, slope, w in zip(views, slopes, flats, strict=True))
    return loss, fmt.pullback(student, fmt._as_weight(dw / (len(views) * unit)))


@dataclass(frozen=True)
class _View:
    """The matrix as (own, rest): the modes that one factor carries against all others."""

    sizes: tuple[int, ...]
    own: tuple[int, ...]
    shape: tuple[int, int]

    def flat(self, w: Array) -> Array:
        """(*lead, rows, cols) → (*lead, own, rest)."""
        xp, lead = namespace(w), tuple(w.shape[:-2])
        split = xp.reshape(w, lead + self.sizes)
        own = math.prod([self.sizes[p] for p in self.own])
        return xp.reshape(xp.permute_dims(split, self._axes(len(lead), self._order)), (*lead, own, -1))

    def matrix(self, flat: Array) -> Array:
        """The inverse of `flat`."""
        xp, lead = namespace(flat), tuple(flat.shape[:-2])
        split = xp.reshape(flat, lead + tuple(self.sizes[p] for p in self._order))
        back = tuple(self._order.index(p) for p in range(len(self.sizes)))
        return xp.reshape(xp.permute_dims(split, self._axes(len(lead), back)), lead + self.shape)

    @property
    def _order(self) -> tuple[int, ...]:
        return self.own + tuple(p for p in range(len(self.sizes)) if p not in self.own)

    @staticmethod
    def _axes(lead: int, order: tuple[int, ...]) -> tuple[int, ...]:
        return (*range(lead), *(lead + p for p in order))


def _views(fmt: Format) -> list[_View]:
    """The views to compare in."""
    network = fmt.network
    sizes = tuple(network.size[i] for i in network.output)
    carried = [
        tuple(p for p, i in enumerate(network.output) if i in network.factors[k] and sizes[p] > 1)
        for k in fmt.auxiliary
    ]
    views = [_View(sizes, own, network.shape) for own in carried if own]
    if not views:
        raise TensorNetError(
            f"align: no auxiliary factor of {fmt} carries a row or column above 1, so that the invariant gauge sees "
            f"nothing of it; use another format, or gauge='procrustes'"
        )
    return views


def _terms(
    fmt: Format, student: Sequence[Array], teacher: Sequence[Array] | Reduced
) -> tuple[Array, list[Array], list[Array], Array]:
    """The loss; for each view 4 (ρ(S) − ρ(T))/‖ρ(T)‖² (*lead, own, own) and the student's matrix over ‖W_T‖; and ‖W_T‖."""
    views, teacher = _views(fmt), teacher if isinstance(teacher, Reduced) else Reduced.of(fmt, teacher)
    w = fmt._as_matrix(fmt.contract(student)) / teacher.unit
    xp, loss, slopes, flats = namespace(w), 0.0, [], [v.flat(w) for v in views]
    for flat, gram in zip(flats, teacher.grams, strict=True):
        gap = _gram(flat) - gram
        norm = nonzero(xp.sum(abs2(gram), axis=(-2, -1), keepdims=True))
        loss = loss + xp.sum(abs2(gap) / norm) / len(views)
        slopes.append(4 * gap / norm)
    return loss, slopes, flats, teacher.unit


def _gram(flat: Array) -> Array:
    return namespace(flat).matmul(flat, adjoint(flat))
