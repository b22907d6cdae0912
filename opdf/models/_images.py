"""Image networks made, written and read."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tensornet.files._folder import WEIGHTS, whole

from ._architecture import CONFIG as CONFIG
from ._architecture import Architecture, Kind, described
from ._architecture import is_image_network as is_image_network
from ._fits import check_tensors
from ._hierarchical import Hierarchical
from ._image import ImageNetwork
from ._residual import Residual
from ._seeded import seeded
from ._vit import ViT

FAMILIES: dict[str, type[ImageNetwork]] = {"residual": Residual, "vit": ViT, "hierarchical": Hierarchical}
MOST_TOKENS = {"vit": 16, "hierarchical": 64}  # so that 60,000 images of 28 × 28 are minutes on one core


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


def build(description: Architecture, seed: int) -> ImageNetwork:
    """With random weights, a function of the seed; torch's generator is left as it was."""
    with seeded(seed):
        return FAMILIES[description.kind](description)


def write(model: ImageNetwork, folder: Path) -> None:
    """config.json and model.safetensors into an existing folder."""
    (folder / CONFIG).write_text(json.dumps(asdict(model.architecture), indent=2) + "\n")
    save_file({n: t.detach().contiguous() for n, t in model.state_dict().items()}, folder / WEIGHTS, {"format": "pt"})


def read(folder: Path, config: dict[str, Any]) -> ImageNetwork:
    """What `write` wrote."""
    model = build(described(config, folder), seed=0)
    with whole(folder / WEIGHTS, "load", SafetensorError):
        stored = load_file(folder / WEIGHTS)
    check_tensors(_shapes(model.state_dict()), _shapes(stored), folder)
    model.load_state_dict(stored)
    return model


def _shapes(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(t.shape) for name, t in tensors.items()}
