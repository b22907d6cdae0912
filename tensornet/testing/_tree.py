"""One side of a bond as a matrix."""

from collections.abc import Sequence

from .._arrays import Array
from .._contract import contract
from .._graph import open_indices
from .._network import Network
from .._path import Path


def interface(network: Network, factors: Sequence[Array], bond: str, side: Sequence[int]) -> Array:
    """The factors of one side of `bond`, contracted: (open indices, bond)."""
    held = tuple(network.factors[k] for k in side)
    sizes = tuple((i, s) for i, s in network.sizes if any(i in f for f in held))
    part = Network(factors=held, rows=open_indices(network, side), cols=(bond,), sizes=sizes)
    return contract(Path.of_matrix(part), [factors[k] for k in side])
