"""truncate and approximate: a smaller format of a weight, with a certificate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .._arrays import Array, checked_weight, namespace, nonzero
from .._blocks import reshare, unshare
from .._distance import distance
from .._format import Format, check_is_format
from .._gauge import Gauge
from .._graph import is_tree
from .._hierarchical import gauged, uncut
from .._links import Links
from .._norm import norm
from .._precise import frobenius, mantissa, precise, shifted, units
from .._sweep import Sweep
from .._tree import Tree, canonical, full_sizes, largest
from ._finite import refuse_nonfinite_parts
from ._precision import Precision
from ._refit import refit
from ._result import Truncation
from ._target import Target, relative
from ._terms import norm_of_products, norm_of_terms


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
    raises: TensorNetError for no goal or two, an eps that the dtype cannot hold, NaN or Inf (in jit and vmap, where no value
        can be looked at, they end in a bound of NaN), traced values where eps or num_params or a fit looks at them

    The bound counts what rounding may add: it is in proportion to the terms that the factors add up, so that factors which
    cancel have a larger one, infinite where nothing of the weight need be left; eps is then refused.
    Squared errors add up over all values that are cut away (Oseledets 2011, doi 10.1137/090752286, thm. 2.2; of trees
    Grasedyck 2010, doi 10.1137/090764189).
    """
    target = Target.of("truncate", fmt, eps=eps, max_bond=max_bond, num_params=num_params, to=to)
    lead = len(fmt.check_factors(factors))
    refuse_nonfinite_parts("truncate", {f"factor {k}": f for k, f in enumerate(factors)})
    precision, wide = Precision.of(fmt.network, factors)
    if not is_tree(fmt.network.unshared):
        return refit(target, fmt.contract(wide), gauge, precision, norm_of_products(fmt, wide, lead))
    network, moved = unshare(fmt.network, wide)
    links = Links.of(network)
    root = largest(links.network)
    moved, exponent = units(moved, lead)
    kept = links.without(moved)
    terms = norm_of_terms(links.network, kept, lead)
    if links.taken:  # links may cancel among themselves
        terms = namespace(terms).maximum(terms, norm_of_terms(network, moved, lead, coherent=False))
    tree, moved = Tree.of(links.network, root), canonical(links.network, kept, root)
    sweep = Sweep(tree, moved, precision.reduction)
    start = _Start(links, sweep, lead, exponent, _seen(fmt, wide, exponent), terms)
    made, relative_to_w = _swept(target, start, precision, gauge)

    def measured() -> Array:
        (a, *rest), (b, *others) = precise(factors), precise(made[1])
        here, there = [shifted(a, -exponent), *rest], [shifted(b, -exponent), *others]  # else it may overflow
        return relative_to_w(distance(fmt, here, made[0], there), exponent)

    return Truncation(*made, measured)


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
    check_is_format("approximate", fmt)
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
    wide, exponent = mantissa(wide, lead)
    links, sweep = uncut(full.network, full._as_matrix(wide), precision.reduction)
    made, relative_to_w = _swept(target, _Start(links, sweep, lead, exponent, None, None), precision, gauge)

    def measured() -> Array:
        rest = wide - shifted(made[0].contract(precise(made[1])), -exponent)
        return relative_to_w(frobenius(rest, lead), exponent)

    return Truncation(*made, measured)


def _seen(fmt: Format, factors: Sequence[Array], exponent: Array) -> Array | None:
    """‖W‖/2^exponent where that is not the norm of the whole network: what is padded may hold anything in the padding."""
    return None if fmt.matrix_shape == fmt.network.shape else shifted(norm(fmt, factors), -exponent)


@dataclass(frozen=True)
class _Start:
    """A canonical form before it is cut.

    exponent  (*lead,) the tensor is this one times 2^exponent
    seen      (*lead,) ‖W‖ where that is not the norm of the whole network
    terms     (*lead,) the norm of what the factors it was made of add up
    """

    links: Links
    sweep: Sweep
    lead: int
    exponent: Array
    seen: Array | None
    terms: Array | None

    def rooted(self, precision: Precision) -> "_Start":
        """With a root whose largest entry is about 1, so that no norm of it overflows where W does not."""
        if precision.squares:
            return self
        _, found = mantissa(self.sweep.factors[self.sweep.tree.root], self.lead)
        self.sweep.shift(-found)
        seen, terms = (None if x is None else shifted(x, -found) for x in (self.seen, self.terms))
        return replace(self, exponent=self.exponent + found, seen=seen, terms=terms)


def _swept(
    target: Target, start: _Start, precision: Precision, gauge: Gauge
) -> tuple[tuple[Format, tuple[Array, ...], Array], Callable[[Array, Array], Array]]:
    """(format, factors, bound) after the sweep, and (x, e) → x·2^e relative to ‖W‖ or, where that is 0, to 1."""
    start = start.rooted(precision)
    fmt, links, sweep, lead = target.fmt, start.links, start.sweep, start.lead
    xp = namespace(*sweep.factors)
    whole = precision.norm(sweep.factors[sweep.tree.root], lead)
    seen = whole if start.seen is None else start.seen
    size = nonzero(seen)
    noise = precision.noise_of(seen, whole, whole if start.terms is None else start.terms)
    sweep.run(target.choice(sweep, precision, noise, size**2))
    lost = sum(relative(e[..., None], size**2)[..., 0] for e in sweep.lost.values())
    made = gauged(sweep, links, gauge, fmt.central, start.exponent)
    made = [xp.astype(f, precision.dtype, copy=False) for f in made]
    cut = xp.sqrt(lost + 0 * size)
    bound = cut + noise * (1 + cut)
    smaller = fmt.resized(links.sizes(sweep.sizes)) if sweep.sizes else fmt
    return (smaller, tuple(reshare(fmt.network, made)), bound), lambda x, e: shifted(x, e - start.exponent) / size
