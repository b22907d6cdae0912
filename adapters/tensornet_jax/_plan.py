"""A plan from a pytree of parameters: names, shapes, and which way round a kernel is stored."""

import re
from typing import Any

import tensornet as tn
from tensornet.planning import Rules

from ._tree import named_leaves

KERNEL = r"(.*[.])?kernel"


def plan(params: Any, rules: Rules = "all-linear", *, kernels: str = KERNEL, **options: Any) -> tn.Plan:
    """Which weights of a pytree take which format; arrays or jax.ShapeDtypeStruct leaves, whose shapes alone are read.

    rules    as in `tensornet.plan`, over names such as "layers.0.kernel"; "all-linear" is every matrix that is not called
             an embedding
    kernels  regular expression of the names that are stored (in, out), as Flax's kernels are; all others are (out, in),
             as Equinox's weights are. Formats are of (out, in) matrices always, so that PyTorch reads the same plan. Of more
             axes, those are left out, because they are (*kernel, in, out) where formats take (out, in, *kernel)
    options  format="mpo" and what its for_shape takes, e.g. cores=5

    raises: TensorNetError if a rule matches nothing or two rules match one weight
    """
    shapes = {n: tuple(leaf.shape) for n, leaf in named_leaves(params).items() if hasattr(leaf, "shape")}
    stored = {n for n in shapes if re.fullmatch(kernels, n)}
    turned = {n for n in stored if len(shapes[n]) == 2}
    others = {n: s for n, s in shapes.items() if len(s) > 2 and (rules == "all-linear" or n in stored)}
    skipped = {n: f"no matrix, but {len(s)} axes" for n, s in others.items()}
    out_in = {n: s[::-1] if n in turned else s for n, s in shapes.items() if n not in skipped}
    embeddings = {n for n, s in out_in.items() if len(s) == 2 and n.rsplit(".", 1)[-1] == "embedding"}
    linear = [n for n, s in out_in.items() if len(s) == 2 and n not in embeddings]
    if rules == "all-linear":
        skipped |= dict.fromkeys(embeddings, "an embedding")
    return tn.plan(out_in, rules, linear=linear, skipped=skipped, transposed=turned, **options)
