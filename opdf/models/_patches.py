"""Image networks of tokens, each of which is a patch of the image.

    h = proj(patches) + positions;   h ← block(h) for each block;   logits = head(mean over tokens of norm(h))

Source: Dosovitskiy et al. 2021, arXiv 2010.11929; the mean in place of their class token.
"""

import abc

import torch
from torch import Tensor, nn

from tensornet import TensorNetError

from ._image import Architecture, ImageNetwork
from ._transformer import xavier


class PatchNetwork(ImageNetwork, abc.ABC):
    """Embedding and head; which blocks are between them is left open."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        a = architecture
        rows, columns = _grid(a)
        self.proj = nn.Linear(a.patch**2, a.narrowest)
        self.positions = nn.Parameter(0.02 * torch.randn(rows * columns, a.narrowest))
        self.blocks = self.chain(rows, columns)
        self.norm, self.head = nn.LayerNorm(a.width), nn.Linear(a.width, a.classes)
        xavier(self)

    @abc.abstractmethod
    def chain(self, rows: int, columns: int) -> nn.ModuleList:
        """Blocks from (b, rows·columns, narrowest) to (b, t, width)."""

    def embedding(self, pixels: Tensor) -> Tensor:
        return self.proj(patches(pixels, self.architecture.patch)) + self.positions

    def answer(self, hidden: Tensor) -> Tensor:
        return self.head(self.norm(hidden).mean(1))


def patches(pixels: Tensor, patch: int) -> Tensor:
    """(b, rows·p, columns·p) → (b, rows·columns, p²): the squares of a grid, row after row."""
    return pixels.unfold(1, patch, patch).unfold(2, patch, patch).flatten(3).flatten(1, 2)


def _grid(a: Architecture) -> tuple[int, int]:
    """(rows, columns) of patches."""
    if a.patch < 1 or any(side % a.patch for side in a.image):
        raise TensorNetError(
            f"{a.kind} network: patches of {a.patch}×{a.patch} for images of {a.image[0]}×{a.image[1]}, needed a common "
            f"divisor of both sides, because patches tile the image; pass another patch"
        )
    return a.image[0] // a.patch, a.image[1] // a.patch
