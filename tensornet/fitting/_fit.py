"""fit: the factors of a weight in any network, by search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._arrays import Array, checked_weight, constant, namespace, nonzero, widest
from .._contract import contract
from .._errors import TensorNetError
from .._gauge import Gauge
from .._network import Network
from .._path import Path
from .._precise import frobenius, precise
from ._gauges import PASSES, check_gauge, in_gauge
from ._scale import balanced
from ._search import Search, beside, chosen, looked_at, search
from ._starts import Normal, at_random, from_unfoldings, generator, of_zero

if TYPE_CHECKING:
    from .._format import Format

SWEEPS, TOL = 30, 1e-4  # of `decompose`, where a search begins a training; `fit` is for more


@dataclass(frozen=True)
class Fit:
    """The best of several searches.

    factors    one array (*lead, *shape) for each factor, in the dtype of the weight
    error      ‖W − contract(factors)‖ / ‖W‖ (*lead,), Frobenius norms, of those very factors in the widest dtype; of a zero
               weight, ‖contract(factors)‖
    errors     that of each search (restarts, *lead), before its factors were rounded to the dtype of the weight, and
               with what is in the padding of a padded format
    sweeps     how many each search made
    converged  whether the searches that gave the factors had stopped by themselves
    """

    factors: tuple[Array, ...]
    error: Array
    errors: Array
    sweeps: tuple[int, ...]
    converged: bool


def fit(
    fmt: "Format | Network",
    w: Array,
    /,
    *,
    factors: Sequence[Array] | None = None,
    restarts: int = 3,
    sweeps: int = 200,
    tol: float = 1e-8,
    normal: Normal | None = None,
) -> Fit:
    """Factors whose contraction comes near w, by alternating least squares, of any network: trees, loops, hyperedges.

    fmt       a format, or a bare network
    w         (*lead, *fmt.shape): each of the stack is a problem of its own; of a network (*lead, rows, cols)
    factors   where to start the first search; None starts it from the singular vectors of w (see _starts)
    restarts  how many searches; all but the first start at random, and the best is taken
    sweeps    at most so many over all factors in each search
    tol       stop once a sweep lowers the error by less than this share of it
    normal    shape → independent standard normal entries, (e.g. from torch.randn); None takes fixed ones
    raises: TensorNetError for a weight or factors of another shape or dtype, NaN or Inf, and in jit, because it looks at values
    """
    network = _network(fmt)
    _check(fmt, w, restarts, sweeps)
    w = checked_weight("fit", w, check_finite=True, takes_complex=isinstance(fmt, Network) or fmt.complex)
    matrix = widest(w if isinstance(fmt, Network) else fmt._as_matrix(w))
    lead = tuple(matrix.shape[:-2])
    start = None if factors is None else _checked_start(network, factors, matrix, lead)
    found = _searches(network, matrix, start, restarts, sweeps, tol, normal or generator(matrix))
    xp = namespace(w)
    made = [xp.astype(f, w.dtype) for f in _best(found)]
    errors = xp.stack([s.errors[-1] for s in found])
    best = xp.min(errors, axis=0)
    return Fit(
        factors=tuple(made),
        error=_error(fmt, w, made),
        errors=errors,
        sweeps=tuple(len(s.errors) - 1 for s in found),
        converged=all(s.converged for s in found if looked_at(xp.any(s.errors[-1] <= best))),
    )


def searched(fmt: "Format", w: Array, gauge: Gauge) -> list[Array]:
    """What Format._fill does where a format has none: one search, from the singular vectors of w (*lead, rows, cols)."""
    check_gauge(fmt, gauge)
    matrix = widest(w)
    found = _searches(fmt.network, matrix, None, 1, SWEEPS, TOL, generator(matrix))
    return [namespace(w).astype(f, w.dtype) for f in in_gauge(fmt, found[0].factors, gauge)]


def _searches(
    network: Network, matrix: Array, start: list[Array] | None, restarts: int, sweeps: int, tol: float, normal: Normal
) -> list[Search]:
    """Each with the matrix scaled to entries up to 1, whose squares neither over- nor underflow."""
    xp, n, lead, found = namespace(matrix), len(network.factors), tuple(matrix.shape[:-2]), []
    top = xp.max(xp.abs(matrix), axis=(-2, -1))
    unit = nonzero(top)
    share = xp.astype(unit ** (1 / n), matrix.dtype)
    w = xp.reshape(
        matrix / xp.astype(unit, matrix.dtype)[..., None, None], (*lead, *(network.size[i] for i in network.output))
    )
    for number in range(restarts):
        if number:
            begin = at_random(network, lead, normal)
        elif start is None:
            begin = from_unfoldings(network, w, normal)
        else:
            begin = [f / beside(share, f) for f in start]
        done = search(network, w, begin, sweeps=sweeps, tol=tol)
        factors = [f * beside(share, f) for f in balanced(network, done.factors, passes=PASSES)]
        if not looked_at(xp.all(top > 0)):
            instead = of_zero(network, lead, normal)
            factors = chosen(top > 0, factors, instead)
        found.append(replace(done, factors=factors))
    return found


def _best(found: list[Search]) -> list[Array]:
    """Of each weight in the stack, the factors of the search with the lowest error."""
    factors, error = found[0].factors, found[0].errors[-1]
    for other in found[1:]:
        xp, better = namespace(error), other.errors[-1] < error
        factors = chosen(better, other.factors, factors)
        error = xp.where(better, other.errors[-1], error)
    return factors


def _error(fmt: "Format | Network", w: Array, factors: list[Array]) -> Array:
    """‖W − contract(factors)‖ / ‖W‖ in the widest dtype, safe where squares overflow."""
    w, wide, lead = widest(w), precise(factors), factors[0].ndim - len(_network(fmt).factors[0])
    made = contract(Path.of_matrix(fmt), wide) if isinstance(fmt, Network) else fmt.contract(wide)
    return frobenius(w - made, lead) / nonzero(frobenius(w, lead))


def _network(fmt: "Format | Network") -> Network:
    return fmt if isinstance(fmt, Network) else fmt.network


def _checked_start(network: Network, factors: Sequence[Array], matrix: Array, lead: tuple[int, ...]) -> list[Array]:
    needed, got = [lead + s for s in network.shapes], [tuple(f.shape) for f in factors]
    if got != needed:
        raise TensorNetError(
            f"fit: got factors of shapes {got} to start from, needed {needed}, because those are the network's with the batch "
            f"axes of the weight; pass such, or None to start from the singular vectors of the weight"
        )
    return [namespace(matrix, f).astype(widest(constant(f)), matrix.dtype) for f in factors]


def _check(fmt: "Format | Network", w: Array, restarts: int, sweeps: int) -> None:
    for name, number in (("restarts", restarts), ("sweeps", sweeps)):
        if not (isinstance(number, int) and number >= 1):
            raise TensorNetError(
                f"fit: {name}={number!r}, needed an integer of at least 1, because without a search there is nothing; pass one"
            )
    xp = namespace(w)
    if tuple(w.shape[-len(fmt.shape) :]) != fmt.shape:
        if not isinstance(fmt, Network):
            raise fmt.shape_error(tuple(w.shape))
        raise TensorNetError(
            f"fit: got a weight of shape {tuple(w.shape)}, needed (…, {fmt.shape[0]}, {fmt.shape[1]}), the matrix that the "
            f"network contracts to; reshape it"
        )
    looked_at(xp.all(w == w))
