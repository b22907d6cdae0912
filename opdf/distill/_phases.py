"""The two phases of Weight Distillation, in any framework."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ._config import Generator


def switch(options: Generator, steps: int) -> int:
    """The steps of the first phase, of `steps` in all: at least one, and none of the second where `share` is 1."""
    return max(1, round(options.share * steps)) if options.on else 0


def begins(options: Generator, seed: int) -> dict[str, Any]:
    """What `generate` takes of a start; random numbers are NumPy's, so that they are the same in both frameworks."""
    normal: Callable[..., Any] = np.random.default_rng(seed).standard_normal
    return {"start": options.start} | ({"normal": normal} if options.start == "published" else {})


def other_heads(teacher: int | None, student: int | None) -> tuple[int, int] | None:
    """Numbers of heads where both are known and differ: a student out of its teacher then has whole ones."""
    return (teacher, student) if teacher and student and teacher != student else None
