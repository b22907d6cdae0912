"""Links: factors that only pass a bond on, as unit modes make them. They are taken out of a tree and put back as identities.

A chain of bonds along links has one spectrum, and one cut serves them all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ._arrays import Array, eye, namespace
from ._network import Network
from ._unfold import along


@dataclass(frozen=True)
class Links:
    """
    whole    a tree
    kept     its factors that are no links
    taken    (link, a bond of it, the bond that stays, the other factor of the bond that goes), in order of their removal
    stands   bond → the bond that stands for it when all links are gone
    network  the tree without links
    """

    whole: Network
    kept: tuple[int, ...]
    taken: tuple[tuple[int, str, str, int], ...]
    stands: tuple[tuple[str, str], ...]
    network: Network

    @staticmethod
    def of(network: Network) -> "Links":
        factors, bonds, shared = dict(enumerate(network.factors)), network.bonds, network.shared
        size, taken, stands = network.size, [], {b: b for b in bonds}
        for k, indices in enumerate(network.factors):
            own = [i for i in factors[k] if i in stands.values()]
            rest = [i for i in indices if i not in bonds]
            if len(own) == 2 and size[own[0]] == size[own[1]] and all(size[i] == 1 or i in shared for i in rest):
                stays, goes = own
                other = next(n for n, f in factors.items() if n != k and goes in f)
                factors[other] = tuple(stays if i == goes else i for i in factors[other])
                stands = {b: stays if at == goes else at for b, at in stands.items()}
                taken.append((k, goes, stays, other))
                del factors[k]
        held = {i for f in factors.values() for i in f}
        rows, cols = (tuple(i for i in part if i in held) for part in (network.rows, network.cols))
        small = Network(tuple(factors.values()), rows, cols, tuple((i, s) for i, s in network.sizes if i in held))
        return Links(network, tuple(factors), tuple(taken), tuple(stands.items()), small)

    def without(self, factors: Sequence[Array]) -> list[Array]:
        """The factors of `network`: each link is multiplied into its neighbour. `whole` must have no shared indices."""
        live, indices = dict(enumerate(factors)), dict(enumerate(self.whole.factors))
        for k, goes, stays, other in self.taken:
            x, n = live.pop(k), len(indices[k])
            d, axis = x.shape[indices[k].index(goes) - n], indices[other].index(goes) - len(indices[other])
            link = namespace(x).reshape(x, (*x.shape[: x.ndim - n], d, d))  # all other axes are of size 1
            if indices[k].index(stays) < indices[k].index(goes):
                link = namespace(x).matrix_transpose(link)  # (goes, stays)
            live[other] = along(live[other], axis, len(indices[other]), link)
            indices[other] = tuple(stays if i == goes else i for i in indices[other])
        return [live[k] for k in self.kept]

    def sizes(self, small: Mapping[str, int]) -> dict[str, int]:
        """bond of `whole` → size, from the sizes of the bonds of `network`."""
        return {b: small[at] for b, at in self.stands}

    def restored(self, factors: Sequence[Array], small: Mapping[str, int]) -> tuple[Network, list[Array]]:
        """`whole` with other sizes of its bonds, and its factors, the links being identities."""
        size, like = {**self.whole.size, **self.sizes(small)}, factors[0]
        lead = tuple(like.shape[: like.ndim - len(self.network.factors[0])])
        made = dict(zip(self.kept, factors, strict=True))
        for k, goes, _, _ in self.taken:
            shape = (*lead, *(size[i] for i in self.whole.factors[k]))
            made[k] = namespace(like).reshape(eye(size[goes], size[goes], like, lead), shape)
        network = replace(self.whole, sizes=tuple(size.items()))
        return network, [made[k] for k in range(len(self.whole.factors))]
