"""compress and dense: a pytree with factors in the place of its weights, and back."""

from typing import Any

import jax
import jax.numpy as jnp

import tensornet as tn
from tensornet import TensorNetError

from .._state import factors_of
from .._tree import map_named, named_leaves
from ._factorized import Factorized, is_factorized


def compress(params: Any, plan: tn.Plan) -> Any:
    """The pytree `params` with a `Factorized` node in the place of each planned weight; all else as it is.

    params  arrays, or jax.ShapeDtypeStructs, which give nodes of such: what to restore a checkpoint into, say
    plan    from `plan(params, …)`. A format that cannot represent a weight takes what its `decompose` finds; `receipt`
            tells the error

    Factors have the dtype of their weight. Inside jit weights are taken as they are, and formats that search refuse.
    raises: TensorNetError for a planned weight that is not there or of another shape; for NaN or Inf
    """
    if not (isinstance(plan, tn.Plan) and len(plan)):
        raise TensorNetError(
            f"compress: got ({type(params).__name__}, {type(plan).__name__}), needed a pytree of parameters and a plan with at "
            f"least one weight, because the plan says what becomes of which; pass tensornet_jax.plan(params, …)"
        )
    leaves = named_leaves(params)
    if missing := [n for n in plan if n not in leaves]:
        raise TensorNetError(
            f"compress: the parameters have no {', '.join(missing)}; plan and parameters must belong together, because a "
            f"weight that is left dense in silence would be missed late; they are {', '.join(leaves)}; plan them anew"
        )

    def replace(name: str, leaf: Any) -> Any:
        return _node(name, plan, leaf) if name in plan else leaf

    return map_named(replace, params)


def dense(params: Any) -> Any:
    """`params` with every `Factorized` node contracted to the array that it stands for.

    raises: TensorNetError if nothing of it is factorised
    """
    if not any(map(is_factorized, jax.tree.leaves(params, is_leaf=is_factorized))):
        raise TensorNetError(
            f"dense: got a {type(params).__name__} without a factorised weight, needed what compress gave, because there is "
            f"nothing to contract; use the parameters as they are"
        )
    return jax.tree.map(lambda leaf: leaf.dense() if is_factorized(leaf) else leaf, params, is_leaf=is_factorized)


def _node(name: str, plan: tn.Plan, weight: Any) -> Factorized:
    fmt, transposed, dtype = plan[name], name in plan.transposed, jnp.result_type(weight)
    lead = (plan.stacked[name],) if name in plan.stacked else ()
    empty: Any = tuple(jax.ShapeDtypeStruct((*lead, *s), dtype) for s in fmt.shapes)
    node = Factorized(empty, fmt, transposed)
    if node.shape != weight.shape:
        raise TensorNetError(
            f"compress: {name} has shape {weight.shape}, needed {node.shape}, because that is planned; plan these parameters"
        )
    if isinstance(weight, jax.ShapeDtypeStruct):
        return node
    factors = factors_of(name, fmt.decompose, weight, transposed, "balanced")
    return Factorized(tuple(f.astype(dtype) for f in factors), fmt, transposed)
