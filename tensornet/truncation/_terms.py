"""How large the terms are whose sum a network is: rounding is in proportion to them, however much they cancel.

Across a bond W = Σ_j A_j ⊗ M_j. Rounding moves each slice by eps of its own norm (QR is backward stable column by column), and
so W by eps·√Σ_j ‖A_j‖²‖M_j‖². Where the slices of one side are orthogonal, as in every gauge of `decompose`, that is eps·‖W‖.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .._arrays import Array, abs2, is_complex, namespace, nonzero
from .._format import Format
from .._network import Network
from .._precise import frobenius, units
from .._tree import Tree, largest
from .._unfold import along, overlap, scaled, tall


@dataclass(frozen=True)
class _Side:
    """What lies on one side of a bond, slice by slice.

    norms    (*lead, d) at least that of each slice, and what it would be if no sum behind it cancelled
    cosines  (*lead, d, d) inner products of the slices over these norms, None where they are taken for orthogonal
    """

    norms: Array
    cosines: Array | None

    @staticmethod
    def of(x: Array, axis: int, n: int, behind: Sequence[tuple[int, "_Side"]], coherent: bool) -> "_Side":
        """Of the factor x (*lead, …) with what hangs `behind` its other axes, seen from `axis`."""
        xp = namespace(x)
        for at, side in behind:
            x = scaled(x, at, n, side.norms)
        norms = frobenius(xp.matrix_transpose(tall(x, axis, n)), x.ndim - n + 1)
        if not coherent:
            return _Side(norms, None)
        x = turned = scaled(
            x, axis, n, 1 / nonzero(norms)
        )  # no square of these over- or underflows, whatever the gauge
        for at, side in behind:
            turned = along(turned, at, n, xp.matrix_transpose(side.cosines))
        cosines = overlap(x, turned, axis, n)
        squares = xp.linalg.diagonal(cosines)
        squares = xp.real(squares) if is_complex(squares) else squares
        more = xp.sqrt(xp.maximum(squares, xp.ones_like(squares)))
        return _Side(norms * more, cosines / (more[..., None] * more[..., None, :]))


def norm_of_terms(network: Network, factors: Sequence[Array], lead: int, *, coherent: bool = True) -> Array:
    """√Σ_j ‖A_j‖²‖M_j‖² (*lead,) of the bond of a tree where it is largest, batch axes after the first `lead` summed up.

    coherent: with the true ‖A_j‖ where terms add up, too; else those of terms at right angles, for no matrix product
    """
    tree = Tree.of(network, largest(network))
    ends: dict[int, list[tuple[str, int, int]]] = {
        k: [] for k in range(len(factors))
    }  # factor → (bond, its axis, far end)
    for b in tree.branches:
        ends[b.child].append((b.bond, b.child_axis, b.parent))
        ends[b.parent].append((b.bond, b.parent_axis, b.child))
    inwards = [(b.bond, b.child, b.child_axis) for b in tree.branches]
    outwards = [(b.bond, b.parent, b.parent_axis) for b in reversed(tree.branches)]
    sides: dict[tuple[str, int], _Side] = {}  # (bond, the factor it hangs from) → what lies there
    for bond, k, axis in inwards + outwards:
        behind = [(at, sides[other, far]) for other, at, far in ends[k] if other != bond]
        sides[bond, k] = _Side.of(factors[k], axis, tree.order(k), behind, coherent)
    found = [frobenius(sides[b.bond, b.child].norms * sides[b.bond, b.parent].norms, lead) for b in tree.branches]
    xp = namespace(*factors)
    most = found[0] if found else xp.zeros_like(frobenius(factors[0], lead))
    for each in found[1:]:
        most = xp.maximum(most, each)
    return most


def norm_of_products(fmt: Format, factors: Sequence[Array], lead: int) -> Array:
    """√Σ |Π_k T_k|² (*lead,) over all products whose sums the entries are; of networks that no bond cuts in two."""
    xp, (made, total) = namespace(*factors), units(factors, lead)
    squares, half = (
        fmt.contract([abs2(x) for x in made]),
        2.0 ** (total / 2),
    )  # twice, because 2**total alone may overflow
    return xp.sqrt(xp.sum(squares, axis=tuple(range(lead, squares.ndim)))) * half * half
