"""Mode products: one axis of an array against one of another, and nothing else summed."""

import math

from .._arrays import Array, namespace


def through(x: Array, n: int, axis: int, a: Array) -> Array:
    """x ×_axis A = Σ_t x[…, t, …] A[t, s], with s where t was.

    x     (*lead, *weight), a weight of n axes
    axis  of these, 0 … n - 1
    a     (*lead, t, s)
    """
    xp, flat = namespace(x, a), unfolded(x, n, axis)
    made = xp.matmul(flat, a)
    rest = [size for k, size in enumerate(x.shape[x.ndim - n :]) if k != axis]
    made = xp.reshape(made, (*made.shape[:-2], *rest, made.shape[-1]))
    return xp.moveaxis(made, -1, axis - n)


def beside(x: Array, y: Array, n: int, axis: int) -> Array:
    """Σ x[…, t, …] y[…, s, …] over all axes of the weights but `axis`: (*lead, t, s)."""
    xp = namespace(x, y)
    return xp.matmul(xp.matrix_transpose(unfolded(x, n, axis)), unfolded(y, n, axis))


def unfolded(x: Array, n: int, axis: int) -> Array:
    """(*lead, *weight) → (*lead, the rest, t)"""
    xp, lead = namespace(x), tuple(x.shape[: x.ndim - n])
    moved = xp.moveaxis(x, axis - n, -1)
    return xp.reshape(moved, (*lead, math.prod([*moved.shape[len(lead) : -1]]), moved.shape[-1]))
