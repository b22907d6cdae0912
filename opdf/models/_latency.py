"""How long networks take to answer, side by side."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ._outputs import outputs
from ._turns import in_turn


def latency(
    models: Sequence[nn.Module],
    inputs: Mapping[str, Tensor],
    rounds: int = 15,
    answer: Callable[[Any, Mapping[str, Tensor]], object] = outputs,
) -> tuple[float, ...]:
    """Median milliseconds of each for a batch, in evaluation; compare those of one call only.

    answer  (model, inputs) → what is timed
    """
    training = [model.training for model in models]
    try:
        return in_turn([partial(_answer, answer, model.eval(), inputs) for model in models], rounds)
    finally:
        for model, was in zip(models, training, strict=True):
            model.train(was)


@torch.no_grad()
def _answer(answer: Callable[..., object], model: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    answer(model, inputs)
    if any(x.is_cuda for x in inputs.values()):
        torch.cuda.synchronize()
