"""Pytrees by name, and matrices the way round that formats take them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from tensornet import TensorNetError


def named_leaves(tree: Any) -> dict[str, Any]:
    """Leaves by dotted path, in the tree's own order; two of one name are an error."""
    leaves = [(_name(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]
    named = dict(leaves)
    if len(named) < len(leaves):
        twice = sorted({n for n, _ in leaves if sum(n == m for m, _ in leaves) > 1})
        raise TensorNetError(
            f"tensornet_jax: {', '.join(twice)} names two leaves of this tree, as a key with a dot in it does; names must be "
            f"unique, because plans go by them; rename one"
        )
    return named


def map_named(function: Callable[[str, Any], Any], tree: Any) -> Any:
    """The tree with each leaf replaced by function(name, leaf)."""
    return jax.tree_util.tree_map_with_path(lambda path, leaf: function(_name(path), leaf), tree)


def branches(like: Any, tree: Any) -> dict[str, Any]:
    """What stands in `tree` where `like` has its leaves, by the names of `like`."""
    structure: Any = jax.tree.structure(like)
    return dict(zip(named_leaves(like), structure.flatten_up_to(tree), strict=True))


def out_in(array: Array, transposed: bool) -> Array:
    """A weight or gradient as (out, in), a float in at least float32."""
    array = jnp.asarray(array)
    turned = jnp.swapaxes(array, -1, -2) if transposed else array
    is_float = jnp.issubdtype(array.dtype, jnp.floating)
    return turned.astype(jnp.promote_types(array.dtype, jnp.float32)) if is_float else turned


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
