"""Norms and distances as plain floats, safe for numbers whose squares over- or underflow."""

import math
from collections.abc import Sequence

from .._arrays import Array, namespace


def largest(x: Array) -> float:
    xp = namespace(x)
    return float(xp.max(xp.abs(x))) if math.prod([*x.shape]) else 0.0


def norm(x: Array) -> float:
    """The Frobenius norm."""
    unit = largest(x) or 1.0
    xp = namespace(x)
    return unit * float(xp.sqrt(xp.sum((x / unit) ** 2)))


def inner(a: Array, b: Array) -> float:
    return float(namespace(a, b).sum(a * b))


def relative(got: Array, want: Array) -> float:
    """‖got − want‖ / ‖want‖; where want is zero, ‖got‖."""
    unit = largest(want) or 1.0
    return norm(got / unit - want / unit) / (norm(want / unit) or 1.0)


def total_norm(arrays: Sequence[Array]) -> float:
    return sum(norm(a) ** 2 for a in arrays) ** 0.5


def equal(a: Array, b: Array) -> bool:
    """To the last bit (and no NaN)."""
    return bool(namespace(a, b).all(a == b))


def snapshot(x: Array) -> Array:
    return namespace(x).asarray(x, copy=True)
