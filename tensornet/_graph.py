"""What the graph of a network says, before any array: its two sides of a bond, and whether it can hold every matrix."""

import math
from collections.abc import Sequence

from ._network import Network


def sides(network: Network, bond: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The factors on the two sides of `bond`, its first holder's side first; None if it closes a loop."""
    first, second = (k for k, f in enumerate(network.factors) if bond in f)
    reached, frontier = {first}, [first]
    while frontier:
        linked = set(network.factors[frontier.pop()]) - {bond}
        new = [k for k, f in enumerate(network.factors) if k not in reached and linked.intersection(f)]
        reached.update(new)
        frontier.extend(new)
    if second in reached:
        return None
    return tuple(sorted(reached)), tuple(k for k in range(len(network.factors)) if k not in reached)


def is_tree(network: Network) -> bool:
    """Whether the factors are joined by bonds only, without loops, all in one piece."""
    joined = [i for i in network.size if sum(i in f for f in network.factors) > 1]
    return (
        set(joined) == set(network.bonds)
        and len(network.bonds) == len(network.factors) - 1
        and all(sides(network, b) for b in network.bonds)
    )


def is_reduced(network: Network) -> bool:
    """Whether no bond is larger than all else in a factor that holds it, where part of it could carry nothing."""
    network = network.unshared
    volumes = [math.prod([*s]) for s in network.shapes]
    return all(
        network.size[b] ** 2 <= v
        for f, v in zip(network.factors, volumes, strict=True)
        for b in network.bonds
        if b in f
    )


def represents_everything(network: Network) -> bool:
    """Whether every matrix is a contraction of `network`: a tree none of whose bonds is less than a full rank, or a
    stack of such trees.

    Sufficient, by one exact SVD after the other from the leaves inwards. Of a network with loops nothing is claimed.
    """
    network = network.unshared
    if not is_tree(network):
        return False
    return all(
        network.size[bond] >= min(open_volume(network, side) for side in sides(network, bond) or ())
        for bond in network.bonds
    )


def bond_towards(network: Network, k: int, centre: int) -> str:
    """The bond of factor k behind which `centre` lies, in a tree."""
    for bond in network.bonds:
        if bond in network.factors[k]:
            one, other = sides(network, bond) or ((), ())
            if centre in (other if k in one else one):
                return bond
    raise ValueError(f"factors {k} and {centre} are not joined")


def even_deviation(network: Network) -> float:
    """The standard deviation of all factors' entries at which those of the contraction have variance 1.

    Var W = Π_k Var T_k × the number of terms, one for each value of the indices that are summed over
    """
    terms = math.prod([size for index, size in network.sizes if index not in network.output])
    return float(terms ** (-0.5 / len(network.factors)))


def open_indices(network: Network, side: Sequence[int]) -> tuple[str, ...]:
    return tuple(i for i in network.output if any(i in network.factors[k] for k in side))


def open_volume(network: Network, side: Sequence[int]) -> int:
    return math.prod([network.size[i] for i in open_indices(network, side)])
