"""Hierarchical SVD: factors of a matrix on any tree of bonds, by one cut after the other from the leaves to the root.

Exact where the bonds are full; below, ‖W − Ŵ‖² is at most the sum over the bonds of the squares of the Schmidt values cut
away, at most √(bonds) times the error of the best factors there are (Grasedyck 2010, doi 10.1137/090764189, thm. 3.11).
"""

import math
from dataclasses import replace

from ._arrays import Array
from ._blocks import reshare, unshare
from ._errors import TensorNetError
from ._gauge import Gauge
from ._links import Links
from ._network import Network
from ._precise import at_the_ends, mantissa, shifted
from ._reduced import Reduction, Triangle
from ._sweep import Sweep
from ._tree import Tree, balance, embed, full_sizes, regauge


def fill(who: str, network: Network, w: Array, gauge: Gauge, central: int | None) -> list[Array]:
    """Factors of w (*lead, rows, cols) in `gauge`; `central` serves the gauge "mixed". Static, so that it can be traced."""
    full = full_sizes(network)
    whole = replace(network, sizes=tuple((i, full.get(i, s)) for i, s in network.sizes))
    if gauge == "identity":
        if any(network.size[b] < d for b, d in full.items()):
            raise TensorNetError(
                f"{who}: the identity gauge needs full bonds {full}, this format has less, into which not every matrix fits; "
                f"take the full ones or gauge='balanced', which truncates by SVD"
            )
        made = embed(whole, w)[0]
    else:
        unit, exponent = mantissa(w, w.ndim - 2)
        links, sweep = uncut(whole, unit, Triangle())
        stands = dict(links.stands)
        kept = {stands[b]: network.size[b] for b in full}
        sweep.run(lambda bond, _: kept[bond])
        made = reshare(network, gauged(sweep, links, gauge, central, exponent))
    return made


def uncut(full: Network, w: Array, reduction: Reduction) -> tuple[Links, Sweep]:
    """The sweep over w (*lead, rows, cols) at full bonds, before it cuts any, and the links that it leaves out."""
    linked, links = Links.of(full).network, Links.of(full.unshared)
    factors, root = embed(linked, w)
    return links, Sweep(Tree.of(links.network, root), unshare(linked, factors)[1], reduction)


def gauged(sweep: Sweep, links: Links, gauge: Gauge, central: int | None, exponent: Array) -> list[Array]:
    """The factors of a sweep times 2^exponent (*lead,) with their links, in `gauge` and with the shared axes before the others
    still.
    """
    if gauge != "balanced":
        sweep.shift(exponent)
        return regauge(*links.restored(sweep.factors, sweep.sizes), gauge, central)
    ends = at_the_ends(exponent, math.prod([links.whole.size[i] for i in links.whole.output]))
    sweep.shift(exponent - ends)
    made = links.restored(balance(sweep.tree, sweep.factors, sweep.reduction, sweep.last), sweep.sizes)[1]
    for k in (0, -1):  # half of it each: W itself may have no norm
        made[k] = shifted(made[k], ends / 2)
    return made
