"""What every small image network is: a description that is written down, and blocks between an embedding and a head."""

import abc
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from tensornet import TensorNetError

Kind = Literal["residual", "vit", "hierarchical"]


@dataclass(frozen=True)
class Architecture:
    """Of an image network; its config.json.

    image         (height, width) in pixels, one channel
    depth         blocks
    width         units of a block; hierarchical: of the last stage, the one before it has half as many
    feed_forward  units inside a block's feed-forward part; hierarchical: as `width`
    heads         of attention; residual: 0
    patch         pixels along the side of a patch; residual: 0
    """

    kind: Kind
    image: tuple[int, int]
    classes: int
    depth: int
    width: int
    feed_forward: int
    heads: int = 0
    patch: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.image, list):
            object.__setattr__(self, "image", tuple(self.image))  # JSON has no tuples
        sides = self.image if isinstance(self.image, tuple) and len(self.image) == 2 else (None,)
        sizes = (*sides, self.classes, self.depth, self.width, self.feed_forward)
        if not all(type(n) is int and n > 0 for n in sizes) or {type(self.heads), type(self.patch)} != {int}:
            raise TensorNetError(
                f"{self}: needed positive integers, two of them for image, because they are sizes; correct them"
            )
        if self.kind == "residual":
            if self.heads or self.patch:
                raise TensorNetError(
                    f"residual network: heads={self.heads}, patch={self.patch}, needed none, because it has no attention; "
                    f"leave them out, or take kind='vit'"
                )
        elif self.heads < 1 or self.narrowest % self.heads:
            raise TensorNetError(
                f"{self.kind} network: {self.heads} heads for width {self.narrowest}, needed a divisor of it, because each "
                f"head has an equal part; change heads or width"
            )

    @property
    def narrowest(self) -> int:
        """Width of the first stage."""
        return self.width // 2 if self.kind == "hierarchical" else self.width


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
