"""Laws of gauges: each is what it claims to be. Of a network with shared indices, in each of the blocks that they number."""

import math

from .._arrays import Array, adjoint, eye, namespace
from .._blocks import unshare
from .._chain import FLOOR
from .._gauge import orthogonal_centre
from .._graph import bond_towards, is_tree, sides
from .._unfold import by_index
from ._case import Case
from ._law import require
from ._matrices import matrices
from ._measure import largest, norm
from ._tree import interface


def orthogonal_forms(case: Case) -> str | None:
    """In left, right and mixed, every factor but the centre is an isometry from its other indices onto the bond
    towards the centre.
    """
    fmt, network = case.fmt, case.fmt.network.unshared
    n = len(network.factors)
    middle = n // 2 if fmt.central is None else fmt.central
    centres = [(g, c) for g in case.gauges if (c := orthogonal_centre(fmt.name, g, n, middle)) is not None]
    if not centres or n == 1 or not is_tree(network):
        return "the format has no orthogonal gauge" if is_tree(network) else "the network has loops"
    for what, w in matrices(case):
        for gauge, centre in centres:
            _, factors = unshare(fmt.network, fmt.decompose(w, gauge=gauge))
            for k in (k for k in range(n) if k != centre):
                axis = network.factors[k].index(bond_towards(network, k, centre))
                unlike = _from_isometry(factors[k], axis - len(network.factors[k]), len(network.factors[k]))
                found = f"gauge {gauge!r} of a {what} W: factor {k} misses an isometry by {unlike:.1e}"
                require(unlike <= 10 * case.tolerance, found, f"at most {10 * case.tolerance:.0e}")
    return None


def balanced_form(case: Case) -> str | None:
    """In the balanced gauge, what lies left and what lies right of a bond have one and the same Gram matrix: the
    Schmidt values of the bond, wherever those are above the floor.
    """
    fmt, network = case.fmt, case.fmt.network.unshared
    cuts = [(b, s) for b in network.bonds if (s := sides(network, b)) and all(_carries(case, side) for side in s)]
    if not cuts or not is_tree(network):
        return "no bond lies between rows or columns above 1"
    for what, w in matrices(case):
        whole = fmt.decompose(w, gauge="balanced")
        w, (_, factors) = (
            fmt.contract(whole) if fmt.iterative else w,
            unshare(fmt.network, whole),
        )  # a search may miss w
        for bond, two_sides in cuts:
            d = network.size[bond]
            grams = [case.xp.reshape(_gram(interface(network, factors, bond, s)), (-1, d, d)) for s in two_sides]
            values = schmidt(case, w, two_sides[0], d)
            unlike = max(_from_diagonal(g[n, ...], values[n, ...]) for g in grams for n in range(values.shape[0]))
            found = f"bond {bond} of a {what} W misses the even split by {unlike:.1e} of the largest Schmidt value"
            require(unlike <= 100 * case.tolerance, found, f"at most {100 * case.tolerance:.0e}")
    return None


def _carries(case: Case, side: tuple[int, ...]) -> bool:
    """Whether a side has an open index above 1. Where not, its bond has one value and splits nothing."""
    network = case.fmt.network.unshared
    return any(network.size[i] > 1 for k in side for i in network.factors[k] if i in network.output)


def _from_isometry(factor: Array, axis: int, n: int) -> float:
    """How far a factor (*blocks, n axes) is from an isometry onto `axis`, root mean square over blocks."""
    xp, d = namespace(factor), factor.shape[axis]
    last = xp.moveaxis(factor, axis, -1)
    gram = _gram(xp.reshape(last, (*last.shape[: factor.ndim - n], -1, d)))
    return norm(gram - eye(d, d, gram)) / math.prod([*gram.shape[:-1]]) ** 0.5


def _gram(x: Array) -> Array:
    return namespace(x).matmul(adjoint(x), x)


def schmidt(case: Case, w: Array, side: tuple[int, ...], d: int) -> Array:
    """The d largest singular values (blocks, d) of w unfolded into the indices of one side and all others."""
    return case.xp.linalg.svdvals(_unfold(case, w, side))[..., :d]


def _unfold(case: Case, w: Array, side: tuple[int, ...]) -> Array:
    """W as one matrix for each block, from the output indices of the other side to those of `side`."""
    whole, network = case.fmt.network, case.fmt.network.unshared
    own = [i for i in network.output if any(i in network.factors[k] for k in side)]
    order = [*whole.shared, *own, *(i for i in network.output if i not in own)]
    blocks, rows = (math.prod([whole.size[i] for i in part]) for part in (whole.shared, own))
    return case.xp.reshape(by_index(whole, case.fmt._as_matrix(w), order), (blocks, rows, -1))


def _from_diagonal(gram: Array, values: Array) -> float:
    """The largest entry of gram − diag(values) among the values above the floor, relative to the largest value."""
    xp = namespace(gram)
    top = largest(values)
    kept = int(xp.sum(xp.astype(values > 1.01 * FLOOR * top, xp.int32)))
    if not kept:  # a zero matrix has no value to split
        return 0.0
    inner = gram[:kept, :kept]
    return largest(inner / top - eye(kept, kept, inner) * (values[:kept] / top))
