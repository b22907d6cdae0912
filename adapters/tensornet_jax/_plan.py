"""A plan from a pytree of parameters: names, shapes, and which way round a kernel is stored."""

import re
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

import tensornet as tn
from tensornet.planning import Rules
from tensornet.planning._embeddings import embeddings

from ._tree import named_leaves

KERNEL = r"(.*[.])?kernel"


def plan(
    params: Any, rules: Rules = "all-linear", *, kernels: str = KERNEL, stacked: str | None = None, **options: Any
) -> tn.Plan:
    """Which weights of a pytree take which format; arrays or jax.ShapeDtypeStruct leaves, whose shapes alone are read.

    rules    as in `tensornet.plan`, over names such as "layers.0.kernel"; "all-linear" is every matrix that is no embedding
             by its name: one with "emb" in a part of it, as of Flax, Equinox and Haiku, or a part wte, wpe, shared
    kernels  regular expression of the names that are stored (in, out), as Flax's kernels are; all others are (out, in),
             as Equinox's weights are. Formats are of (out, in) matrices always, so that PyTorch reads the same plan. Of more
             axes, those are left out, because they are (*kernel, in, out) where formats take (out, in, *kernel)
    stacked  regular expression of the names whose leading axis counts layers, as scan over layers stores them, biases and
             all: a kernel (layers, in, out) takes one format of (out, in), and factors (layers, …) of one batched call
    options  format="mpo" and what its for_shape takes, e.g. cores=5

    raises: TensorNetError if a rule or `stacked` matches nothing, or two rules match one weight
    """
    arrays = {n: leaf for n, leaf in named_leaves(params).items() if hasattr(leaf, "shape")}
    layers = _layers(arrays, stacked)
    shapes = {n: tuple(a.shape)[n in layers :] for n, a in arrays.items()}
    stored = {n for n in shapes if re.fullmatch(kernels, n)}
    turned = {n for n in stored if len(shapes[n]) == 2}
    skipped = {n: f"no floats, but {a.dtype}" for n, a in arrays.items() if len(shapes[n]) > 1 and not _is_float(a)}
    others = {n: s for n, s in shapes.items() if len(s) > 2 and (rules == "all-linear" or n in stored)}
    skipped |= {n: f"no matrix, but {len(s)} axes" for n, s in others.items() if n not in skipped}
    out_in = {n: s[::-1] if n in turned else s for n, s in shapes.items() if n not in skipped}
    matrices = [n for n, s in out_in.items() if len(s) == 2]
    tables = embeddings(matrices)
    linear = [n for n in matrices if n not in tables]
    if rules == "all-linear":
        skipped |= tables
    return tn.plan(out_in, rules, linear=linear, skipped=skipped, transposed=turned, stacked=layers, **options)


def _layers(arrays: Mapping[str, Any], stacked: str | None) -> dict[str, int]:
    """How many layers the leading axis of each stacked array counts."""
    if stacked is None:
        return {}
    found = {n: int(a.shape[0]) for n, a in arrays.items() if a.shape and re.fullmatch(stacked, n)}
    if not found:
        raise tn.TensorNetError(
            f"plan: stacked={stacked!r} matches no array; needed a regular expression for the whole names of those whose "
            f"leading axis counts layers, because a misspelt one would plan stacks as kernels; they are {', '.join(arrays)}"
        )
    return found


def _is_float(array: Any) -> bool:
    """Random keys, of which NNX keeps stacks among its state, and whole numbers are no weights."""
    return jnp.issubdtype(getattr(array, "dtype", jnp.float32), jnp.inexact)
