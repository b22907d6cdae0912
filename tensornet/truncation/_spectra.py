"""Spectra of bonds, and what they say: entanglement entropy."""

from collections.abc import Sequence

from .._arrays import Array, filled, namespace, nonzero
from .._format import Format
from .._precise import precise
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
    return {b: filled(values[..., : fmt.network.size[b]], (fmt.network.size[b],)) for b, values in found.items()}


def spectra_of(fmt: Format, w: Array) -> dict[str, Array]:
    """`spectra` of a weight w (*lead, *shape), all there are of each bond, whatever its size in fmt."""
    full = fmt.resized(full_sizes(fmt.network))
    factors, _ = embed(full.network, full._as_matrix(w))
    return schmidt(full.network, factors)


def entropy(fmt: Format, factors: Sequence[Array], /) -> dict[str, Array]:
    """bond → von Neumann entropy −Σ p ln p (*lead,), p = λ²/Σλ² of its Schmidt values λ; in nats, 0 of a zero matrix.

    Of a block-structured format (*lead, *shared), of each block. Between 0, one value only, and ln d, all alike (Eisert,
    Cramer and Plenio 2010, doi 10.1103/RevModPhys.82.277).
    """
    return {bond: _entropy(values) for bond, values in spectra(fmt, factors).items()}


def _entropy(values: Array) -> Array:
    xp, top = namespace(values), values[..., :1]
    scaled = values / nonzero(top)  # squares of tiny values would vanish
    squares = scaled * scaled
    total = xp.sum(squares, axis=-1, keepdims=True)
    p = squares / nonzero(total)
    return 0 - xp.sum(p * xp.log(nonzero(p)), axis=-1)
