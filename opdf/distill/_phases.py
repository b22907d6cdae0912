"""The two phases of Weight Distillation, in any framework."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import tensornet as tn

from ._config import Generator


def switch(options: Generator, steps: int) -> int:
    """The steps of the first phase, of `steps` in all: at least one, and none of the second where `share` is 1."""
    return max(1, round(options.share * steps)) if options.on else 0


def begins(options: Generator, seed: int) -> dict[str, Any]:
    """What `generate` takes of a start; random numbers are NumPy's, so that they are the same in both frameworks."""
    normal: Callable[..., Any] = np.random.default_rng(seed).standard_normal
    return {"start": options.start} | ({"normal": normal} if options.start == "published" else {})


def in_training(plan: tn.Plan | tn.Generators | None, sizes: Mapping[str, int]) -> dict[str, int]:
    """What a summary says of the parameters that are trained: factors or generators and what is dense; of two phases the more.

    sizes  entries of each trained weight, by name
    """
    dense = sum(sizes.values())
    if plan is None:
        return {"training_parameters": dense}
    held = plan.num_params + sum(size for name, size in sizes.items() if name not in plan)
    if isinstance(plan, tn.Generators):
        return {"training_parameters": max(held, dense), "generator_parameters": plan.num_params}
    return {"training_parameters": held}


def other_heads(teacher: int | None, student: int | None) -> tuple[int, int] | None:
    """Numbers of heads where both are known and differ: a student out of its teacher then has whole ones."""
    return (teacher, student) if teacher and student and teacher != student else None
