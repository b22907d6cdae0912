"""The guard: whether somebody else wrote a planned weight between two updates, by checksums of its bits."""

import logging
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import tensornet as tn
from tensornet import TensorNetError

from ._tree import named_leaves

GUARDS = ("raise", "nan")
_LOG = logging.getLogger("tensornet_jax")


def check_guard(guard: str) -> None:
    if guard not in GUARDS:
        raise TensorNetError(
            f"overparameterize: guard={guard!r}, needed one of {', '.join(GUARDS)}, because a compiled update cannot ask what "
            f"to do about a weight that somebody else wrote; take 'raise', or 'nan' on several devices"
        )


def first_sums(fmt: tn.Coordinates, made: Array, leaf: Array) -> Array:
    """Checksums of the weight that the first gradient may be taken at: as it is, if the factors hold all of it, or as
    `materialize` writes it.
    """
    return sums(leaf if fmt.exact else made.astype(leaf.dtype), made)


def sums(leaf: Array, made: Array) -> Array:
    """Checksums (2,) of the weight as an update leaves it, and as `materialize` writes it, one rounding apart."""
    return jnp.stack([checksum(leaf), checksum(made.astype(leaf.dtype))])


def overwritten(written: dict[str, Array], params: Any) -> dict[str, Array]:
    """Whether each weight has other bits than the last update, or `materialize`, left it with."""
    leaves = named_leaves(params)
    return {n: jnp.all(checksum(leaves[n]) != sums) for n, sums in written.items()}


def refuse(changed: dict[str, Array], guard: str, message: Callable[[str], str] | None = None) -> None:
    """Raise at once where values can be looked at; else, when the compiled step runs, raise or write to the log.

    Under vmap the branch below becomes a choice between two results, so that the callback always runs, for each member:
    it looks for itself whether there is anything to refuse.

    message  of the names of those that changed; by default about weights
    """
    said = message or _message
    names, found = tuple(changed), jnp.stack(list(changed.values()))
    traced = isinstance(found, jax.core.Tracer)

    def look(found: Array) -> None:
        guilty = ", ".join(n for n, c in zip(names, found, strict=True) if c)
        if guilty and guard == "nan" and traced:
            _LOG.error("%s The updates are NaN.", said(guilty))
        elif guilty:
            raise TensorNetError(said(guilty))

    if traced:
        jax.lax.cond(found.any(), lambda: jax.debug.callback(look, found), lambda: None)
    else:
        look(found)


def _message(guilty: str) -> str:
    return (
        f"overparameterize: somebody else wrote {guilty} since the last update (a loaded checkpoint, an "
        f"EMA swap, a transformation after this one?), or a truncated weight was never replaced by its truncation; "
        f"this update would undo that, because the factors are the truth; put the old values back, call state = "
        f"tx.init(params) to decompose the new ones, or after init of truncated formats params = "
        f"tensornet_jax.materialize(plan, state, params)"
    )


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
