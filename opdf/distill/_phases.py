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


def of_generators(plan: tn.Plan | tn.Generators | None, sizes: Mapping[str, int]) -> dict[str, int]:
    """What a summary says of generators, and of the parameters in training: the more of both phases. Nothing without them.

    sizes  entries of each weight that is trained densely
    """
    if not isinstance(plan, tn.Generators):
        return {}
    first = plan.num_params + sum(size for name, size in sizes.items() if name not in plan)
    return {"generator_parameters": plan.num_params, "training_parameters": max(first, sum(sizes.values()))}


def other_heads(teacher: int | None, student: int | None) -> tuple[int, int] | None:
    """Numbers of heads where both are known and differ: a student out of its teacher then has whole ones."""
    return (teacher, student) if teacher and student and teacher != student else None
