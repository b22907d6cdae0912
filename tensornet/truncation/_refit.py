"""Truncation where there are no Schmidt values: of loops, and of indices that three factors or more share.

No cut of such a network has a spectrum of its own, so that nothing is known of the error before a smaller network has been
fitted. Then it is measured, and that is the certificate.
"""

from typing import Any

from .._arrays import Array, namespace, nonzero
from .._errors import TensorNetError
from .._format import Format
from .._gauge import Gauge
from .._precise import frobenius, precise
from ..fitting import fit, in_gauge
from ._precision import Precision
from ._result import Truncation
from ._target import Target
from ._terms import norm_of_products


def refit(target: Target, w: Array, gauge: Gauge, precision: Precision, terms: Array | None = None) -> Truncation:
    """A smaller format of w (*lead, *shape) by alternating least squares, all of its sizes under one cap.

    eps: the lowest cap, by bisection, whose measured error (of a stack the worst) is small enough
    terms: (*lead,) the norm of the products that were added up to w, none if it was given
    raises: TensorNetError if not even the sizes that are there now reach eps; in jit, because a search looks at values
    """

    def fitted(fmt: Format) -> Truncation:
        return _fitted(fmt, w, gauge, precision, terms)

    if target.kind in ("to", "max_bond"):
        return fitted(target.value if target.kind == "to" else capped(target.fmt, int(target.value)))
    size = target.fmt.network.size
    low, high = 0, max([size[i] for i in target.fmt.network.summed], default=1)  # too small, and perhaps enough
    if target.kind == "num_params":
        while high > 1 and capped(target.fmt, high).num_params > target.value:
            high -= 1
        if capped(target.fmt, high).num_params > target.value:
            raise _unreached(target, f"{capped(target.fmt, 1).num_params} parameters with all sizes 1")
        return fitted(capped(target.fmt, high))
    best = fitted(target.fmt)
    if not _within(best, target.value):
        raise _unreached(target, f"an error of {float(namespace(w).max(best.bound)):.1e} at the sizes that it has")
    while high - low > 1:
        middle = (low + high) // 2
        tried = fitted(capped(target.fmt, middle))
        low, high, best = (low, middle, tried) if _within(tried, target.value) else (middle, high, best)
    return best


def capped(fmt: Format, cap: int) -> Format:
    """fmt with no summed index above `cap`."""
    size = fmt.network.size
    return fmt.resized({i: min(size[i], cap) for i in fmt.network.summed})


def _fitted(fmt: Format, w: Array, gauge: Gauge, precision: Precision, terms: Array | None) -> Truncation:
    """By the closed form where the format has one, else by search; with the error of the factors as they are given back."""
    xp, lead = namespace(w), w.ndim - len(fmt.shape)
    found = fmt.decompose(w, gauge=gauge) if fmt.exact else in_gauge(fmt, fit(fmt, w).factors, gauge)
    factors = tuple(xp.astype(f, precision.dtype, copy=False) for f in found)
    wide, size = precise(factors), frobenius(w, lead)
    error = frobenius(w - fmt.contract(wide), lead) / nonzero(size)
    added = norm_of_products(fmt, wide, lead)  # a search may end at factors that cancel
    noise = precision.noise_of(size, size, added if terms is None else xp.maximum(added, terms))
    return Truncation(fmt, factors, error + noise * (1 + error), lambda: error)


def _within(made: Truncation, eps: float) -> bool:
    return bool(namespace(made.bound).all(made.bound <= eps))


def _unreached(target: Target, least: str) -> TensorNetError:
    goal: dict[str, Any] = {target.kind: target.value}
    return TensorNetError(
        f"{target.who}: {goal}, needed what {type(target.fmt).__name__} can reach, {least}, because a network with loops or "
        f"shared indices is fitted, not cut; allow more, or take a larger format"
    )
