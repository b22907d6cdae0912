"""Which bonds to cut: step by step the Schmidt value whose square costs least for each parameter that it saves.

The error of keeping r_b values of each bond b is at most √Σ_b ε_b(r_b)², ε_b² being the squares beyond r_b in the spectrum of
the whole tensor (see `_sweep`), so that all bonds can be chosen together before any is cut.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._network import Network

Tails = Mapping[str, Sequence[float]]  # bond → ε² of keeping 0, 1, …, d of its values


@dataclass(frozen=True)
class Group:
    """Bonds joined by factors without other indices, as unit modes make them: they have one spectrum, and one size.

    factors   (factor, how many of its axes are of this group)
    """

    bonds: tuple[str, ...]
    factors: tuple[tuple[int, int], ...]


class Cuts:
    """The sizes of all bonds of a network on the way down."""

    def __init__(self, network: Network, tails: Tails, weight: float = 1.0) -> None:
        """weight: of this network's squared errors among those of others"""
        self.groups = _groups(network)
        self.tails = [[weight * t for t in tails[g.bonds[0]]] for g in self.groups]
        self.ranks = [len(t) - 1 for t in self.tails]
        self.volumes = [math.prod([*s]) for s in network.shapes]

    @property
    def num_params(self) -> int:
        return sum(self.volumes)

    @property
    def error(self) -> float:
        """Squared."""
        return sum(t[r] for t, r in zip(self.tails, self.ranks, strict=True))

    @property
    def sizes(self) -> dict[str, int]:
        return {bond: r for g, r in zip(self.groups, self.ranks, strict=True) for bond in g.bonds}

    def next(self) -> tuple[float, float, int] | None:
        """(squared error for each parameter saved, squared error, group) of the cheapest cut; None if none is left."""
        steps = []
        for n, (tails, r) in enumerate(zip(self.tails, self.ranks, strict=True)):
            if r > 1:
                cost = tails[r - 1] - tails[r]
                saved = sum(self.volumes[k] - self._smaller(k, r, axes) for k, axes in self.groups[n].factors)
                steps.append((cost / saved, cost, n))
        return min(steps) if steps else None

    def cut(self, n: int) -> None:
        r = self.ranks[n]
        for k, axes in self.groups[n].factors:
            self.volumes[k] = self._smaller(k, r, axes)
        self.ranks[n] = r - 1

    def _smaller(self, k: int, r: int, axes: int) -> int:
        return self.volumes[k] // r**axes * (r - 1) ** axes


def within_error(network: Network, tails: Tails, budget: float) -> dict[str, int]:
    """Sizes whose squared error is at most `budget`."""
    cuts = Cuts(network, tails)
    while (step := cuts.next()) is not None:
        if cuts.error + step[1] > budget:
            break
        cuts.cut(step[2])
    return _each_as_far_as_it_goes(cuts, budget)


def within_params(network: Network, tails: Tails, num_params: int) -> dict[str, int]:
    """Sizes of at most `num_params` parameters, or the smallest there are."""
    cuts = Cuts(network, tails)
    while cuts.num_params > num_params and (step := cuts.next()) is not None:
        cuts.cut(step[2])
    return cuts.sizes


def _each_as_far_as_it_goes(cuts: Cuts, budget: float) -> dict[str, int]:
    """Spend what the cheapest step was too much for."""
    for n in range(len(cuts.groups)):
        while (
            cuts.ranks[n] > 1 and cuts.error - cuts.tails[n][cuts.ranks[n]] + cuts.tails[n][cuts.ranks[n] - 1] <= budget
        ):
            cuts.cut(n)
    return cuts.sizes


def _groups(network: Network) -> list[Group]:
    """Bonds in groups, in order of appearance."""
    size, bonds = network.size, network.bonds
    leader = {b: b for b in bonds}
    for indices in network.factors:
        own = [i for i in indices if i in bonds]
        if len(own) == 2 and all(size[i] == 1 for i in indices if i not in own) and size[own[0]] == size[own[1]]:
            old, new = leader[own[1]], leader[own[0]]
            leader = {b: new if at == old else at for b, at in leader.items()}
    found = []
    for first in dict.fromkeys(leader.values()):
        members = tuple(b for b in bonds if leader[b] == first)
        held = [(k, sum(i in members for i in f)) for k, f in enumerate(network.factors)]
        found.append(Group(members, tuple((k, axes) for k, axes in held if axes)))
    return found
