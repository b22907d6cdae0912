"""Laws of truncation: what it promises, it keeps."""

from collections.abc import Sequence
from typing import Any

from .._arrays import Array, widest
from .._format import Format
from .._graph import is_tree, sides
from ..truncation import spectra, truncate
from ._case import Case
from ._gauges import schmidt
from ._law import require
from ._measure import norm, relative


def certificate_holds(case: Case) -> str | None:
    """The true error is at most the bound, at most eps where one was asked for, and is what `error` says."""
    if _lacks_resized(case.fmt):
        return "the format has no resized"
    w = case.weight()
    factors = case.fmt.decompose(w)
    goals: list[dict[str, Any]] = [{"max_bond": 1}]  # all there is time for where a goal takes a search
    if is_tree(case.fmt.network.unshared):
        goals += [{"eps": 0.5}, {"eps": 0.05}, {"max_bond": 2}]
    for goal in goals:
        made = truncate(case.fmt, factors, **goal)
        true = relative(_dense(made.format, made.factors), _dense(case.fmt, factors))
        room = case.tolerance * (1.0 if widest(w).dtype == w.dtype else 1e-3)  # of what measures here
        for what, limit in (("bound", float(made.bound)), ("eps", goal.get("eps", float("inf")))):
            require(true <= limit + room, f"{goal}: the true error is {true!r}", f"at most the {what}, {limit!r}")
        found = f"{goal}: error says {float(made.error)!r}"
        require(abs(float(made.error) - true) <= max(room, 1e-3 * true), found, f"the true error, {true!r}")
    return None


def full_bonds_lose_nothing(case: Case) -> str | None:
    """At the bonds that the format has already, the matrix stays as it is."""
    if reason := _excuse(case.fmt):
        return reason
    size = case.fmt.network.size
    top = max([size[b] for b in case.fmt.network.bonds], default=1)
    for what, w in (("random", case.weight()), ("zero", case.xp.zeros_like(case.weight()))):
        factors = case.fmt.decompose(w)
        made = truncate(case.fmt, factors, max_bond=top)
        error = relative(made.format.contract(made.factors), w)
        require(error <= 2 * case.tolerance, f"a {what} W comes back with {error:.1e}", f"at most {case.tolerance:.0e}")
    return None


def spectra_are_singular_values(case: Case) -> str | None:
    """The Schmidt values of each bond are the singular values of W unfolded into the two sides of it."""
    network = case.fmt.network.unshared
    if reason := _excuse(case.fmt):
        return reason
    w = case.weight()
    found = spectra(case.fmt, case.fmt.decompose(w))
    for bond in network.bonds:
        d = network.size[bond]
        want = schmidt(case, w, (sides(network, bond) or ((), ()))[0], d)
        got = case.xp.astype(case.xp.reshape(found[bond], (-1, d)), want.dtype)
        missed = norm(got[..., : want.shape[-1]] - want) / (norm(w) or 1.0)
        require(
            missed <= 2 * case.tolerance, f"those of {bond} miss by {missed:.1e} of ‖W‖", f"{2 * case.tolerance:.0e}"
        )
    return None


def _excuse(fmt: Format) -> str | None:
    if not is_tree(fmt.network.unshared):
        return "the network has loops"
    return "the format has no resized" if _lacks_resized(fmt) else None


def _lacks_resized(fmt: Format) -> bool:
    nothing_to_cut = is_tree(fmt.network.unshared) and not fmt.network.bonds
    return type(fmt).resized is Format.resized and not nothing_to_cut


def _dense(fmt: Format, factors: Sequence[Array]) -> Array:
    return fmt.contract([widest(f) for f in factors])
