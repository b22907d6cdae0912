"""The tensor alignment loss of OPDF, as printed and in two gauges that make it mean something.

Factors are defined only up to a gauge, and two decompositions of nearly the same matrix differ by arbitrary signs and
rotations. Compared as they are (Eq. 5 as printed), a teacher's factors are a target with random signs.
"""

import math
from collections.abc import Sequence

from .._arrays import Array, abs2, constant, namespace
from .._errors import TensorNetError
from .._format import Format
from .._gauge import Gauge
from ._invariant import Reduced, reduced_distance, reduced_distance_and_gradient
from ._procrustes import rotated

GAUGES = ("procrustes", "none", "invariant")


def align(
    fmt: Format,
    student: Sequence[Array],
    teacher: Sequence[Array],
    /,
    *,
    gauge: str = "procrustes",
    form: Gauge = "balanced",
    teacher_format: Format | None = None,
) -> Array:
    """How far the student's auxiliary factors are from the teacher's; the central factor is left free.

    "none"        L = 1/n Σ_k MSE(S_k, T_k) over the n auxiliary factors: Eq. 5 of arXiv 2411.06448 as printed
    "procrustes"  the same, with the teacher put in the gauge `form` and its bonds rotated onto the student's:
                  min over orthogonal Q_b of 1/n Σ_k MSE(S_k, T_k·Q). The rotations are constants in the gradient, which
                  by the envelope theorem is the gradient of the minimum; no SVD is differentiated
    "invariant"   1/n Σ_k ‖ρ_k(S) − ρ_k(T)‖²/‖ρ_k(T)‖² over reduced Gram matrices: no gauge, of the student either, changes it

    student, teacher: factors of `fmt`, (*lead, *shape) each; the teacher is a constant
    form: for "procrustes", the gauge that the student was decomposed in
    teacher_format: the teacher's, where its central factor is of another shape than that of `fmt`; see
        `tensornet.planning.joint_formats`
    returns: a scalar, summed over lead axes; zero when the two are equal (for "procrustes", up to the gauge within
        `form`, and to what a student holds in its padding)
    """
    check_gauge("align", gauge)
    theirs = _checked_teacher(fmt, teacher_format)
    lead = {fmt.check_factors(student), theirs.check_factors(teacher)}
    if len(lead) > 1:
        raise TensorNetError(
            f"align: the factors have different leading batch axes {sorted(lead)}; needed the same for all, because they are "
            f"compared one by one; stack them alike"
        )
    if not fmt.auxiliary:
        raise TensorNetError(
            f"align: {fmt} has no auxiliary factor, so that there is nothing to align; use two cores or more"
        )
    teacher = tuple(constant(t) for t in teacher)
    if gauge == "procrustes":
        if fmt.matrix_shape == fmt.network.shape:
            teacher = theirs.regauge(teacher, form)
        else:  # what the teacher holds in its padding is no target
            teacher = fmt.decompose(fmt.contract(teacher), gauge=form, check_finite=False)
    return distance_to(fmt, student, prepared(theirs, target(fmt, student, teacher, gauge), gauge), gauge)


def _checked_teacher(fmt: Format, teacher_format: Format | None) -> Format:
    theirs = teacher_format or fmt
    ours, other = ([f.shapes[k] for k in f.auxiliary] for f in (fmt, theirs))
    if fmt.auxiliary != theirs.auxiliary or ours != other:
        raise TensorNetError(
            f"align: the auxiliary factors are {ours} and the teacher's {other}, needed the same, because Eq. 5 compares "
            f"factor by factor; take both formats from tensornet.planning.joint_formats"
        )
    return theirs


def factor_distance(fmt: Format, student: Sequence[Array], teacher: Sequence[Array]) -> Array:
    """1/n Σ_k MSE(S_k, T_k) over the auxiliary factors (Eq. 5)."""
    return factor_distance_and_gradient(fmt, student, teacher)[0]


def factor_distance_and_gradient(
    fmt: Format, student: Sequence[Array], teacher: Sequence[Array]
) -> tuple[Array, tuple[Array | None, ...]]:
    """`factor_distance` and  dL/dS_k = 2 (S_k − T_k) / (n |S_k|)."""
    xp, n = namespace(*student, *teacher), len(fmt.auxiliary)
    total, gradient = 0.0, [None] * len(fmt.shapes)
    for k in fmt.auxiliary:
        gap = student[k] - teacher[k]
        scale = n * math.prod(fmt.shapes[k])
        total = total + xp.sum(abs2(gap)) / scale
        gradient[k] = gap * (2 / scale)
    return total, tuple(gradient)


def check_gauge(who: str, gauge: str) -> None:
    if gauge not in GAUGES:
        raise TensorNetError(
            f"{who}: unknown alignment gauge {gauge!r}; there are {', '.join(GAUGES)}; choose one of them, 'procrustes' "
            f"if in doubt"
        )


def target(fmt: Format, student: Sequence[Array], teacher: Sequence[Array], gauge: str, /) -> tuple[Array, ...]:
    """What `distance_to` compares the student with until the next call: for Procrustes the teacher, rotated.

    teacher: factors in the gauge that the student was decomposed in
    """
    return tuple(rotated(fmt, student, teacher)) if gauge == "procrustes" else tuple(teacher)


def prepared(fmt: Format, target: Sequence[Array], gauge: str, /) -> Sequence[Array] | Reduced:
    """A target with all worked out that does not depend on the student: for "invariant" the teacher's Gram matrices."""
    return Reduced.of(fmt, target) if gauge == "invariant" else target


def distance_to(fmt: Format, student: Sequence[Array], target: Sequence[Array] | Reduced, gauge: str, /) -> Array:
    """The loss of `align` for a target that stands, `prepared` or not: no decomposition and no rotation is computed."""
    if gauge == "invariant" or isinstance(target, Reduced):
        return reduced_distance(fmt, student, target)
    return factor_distance(fmt, student, target)


def distance_and_gradient(
    fmt: Format, student: Sequence[Array], target: Sequence[Array] | Reduced, gauge: str, /
) -> tuple[Array, tuple[Array | None, ...]]:
    """`distance_to` and its gradient on the student's factors, in closed form: no autograd, so any array library.

    returns: the loss, and for each factor its gradient, or None for one that the loss does not see
    """
    if gauge == "invariant" or isinstance(target, Reduced):
        return reduced_distance_and_gradient(fmt, student, target)
    return factor_distance_and_gradient(fmt, student, target)
