"""Norms that neither over- nor underflow, in the most precise dtype there is."""

import math
from collections.abc import Sequence

from ._arrays import Array, abs2, constant, namespace, widest


def precise(arrays: Sequence[Array]) -> list[Array]:
    """Constants in the widest dtype of their library, of at least 32 bits, the same for all."""
    xp, wide = namespace(*arrays), [widest(constant(a)) for a in arrays]
    dtype = xp.result_type(*wide)
    return [xp.astype(a, dtype, copy=False) for a in wide]


def frobenius(x: Array, lead: int) -> Array:
    """√Σ|x|² over all axes but the first `lead`, safe where the squares overflow or vanish."""
    xp = namespace(x)
    unit, exponent = mantissa(xp.reshape(x, (*x.shape[:lead], math.prod([*x.shape[lead:]]))))
    return xp.sqrt(xp.sum(abs2(unit), axis=-1)) * 2.0**exponent


def mantissa(flat: Array) -> tuple[Array, Array]:
    """flat (*lead, n) / 2^e and e (*lead,), such that its largest entry is about 1."""
    xp = namespace(flat)
    largest = xp.max(xp.abs(flat), axis=-1)
    usual = largest >= xp.finfo(largest.dtype).smallest_normal  # zero has no exponent
    exponent = xp.floor(xp.log2(xp.where(usual, largest, xp.ones_like(largest))))
    return flat / 2.0 ** exponent[..., None], exponent
