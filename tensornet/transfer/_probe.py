"""A matrix that looks random and is the same in every library."""

import math
from typing import Any

from array_api_compat import device

from .._arrays import Array, namespace


def probe(shape: tuple[int, ...], like: Array) -> Array:
    """Entries as if drawn evenly from (-√3, √3), of mean 0 and variance 1; real, of the precision of `like`.

    Places mixed in 32 bits modulo 2³², as MurmurHash3 ends (public domain, A. Appleby); no generator has a state to keep.
    """
    xp = namespace(like)
    rows, cols = shape[0], math.prod([*shape[1:]])
    row, col = (xp.arange(n, dtype=xp.int32, device=device(like)) for n in (rows, cols))
    mixed = _mixed(xp, _mixed(xp, row + 1)[:, None] + col[None, :])
    real = xp.real(like).dtype if xp.isdtype(like.dtype, "complex floating") else like.dtype
    upper = xp.astype(xp.bitwise_and(mixed, (1 << 23) - 1), real)  # 23 bits: exact in float32, and 2 x + 1 too
    return xp.reshape(((2 * upper + 1) / 2**23 - 1) * 3**0.5, shape)


def _mixed(xp: Any, x: Array) -> Array:
    """One to one on 32 bits. A shift of a signed number copies its sign downwards: those bits are masked away."""
    for shift, odd in ((16, -0x7A143595), (13, -0x3D4D51CB)):
        x = xp.bitwise_xor(x, _shifted(xp, x, shift)) * odd
    return xp.bitwise_xor(x, _shifted(xp, x, 16))


def _shifted(xp: Any, x: Array, by: int) -> Array:
    return xp.bitwise_and(xp.bitwise_right_shift(x, by), (1 << (32 - by)) - 1)
