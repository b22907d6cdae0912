"""A small hierarchical vision transformer, in TinyViT's place: two stages, the second of half the side and twice the width.

    stage 1  h ← block(h)
    stage 2  h ← merge(h) + positions;   h ← block(h)

Each stage is one attention window, as TinyViT's are at this size; its convolutions are left out, so that all that is
decomposed are feed-forward layers, attention and its projection (OPDF, Table S.5).
Source: Wu et al. 2022, arXiv 2207.10666; merging: Liu et al. 2021 (Swin), arXiv 2103.14030.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tensornet import TensorNetError

from ._image import Architecture
from ._patches import PatchNetwork
from ._transformer import Block


class Hierarchical(PatchNetwork):
    """The first block of stage 2 begins with the merging, so that the blocks are one chain."""

    def chain(self, rows: int, columns: int) -> nn.ModuleList:
        a = self.architecture
        first, second = stages(a)
        return nn.ModuleList(
            [Block(a.narrowest, a.feed_forward // 2, a.heads) for _ in range(first)]
            + [Merging(rows, columns, a.width, a.feed_forward, a.heads)]
            + [Block(a.width, a.feed_forward, a.heads) for _ in range(second - 1)]
        )


class Merging(Block):
    """A block after four tokens of half the width have become one: (b, rows·columns, d/2) → (b, ⌈rows/2⌉·⌈columns/2⌉, d)."""

    def __init__(self, rows: int, columns: int, width: int, *rest: Any) -> None:
        super().__init__(width, *rest)
        self.rows, self.columns = rows, columns
        self.merge = nn.Linear(2 * width, width)
        self.positions = nn.Parameter(0.02 * torch.randn(-(-rows // 2) * -(-columns // 2), width))

    def forward(self, hidden: Tensor) -> Tensor:
        square = pad(hidden.unflatten(1, (self.rows, self.columns)), (0, 0, 0, self.columns % 2, 0, self.rows % 2))
        fours = square.unfold(1, 2, 2).unfold(2, 2, 2).flatten(3).flatten(1, 2)
        return super().forward(self.merge(fours) + self.positions)

    def merging(self) -> dict[str, Tensor]:
        """What of its state a plain block does not have."""
        return {name: w for name, w in self.state_dict().items() if name.startswith(("merge.", "positions"))}


def stages(a: Architecture) -> tuple[int, int]:
    """Blocks of each stage: half and half, the odd one in the second."""
    if a.depth < 2 or a.width % 2 or a.feed_forward % 2:
        raise TensorNetError(
            f"hierarchical network: depth={a.depth}, width={a.width}, feed_forward={a.feed_forward}, needed 2 blocks or more "
            f"and even sizes, because the first of two stages has half the width; change them, or take kind='vit'"
        )
    return a.depth // 2, a.depth - a.depth // 2
