"""Ŝ of the teacher's weights and the maps, in which it is multilinear, and the gradient of each map.

M = Σ_l v_l T_l,  v = W_L w        Ŝ = M ×_k W_k over the mapped axes k
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._arrays import Array, namespace
from ._modes import beside, through

if TYPE_CHECKING:
    from ._generator import Generator


def mixed(generator: "Generator", layers: Sequence[Array], factors: Sequence[Array]) -> Array:
    """M (*lead, *teacher), in the dtype of the factors; without lead axes where there is one T."""
    xp, like = namespace(*factors), factors[-1]
    layers = [xp.astype(t, like.dtype, copy=False) for t in layers]
    if generator.depth == 1:
        return layers[0]
    square, weights = factors[-4:-2]
    v = xp.matmul(square, weights[..., None])[..., 0]
    parts = [_spread(v[..., k], t) * t for k, t in enumerate(layers)]
    return sum(parts[1:], parts[0])


def mapped(generator: "Generator", factors: Sequence[Array], x: Array, axes: Sequence[int]) -> Array:
    """x ×_k W_k for each k of `axes`."""
    for axis in axes:
        x = through(x, len(generator.shape), axis, factors[generator.mapped.index(axis)])
    return x


def of_maps(generator: "Generator", factors: Sequence[Array], m: Array, d: Array) -> tuple[Array, ...]:
    """dL/dW_k = Σ (M ×_{j≠k} W_j) D over all axes but k, with D = dL/dŜ (*lead, *shape)."""

    def of(axis: int) -> Array:
        others = [k for k in generator.order if k != axis]
        return beside(mapped(generator, factors, m, others), d, len(generator.shape), axis)

    return tuple(map(of, generator.mapped))


def of_layers(generator: "Generator", layers: Sequence[Array], factors: Sequence[Array], d: Array) -> tuple[Array, ...]:
    """dL/dv_l = ⟨T_l, D ×_k W_kᵀ⟩,  dL/dW_L = dL/dv wᵀ,  dL/dw = W_Lᵀ dL/dv; nothing where there is one T."""
    if generator.depth == 1:
        return ()
    xp, n = namespace(*factors), len(generator.shape)
    for axis in reversed(generator.order):
        d = through(d, n, axis, xp.matrix_transpose(factors[generator.mapped.index(axis)]))
    inner = [xp.sum(xp.astype(t, d.dtype, copy=False) * d, axis=tuple(range(-n, 0))) for t in layers]
    dv, (square, weights) = xp.stack(inner, axis=-1), factors[-4:-2]
    return dv[..., :, None] * weights[..., None, :], xp.matmul(xp.matrix_transpose(square), dv[..., None])[..., 0]


def _spread(scalar: Array, like: Array) -> Array:
    """(*lead,) → (*lead, 1 … 1), to multiply a weight by."""
    return namespace(scalar).reshape(scalar, (*scalar.shape, *[1] * like.ndim))
