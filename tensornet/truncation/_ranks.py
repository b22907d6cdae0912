"""Which bonds to cut: step by step the Schmidt value whose square costs least for each parameter that it saves.

The error of keeping r_b values of each bond b is at most √Σ_b ε_b(r_b)², ε_b² being the squares beyond r_b in the spectrum of
the whole tensor (see `_sweep`), so that all bonds can be chosen together before any is cut.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._network import Network

Tails = Mapping[str, Sequence[float]]  # bond, one of a group at least → ε² of keeping 0, 1, …, d of its values


@dataclass(frozen=True)
class Group:
    """Bonds joined by factors without other indices, as unit modes make them: they have one spectrum, and one size.

    factors   (factor, how many of its axes are of this group)
    """

    bonds: tuple[str, ...]
    factors: tuple[tuple[int, int], ...]


class Cuts:
    """The sizes of all bonds of a network on the way down."""

    def __init__(self, network: Network, tails: Tails, weight: float = 1.0, copies: int = 1) -> None:
        """
        weight: of this network's squared errors among those of others
        copies: of the network, all of which the tails are of
        """
        self._network = network
        self.groups = _groups(network)
        known = [next(tails[b] for b in g.bonds if b in tails) for g in self.groups]
        self.tails = [[weight * t for t in each] for each in known]
        size = network.size  # below what the spectra know, where the format's own bonds are
        self.ranks = [min(len(t) - 1, size[g.bonds[0]]) for g, t in zip(self.groups, self.tails, strict=True)]
        self.volumes = [copies * math.prod([*s]) for s in network.shapes]
        self._copies = copies

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

    def error_at(self, sizes: Mapping[str, int]) -> float:
        """Squared, with other sizes."""
        return sum(t[sizes[g.bonds[0]]] for g, t in zip(self.groups, self.tails, strict=True))

    def params_at(self, cap: int) -> int:
        """Parameters with no bond above `cap`."""
        size = {**self._network.size, **{b: min(r, cap) for b, r in self.sizes.items()}}
        return self._copies * sum(math.prod([size[i] for i in f]) for f in self._network.factors)

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


def within_params(parts: Sequence[Cuts], num_params: int) -> None:
    """Cut networks until they have at most `num_params` parameters together, or until nothing is left to cut."""
    total = sum(p.num_params for p in parts)
    heap = [(step, k) for k, p in enumerate(parts) if (step := p.next()) is not None]
    heapq.heapify(heap)
    while total > num_params and heap:
        (_, _, n), k = heapq.heappop(heap)
        before = parts[k].num_params
        parts[k].cut(n)
        total += parts[k].num_params - before
        if (step := parts[k].next()) is not None:
            heapq.heappush(heap, (step, k))


def capped(parts: Sequence[Cuts], num_params: int) -> bool:
    """Cut to the highest cap for all bonds that keeps to `num_params`. Returns whether there is one."""
    caps = sorted({r for p in parts for r in range(1, max(p.ranks, default=1) + 1)})
    fits = [c for c in caps if sum(p.params_at(c) for p in parts) <= num_params]
    for p in parts:
        while fits and (high := [n for n, r in enumerate(p.ranks) if r > fits[-1]]):
            p.cut(high[0])
    return bool(fits)


def bridged(network: Network, sizes: Mapping[str, int]) -> dict[str, int]:
    """Sizes of which none is above the product of the other indices in one of its factors, where it could not be filled."""
    size = {**network.size, **sizes}
    lowered = True
    while lowered:
        lowered = False
        for bond in sizes:
            volumes = (math.prod([size[i] for i in f if i != bond]) for f in network.factors if bond in f)
            least = min(size[bond], *volumes)
            size[bond], lowered = least, lowered or least < size[bond]
    return {b: size[b] for b in sizes}


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
    size, bonds, shared = network.size, network.bonds, network.shared
    leader = {b: b for b in bonds}
    for indices in network.factors:
        own = [i for i in indices if i in bonds]
        if (
            len(own) == 2
            and all(size[i] == 1 or i in shared for i in indices if i not in own)
            and size[own[0]] == size[own[1]]
        ):
            old, new = leader[own[1]], leader[own[0]]
            leader = {b: new if at == old else at for b, at in leader.items()}
    found = []
    for first in dict.fromkeys(leader.values()):
        members = tuple(b for b in bonds if leader[b] == first)
        held = [(k, sum(i in members for i in f)) for k, f in enumerate(network.factors)]
        found.append(Group(members, tuple((k, axes) for k, axes in held if axes)))
    return found
