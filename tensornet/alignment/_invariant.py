"""Reduced Gram matrices: what a factor's own modes see of the whole, in no gauge at all.

    ρ_k[a, a'] = Σ_rest W[a, rest] W[a', rest]

where a runs over the row and column indices that factor k carries and `rest` over all others. In the paper's layout of
an MPO the two outer factors see W̃ W̃ᵀ and W̃ᵀ W̃ of the rearranged matrix: its Schmidt vectors of that side and its
spectrum, while the rotation between the two sides, which the central factor carries, stays free.
"""

import math
from collections.abc import Sequence

from .._arrays import Array, namespace
from .._errors import TensorNetError
from .._format import Format


def reduced_distance(fmt: Format, student: Sequence[Array], teacher: Sequence[Array]) -> Array:
    """1/n Σ_k ‖ρ_k(S) − ρ_k(T)‖² / ‖ρ_k(T)‖² over the auxiliary factors that carry a row or column index above 1.

    Both matrices are divided by ‖W_T‖ first, so that no norm over- or underflows; a zero teacher counts as norm 1.
    """
    xp = namespace(*student, *teacher)
    w_s, w_t = fmt.contract(student), fmt.contract(teacher)
    unit = _nonzero(xp, _largest(xp, w_t))
    w_t = w_t / unit
    norm = _nonzero(xp, xp.sqrt(xp.sum(w_t**2, axis=(-2, -1), keepdims=True)))
    w_s, w_t = w_s / unit / norm, w_t / norm
    seen = [modes for k in fmt.auxiliary if (modes := _modes_of(fmt, k))]
    if not seen:
        raise TensorNetError(
            f"align: no auxiliary factor of {fmt} carries a row or column above 1, so that the invariant gauge sees "
            f"nothing of it; use another format, or gauge='procrustes'"
        )
    total = 0.0
    for modes in seen:
        gram_s, gram_t = _gram(fmt, w_s, modes), _gram(fmt, w_t, modes)
        axes = (-2, -1)
        total = total + xp.sum(xp.sum((gram_s - gram_t) ** 2, axis=axes) / _nonzero(xp, xp.sum(gram_t**2, axis=axes)))
    return total / len(seen)


def _modes_of(fmt: Format, k: int) -> tuple[int, ...]:
    """Positions, among the output indices, of those above size 1 that factor k carries."""
    network = fmt.network
    return tuple(p for p, i in enumerate(network.output) if i in network.factors[k] and network.size[i] > 1)


def _gram(fmt: Format, w: Array, modes: tuple[int, ...]) -> Array:
    xp, network = namespace(w), fmt.network
    sizes = tuple(network.size[i] for i in network.output)
    lead = tuple(w.shape[:-2])
    rest = tuple(p for p in range(len(sizes)) if p not in modes)
    axes = (*range(len(lead)), *(len(lead) + p for p in modes + rest))
    own = math.prod([sizes[p] for p in modes])
    flat = xp.reshape(xp.permute_dims(xp.reshape(w, lead + sizes), axes), (*lead, own, -1))
    return xp.matmul(flat, xp.matrix_transpose(flat))


def _largest(xp, w: Array) -> Array:
    return xp.max(xp.abs(w), axis=(-2, -1), keepdims=True)


def _nonzero(xp, x: Array) -> Array:
    return xp.where(x > 0, x, xp.ones_like(x))
