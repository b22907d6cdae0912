"""Which examples a step takes, and which steps are evaluated: functions of the seed alone, so that resuming needs no state."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..tasks import Examples
from ._config import Training

WINDOW = 50  # batches whose examples are sorted by length


@dataclass(frozen=True)
class Steps:
    """A run of `total` steps of `batch` examples each.

    Shuffled passes over the examples follow each other in one stream; a step takes the next `batch` of it, so that every batch
    has the same size and every example comes once in a pass.

    lengths  where given, examples of like lengths are put together: a pass is sorted by them, `WINDOW` batches at a time, and
             the order of its batches is shuffled
    """

    examples: int
    batch: int
    total: int
    seed: int
    evaluations: int
    lengths: NDArray[np.int64] | None = field(default=None, compare=False)

    @classmethod
    def over(cls, examples: Examples, training: Training) -> "Steps":
        """As a training says, over examples."""
        t = training
        return cls.of(len(examples), t.batch_size, t.epochs, t.seed, t.evaluations, examples.grouped(t.group_by_length))

    @classmethod
    def of(
        cls,
        examples: int,
        batch: int,
        epochs: float,
        seed: int,
        evaluations: int,
        lengths: NDArray[np.int64] | None = None,
    ) -> "Steps":
        batch = min(batch, examples)
        return cls(examples, batch, max(1, round(epochs * examples / batch)), seed, evaluations, lengths)

    def rows(self, step: int) -> NDArray[np.int64]:
        """The examples of a step, counted from 0."""
        return next(self.since(step))

    def since(self, step: int) -> Iterator[NDArray[np.int64]]:
        """`rows` of this step and of all after it; each pass is drawn once."""
        drawn: dict[int, NDArray[np.int64]] = {}
        for start in range(step * self.batch, self.total * self.batch, self.batch):
            numbers = range(start // self.examples, (start + self.batch - 1) // self.examples + 1)
            drawn = {n: drawn[n] if n in drawn else self._pass(n) for n in numbers}
            stream = drawn[numbers[0]] if len(drawn) == 1 else np.concatenate(list(drawn.values()))
            first = start % self.examples
            yield stream[first : first + self.batch]

    def epoch(self, step: int) -> float:
        return step * self.batch / self.examples

    @property
    def evaluated(self) -> frozenset[int]:
        """After how many steps the student is scored on dev: evenly spaced, the last step among them."""
        return frozenset(max(1, round(self.total * n / self.evaluations)) for n in range(1, self.evaluations + 1))

    def _pass(self, number: int) -> NDArray[np.int64]:
        drawn = np.random.default_rng([self.seed, number])
        order = drawn.permutation(self.examples)
        if self.lengths is None:
            return order
        # whole batches of the stream alone: the first and the last of a pass may be shared with its neighbours
        first = -number * self.examples % self.batch
        count = max(0, self.examples - first) // self.batch
        middle = order[first : first + count * self.batch]
        for window in np.split(middle, range(WINDOW * self.batch, len(middle), WINDOW * self.batch)):
            window[:] = window[np.argsort(self.lengths[window], kind="stable")]
        middle[:] = drawn.permutation(middle.reshape(count, self.batch)).ravel()
        return order


def rate(training: Training, step: int, total: int, switch: int) -> float:
    """The learning rate of a step; with a second phase, from step `switch` on, of its phase, as if that were a run."""
    first, last = (0, switch) if step < switch else (switch, total)
    return learning_rate(training.lr, step - first, last - first, training.warmup, training.schedule)


def learning_rate(peak: float, step: int, total: int, warmup: float, schedule: str) -> float:
    """Of a step counted from 0: up linearly in the first share of the steps, then linear or cosine to 0, or constant."""
    up = round(warmup * total)
    if step < up:
        return peak * (step + 1) / up
    if schedule == "constant":
        return peak
    left = 1 - (step - up) / max(1, total - up)
    return peak * (left if schedule == "linear" else float(1 - np.cos(np.pi * left)) / 2)
