"""How long networks take to answer, side by side."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from ._outputs import outputs
from ._turns import in_turn


def latency(models: Sequence[nn.Module], inputs: Mapping[str, Tensor], rounds: int = 15) -> tuple[float, ...]:
    """Median milliseconds of each for a batch, in evaluation; compare those of one call only."""
    training = [model.training for model in models]
    try:
        return in_turn([partial(_answer, model.eval(), inputs) for model in models], rounds)
    finally:
        for model, was in zip(models, training, strict=True):
            model.train(was)


@torch.no_grad()
def _answer(model: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    outputs(model, inputs)
    if any(x.is_cuda for x in inputs.values()):
        torch.cuda.synchronize()
