"""What the factorised weights of a pytree cost."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from tensornet import TensorNetError
from tensornet._arrays import widest
from tensornet._receipt import Entry, Receipt, relative_error

from .._tree import branches, named_leaves
from ._factorized import Factorized, is_factorized


def receipt(params: Any, original: Any = None) -> Receipt:
    """What the factorised weights of `params` cost, and how far they are from the dense ones.

    original  the dense parameters, to measure against now; without them no error is told, because a pytree has no place to
              note one. Of parameters that are dense again, the weights that differ are told
    raises: TensorNetError if `original` lacks a weight, or has another shape of it
    """
    held = named_weights(params)
    dense = None if original is None else named_leaves(original)
    entries = []
    for name, leaf in held.items():
        if isinstance(leaf, Factorized):
            after = sum(f.size for f in leaf.factors)
            error = None if dense is None else relative_error(_made(leaf), _of(dense, name, leaf.shape))
            entries.append(Entry(name, leaf.format, error, math.prod([*leaf.shape]), after))
        elif dense is not None and name in dense and getattr(leaf, "ndim", 0) > 1:
            error = relative_error(jnp.asarray(leaf), _of(dense, name, leaf.shape))
            entries += [Entry(name, None, error, leaf.size, leaf.size)] if error else []
    total = sum(getattr(leaf, "size", 0) for leaf in jax.tree.leaves(params))
    return Receipt(tuple(entries), total + sum(e.before - e.after for e in entries), total)


def named_weights(params: Any) -> dict[str, Any]:
    """Leaves and `Factorized` nodes by dotted path, in the tree's own order, out of their boxes."""
    held = branches(jax.tree.map(lambda _: 0, params, is_leaf=is_factorized), params)
    return {name: jax.tree.leaves(leaf, is_leaf=is_factorized)[0] for name, leaf in held.items()}


def _made(node: Factorized) -> Any:
    return Factorized(tuple(widest(jnp.asarray(f)) for f in node.factors), node.format, node.transposed).dense()


def _of(dense: dict[str, Any], name: str, shape: tuple[int, ...]) -> Any:
    if name not in dense or tuple(dense[name].shape) != shape:
        got = tuple(dense[name].shape) if name in dense else "none of this name"
        raise TensorNetError(
            f"receipt: {name} is {shape}, and in the original {got}, needed the same, because one is measured against the "
            f"other; pass the dense parameters that were compressed"
        )
    return jnp.asarray(dense[name])
