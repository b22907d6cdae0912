"""Pytrees by name, and matrices the way round that formats take them.

A box is a node that holds one array under `value`, as Flax's Variable and Partitioned do. It is passed over: it adds nothing
to a name, because NNX goes with boxes into `init` and without into `update`, and what it says of its array (how it is
sharded, say) holds for no factors.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from tensornet import TensorNetError

BOXED = jax.tree_util.GetAttrKey("value")


def named_leaves(tree: Any) -> dict[str, Any]:
    """Leaves by dotted path, in the tree's own order; two of one name are an error."""
    leaves = [(_name(path), unboxed(node)) for path, node in jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_box)]
    named = dict(leaves)
    if len(named) < len(leaves):
        twice = sorted({n for n, _ in leaves if sum(n == m for m, _ in leaves) > 1})
        raise TensorNetError(
            f"tensornet_jax: {', '.join(twice)} names two leaves of this tree, as a key with a dot in it does; names must be "
            f"unique, because plans go by them; rename one"
        )
    return named


def named_states(tree: Any, whole: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    """Leaves by dotted path; nodes of the types `whole` are leaves."""
    nodes = jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda node: isinstance(node, whole) or _is_box(node))
    return ((_name(path), unboxed(node)) for path, node in nodes)


def map_named(function: Callable[[str, Any], Any], tree: Any) -> Any:
    """The tree with each leaf replaced by function(name, leaf): in its box, but a tuple (of factors) in place of it."""

    def replaced(path: tuple[Any, ...], node: Any) -> Any:
        made = function(_name(path), unboxed(node))
        return made if isinstance(made, tuple) else jax.tree.map(lambda _: made, node)

    return jax.tree_util.tree_map_with_path(replaced, tree, is_leaf=_is_box)


def branches(like: Any, tree: Any) -> dict[str, Any]:
    """What stands in `tree` where `like` has its leaves, by the names of `like`."""
    structure: Any = jax.tree.structure(like, is_leaf=_is_box)
    return dict(zip(named_leaves(like), map(unboxed, structure.flatten_up_to(tree)), strict=True))


def unboxed(node: Any) -> Any:
    """What is in the box, if it is one."""
    return jax.tree.leaves(node)[0] if _is_box(node) else node


def _is_box(node: Any) -> bool:
    children = jax.tree_util.tree_leaves_with_path(node, is_leaf=lambda child: child is not node)
    return [path for path, _ in children] == [(BOXED,)] and jax.tree_util.all_leaves([children[0][1]])


def out_in(array: Array, transposed: bool) -> Array:
    """A weight or gradient as (out, in), a float in at least float32."""
    array = jnp.asarray(array)
    turned = jnp.swapaxes(array, -1, -2) if transposed else array
    is_half = jnp.issubdtype(array.dtype, jnp.floating) and jnp.finfo(array.dtype).bits < 32
    return turned.astype(jnp.float32) if is_half else turned


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
