"""Means over what a mask keeps."""

from tensornet._arrays import namespace

from ._checks import Array


def cleared(x: Array, keep: Array | None) -> Array:
    """`x` (*keep.shape, features) with zeros where the mask keeps nothing, so that no NaN there reaches a gradient."""
    return x if keep is None else namespace(x).where(keep[..., None], x, 0.0)


def mean(x: Array, keep: Array | None) -> Array:
    """The mean of x over the entries that `keep`, of the same shape, is True for; NaN if there is none."""
    xp = namespace(x)
    if keep is None:
        return xp.mean(x)
    return xp.sum(xp.where(keep, x, 0.0)) / xp.sum(xp.astype(keep, x.dtype))
