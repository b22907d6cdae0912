"""The law of formats whose decompose searches: what can be asked where no formula promises the best factors."""

from .._arrays import Array
from ._case import Case
from ._law import require
from ._measure import inner, norm, relative

GAIN = 1e-3  # of ‖W‖², that a step of one factor may still take off the squared error


def ends_where_nothing_is_gained(case: Case) -> str | None:
    """A search ends near a stationary point, no farther than zero is, zero at zero, and as near at every scale of W."""
    fmt = case.fmt
    if not fmt.iterative:
        return "decompose is a formula"
    zero = case.xp.zeros_like(case.weight())
    require(norm(fmt.contract(fmt.decompose(zero))) == 0.0, "a zero W comes back as another", "zero")
    for what, w in (("random", case.normal(*fmt.shape)), ("representable", case.weight())):
        found = fmt.decompose(w)
        left = relative(fmt.contract(found), w)
        require(
            left <= 1.0 + case.tolerance, f"a {what} W is missed by {left:.3g} of itself", "no more than zero misses"
        )
        for scale in (1e20, 1e-20):
            scaled = relative(fmt.contract(fmt.decompose(scale * w)), scale * w)
            room = 0.05 * left + 1e3 * case.tolerance
            require(
                scaled <= left + room, f"{scale:.0e} × a {what} W is missed by {scaled:.3g}", f"{left:.3g}, as W is"
            )
        if left > 1e3 * case.tolerance:  # not a rounding, in which no step makes a difference
            gains = [_gain(case, found, w, k) * left**2 for k in range(len(found))]
            k = gains.index(max(gains))
            more = f"a step of factor {k} alone takes {gains[k]:.1e} of ‖W‖² off the squared error of a {what} W"
            require(gains[k] <= GAIN, more, f"less than {GAIN:.0e}")
    return None


def _gain(case: Case, factors: tuple[Array, ...], w: Array, k: int) -> float:
    """cos² between what is missed and what a gradient step of factor k changes: the share that the best step takes off."""
    missed = case.fmt.contract(factors) - w
    step = case.fmt.pullback(factors, missed)[k]
    size = norm(step)
    if size == 0.0:
        return 0.0
    change = case.fmt.contract([*factors[:k], step / size, *factors[k + 1 :]])
    return (inner(missed, change) / (norm(missed) * norm(change))) ** 2
