"""A training run out of the state of the transformation, for either framework to go on with, and into it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

import tensornet as tn
from tensornet import TensorNetError
from tensornet.alignment import target
from tensornet.files import Run

from ._guard import sums
from ._plan import KERNEL
from ._state import AlignmentState, Factors, OverparameterizedState, TransferState, all_contracted, found
from ._tree import branches, map_named, named_leaves

MOMENTS = ("mu", "nu")
Named = Mapping[str, tuple[Array, ...]]  # weight name → its factors; of a weight that has none, the one array


def to_run(plan: tn.Plan, params: Any, state: Any, *, kernels: str = KERNEL) -> Run:
    """What training with `overparameterize(optax.adamw(…), plan)` goes on from: `to_run(…).save(path)`.

    Copied are the factors, all dense parameters beside them, Adam's moments of both, and the scales of lr_transfer; not
    hyper-parameters, schedules and the rotations of an alignment.

    state    that of the transformation, or one that holds it
    kernels  regular expression of the names that are stored (*kernel, in, out), as in `plan`; a run holds (out, in, *kernel)
    raises: TensorNetError for a state of another transformation than Adam, which alone means the same to both frameworks
    """
    held = found(state, "to_run")
    adam = _adam("to_run", held.inner)
    values = _copied(named_leaves(params) | held.factors, plan, kernels, _out_in)
    moments = {kind: _copied(branches(params, getattr(adam, kind)), plan, kernels, _out_in) for kind in MOMENTS}
    step = int(jax.tree.leaves(adam.count)[0])
    scales = {n: tuple(m.tolist() for m in each) for n, each in (held.transfer.scales if held.transfer else {}).items()}
    return Run(dict(plan.formats), values, moments if step else {}, step, scales)


def from_run(run: Run, plan: tn.Plan, params: Any, state: Any, *, kernels: str = KERNEL) -> tuple[Any, Any]:
    """The parameters and the state that go on from `run`; an alignment is rotated anew, and its
    weight is that of the step, where it is a schedule.

    run            `Run.load(path, framework="jax")`, under the names of `params`: `run.renamed({…})`
    params, state  of a fresh start, state = tx.init(params); their names, shapes and dtypes are kept. A schedule goes on at the
                   step of the run
    raises: TensorNetError if weights, formats or shapes of the two differ, or for a state of another transformation than Adam
    """
    held = found(state, "from_run")
    _adam("from_run", held.inner)
    like = jax.eval_shape(lambda: _copied(named_leaves(params) | held.factors, plan, kernels, _out_in))
    shapes = {name: [tuple(a.shape) for a in arrays] for name, arrays in like.items()}
    run.check(plan, shapes, scaled=held.transfer is not None)
    values = _copied(run.values, plan, kernels, _in_out)
    factors = {n: tuple(v.astype(f.dtype) for v, f in zip(values[n], held.factors[n], strict=True)) for n in plan}
    made, products = all_contracted(plan, factors)
    params = map_named(lambda n, leaf: (made[n] if n in made else values[n][0]).astype(leaf.dtype), params)
    leaves = named_leaves(params)
    moments = {kind: _copied(named, plan, kernels, _in_out) for kind, named in run.moments.items()}
    flat = {kind: [a for name in leaves for a in named[name]] for kind, named in moments.items()}
    fresh = OverparameterizedState(
        factors=factors,
        inner=_with_moments(held.inner, run.step, flat),
        written={name: sums(leaves[name], w) for name, w in made.items()},
        alignment=held.alignment and _gone_on(held.alignment, plan, factors, run.step),
        products=products if held.products else {},
        transfer=held.transfer and _scaled(held.transfer, run),
    )
    boxed = jax.tree.unflatten(jax.tree.structure(held), jax.tree.leaves(fresh))  # NNX keeps states in boxes
    return params, jax.tree.map(lambda s: boxed if s is held else s, state, is_leaf=lambda s: s is held)


def _gone_on(state: AlignmentState, plan: tn.Plan, factors: Mapping[str, Factors], step: int) -> AlignmentState:
    with jax.default_matmul_precision("float32"):  # only "procrustes" keeps the teacher's factors, to rotate them
        turned = {n: target(plan[n], factors[n], theirs, "procrustes") for n, theirs in state.teacher.items()}
    return state._replace(steps=_filled(state.steps, step), targets=turned or state.targets)


def _adam(who: str, inner: Any) -> optax.ScaleByAdamState:
    """The one state of Adam, beside which there may be counts and injected hyper-parameters."""
    leaves = jax.tree_util.tree_leaves_with_path(inner, is_leaf=_is_adam)
    states = [leaf for _, leaf in leaves if _is_adam(leaf)]
    others = [
        jax.tree_util.keystr(path)
        for path, leaf in leaves
        if not (_is_adam(leaf) or _is_count(path) or _is_hyper(path))
    ]
    if len(states) != 1 or others:
        raise TensorNetError(
            f"{who}: the inner state has {len(states)} states of optax.scale_by_adam, and beside them "
            f"{', '.join(others) or 'nothing'}, needed one and nothing else, because only Adam's means the same to both "
            f"frameworks; go on in JAX with a checkpoint of the state, or exchange factors with tensornet.save"
        )
    return states[0]


def _with_moments(inner: Any, step: int, moments: Mapping[str, list[Array]]) -> Any:
    """The state `inner` at `step`, with other moments, in the order of its leaves; without any, as they are."""

    def replaced(path: tuple[Any, ...], leaf: Any) -> Any:
        if _is_adam(leaf):
            trees = {kind: _refilled(getattr(leaf, kind), arrays) for kind, arrays in moments.items()}
            return leaf._replace(count=_filled(leaf.count, step), **trees)
        return _filled(leaf, step) if _is_count(path) else leaf

    return jax.tree_util.tree_map_with_path(replaced, inner, is_leaf=_is_adam)


def _refilled(tree: Any, arrays: list[Array]) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, [a.astype(old.dtype) for a, old in zip(arrays, leaves, strict=True)])


def _filled(tree: Any, number: int) -> Any:
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, number), tree)


def _scaled(transfer: TransferState, run: Run) -> TransferState:
    scales = {
        n: tuple(jnp.asarray(new, m.dtype) for new, m in zip(run.scales[n], each, strict=True))
        for n, each in transfer.scales.items()
    }
    return TransferState(_filled(transfer.steps, run.step), scales)


def _copied(named: Mapping[str, Any], plan: tn.Plan, kernels: str, turn: Callable[[Array], Array]) -> Named:
    """In buffers of their own, which nobody donates; a dense kernel `turn`ed."""

    def copied(name: str, array: Any) -> Array:
        array = jnp.array(array, copy=True)
        return turn(array) if name not in plan and array.ndim > 1 and re.fullmatch(kernels, name) else array

    return {name: tuple(copied(name, a) for a in jax.tree.leaves(held)) for name, held in named.items()}


def _out_in(kernel: Array) -> Array:
    """(*kernel, in, out) → (out, in, *kernel)"""
    return jnp.moveaxis(kernel, (-1, -2), (0, 1))


def _in_out(weight: Array) -> Array:
    return jnp.moveaxis(weight, (0, 1), (-1, -2))


def _is_adam(state: Any) -> bool:
    return isinstance(state, optax.ScaleByAdamState)


def _is_count(path: tuple[Any, ...]) -> bool:
    return jax.tree_util.GetAttrKey("count") in path


def _is_hyper(path: tuple[Any, ...]) -> bool:
    """Of optax.inject_hyperparams."""
    return any(str(getattr(key, "name", "")).startswith("hyperparams") for key in path)
