"""Formats whose network is a chain, or a stack of chains, filled by `_chain` whatever their factors carry."""

import math
from collections.abc import Sequence
from itertools import pairwise

from .. import _chain
from .._arrays import Array, eye, namespace
from .._blocks import reshare
from .._errors import TensorNetError
from .._gauge import Gauge
from .._network import Network
from .._tree import regauge
from .._unfold import by_index
from ._sizing import positive


def fill(who: str, network: Network, w: Array, gauge: Gauge, centre: int | None) -> list[Array]:
    """Factors of a matrix w (*lead, rows, cols) in `gauge`, as `network`, a chain, has them.

    centre: of an orthogonal gauge, else None

    Only factors that carry a mode above 1 are decomposed; the others are identities, never swept over.
    """
    w, modes, bonds = _tensor(network, w), _modes(network), tuple(network.size[b] for b in _inner(network))
    xp, lead = namespace(w), tuple(w.shape[:-1])
    carrying = [k for k, m in enumerate(modes) if m > 1] or [0]
    near = 0 if centre is None else min(range(len(carrying)), key=lambda p: abs(carrying[p] - centre))
    own = tuple(modes[k] for k in carrying), tuple(bonds[k] for k in carrying[:-1])
    dense = dict(zip(carrying, _chain.fill(who, w, *own, gauge, near), strict=True))
    factors = [
        dense[k] if k in dense else xp.reshape(eye(a, b, w, lead), lead + (a, m, b))
        for k, (a, m, b) in enumerate(_chain.shapes(modes, bonds))
    ]
    if centre is not None:
        factors = _chain.sweep(factors, carrying[near], centre)
    small = network.unshared.shapes
    made = reshare(network, [xp.reshape(f, lead + s) for f, s in zip(factors, small, strict=True)])
    # Each cut lowers the values of those before it: what was split evenly by them is split anew by those that are left.
    cut_twice = len(carrying) > 2 and own[1] != _chain.full_bonds(own[0])
    return regauge(network, made, gauge, None) if gauge == "balanced" and cut_twice else made


def checked_bonds(who: str, bonds: Sequence[int] | None, modes: tuple[int, ...]) -> tuple[int, ...]:
    """`bonds` of a chain of `modes`, or the full ones."""
    full = _chain.full_bonds(modes)
    if bonds is None:
        return full
    bonds = positive(who, "bonds", bonds)
    if len(bonds) != len(full) or any(b > f for b, f in zip(bonds, full, strict=True)):
        raise TensorNetError(
            f"{who}: bonds {bonds}, needed {len(full)} of at most {full}, the full bonds of eq. 3; lower them"
        )
    check_bridges(who, modes, (1, *bonds, 1))
    return bonds


def check_bridges(who: str, modes: Sequence[int], ends: Sequence[int]) -> None:
    """Each bond must be reachable from both of its sides, or some of its directions could never carry anything.

    ends: the sizes before and after each factor, one more than there are modes
    """
    for k, (m, (a, b)) in enumerate(zip(modes, pairwise(ends), strict=True)):
        if b > a * m or a > m * b:
            raise TensorNetError(
                f"{who}: bonds {a} and {b} at factor {k} differ by more than its {m} entries can bridge, so that some "
                f"directions of the larger would be dead; lower the larger one to at most {m * min(a, b)}"
            )


def _inner(network: Network) -> list[str]:
    """The bond between each factor and the next."""
    factors = network.unshared.factors
    return [next(i for i in one if i in other) for one, other in pairwise(factors)]


def _modes(network: Network) -> tuple[int, ...]:
    """m_k: the open entries of each factor, its block given."""
    small = network.unshared
    return tuple(math.prod([small.size[i] for i in f if i in small.output]) for f in small.factors)


def _tensor(network: Network, w: Array) -> Array:
    """(*lead, rows, cols) → (*lead, *shared, m_1⋯m_n): the open indices in the order in which the factors carry them."""
    order = (*network.shared, *(i for f in network.unshared.factors for i in f if i in network.output))
    blocks = tuple(network.size[i] for i in network.shared)
    volume = math.prod([*network.shape]) // math.prod([*blocks])
    return namespace(w).reshape(by_index(network, w, order), (*w.shape[:-2], *blocks, volume))
