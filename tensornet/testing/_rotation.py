"""The law of the rotations by which a teacher is aligned."""

from collections.abc import Sequence

from .._arrays import Array
from .._graph import is_tree
from ..alignment import distance_to, target
from ._alignment import mean_square
from ._case import Case
from ._gauge_invariance import assert_gauge_invariant, random_gauge
from ._law import require


def rotations_are_undone(case: Case) -> str | None:
    """A teacher rotated at random, in each block its own way, comes as near to the student as before, or nearer.

    The student itself, rotated, comes back to a distance of 0.
    """
    fmt = case.fmt
    if not fmt.auxiliary or not fmt.network.bonds or not is_tree(fmt.network.unshared):
        return "nothing is rotated, or in a loop, where no end is there to begin at"
    student, teacher = (fmt.decompose(case.weight(salt=who)) for who in ("student", "teacher"))

    def nearest(factors: Sequence[Array]) -> Array:
        return distance_to(fmt, student, target(fmt, student, factors, "procrustes"), "procrustes")

    rtol = 1e3 * case.tolerance
    assert_gauge_invariant(nearest, fmt, teacher, rtol=rtol, kinds=("orthogonal",), seed=case.seed)
    raw, turned = float(distance_to(fmt, student, teacher, "none")), float(nearest(teacher))
    require(turned <= raw * (1 + rtol), f"rotated, the teacher is {turned!r} away", f"at most {raw!r}, as it is")
    own = float(nearest(random_gauge(fmt, student, orthogonal=True, seed=case.seed)))
    allowed = 1e4 * case.tolerance**2 * mean_square(case, student)
    require(own <= allowed, f"the student itself, rotated, is {own:.1e} away", f"zero, at most {allowed:.0e}")
    return None
