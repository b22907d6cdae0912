"""The guard: whether somebody else wrote a planned weight between two updates, by checksums of its bits."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import tensornet as tn
from tensornet import TensorNetError

from ._tree import named_leaves


def first_sums(fmt: tn.Format, made: Array, leaf: Array) -> Array:
    """Checksums of the weight that the first gradient may be taken at: as it is, if the factors hold all of it, or as
    `materialize` writes it.
    """
    return sums(leaf if fmt.exact else made.astype(leaf.dtype), made)


def sums(leaf: Array, made: Array) -> Array:
    """Checksums (2,) of the weight as an update leaves it, and as `materialize` writes it, one rounding apart."""
    return jnp.stack([checksum(leaf), checksum(made.astype(leaf.dtype))])


def refuse_overwritten(written: dict[str, Array], params: Any) -> None:
    """Raise at once where values can be looked at, and else when the compiled step runs.

    Under vmap the branch below becomes a choice between two results, so that the callback always runs, for each member:
    it looks for itself whether there is anything to refuse.
    """
    leaves, names = named_leaves(params), tuple(written)
    changed = jnp.stack([jnp.all(checksum(leaves[n]) != written[n]) for n in names])

    def refuse(changed: Array) -> None:
        guilty = [n for n, c in zip(names, changed, strict=True) if c]
        if guilty:
            raise TensorNetError(
                f"overparameterize: somebody else wrote {', '.join(guilty)} since the last update (a loaded checkpoint, an "
                f"EMA swap, a transformation after this one?), or a truncated weight was never replaced by its truncation; "
                f"this update would undo that, because the factors are the truth; put the old values back, call state = "
                f"tx.init(params) to decompose the new ones, or after init of truncated formats params = "
                f"tensornet_jax.materialize(plan, state, params)"
            )

    if isinstance(changed, jax.core.Tracer):
        jax.lax.cond(changed.any(), lambda: jax.debug.callback(refuse, changed), lambda: None)
    else:
        refuse(changed)


def checksum(array: Array) -> Array:
    """A number that changes with any one entry, and when entries change places or signs.

    The sum modulo 2³² of the words, each with its place mixed in and then mixed as MurmurHash3 does: exact, in any order of
    summation, so that each device sums its own part. The mixing is one to one, so that no change of one word is lost.
    """
    array = jnp.asarray(array)
    kind = {1: jnp.uint8, 2: jnp.uint16}.get(array.dtype.itemsize, jnp.uint32)
    words = jax.lax.bitcast_convert_type(array, kind).astype(jnp.uint32)
    mixed = words + _places(words.shape) * jnp.uint32(0x9E3779B1)
    for shift, odd in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed = (mixed ^ (mixed >> jnp.uint32(shift))) * jnp.uint32(odd)
    return jnp.sum(mixed ^ (mixed >> jnp.uint32(16)), dtype=jnp.uint32)


def _places(shape: tuple[int, ...]) -> Array:
    """0, 1, 2 … in row-major order, modulo 2³²."""
    places = jnp.zeros(shape, jnp.uint32)
    for axis in range(len(shape)):
        stride = jnp.uint32(math.prod([*shape[axis + 1 :]]) % 2**32)
        places += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * stride
    return places
