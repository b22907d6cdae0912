"""Laws of training: no weight is stuck, whatever it is and whichever gauge it is in."""

import math
from collections.abc import Sequence

from .._arrays import Array
from .._format import Format
from ._case import Case
from ._law import require
from ._matrices import rank_deficient
from ._measure import inner, largest, norm, total_norm

STEPS = 500  # of gradient descent
JACOBIAN = 512  # entries of W up to which the Jacobian of the contraction is formed


def steps_go_downhill(case: Case) -> None:
    """A gradient step on the factors moves W against dW: for any W, zero included, any dW and every gauge."""
    fmt = case.fmt
    slopes = [case.normal(*fmt.shape, salt=f"slope {n}") for n in range(2)]
    for what, w in _starts(case):
        for gauge in case.gauges:
            factors = fmt.decompose(w, gauge=gauge)
            for slope in slopes:
                if not case.is_full:  # of a slope that the format cannot follow nothing could be asked
                    slope = fmt.contract(fmt.decompose(slope))
                share = _descent(case, factors, w, slope)
                found = (
                    f"from a {what} W in gauge {gauge!r} a small step moves W by {share:.1e} of what its gradient says"
                )
                require(share > 0.5, found, "about 1 against dW")


def every_direction_reached(case: Case) -> str | None:
    """The Jacobian of the contraction has full row rank in the balanced and identity gauges: no dW whatever is dead."""
    fmt, xp = case.fmt, case.xp
    entries = math.prod(fmt.shape)
    if not case.is_full or entries > JACOBIAN:
        return "not every matrix is in the format" if not case.is_full else f"W has more than {JACOBIAN} entries"
    basis = xp.reshape(xp.eye(entries, dtype=case.dtype, device=case.device), (-1, *fmt.shape))
    # What two floors multiply to is still far above rounding in float64, and may be below it in float32.
    least = 1e-9 if case.tolerance < 1e-9 else 1e-7
    for what, w in _starts(case):
        for gauge in ("balanced", "identity"):
            if gauge not in case.gauges:
                continue
            pulled = fmt.pullback(fmt.decompose(w, gauge=gauge), basis)
            jacobian = xp.concat([xp.reshape(p, (entries, -1)) for p in pulled], axis=1)
            values = xp.linalg.svdvals(jacobian)
            ratio = float(values[-1]) / (largest(values) or 1.0)
            found = (
                f"from a {what} W in gauge {gauge!r} the weakest direction has {ratio:.1e} of the strongest's gradient"
            )
            require(ratio > least, found, f"more than {least:.0e}")
    return None


def zero_weight_learns(case: Case) -> None:
    """A zero weight fits a target by plain gradient descent, in every gauge.

    Where not every weight is in the format, one of three targets will do: isometries may happen to see nothing of one.
    """
    fmt = case.fmt
    needed, salts = (0.05, [""]) if case.is_full else (0.5, ["", " 2", " 3"])
    for gauge in case.gauges:
        factors, left = fmt.decompose(case.xp.zeros_like(case.weight()), gauge=gauge), math.inf
        for salt in salts:
            if left < needed:
                break
            target = case.weight(salt=f"target{salt}")
            target = target / float(case.xp.max(case.xp.linalg.svdvals(case.xp.reshape(target, fmt.matrix_shape))))
            left = min(left, _descend(fmt, factors, target, enough=needed))
        found = f"in gauge {gauge!r} {left:.1%} of the squared error is left after {STEPS} steps"
        require(left < needed, found, f"less than {needed:.0%}")


def _starts(case: Case) -> list[tuple[str, Array]]:
    w = case.weight()
    starts = [("random", w / norm(w)), ("zero", case.xp.zeros_like(w))]
    if case.is_full:
        deficient = rank_deficient(case)
        starts.append(("rank-deficient", deficient / norm(deficient)))
    return starts


def _descent(case: Case, factors: Sequence[Array], w: Array, slope: Array) -> float:
    """How far W moves against `slope`, over what the gradient predicts, for a step small enough; 0 if it does not."""
    fmt = case.fmt
    gradients = fmt.pullback(factors, slope)
    size = total_norm(gradients)
    if not size > 1e-6 * norm(slope):
        return 0.0
    here, best = fmt.contract(factors), 0.0
    for share in (1e-1, 1e-2, 1e-3, 1e-4):
        rate = share * (total_norm(factors) or 1.0) / size
        there = fmt.contract([f - rate * g for f, g in zip(factors, gradients, strict=True)])
        best = max(best, -inner(slope, there - here) / (rate * size**2))
        if best > 0.5:
            break
    return best


def _descend(fmt: Format, factors: Sequence[Array], target: Array, *, enough: float) -> float:
    """The share of ‖W − target‖² that gradient descent leaves, once that is `enough`, or after STEPS steps."""
    start = norm(target) ** 2
    rate, error = 0.5, fmt.contract(factors) - target
    for _ in range(STEPS):
        if norm(error) ** 2 < enough * start:
            break
        gradients = fmt.pullback(factors, error)
        tried = [f - rate * g for f, g in zip(factors, gradients, strict=True)]
        after = fmt.contract(tried) - target
        if not norm(after) <= norm(error):  # too long a step for the factors as they are now
            rate /= 2
            continue
        factors, error = tried, after
    return norm(error) ** 2 / start
