"""The law of distances: that of the dense matrices, in every gauge."""

from collections.abc import Sequence

from .. import _distance, _norm
from .._arrays import Array
from .._precise import precise
from ._case import Case
from ._gauge_invariance import assert_gauge_invariant
from ._law import require
from ._measure import norm


def distance_is_dense(case: Case) -> None:
    """‖A − B‖ for a B far from A, one near it, and A itself; both ways round, in other gauges, and of stacks."""
    fmt, xp = case.fmt, case.xp
    a, far = case.factors(), case.factors(salt="far")
    near = [x + 1e-5 * y for x, y in zip(a, far, strict=True)]
    size = norm(_dense(case, a)) + norm(_dense(case, far))
    eps = float(xp.finfo(_dense(case, a).dtype).eps)
    # By float32 near ones are some 1e-5 apart, and measured to 2 eps: with more room, 0 would pass for their distance.
    room, close = (1e-12 * size,) * 2 if eps < 1e-12 else (1e-5 * size, 10 * eps * size)
    for what, b, allowed in (("far from", far, room), ("near", near, close), ("equal to", a, close)):
        got, back = float(_between(case, a, b)), float(_between(case, b, a))
        want = norm(_dense(case, a) - _dense(case, b))
        found = f"B {what} A: the distance is {got!r}, and {back!r} the other way round"
        good = abs(got - want) <= allowed and abs(got - back) <= allowed
        require(good, found, f"{want!r} ± {allowed:.0e}, as dense matrices")
    got, want = float(_norm.norm(fmt, a)), norm(_dense(case, a))
    require(abs(got - want) <= room, f"the norm is {got!r}", f"{want!r} ± {room:.0e}, as a dense matrix")
    stacks = [[xp.stack([x, y]) for x, y in zip(a, b, strict=True)] for b in (far, near)]
    both = _between(case, *stacks)
    require(both.shape == (2,), f"two stacks of two have distances of shape {both.shape}", "(2,)")
    alone = float(_between(case, far, near))
    error = max(float(both[0]), abs(float(both[1]) - alone))
    require(error <= room, f"members of a stack are {error:.1e} from their distances alone", f"at most {room:.0e}")
    if not fmt.network.unshared.summed:  # of one factor, say, there is no other gauge
        return
    moved = 100 * case.tolerance * size  # by the roundings of the gauge itself, so that of near ones nothing is left
    kinds = ("orthogonal", "invertible")
    assert_gauge_invariant(lambda f: _between(case, f, far), fmt, a, rtol=0.0, atol=moved, kinds=kinds, seed=case.seed)


def _between(case: Case, a: Sequence[Array], b: Sequence[Array]) -> Array:
    return _distance.distance(case.fmt, a, case.fmt, b)


def _dense(case: Case, factors: Sequence[Array]) -> Array:
    return case.fmt.contract(precise(factors))
