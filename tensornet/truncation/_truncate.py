"""truncate and approximate: a smaller format of a weight, with a certificate."""

from collections.abc import Sequence

from .._arrays import Array, checked_weight, namespace, nonzero
from .._blocks import reshare, unshare
from .._distance import distance
from .._format import Format
from .._gauge import Gauge
from .._graph import is_tree
from .._hierarchical import gauged, uncut
from .._links import Links
from .._norm import norm
from .._precise import frobenius, precise
from .._sweep import Sweep
from .._tree import Tree, canonical, full_sizes, largest
from ._precision import Precision
from ._refit import refit
from ._result import Truncation
from ._target import Target, relative


def truncate(
    fmt: Format,
    factors: Sequence[Array],
    /,
    *,
    eps: float | None = None,
    max_bond: int | None = None,
    num_params: int | None = None,
    to: Format | None = None,
    gauge: Gauge = "balanced",
) -> Truncation:
    """Fewer parameters for nearly the same weight: each bond keeps its largest Schmidt values. Networks with loops or indices
    in three factors, which have none, are fitted instead, and their certificate is the error measured. Exactly one goal:

    eps         relative Frobenius error of at most eps, for certain, with few parameters (chosen greedily)
    max_bond    no bond above it; static, so that it can be traced (jax.jit, vmap, torch.compile)
    num_params  at most so many parameters, spent where the spectra say
    to          the bonds of another format of this kind, e.g. one that `suggest` chose; static
    factors     (*lead, *shapes); a stack gets bonds in common, for which its worst member decides
    gauge       of the new factors: "balanced" | "left" | "right" | "mixed" | Mixed(centre)
    returns: Truncation, whose bound and error are (*lead,); constants for automatic differentiation
    raises: TensorNetError for no goal or two, an eps that the dtype cannot hold, traced values where eps or num_params or a
        fit looks at them

    Squared errors add up over all values that are cut away (Oseledets 2011, doi 10.1137/090752286, thm. 2.2; of trees
    Grasedyck 2010, doi 10.1137/090764189).
    """
    target = Target.of("truncate", fmt, eps=eps, max_bond=max_bond, num_params=num_params, to=to)
    lead = len(fmt.check_factors(factors))
    precision, wide = Precision.of(fmt.network, factors)
    if not is_tree(fmt.network.unshared):
        return refit(target, fmt.contract(wide), gauge, precision)
    network, moved = unshare(fmt.network, wide)
    links = Links.of(network)
    root = largest(links.network)
    tree, moved = Tree.of(links.network, root), canonical(links.network, links.without(moved), root)
    made, size = _swept(
        target, links, Sweep(tree, moved, precision.reduction), lead, precision, gauge, _seen(fmt, factors)
    )
    return Truncation(*made, lambda: distance(fmt, factors, made[0], made[1]) / size)


def approximate(
    fmt: Format,
    w: Array,
    /,
    *,
    eps: float | None = None,
    max_bond: int | None = None,
    num_params: int | None = None,
    to: Format | None = None,
    gauge: Gauge = "balanced",
    check_finite: bool = True,
) -> Truncation:
    """`truncate` of a dense w (*lead, *fmt.shape), which is never decomposed in full: fmt says the modes, not the bonds (of a
    network that is fitted, it says the most there may be).
    """
    fitted = not is_tree(fmt.network.unshared)
    full = fmt if fitted or not fmt.network.bonds else fmt.resized(full_sizes(fmt.network))
    target = Target.of("approximate", full, eps=eps, max_bond=max_bond, num_params=num_params, to=to)
    if tuple(w.shape[-len(fmt.shape) :]) != fmt.shape:
        raise fmt.shape_error(tuple(w.shape))
    w = checked_weight("approximate", w, check_finite=check_finite, takes_complex=fmt.complex)
    precision, (wide,) = Precision.of(full.network, [w])
    if fitted:
        return refit(target, wide, gauge, precision)
    lead = w.ndim - len(fmt.shape)
    links, sweep = uncut(full.network, full._as_matrix(wide), precision.reduction)
    made, size = _swept(target, links, sweep, lead, precision, gauge, None)
    return Truncation(*made, lambda: frobenius(wide - made[0].contract(precise(made[1])), lead) / size)


def _seen(fmt: Format, factors: Sequence[Array]) -> Array | None:
    """‖W‖ where that is not the norm of the whole network: factors of a padded weight may hold anything in the padding."""
    return None if fmt.matrix_shape == fmt.network.shape else norm(fmt, factors)


def _swept(
    target: Target,
    links: Links,
    sweep: Sweep,
    lead: int,
    precision: Precision,
    gauge: Gauge,
    seen: Array | None,
) -> tuple[tuple[Format, tuple[Array, ...], Array], Array]:
    """(format, factors, bound) after the sweep, and ‖W‖ or, where it is 0, 1."""
    fmt, root = target.fmt, sweep.tree.root
    xp = namespace(*sweep.factors)
    whole = precision.norm(sweep.factors[root], lead)
    size = nonzero(whole if seen is None else seen)
    noise = precision.noise * xp.maximum(whole / size, xp.ones_like(size))
    unit = xp.ones_like(size) if precision.squares else size
    if not precision.squares:
        sweep.scale(1 / unit)
    sweep.run(target.choice(sweep, precision, noise, (size / unit) ** 2))
    lost = sum(relative(e[..., None], (size / unit) ** 2)[..., 0] for e in sweep.lost.values())
    if not precision.squares:
        sweep.scale(unit)
    made = [xp.astype(f, precision.dtype, copy=False) for f in gauged(sweep, links, gauge, fmt.central)]
    bound = xp.sqrt(lost + 0 * size) + noise
    smaller = fmt.resized(links.sizes(sweep.sizes)) if sweep.sizes else fmt
    return (smaller, tuple(reshare(fmt.network, made)), bound), size
