"""How long networks take to answer, side by side."""

import statistics
import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ._outputs import outputs

WARM_UP = 2  # turns that are not counted


def latency(models: Sequence[nn.Module], inputs: Mapping[str, Tensor], rounds: int = 15) -> tuple[float, ...]:
    """Median milliseconds of each for a batch, in evaluation.

    They take turns, so that whatever disturbs the machine disturbs all alike: compare those of one call only.
    """
    training = [model.training for model in models]
    try:
        turns = [[_seconds(model.eval(), inputs) for model in models] for _ in range(WARM_UP + rounds)]
    finally:
        for model, was in zip(models, training, strict=True):
            model.train(was)
    return tuple(1000 * statistics.median(seconds) for seconds in zip(*turns[WARM_UP:], strict=True))


@torch.no_grad()
def _seconds(model: nn.Module, inputs: Mapping[str, Tensor]) -> float:
    begin = time.perf_counter()
    outputs(model, inputs)
    if any(x.is_cuda for x in inputs.values()):
        torch.cuda.synchronize()
    return time.perf_counter() - begin
