"""Which examples a step takes, and which steps are evaluated: functions of the seed alone, so that resuming needs no state."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Steps:
    """A run of `total` steps of `batch` examples each.

    Shuffled passes over the examples follow each other in one stream; a step takes the next `batch` of it, so that every batch
    has the same size and every example comes once in a pass.
    """

    examples: int
    batch: int
    total: int
    seed: int
    evaluations: int

    @classmethod
    def of(cls, examples: int, batch: int, epochs: float, seed: int, evaluations: int) -> "Steps":
        batch = min(batch, examples)
        return cls(examples, batch, max(1, round(epochs * examples / batch)), seed, evaluations)

    def rows(self, step: int) -> NDArray[np.int64]:
        """The examples of a step, counted from 0."""
        start = step * self.batch
        taken = [self._pass(n) for n in range(start // self.examples, (start + self.batch - 1) // self.examples + 1)]
        first = start % self.examples
        return np.concatenate(taken)[first : first + self.batch]

    def epoch(self, step: int) -> float:
        return step * self.batch / self.examples

    @property
    def evaluated(self) -> frozenset[int]:
        """After how many steps the student is scored on dev: evenly spaced, the last step among them."""
        return frozenset(max(1, round(self.total * n / self.evaluations)) for n in range(1, self.evaluations + 1))

    def _pass(self, number: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, number]).permutation(self.examples)


def learning_rate(peak: float, step: int, total: int, warmup: float, schedule: str) -> float:
    """Of a step counted from 0: up linearly in the first share of the steps, then linear or cosine to 0, or constant."""
    up = round(warmup * total)
    if step < up:
        return peak * (step + 1) / up
    if schedule == "constant":
        return peak
    left = 1 - (step - up) / max(1, total - up)
    return peak * (left if schedule == "linear" else float(1 - np.cos(np.pi * left)) / 2)
