"""The Conv1D of Transformers, a linear layer with its weight (in, out): known by name, not imported."""

from torch import nn


def is_conv1d(kind: type[nn.Module]) -> bool:
    """Whether it is that very class, no subclass of it."""
    return (kind.__module__, kind.__qualname__) == ("transformers.pytorch_utils", "Conv1D")


def stores_transposed(module: nn.Module) -> bool:
    """Whether it is a Conv1D, subclasses of it included."""
    return any(map(is_conv1d, type(module).__mro__))
