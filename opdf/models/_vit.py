"""A plain vision transformer with learnt positions; the answer is that of the mean token.

    h = proj(patches) + positions;   h ← block(h) for each block;   logits = head(mean over tokens of norm(h))

Source: Dosovitskiy et al. 2021, arXiv 2010.11929.
"""

import torch
from torch import Tensor, nn

from tensornet import TensorNetError

from ._image import Architecture, ImageNetwork, patches
from ._transformer import Block, xavier


class ViT(ImageNetwork):
    """Tokens are the patches; there is no class token."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        a = architecture
        rows, columns = grid(a)
        self.proj = nn.Linear(a.patch**2, a.width)
        self.positions = nn.Parameter(0.02 * torch.randn(rows * columns, a.width))
        self.blocks = nn.ModuleList(Block(a.width, a.feed_forward, a.heads) for _ in range(a.depth))
        self.norm, self.head = nn.LayerNorm(a.width), nn.Linear(a.width, a.classes)
        xavier(self)

    def embedding(self, pixels: Tensor) -> Tensor:
        return self.proj(patches(pixels, self.architecture.patch)) + self.positions

    def answer(self, hidden: Tensor) -> Tensor:
        return self.head(self.norm(hidden).mean(1))


def grid(a: Architecture) -> tuple[int, int]:
    """(rows, columns) of patches."""
    if a.patch < 1 or any(side % a.patch for side in a.image):
        raise TensorNetError(
            f"{a.kind} network: patches of {a.patch}×{a.patch} for images of {a.image[0]}×{a.image[1]}, needed a common "
            f"divisor of both sides, because patches tile the image; pass another patch"
        )
    return a.image[0] // a.patch, a.image[1] // a.patch
