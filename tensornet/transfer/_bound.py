"""The bound on the step of W: what the factors' steps multiply to is not much longer than a dense step of the same rule."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from .._arrays import Array, abs2, namespace, nonzero

# In RMS, over that of a dense step. Factors cannot go straight where a dense step goes: a step that does as much is 1 to 1.8
# times as long (two to ten factors of an MPO), before products of the factors' steps add to it.
FURTHEST = 2.0
GROWTH = 1e15  # of W in one step; its square must be a number in float32
NEAR, BEYOND = 0.9, 1.04  # of the reach is near enough
FAR = 10.0  # times the reach
TRIES = 4  # of shorter steps, at most


def lengths(steps: Sequence[Array], lead: int, /) -> tuple[Array, ...]:
    """RMS(u_k), each (*lead,)."""
    return tuple(_rms(u, lead) for u in steps)


def capped(factors: Sequence[Array], scales: Sequence[Array], lengths: Sequence[Array], /) -> tuple[Array, ...]:
    """m_k, or less where T_k would grow so much in one step that what the factors multiply to is no number any more.

    RMS(m_k u_k) ≤ GROWTH^(1/n) RMS(T_k) of the n factors, each for itself, but for one of zeros: nothing is multiplied by it.

    lengths  RMS(u_k)
    """
    lead, most = scales[0].ndim, GROWTH ** (1 / len(factors))
    sizes = [(_rms(f, lead), m * length) for f, m, length in zip(factors, scales, lengths, strict=True)]
    return tuple(
        namespace(m).where((size > 0) & (step > most * size), m * (most * size / nonzero(step)), m)
        for m, (size, step) in zip(scales, sizes, strict=True)
    )


def reach(scales: Sequence[Array], lengths: Sequence[Array], slopes: Sequence[Array] | None = None, /) -> Array:
    """How far W may move, in RMS: FURTHEST × a dense step, which is the mean of RMS(u_k), or of RMS(u_k)/e_k; (*lead,).

    Of a rule whose step has one length whatever the gradient, a factor's own step says it; of a linear one, the step over
    the factor's gradient, times the gradient of W. The mean is over the factors that move W.

    scales   m_k, (*lead,)
    lengths  RMS(u_k) of what the inner rule did to each factor, before m_k, (*lead,)
    slopes   e_k of `slopes`, for rule "gradient"
    """
    xp = namespace(*lengths)
    if slopes is not None:  # of a factor that has no gradient, and yet moves, nothing is known
        lengths = [
            xp.where(e > 0, r / nonzero(e), math.inf * xp.ones_like(r)) for r, e in zip(lengths, slopes, strict=True)
        ]
    alive = [m > 0 for m in scales]
    told = [xp.where(a, r, xp.zeros_like(r)) for a, r in zip(alive, lengths, strict=True)]
    count = [xp.astype(a, r.dtype) for a, r in zip(alive, lengths, strict=True)]
    return FURTHEST * sum(told[1:], told[0]) / nonzero(sum(count[1:], count[0]))


def slopes(gradient: Array, pulled: Sequence[Array], lead: int, /) -> tuple[Array, ...]:
    """e_k = RMS(∂L/∂T_k) / RMS(∂L/∂W), each (*lead,); 0 where there is no gradient."""
    dense = nonzero(_rms(gradient, lead))
    return tuple(_rms(p, lead) / dense for p in pulled)


class Share(NamedTuple):
    """The share of a step that W may take, as far as it is known; each (*lead,).

    share  to take where `known`, else to try next
    known  whether W goes no further than it may with that share, and nearly as far
    low    the largest share that was seen to be short, and how far W goes with it; (0, 0) before there is one
    high   the smallest one that was seen to be long, and how far
    """

    share: Array
    known: Array
    low: tuple[Array, Array]
    high: tuple[Array, Array]


def share(reach: Array, before: Array, after: Array, n: int, /) -> Share:
    """Before any is tried: 1, and known, but where W would go further than `reach`.

    There r = reach/‖ΔW‖, with which W ends at `reach` to first order; but where W would go FAR too far, r^(1/n): the product
    of the n factors' steps has the most of it then, as beside a rate that is large for the weight.
    """
    xp = namespace(before, after)
    there = _rms(after - before, reach.ndim)
    known, one, zero = xp.logical_not(there > reach), xp.ones_like(reach), xp.zeros_like(reach)
    first = reach / nonzero(there)
    first = xp.where(first * FAR > 1, first, first ** (1 / n))
    return Share(xp.where(known, one, first), known, (zero, zero), (one, there))


def tried(found: Share, reach: Array, before: Array, after: Array, /) -> Share:
    """After `found.share` of the step: known where W is near `reach`, else what the line through both ends says.

    ‖ΔW(s)‖ is between s and sⁿ times what it is at 1, so that it is nearly straight over log s; where it bends it does so
    upwards, and the line from a short share to a long one finds one that is short again, if not by much.
    """
    xp = namespace(before, after)
    length = _rms(after - before, reach.ndim)
    short = length <= reach
    low, high = (
        tuple(xp.where(is_it, new, old) for new, old in zip((found.share, length), end, strict=True))
        for is_it, end in ((short, found.low), (xp.logical_not(short), found.high))
    )
    known = xp.logical_or(found.known, xp.logical_and(length >= NEAR * reach, length <= BEYOND * reach))
    ends = [xp.log(nonzero(a) / nonzero(b)) for a, b in zip(high, low, strict=True)]
    slope = xp.maximum(ends[1] / nonzero(ends[0]), xp.ones_like(reach))
    between = low[0] * (reach / nonzero(low[1])) ** (1 / slope)
    shorter = high[0] * reach / nonzero(high[1])  # while none was short, to first order
    following = xp.minimum(xp.where(low[0] > 0, between, shorter), high[0])
    return Share(xp.where(known, found.share, following), known, low, high)


def _rms(x: Array, lead: int) -> Array:
    xp = namespace(x)
    return xp.sqrt(xp.mean(abs2(x), axis=tuple(range(lead, x.ndim))))
