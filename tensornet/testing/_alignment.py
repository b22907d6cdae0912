"""Laws of alignment: zero at equality, and blind to the gauge where it says so."""

import math
from collections.abc import Sequence

from .._arrays import Array
from .._graph import is_tree
from ..alignment import align, distance_and_gradient, distance_to, target
from ._case import Case
from ._gauge_invariance import assert_gauge_invariant, regauged
from ._law import require
from ._measure import inner, norm


def zero_at_equality(case: Case) -> str | None:
    """A student equal to its teacher has no loss, in any alignment gauge."""
    if not case.fmt.auxiliary:
        return "the format has no auxiliary factor"
    equal = case.fmt.decompose(case.weight())
    size = mean_square(case, equal)
    for gauge in _gauges(case):
        loss = float(align(case.fmt, equal, equal, gauge=gauge))
        # a square of relative roundings, of which the Procrustes gauge sees two decompositions' worth
        allowed = 1e4 * case.tolerance**2 * (1.0 if gauge == "invariant" else size)
        require(
            0.0 <= loss <= allowed, f"the {gauge} loss of equal factors is {loss:.1e}", f"zero, at most {allowed:.0e}"
        )
    return None


def blind_to_the_gauge(case: Case) -> str | None:
    """procrustes is unmoved by the teacher's gauge, invariant also by the student's; Eq. 5 as printed is moved.

    Where bonds close a loop, invariant alone: no end is there for procrustes to begin at but the teacher's own gauge.
    """
    fmt = case.fmt
    if not fmt.auxiliary or not fmt.network.bonds:
        return "the format has no auxiliary factor" if not fmt.auxiliary else "the network has no bonds"
    student, teacher = (fmt.decompose(case.weight(salt=who)) for who in ("student", "teacher"))
    rtol = 1e3 * case.tolerance
    if is_tree(fmt.network.unshared):
        assert_gauge_invariant(lambda t: align(fmt, student, t, gauge="procrustes"), fmt, teacher, rtol=rtol)
    if "invariant" in _gauges(case):
        assert_gauge_invariant(lambda t: align(fmt, student, t, gauge="invariant"), fmt, teacher, rtol=rtol)
        assert_gauge_invariant(lambda s: align(fmt, s, teacher, gauge="invariant"), fmt, student, rtol=rtol)
    here = float(align(fmt, student, teacher, gauge="none"))
    moved = [float(align(fmt, student, t, gauge="none")) for _, t in regauged(fmt, teacher, seed=case.seed)]
    farthest = max(abs(there - here) for there in moved)
    require(farthest > 1e-3 * here, f"Eq. 5 as printed is {here!r} in every gauge", "a loss of raw factors that moves")
    return None


def gradient_is_the_slope(case: Case) -> str | None:
    """distance_and_gradient gives the loss of distance_to and its slope along any change of any factor."""
    fmt = case.fmt
    if not fmt.auxiliary:
        return "the format has no auxiliary factor"
    student, teacher = (fmt.decompose(case.weight(salt=who)) for who in ("student", "teacher"))
    for gauge in _gauges(case):
        aim = target(fmt, student, teacher, gauge)
        loss, gradient = distance_and_gradient(fmt, student, aim, gauge)
        for k, part in enumerate(gradient):
            step = case.normal(*fmt.shapes[k], salt="step")
            step = step * (0.3 * norm(student[k]) / norm(step))
            at = {
                s: float(distance_to(fmt, [*student[:k], student[k] + s * step, *student[k + 1 :]], aim, gauge))
                for s in (-2, -1, 0, 1, 2)
            }
            # five points are exact here: the loss is of degree 4 in one factor, or less
            want = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / 12
            found, room = 0.0 if part is None else inner(part, step), 100 * case.tolerance * max(at.values())
            require(
                abs(found - want) <= room, f"{gauge}: the slope by factor {k} is {found!r}", f"{want!r} ± {room:.0e}"
            )
        require(abs(float(loss) - at[0]) <= room, f"{gauge}: the loss is {float(loss)!r}", f"{at[0]!r}, as distance_to")
    return None


def _gauges(case: Case) -> tuple[str, ...]:
    """The alignment gauges that see something: the invariant one needs rows or columns in an auxiliary factor."""
    network = case.fmt.network
    seen = [i for k in case.fmt.auxiliary for i in network.factors[k] if i in network.output and network.size[i] > 1]
    return ("none", "procrustes", "invariant") if seen else ("none", "procrustes")


def mean_square(case: Case, factors: Sequence[Array]) -> float:
    """Of the entries of auxiliary factors."""
    sizes = [norm(factors[k]) ** 2 / math.prod(case.fmt.shapes[k]) for k in case.fmt.auxiliary]
    return sum(sizes) / len(sizes)
