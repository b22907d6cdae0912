"""Weights and temperatures that change while a student trains."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from array_api_compat import array_namespace, is_array_api_obj

from tensornet import TensorNetError


@dataclass(frozen=True)
class Schedule:
    """A pure function of the step: up from 0 in `warm_up` steps, then from `start` to `stop` in `steps`, and `stop` for good.

    start    the value after the warm-up
    stop     the value in the end; None stays at `start`
    steps    steps from start to stop
    curve    "linear": start + (stop − start)·s;  "cosine": stop + (start − stop)·(1 + cos πs)/2;  s from 0 to 1
    warm_up  steps of  start · step/warm_up  before. A temperature cannot have one: it would start at 0

    Learning rates have schedulers of their own in torch and optax.

    >>> Schedule(1.0, 0.2, steps=100)(50)
    0.6
    """

    start: float
    stop: float | None = None
    steps: int = 0
    curve: Literal["linear", "cosine"] = "linear"
    warm_up: int = 0

    def __post_init__(self) -> None:
        if self.curve not in ("linear", "cosine"):
            raise TensorNetError(
                f"Schedule: curve={self.curve!r}, needed 'linear' or 'cosine', because there are no others; choose one, or "
                f"write a function of the step"
            )
        counts = {"steps": self.steps, "warm_up": self.warm_up}
        if any(type(n) is not int or n < 0 for n in counts.values()) or (self.stop is None) != (self.steps == 0):
            raise TensorNetError(
                f"Schedule: stop={self.stop}, steps={self.steps}, warm_up={self.warm_up}, needed integers ≥ 0, and stop and "
                f"steps both or neither, because a way needs an end and a length; give both, or start alone for a constant"
            )

    def __call__(self, step: Any) -> Any:
        """The value at a step, counted from 0: of a number a float, of an array, traced or not, an array."""
        up = self.start * _share(step, self.warm_up)
        s = _share(step - self.warm_up, self.steps)
        if self.stop is None or self.curve == "linear":
            return up + ((self.start if self.stop is None else self.stop) - self.start) * s
        return up + (self.stop - self.start) * (1 - _cos(math.pi * s)) / 2


def _share(step: Any, steps: int) -> Any:
    """step/steps, held between 0 and 1; 1 of no steps."""
    if not is_array_api_obj(step):
        return min(max(step / steps, 0.0), 1.0) if steps else 1.0
    xp = array_namespace(step)
    share = xp.astype(step, xp.float32) / max(steps, 1)
    return xp.clip(share, 0.0, 1.0) if steps else xp.ones_like(share)


def _cos(x: Any) -> Any:
    return array_namespace(x).cos(x) if is_array_api_obj(x) else math.cos(x)
