"""Which device keeps which part of the factors."""

from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import tensornet as tn


def shardings(plan: tn.Plan, state: Any, mesh: Mesh, axis: str) -> Any:
    """NamedShardings for a state, by which each of the N devices along a mesh axis keeps one N-th of factors and moments.

    One program on all devices splits arrays, it does not hand whole ones to owners. A stack of layers is split by layers
    where N divides their number: each device then contracts and pulls back its own, and gradients and W alone travel.
    Other factors are split along an axis, and XLA sends parts of them too. What no axis of divides by N is on all devices,
    and so is what does not belong to a planned weight.

    state    of the transformation, or one that holds it; arrays or shapes (jax.eval_shape(tx.init, params))
    returns: the tree of `state`. Place the state by it, and give it to jit for what comes out too: jax.jit(step,
        donate_argnums=(0, 1), out_shardings=(of_params, shardings(…))), or XLA chooses, and the second call compiles again
    """
    n = mesh.shape[axis]
    held = {f"{name}.{k}": name in plan.stacked for name, fmt in plan.items() for k in range(len(fmt.shapes))}

    def place(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        keys = jax.tree_util.keystr(path, simple=True, separator=".").split(".")
        endings = (".".join(keys[i:]) for i in range(len(keys)))  # 0.mu.fc.kernel.2 is a moment of fc.kernel.2
        factor = next((e for e in endings if e in held), None)
        return NamedSharding(mesh, PartitionSpec() if factor is None else _split(leaf.shape, axis, n, held[factor]))

    return jax.tree_util.tree_map_with_path(place, state)


def _split(shape: tuple[int, ...], axis: str, n: int, stacked: bool) -> PartitionSpec:
    """Along the layers of a stack, or else the largest axis that n divides, which took the least traffic of all choices."""
    divided = [k for k, size in enumerate(shape) if size % n == 0]
    if not divided:
        return PartitionSpec()
    chosen = 0 if stacked and 0 in divided else max(divided, key=lambda k: shape[k])
    return PartitionSpec(*(axis if k == chosen else None for k in range(len(shape))))
