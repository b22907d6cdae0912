"""Image networks made, written and read."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tensornet import TensorNetError
from tensornet._errors import some
from tensornet.files._folder import WEIGHTS, whole

from ._hierarchical import Hierarchical
from ._image import Architecture, ImageNetwork, Kind
from ._residual import Residual
from ._seeded import seeded
from ._vit import ViT

CONFIG = "config.json"
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


def is_image_network(config: dict[str, Any]) -> bool:
    """Whether a config.json is of one that was saved here."""
    return config.get("kind") in FAMILIES


def write(model: ImageNetwork, folder: Path) -> None:
    """config.json and model.safetensors into an existing folder."""
    (folder / CONFIG).write_text(json.dumps(asdict(model.architecture), indent=2) + "\n")
    save_file({n: t.detach().contiguous() for n, t in model.state_dict().items()}, folder / WEIGHTS, {"format": "pt"})


def read(folder: Path, config: dict[str, Any]) -> ImageNetwork:
    """What `write` wrote."""
    names = {f.name for f in fields(Architecture)}
    if config.keys() != names:
        raise TensorNetError(
            f"load: {folder / CONFIG} lacks {some(sorted(names - config.keys()))} and has unknown "
            f"{some(sorted(config.keys() - names))}, needed {', '.join(sorted(names))}, because the network is made by "
            f"them; take a folder that a run exported"
        )
    model = build(Architecture(**config), seed=0)
    with whole(folder / WEIGHTS, "load", SafetensorError):
        stored = load_file(folder / WEIGHTS)
    _fill(model, stored, folder)
    return model


def _fill(model: nn.Module, stored: dict[str, torch.Tensor], folder: Path) -> None:
    own = model.state_dict()
    missing, surplus = sorted(own.keys() - stored.keys()), sorted(stored.keys() - own.keys())
    unlike = [f"{n} {tuple(t.shape)}" for n, t in stored.items() if n in own and own[n].shape != t.shape]
    if missing or surplus or unlike:
        raise TensorNetError(
            f"load: {folder / WEIGHTS} lacks {some(missing)}, has nobody's {some(surplus)}, and of another shape than "
            f"{CONFIG} says {some(unlike)}; needed exactly its tensors, because none may keep a value of its own; take a "
            f"folder that a run exported"
        )
    model.load_state_dict(stored)
