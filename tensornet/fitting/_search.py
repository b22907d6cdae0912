"""Alternating least squares: one factor after the other becomes the best one beside all others."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from .._arrays import Array, namespace, nonzero
from .._contract import contract
from .._errors import TensorNetError
from .._network import Network
from .._path import Path
from ._problem import Problem
from ._scale import balanced

REACH = 1.0  # at least; half as much again after each success, half after a failure


@dataclass(frozen=True)
class Search:
    """Where alternating least squares came to.

    errors      the relative error (*lead,) at the start and after each sweep: it never rises
    converged   whether the last sweep lowered no error by more than `tol` of it
    """

    factors: list[Array]
    errors: list[Array]
    converged: bool


def search(network: Network, w: Array, start: Sequence[Array], *, sweeps: int, tol: float) -> Search:
    """From `start` towards w (*lead, *sizes of the output), of entries up to 1. Each step can only lower the error
    (Kolda and Bader 2009, doi 10.1137/07070111X, sec. 3.4, for CP).

    Between sweeps, the way of the last one is gone on for `reach` times its length wherever that lowers the error too, which
    shortens the long walks through flat valleys that the method is known for (line search: Rajih, Comon, Harshman 2008, doi
    10.1137/06065577).
    """
    missed = partial(_missed, network, Path.of_matrix(network), w)
    problems = [Problem.of(network, k) for k in range(len(network.factors))]
    here, converged = balanced(network, start), False
    errors = [missed(here)]
    reach = REACH * namespace(w).ones_like(errors[0])
    for _ in range(sweeps):
        before = here
        for problem in problems:
            here = [*here[: problem.k], problem.solution(w, here), *here[problem.k + 1 :]]
        here = balanced(network, here)
        error = missed(here)
        ahead = [f + beside(reach, f) * (f - b) for f, b in zip(here, before, strict=True)]
        xp, farther = namespace(error), missed(ahead)
        better = farther < error
        here = chosen(better, ahead, here)
        reach = xp.where(better, 1.5 * reach, xp.maximum(reach / 2, REACH * xp.ones_like(reach)))
        errors.append(xp.where(better, farther, error))
        if _settled(errors[-2], errors[-1], tol, 4 * float(xp.finfo(w.dtype).eps)):
            converged = True
            break
    return Search(here, errors, converged)


def _missed(network: Network, path: Path, w: Array, factors: Sequence[Array]) -> Array:
    """‖W − contract(factors)‖ / ‖W‖ (*lead,)."""
    xp, lead = namespace(w, *factors), tuple(w.shape[: w.ndim - len(network.output)])
    size = xp.linalg.vector_norm(xp.reshape(w, (*lead, -1)), axis=-1)
    missed = xp.reshape(w, (*lead, -1)) - xp.reshape(contract(path, factors), (*lead, -1))
    return xp.linalg.vector_norm(missed, axis=-1) / nonzero(size)


def chosen(where: Array, these: Sequence[Array], those: Sequence[Array]) -> list[Array]:
    """Of each weight in a stack, the factors of `these` where `where` (*lead,) says so, else of `those`."""
    return [namespace(a).where(beside(where, a), a, b) for a, b in zip(these, those, strict=True)]


def beside(x: Array, factor: Array) -> Array:
    """x (*lead,) → (*lead, 1, …), to go with a factor (*lead, …)."""
    return namespace(x).reshape(x, (*x.shape, *(1,) * (factor.ndim - x.ndim)))


def _settled(before: Array, after: Array, tol: float, rounding: float) -> bool:
    xp = namespace(before, after)
    return looked_at(xp.all((before - after <= tol * before) | (after <= rounding)))


def looked_at(value: Array) -> bool:
    """A truth value, or an error that says why there is none."""
    try:
        return bool(value)
    except (TypeError, RuntimeError) as error:  # JAX's tracers, PyTorch's vmap
        raise TensorNetError(
            "fit: got a traced weight, needed one with values, because the search stops when the error does not fall any "
            "more; call it outside jit and vmap (a stack of weights is taken as it is)"
        ) from error
