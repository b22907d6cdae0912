"""The model inside DistributedDataParallel, which gives every name a "module." that it has nowhere else."""

from typing import Any


def inside(model: Any) -> Any:
    """By name, because torch can be built without torch.distributed."""
    return model.module if type(model).__name__ == "DistributedDataParallel" else model
