"""Block-structured networks: the indices that all factors share, as lead axes of a smaller network's factors."""

from collections.abc import Sequence

from ._arrays import Array, namespace
from ._network import Network


def unshare(network: Network, factors: Sequence[Array]) -> tuple[Network, list[Array]]:
    """The smaller network that `network` is a stack of, and its factors, with the shared axes last of the lead axes."""
    if not network.shared:
        return network, list(factors)
    moved = [
        _permuted(f, indices, _shared_first(network, indices))
        for f, indices in zip(factors, network.factors, strict=True)
    ]
    return network.unshared, moved


def reshare(network: Network, factors: Sequence[Array]) -> list[Array]:
    """The inverse of `unshare`."""
    if not network.shared:
        return list(factors)
    return [
        _permuted(f, _shared_first(network, indices), indices)
        for f, indices in zip(factors, network.factors, strict=True)
    ]


def _shared_first(network: Network, indices: tuple[str, ...]) -> tuple[str, ...]:
    return (*network.shared, *(i for i in indices if i not in network.shared))


def _permuted(factor: Array, old: tuple[str, ...], new: tuple[str, ...]) -> Array:
    """(*lead, *old) → (*lead, *new)."""
    lead = factor.ndim - len(old)
    return namespace(factor).permute_dims(factor, (*range(lead), *(lead + old.index(i) for i in new)))
