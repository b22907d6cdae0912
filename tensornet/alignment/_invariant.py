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


def reduced_distance(fmt: Format, student: Sequence[Array], teacher: Sequence[Array]) -> Array:
    """1/n Σ_k ‖ρ_k(S) − ρ_k(T)‖² / ‖ρ_k(T)‖² over the auxiliary factors that carry a row or column index above 1.

    Both matrices are divided by ‖W_T‖ first, so that no norm over- or underflows; a zero teacher counts as norm 1.
    """
    views, w_s, w_t, _ = _prepared(fmt, student, teacher)
    return sum(_term(v, w_s, w_t)[0] for v in views) / len(views)


def reduced_distance_and_gradient(
    fmt: Format, student: Sequence[Array], teacher: Sequence[Array]
) -> tuple[Array, tuple[Array | None, ...]]:
    """`reduced_distance` and its gradient: dL/dW = Σ_k 4 (ρ_k(S) − ρ_k(T)) W_S / (n ‖ρ_k(T)‖²), pulled back."""
    views, w_s, w_t, unit = _prepared(fmt, student, teacher)
    terms = [_term(v, w_s, w_t) for v in views]
    dw = sum(v.matrix(namespace(w_s).matmul(slope, v.flat(w_s))) for v, (_, slope) in zip(views, terms, strict=True))
    return sum(loss for loss, _ in terms) / len(views), fmt.pullback(student, fmt._as_weight(dw / (len(views) * unit)))


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


def _prepared(
    fmt: Format, student: Sequence[Array], teacher: Sequence[Array]
) -> tuple[list[_View], Array, Array, Array]:
    """The views to compare in, both matrices over ‖W_T‖, and ‖W_T‖ (*lead, 1, 1)."""
    xp, network = namespace(*student, *teacher), fmt.network
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
    w_s, w_t = (fmt._as_matrix(fmt.contract(f)) for f in (student, teacher))  # padding, if any, is zero
    largest = nonzero(xp.max(xp.abs(w_t), axis=(-2, -1), keepdims=True))
    unit = largest * nonzero(xp.sqrt(xp.sum(abs2(w_t / largest), axis=(-2, -1), keepdims=True)))
    return views, w_s / unit, w_t / unit, unit


def _term(view: _View, w_s: Array, w_t: Array) -> tuple[Array, Array]:
    """‖ρ(S) − ρ(T)‖²/‖ρ(T)‖² summed over lead axes, and 4 (ρ(S) − ρ(T))/‖ρ(T)‖² (*lead, own, own)."""
    xp, axes = namespace(w_s), (-2, -1)
    flat_s, flat_t = view.flat(w_s), view.flat(w_t)
    gram_t = xp.matmul(flat_t, adjoint(flat_t))
    gap = xp.matmul(flat_s, adjoint(flat_s)) - gram_t
    norm = nonzero(xp.sum(abs2(gram_t), axis=axes, keepdims=True))
    return xp.sum(abs2(gap) / norm), 4 * gap / norm
