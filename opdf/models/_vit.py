"""A plain vision transformer: blocks of one width."""

from torch import nn

from ._patches import PatchNetwork
from ._transformer import Block


class ViT(PatchNetwork):
    """Every token attends to all others in every block."""

    def chain(self, rows: int, columns: int) -> nn.ModuleList:
        a = self.architecture
        return nn.ModuleList(Block(a.width, a.feed_forward, a.heads) for _ in range(a.depth))
