"""The residual network of the demo, at any size.

    h = embed(x);   h ← h + fc2(relu(fc1(h))) for each block;   logits = head(h)

Its parameters are embed, blocks.N.fc1, blocks.N.fc2 and head, in JAX as here.
"""

import torch
from torch import Tensor, nn

from ._image import Architecture, ImageNetwork


class Block(nn.Module):
    def __init__(self, width: int, feed_forward: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, feed_forward), nn.Linear(feed_forward, width)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.fc2(torch.relu(self.fc1(hidden)))


class Residual(ImageNetwork):
    """Reads all pixels as one vector, so that there is one token."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        a = architecture
        self.embed = nn.Linear(a.image[0] * a.image[1], a.width)
        self.blocks = nn.ModuleList(Block(a.width, a.feed_forward) for _ in range(a.depth))
        self.head = nn.Linear(a.width, a.classes)
        with torch.no_grad():
            for name, parameter in self.blocks.named_parameters():
                if "fc2" in name:  # the sum of the branches then has the variance of one, whatever the depth
                    parameter.mul_(a.depth**-0.5 if parameter.ndim == 2 else 0.0)

    def embedding(self, pixels: Tensor) -> Tensor:
        return self.embed(pixels.flatten(1))[:, None]

    def answer(self, hidden: Tensor) -> Tensor:
        return self.head(hidden[:, 0])
