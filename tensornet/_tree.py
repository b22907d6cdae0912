"""Trees: canonical form, Schmidt values and gauges of any network whose bonds join two factors and close no loop.

A bond b cuts the network in two. Seen from a root, `child` hangs from `parent` by it, and W = M Aᵀ with M (rest, d) the
root's side and A (rest', d) the child's. In canonical form every factor but the root is an isometry onto the bond towards
the root, so that AᴴA = 1 and the singular values of M are the Schmidt values of the bond.

Leading batch axes are carried; so are the `shared` indices of a network, which are batch axes in disguise.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ._arrays import Array, conj, eye, filled, namespace
from ._blocks import reshare, unshare
from ._chain import even
from ._errors import TensorNetError
from ._gauge import Gauge, orthogonal_centre
from ._graph import is_tree, open_volume, sides
from ._network import Network
from ._reduced import Reduction, Triangle
from ._unfold import along, by_index, from_tall, scaled, tall


@dataclass(frozen=True)
class Branch:
    """A bond between `child` and `parent`, the one nearer to the root, and which axis it is in both, from the end."""

    bond: str
    child: int
    parent: int
    child_axis: int
    parent_axis: int


@dataclass(frozen=True)
class Tree:
    """A network hung up by its factor `root`; `branches` are all its bonds, each after those that hang below it."""

    network: Network
    root: int
    branches: tuple[Branch, ...]

    @staticmethod
    def of(network: Network, root: int) -> "Tree":
        if not is_tree(network):
            raise TensorNetError(
                f"tensornet: the network {network.factors} is no tree of bonds, needed one, because Schmidt values belong to "
                f"bonds that cut it in two; fit a smaller format to the matrix instead"
            )
        found: list[Branch] = []
        bonds, reached, frontier = set(network.bonds), {root}, [root]
        while frontier:
            parent = frontier.pop()
            for axis, bond in enumerate(network.factors[parent]):
                for child, indices in enumerate(network.factors):
                    if bond in bonds and bond in indices and child not in reached:
                        axes = indices.index(bond) - len(indices), axis - len(network.factors[parent])
                        found.insert(0, Branch(bond, child, parent, *axes))
                        reached.add(child)
                        frontier.append(child)
        return Tree(network, root, tuple(found))

    def order(self, k: int) -> int:
        """How many indices factor k has."""
        return len(self.network.factors[k])

    def absorbed(self, factors: Sequence[Array], b: Branch, matrix: Array) -> Array:
        """M ← M matrix: the inner factor of b, multiplied."""
        return along(factors[b.parent], b.parent_axis, self.order(b.parent), matrix)

    def turned(self, factors: Sequence[Array], b: Branch, matrix: Array) -> Array:
        """A ← A matrix: the outer factor of b, multiplied."""
        return along(factors[b.child], b.child_axis, self.order(b.child), matrix)

    def outer(self, factors: Sequence[Array], b: Branch) -> Array:
        """A (*lead, rest, d)."""
        return tall(factors[b.child], b.child_axis, self.order(b.child))


def largest(network: Network) -> int:
    """The factor with the most entries, away from which floors go (see `_chain`)."""
    volumes = [math.prod([*s]) for s in network.shapes]
    return volumes.index(max(volumes))


def full_sizes(network: Network) -> dict[str, int]:
    """The size of each bond at which every tensor is represented: that of the smaller side's open indices."""
    small = network.unshared
    return {b: min(open_volume(small, side) for side in sides(small, b) or ()) for b in small.bonds}


def embed(network: Network, w: Array) -> tuple[list[Array], int]:
    """Identity gauge of w (*lead, rows, cols) at full bonds, and its root: w is the root, all others are identities."""
    xp, small = namespace(w), network.unshared
    root = min(range(len(small.factors)), key=lambda k: _farthest(small, k))
    tree, size = Tree.of(small, root), small.size
    lead = (*w.shape[:-2], *(network.size[i] for i in network.shared))
    factors: list[Array] = [None] * len(small.factors)
    ordered = by_index(network, w, (*network.shared, *_expanded(tree, root, None)))
    factors[root] = xp.reshape(ordered, (*lead, *small.shapes[root]))
    for b in tree.branches:
        factors[b.child] = from_tall(eye(size[b.bond], size[b.bond], w, lead), b.child_axis, small.shapes[b.child])
    return reshare(network, factors), root


def _farthest(network: Network, k: int) -> int:
    """The most open entries behind any bond of factor k."""
    behind = [s for b in network.bonds if b in network.factors[k] for s in sides(network, b) or () if k not in s]
    return max((open_volume(network, s) for s in behind), default=1)


