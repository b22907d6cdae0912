"""Laws of apply beyond one matrix: stacks, limits, and factors that stay as they are."""

from collections.abc import Sequence

from .._arrays import Array
from ..cost import Applied
from ._case import Case
from ._law import require
from ._measure import norm


def apply_carries_lead_axes(case: Case) -> None:
    """A stack of matrices is applied to a stack of x as its members are, over one lead axis or two."""
    fmt = case.fmt
    factors = case.factors(2)
    x = case.normal(2, 3, fmt.matrix_shape[1])
    y = fmt.apply(factors, x)
    require(tuple(y.shape) == (2, 3, fmt.matrix_shape[0]), f"y is {tuple(y.shape)}", f"{(2, 3, fmt.matrix_shape[0])}")
    for n in range(2):
        one = [f[n, ...] for f in factors]
        _same(case, f"member {n} of a stack", y[n, ...], fmt.apply(one, x[n, ...]), one, x)
    deeper = fmt.apply([f[:, None, ...] for f in factors], x[:, None, :1, :])
    _same(case, "a stack over two axes", deeper[:, 0, ...], y[:, :1, :], factors, x)


def prepared_is_apply(case: Case) -> None:
    """However many factors are constant, and whatever order that makes the quickest, y is the same."""
    fmt, n = case.fmt, len(case.fmt.shapes)
    factors, x = case.factors(), case.normal(5, case.fmt.matrix_shape[1])
    want = fmt.apply(factors, x)
    for fixed in (range(n), (), range(n // 2), (n - 1,)):
        applied: Applied = fmt.prepare(factors, batch=5, calls=9, constant=fixed)
        varying = [factors[k] for k in range(n) if k not in fixed]
        _same(case, f"constant factors {tuple(fixed)}", applied(x, *varying), want, factors, x)
        _same(case, "another number of rows", applied(x[:1, :], *varying), want[:1, :], factors, x)


def _same(case: Case, what: str, got: Array, want: Array, factors: Sequence[Array], x: Array) -> None:
    size = norm(x) * norm(case.fmt.contract(factors))
    error = norm(got - want)
    require(error <= 10 * case.tolerance * size, f"{what}: apply differs by {error / size:.1e} ‖x‖ ‖W‖", "equality")
