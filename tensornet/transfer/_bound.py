"""The bound on the step of W: what the factors' steps multiply to is not much longer than a dense step of the same rule."""

import math
from collections.abc import Sequence

from .._arrays import Array, abs2, namespace, nonzero

# In RMS, over that of a dense step. Factors cannot go straight where a dense step goes: a step that does as much is 1 to 1.8
# times as long (two to ten factors of an MPO), before products of the factors' steps add to it.
FURTHEST = 2.0


def reach(scales: Sequence[Array], steps: Sequence[Array], slopes: Sequence[Array] | None = None, /) -> Array:
    """How far W may move, in RMS: FURTHEST × a dense step, which is the mean of RMS(u_k), or of RMS(u_k)/e_k; (*lead,).

    Of a rule whose step has one length whatever the gradient, a factor's own step says it; of a linear one, the step over
    the factor's gradient, times the gradient of W. The mean is over the factors that move W.

    scales  m_k, (*lead,)
    steps   u_k, (*lead, *shape): what the inner rule did to each factor, before m_k
    slopes  e_k of `slopes`, for rule "gradient"
    """
    xp = namespace(*steps)
    lead = scales[0].ndim
    lengths = [_rms(u, lead) for u in steps]
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


def share(reach: Array, before: Array, after: Array, /) -> Array:
    """The share of the step to take, (*lead,): 1, or less where W would go further than `reach`, by so much less.

    To first order W then ends at `reach`; it was seen within 4 % of it.
    """
    xp = namespace(before, after)
    there = _rms(after - before, reach.ndim)
    far = there > reach
    return xp.where(far, reach / nonzero(there), xp.ones_like(reach))


def _rms(x: Array, lead: int) -> Array:
    xp = namespace(x)
    return xp.sqrt(xp.mean(abs2(x), axis=tuple(range(lead, x.ndim))))
