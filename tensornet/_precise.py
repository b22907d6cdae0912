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
    unit, exponent = mantissa(_flat(x, lead), lead)
    return xp.sqrt(xp.sum(abs2(unit), axis=-1)) * 2.0**exponent


def shifted(x: Array, exponent: Array) -> Array:
    """x (*lead, …) · 2^exponent (*lead,), in two steps, because 2^exponent alone may over- or underflow. No bit is lost."""
    xp = namespace(x, exponent)
    exponent = xp.reshape(exponent, (*exponent.shape, *[1] * (x.ndim - exponent.ndim)))
    half = xp.floor(exponent / 2)
    return x * 2.0**half * 2.0 ** (exponent - half)


def at_the_ends(exponent: Array, entries: int) -> Array:
    """The even part of `exponent` (*lead,), mostly 0, without which a tensor of so many entries of about 2^exponent has a norm
    that is a number, and digits below it.
    """
    xp, limits = namespace(exponent), namespace(exponent).finfo(exponent.dtype)
    top = math.floor(math.log2(float(limits.max))) - math.ceil(math.log2(entries) / 2) - 2
    bottom = math.ceil(math.log2(float(limits.smallest_normal)) - math.log2(float(limits.eps))) + 10
    none = xp.zeros_like(exponent)
    over, under = xp.maximum(exponent - top, none), xp.minimum(exponent - bottom, none)
    return 2 * (xp.ceil(over / 2) + xp.floor(under / 2))


def mantissa(x: Array, lead: int) -> tuple[Array, Array]:
    """x (*lead, …) / 2^e and e (*lead,), such that its largest entry is about 1."""
    xp = namespace(x)
    largest = xp.max(xp.abs(_flat(x, lead)), axis=-1)
    usual = largest >= xp.finfo(largest.dtype).smallest_normal  # zero has no exponent
    exponent = xp.floor(xp.log2(xp.where(usual, largest, xp.ones_like(largest))))
    return shifted(x, -exponent), exponent  # XLA divides by multiplying with the inverse, which may be none


def units(arrays: Sequence[Array], lead: int) -> tuple[list[Array], Array]:
    """Each array (*lead, …) with its largest entry about 1, and the power of 2 (*lead,) that their product lacks."""
    made, exponents = zip(*(mantissa(x, lead) for x in arrays), strict=True)
    return list(made), sum(exponents)


def _flat(x: Array, lead: int) -> Array:
    return namespace(x).reshape(x, (*x.shape[:lead], math.prod([*x.shape[lead:]])))
