"""`opdf plan`: what would be made of a checkpoint's weights, before any of them is read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensornet as tn
from tensornet.planning import Rules
from tensornet.planning._embeddings import embeddings

from .checkpoint import shapes


def plan_of(path: Path, rules: Sequence[str], format: str, options: dict[str, Any]) -> tn.Plan:
    """The plan of the checkpoint at `path`.

    rules    "all-linear", which is every matrix called weight that is no embedding by its name; or regular expressions
    options  of the format's for_shape; None is left to it
    raises: TensorNetError as `shapes` and `tensornet.plan` do
    """
    found = shapes(path)
    matrices = [name for name, shape in found.items() if len(shape) == 2 and name.split(".")[-1] == "weight"]
    tables = embeddings(matrices)
    linear = [name for name in matrices if name not in tables]
    given = {name: value for name, value in options.items() if value is not None}
    if list(rules) == ["all-linear"]:
        return tn.plan(found, "all-linear", format=format, linear=linear, skipped=tables, **given)
    by_rule: Rules = dict.fromkeys(rules, format)
    return tn.plan(found, by_rule, format=format, linear=linear, **given)


def summary(plan: tn.Plan) -> str:
    """One line below the table."""
    dense = sum(round(f.num_params / f.scale) for f in plan.values())
    return f"{len(plan)} weights: {dense:,} parameters dense, {plan.num_params:,} in factors (× {plan.num_params / dense:.3g})"
