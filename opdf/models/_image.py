"""What every small image network is: blocks between an embedding and a head."""

import abc

from torch import Tensor, nn

from ._architecture import Architecture as Architecture
from ._architecture import Kind as Kind


class ImageNetwork(nn.Module, abc.ABC):
    """h = embedding(pixels);  h ← block(h) for each block;  logits = answer(h)."""

    blocks: nn.ModuleList

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture

    @abc.abstractmethod
    def embedding(self, pixels: Tensor) -> Tensor:
        """(b, height, width) → (b, t, d), what the first block reads; residual: t = 1."""

    @abc.abstractmethod
    def answer(self, hidden: Tensor) -> Tensor:
        """(b, t, d) from the last block → logits (b, classes)."""

    def forward(self, pixels: Tensor) -> Tensor:
        """(b, height, width) → logits (b, classes)."""
        hidden = self.embedding(pixels)
        for block in self.blocks:
            hidden = block(hidden)
        return self.answer(hidden)
