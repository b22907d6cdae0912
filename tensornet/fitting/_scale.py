"""The gauge that every network has: scales. It is all the freedom of an index that three factors hold, as CP's."""

from collections.abc import Sequence

from .._arrays import Array, namespace, nonzero
from .._chain import FLOOR
from .._network import Network


def balanced(network: Network, factors: Sequence[Array], *, passes: int = 1) -> list[Array]:
    """Equal norms of all slices that one value of a summed index multiplies: n_k → (Π_k n_k)^(1/K) for its K holders.

    Norms under FLOOR × the largest of their factor count as that: a term that one factor keeps at zero lives on in the
    others, and can learn (see `_chain`).
    """
    factors = list(factors)
    for index in [i for i in network.size if i not in network.output] * passes:
        holders = [k for k, f in enumerate(network.factors) if index in f]
        norms = [_norms(factors[k], network.factors[k], index) for k in holders]
        xp, mean = namespace(*norms), 1.0
        for n in norms:
            mean = mean * n ** (1 / len(holders))
        for k, n in zip(holders, norms, strict=True):
            scale = xp.astype(mean / n, factors[k].dtype)
            after = len(network.factors[k]) - network.factors[k].index(index) - 1
            before = network.factors[k].index(index)
            shape = (*scale.shape[:-1], *(1,) * before, scale.shape[-1], *(1,) * after)
            factors[k] = factors[k] * xp.reshape(scale, shape)
    return factors


def _norms(factor: Array, indices: Sequence[str], index: str) -> Array:
    """‖slice‖ (*lead, d) for each value of `index`, at least FLOOR × the largest; 1 where all are zero."""
    xp, first = namespace(factor), factor.ndim - len(indices)
    sizes = xp.abs(factor)
    peak = xp.max(sizes, axis=tuple(range(first, factor.ndim)), keepdims=True)  # squares of 1e20 overflow in float32
    unit = nonzero(peak)
    others = tuple(first + n for n, i in enumerate(indices) if i != index)
    norms = xp.sqrt(xp.sum((sizes / unit) ** 2, axis=others))
    floored = xp.maximum(norms, FLOOR * xp.max(norms, axis=-1, keepdims=True))
    peak = xp.reshape(peak, (*factor.shape[:first], 1))
    return xp.where(peak > 0, peak * floored, xp.ones_like(floored))