def _expanded(tree: Tree, k: int, up: str | None) -> list[str]:
    """The open indices of factor k and all below it, each bond giving its place to what hangs from it."""
    children = {b.bond: b.child for b in tree.branches if b.parent == k}
    found: list[str] = []
    for i in tree.network.factors[k]:
        if i in children:
            found += _expanded(tree, children[i], i)
        elif i != up and i in tree.network.output:
            found.append(i)
    return found


def canonical(network: Network, factors: Sequence[Array], root: int) -> list[Array]:
    """The same tensor with every factor but `root` an isometry onto the bond towards it, by QR from the leaves inwards.

    A bond that is larger than all else in its factor cannot be one: what it has too much is zero.
    """
    small, factors = unshare(network, factors)
    tree = Tree.of(small, root)
    for b in tree.branches:
        a, xp = tree.outer(factors, b), namespace(factors[b.child])
        rows, d = a.shape[-2:]
        q, r = xp.linalg.qr(a)
        factors[b.child] = from_tall(filled(q, (rows, d)), b.child_axis, small.shapes[b.child])
        factors[b.parent] = tree.absorbed(factors, b, xp.matrix_transpose(filled(r, (d, d))))
    return reshare(network, factors)


def schmidt(network: Network, factors: Sequence[Array]) -> dict[str, Array]:
    """Schmidt values (*lead, *shared, d) of every bond, descending."""
    root = largest(network.unshared)
    small, moved = unshare(network, canonical(network, factors, root))
    found = {b.bond: s for b, s, _ in schmidt_bases(Tree.of(small, root), moved, Triangle())}
    return {b: found[b] for b in small.bonds}


def schmidt_bases(
    tree: Tree, factors: Sequence[Array], reduction: Reduction, known: Mapping[str, Array] | None = None
) -> list[tuple[Branch, Array, Array | None]]:
    """(bond, Schmidt values, right singular vectors of its M) from the root outwards, of a canonical form.

    known: bond → its values, where MᴴM is diagonal already; there the vectors are None, which stands for the identity
    """
    known = known or {}
    return [
        (b, known[b.bond], None) if b.bond in known else (b, *reduction.schmidt(m))
        for b, m in weights(tree, factors, reduction, known)
    ]


def weights(
    tree: Tree, factors: Sequence[Array], reduction: Reduction, known: Mapping[str, Array] | None = None
) -> list[tuple[Branch, Array]]:
    """(bond, its M, reduced) from the root outwards, of a canonical form."""
    found: dict[int, Array] = {}
    above = {b.child: b.child_axis for b in tree.branches}
    for b in reversed(tree.branches):
        x, n = factors[b.parent], tree.order(b.parent)
        if b.bond in (known or {}):
            found[b.child] = reduction.diagonal((known or {})[b.bond], x)
        elif b.parent == tree.root:
            found[b.child] = reduction.of(x, b.parent_axis, n)
        else:
            found[b.child] = reduction.through(found[b.parent], x, above[b.parent], b.parent_axis, n)
    return [(b, found[b.child]) for b in reversed(tree.branches)]


def regauge(network: Network, factors: Sequence[Array], gauge: Gauge, central: int | None) -> list[Array]:
    """The same tensor in an orthogonal gauge (left: around the last factor, right: the first, mixed: `central`) or balanced."""
    n = len(network.factors)
    centre = orthogonal_centre("tensornet", gauge, n, n // 2 if central is None else central)
    if gauge == "identity":
        raise TensorNetError(
            "tensornet: the identity gauge puts a whole matrix into one factor, which a truncated network has no room for; "
            "take gauge='balanced' or an orthogonal one"
        )
    if centre is not None:
        return canonical(network, factors, centre)
    root = largest(network.unshared)
    small, moved = unshare(network, canonical(network, factors, root))
    return reshare(network, balance(Tree.of(small, root), moved, Triangle()))


def balance(
    tree: Tree, factors: Sequence[Array], reduction: Reduction, known: Mapping[str, Array] | None = None
) -> list[Array]:
    """Split the Schmidt values of a canonical form evenly over each bond.

    In the Schmidt bases (A ← A V̄, M ← M V = U diag λ) the child's side is scaled by g = `even`(λ), the root's by 1/g.
    `known` as in `schmidt_bases`.
    """
    factors = list(factors)
    for b, values, v in schmidt_bases(tree, factors, reduction, known):
        g = even(values)
        if v is None:
            factors[b.child] = scaled(factors[b.child], b.child_axis, tree.order(b.child), g)
            factors[b.parent] = scaled(factors[b.parent], b.parent_axis, tree.order(b.parent), 1 / g)
        else:
            factors[b.child] = tree.turned(factors, b, conj(v) * g[..., None, :])
            factors[b.parent] = tree.absorbed(factors, b, v / g[..., None, :])
    return factors
