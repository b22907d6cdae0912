"""Spectra of bonds, and what they say: entanglement entropy."""

from collections.abc import Sequence

from array_api_compat import device

from .._arrays import Array, namespace
from .._format import Format
from .._norm import precise
from .._tree import embed, full_sizes, schmidt


def spectra(fmt: Format, factors: Sequence[Array], /) -> dict[str, Array]:
    """bond → Schmidt values (*lead, d) of W across it, descending: the singular values of W unfolded into its two sides.

    d is the size of the bond; where W has fewer values, the rest are zero. Of a block-structured format (*lead, *shared, d).
    In the widest dtype of the arrays' library; constants for automatic differentiation.
    raises: TensorNetError for a network with loops, or factors of another format
    """
    fmt.check_factors(factors)
    if fmt.matrix_shape == fmt.network.shape:
        return schmidt(fmt.network, precise(factors))
    found = spectra_of(fmt, fmt.contract(precise(factors)))  # what the factors hold in the padding is not of W
    return {b: _to(values, fmt.network.size[b]) for b, values in found.items()}


def spectra_of(fmt: Format, w: Array) -> dict[str, Array]:
    """`spectra` of a weight w (*lead, *shape), all there are of each bond, whatever its size in fmt."""
    full = fmt.resized(full_sizes(fmt.network))
    factors, _ = embed(full.network, full._as_matrix(w))
    return schmidt(full.network, factors)


def _to(values: Array, d: int) -> Array:
    """The first d values, filled up with zeros."""
    xp, have = namespace(values), values.shape[-1]
    missing = xp.zeros((*values.shape[:-1], max(0, d - have)), dtype=values.dtype, device=device(values))
    return xp.concat([values[..., :d], missing], axis=-1)


def entropy(fmt: Format, factors: Sequence[Array], /) -> dict[str, Array]:
    """bond → von Neumann entropy −Σ p ln p (*lead,), p = λ²/Σλ² of its Schmidt values λ; in nats, 0 of a zero matrix.

    Of a block-structured format (*lead, *shared), of each block. Between 0, one value only, and ln d, all alike (Eisert,
    Cramer and Plenio 2010, doi 10.1103/RevModPhys.82.277).
    """
    return {bond: _entropy(values) for bond, values in spectra(fmt, factors).items()}


def _entropy(values: Array) -> Array:
    xp, top = namespace(values), values[..., :1]
    scaled = values / xp.where(top > 0, top, xp.ones_like(top))  # squares of tiny values would vanish
    squares = scaled * scaled
    total = xp.sum(squares, axis=-1, keepdims=True)
    p = squares / xp.where(total > 0, total, xp.ones_like(total))
    return 0 - xp.sum(p * xp.log(xp.where(p > 0, p, xp.ones_like(p))), axis=-1)
