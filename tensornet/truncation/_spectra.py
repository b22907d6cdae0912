"""Spectra of bonds, and what they say: entanglement entropy."""

from collections.abc import Sequence

from .._arrays import Array, namespace
from .._format import Format
from .._norm import precise
from .._tree import schmidt


def spectra(fmt: Format, factors: Sequence[Array], /) -> dict[str, Array]:
    """bond → Schmidt values (*lead, d) of W across it, descending: the singular values of W unfolded into its two sides.

    d is the size of the bond; where W has fewer values, the rest are zero. Of a block-structured format (*lead, *shared, d).
    In the widest dtype of the arrays' library; constants for automatic differentiation.
    raises: TensorNetError for a network with loops, or factors of another format
    """
    fmt.check_factors(factors)
    return schmidt(fmt.network, precise(factors))


def entropy(fmt: Format, factors: Sequence[Array], /) -> dict[str, Array]:
    """bond → von Neumann entropy −Σ p ln p (*lead,), p = λ²/Σλ² of its Schmidt values λ; in nats, 0 of a zero matrix.

    Between 0, one value only, and ln d, all alike (Eisert, Cramer and Plenio 2010, doi 10.1103/RevModPhys.82.277).
    """
    return {bond: _entropy(values) for bond, values in spectra(fmt, factors).items()}


def _entropy(values: Array) -> Array:
    xp, top = namespace(values), values[..., :1]
    scaled = values / xp.where(top > 0, top, xp.ones_like(top))  # squares of tiny values would vanish
    squares = scaled * scaled
    total = xp.sum(squares, axis=-1, keepdims=True)
    p = squares / xp.where(total > 0, total, xp.ones_like(total))
    return 0 - xp.sum(p * xp.log(xp.where(p > 0, p, xp.ones_like(p))), axis=-1)
