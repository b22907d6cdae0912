"""How long networks in JAX take to answer, side by side."""

import statistics
import time
from collections.abc import Sequence

from ._jax_network import Inputs, Model, answer

WARM_UP = 2  # turns that are not counted


def latency(models: Sequence[Model], inputs: Inputs, rounds: int = 15) -> tuple[float, ...]:
    """Median milliseconds of each for a batch, compiled, in evaluation.

    They take turns, so that whatever disturbs the machine disturbs all alike: compare those of one call only.
    """
    turns = [[_seconds(model, inputs) for model in models] for _ in range(WARM_UP + rounds)]
    return tuple(1000 * statistics.median(seconds) for seconds in zip(*turns[WARM_UP:], strict=True))


def _seconds(model: Model, inputs: Inputs) -> float:
    begin = time.perf_counter()
    answer(model.network, model.weights, inputs).block_until_ready()
    return time.perf_counter() - begin
