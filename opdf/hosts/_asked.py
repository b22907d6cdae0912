"""Models asked what they say, outside of their training."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..models.networks import outputs
from ..tasks import Examples


@torch.no_grad()
def asked(model: nn.Module, inputs: Mapping[str, Tensor], *wanted: str) -> dict[str, Any]:
    """`outputs` without gradients and dropout; the model is left in the mode it was in."""
    training = model.training
    model.eval()
    try:
        return outputs(model, inputs, wanted)
    finally:
        model.train(training)


def some(examples: Examples, index: Any, model: nn.Module) -> tuple[dict[str, Tensor], Tensor]:
    """(inputs, labels) of the examples at `index`, where the model is."""
    device = next(model.parameters()).device
    inputs = {name: torch.from_numpy(array).to(device) for name, array in examples.batch(index).items()}
    return inputs, torch.from_numpy(examples.labels[np.asarray(index)]).to(device)
