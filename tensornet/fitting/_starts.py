"""Where a search starts."""

import math
import random
from collections.abc import Callable

from array_api_compat import device

from .._arrays import Array, is_complex, namespace
from .._contract import permute
from .._graph import even_deviation
from .._network import Network

Normal = Callable[[tuple[int, ...]], Array]


def generator(like: Array, seed: int = 0) -> Normal:
    """shape → standard normal entries of the kind of `like`, the same in every library: the array API has none."""
    draw, xp = random.Random(seed).gauss, namespace(like)
    dtype = (xp.real(like) if is_complex(like) else like).dtype

    def real(shape: tuple[int, ...]) -> Array:
        entries = [draw(0.0, 1.0) for _ in range(math.prod([*shape]))]
        return xp.reshape(xp.asarray(entries, dtype=dtype, device=device(like)), shape)

    return (lambda shape: (real(shape) + 1j * real(shape)) / 2**0.5) if is_complex(like) else real


def at_random(network: Network, lead: tuple[int, ...], normal: Normal) -> list[Array]:
    """Normal factors of contractions with entries of order 1, the same for each of a stack: it is fitted as its members are."""
    return [_stacked(lead, even_deviation(network) * normal(s)) for s in network.shapes]


def of_zero(network: Network, lead: tuple[int, ...], normal: Normal) -> list[Array]:
    """Factors of a zero weight: the largest is zero and learns first, seeing through the others, which are such that a step of
    it moves W by about as much.
    """
    size, shapes = network.size, network.shapes
    k = max(range(len(shapes)), key=lambda n: math.prod([*shapes[n]]))
    # a column of the environment E has Π(open) entries, each a sum of Π(summed) products of n - 1 entries
    unseen = math.prod([s for i, s in size.items() if i not in network.factors[k]])
    each = unseen ** (-0.5 / max(len(shapes) - 1, 1))
    return [_stacked(lead, (0.0 if n == k else each) * normal(s)) for n, s in enumerate(shapes)]


def from_unfoldings(network: Network, w: Array, normal: Normal) -> list[Array]:
    """Of each factor the leading left singular vectors of w unfolded into its output indices, on its bonds.

    The higher-order SVD (De Lathauwer et al. 2000, doi 10.1137/S0895479896305696), the usual start of CP and Tucker, for any
    network; normal entries where the bonds are larger than the unfolding has vectors.
    """
    return [_vectors(network, k, w, normal) for k in range(len(network.factors))]


def _vectors(network: Network, k: int, w: Array, normal: Normal) -> Array:
    xp, size, own = namespace(w), network.size, network.factors[k]
    lead = tuple(w.shape[: w.ndim - len(network.output)])
    opened = tuple(i for i in own if i in network.output)
    bonds = tuple(i for i in own if i not in network.output)
    p, b = (math.prod([size[i] for i in part]) for part in (opened, bonds))
    order = [network.output.index(i) for i in (*(i for i in network.output if i not in opened), *opened)]
    tall = xp.reshape(permute(xp, w, tuple(order)), (*lead, -1, p))
    if tall.shape[-2] > p:
        tall = xp.linalg.qr(tall)[1]
    _, _, vh = xp.linalg.svd(tall, full_matrices=False)
    found = xp.matrix_transpose(vh)  # tall is (others, open), so that its right vectors are those wanted
    found = found[..., : min(b, found.shape[-1])]
    if found.shape[-1] < b:
        found = xp.concat([found, _stacked(lead, normal((p, b - found.shape[-1])) / p**0.5)], axis=-1)
    factor = xp.reshape(found, (*lead, *(size[i] for i in opened + bonds)))
    return permute(xp, factor, tuple((opened + bonds).index(i) for i in own))


def _stacked(lead: tuple[int, ...], x: Array) -> Array:
    return namespace(x).broadcast_to(x, (*lead, *x.shape))
