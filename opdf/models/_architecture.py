"""The description of an image network, as it is written down. No framework is loaded to read it."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from tensornet import TensorNetError
from tensornet._errors import some

from ._spec import Teacher

CONFIG = "config.json"
MOST_TOKENS = {"vit": 16, "hierarchical": 64}  # so that 60,000 images of 28 × 28 are minutes on one core
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


def architecture(
    kind: Kind,
    image: tuple[int, int],
    classes: int,
    depth: int,
    width: int,
    *,
    feed_forward: int | None = None,
    heads: int | None = None,
) -> Architecture:
    """With what is usual for what is not given: 4 heads, 4·width units (residual: width), the smallest patches that leave no
    more than MOST_TOKENS.
    """
    if kind == "residual":
        return Architecture(kind, image, classes, depth, width, feed_forward or width, heads or 0)
    common = [p for p in range(1, min(image) + 1) if not any(side % p for side in image)]
    patch = next((p for p in common if image[0] * image[1] <= MOST_TOKENS[kind] * p * p), common[-1])
    return Architecture(kind, image, classes, depth, width, feed_forward or 4 * width, heads or 4, patch)


def architecture_of(spec: Teacher, image: tuple[int, int], classes: int) -> Architecture:
    """Of a teacher that is made here."""
    sizes = {"feed_forward": spec.feed_forward, "heads": spec.heads}
    return architecture(spec.kind, image, classes, spec.depth, spec.width, **sizes)


def is_image_network(config: dict[str, Any]) -> bool:
    """Whether a config.json is of one that was saved here."""
    return config.get("kind") in get_args(Kind)


def described(config: dict[str, Any], folder: Path) -> Architecture:
    """What the config.json of a folder says."""
    names = {f.name for f in fields(Architecture)}
    if config.keys() != names:
        raise TensorNetError(
            f"load: {folder / CONFIG} lacks {some(sorted(names - config.keys()))} and has unknown "
            f"{some(sorted(config.keys() - names))}, needed {', '.join(sorted(names))}, because the network is made by "
            f"them; take a folder that a run exported"
        )
    return Architecture(**config)
