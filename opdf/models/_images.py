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
from ._architecture import Architecture, described
from ._architecture import is_image_network as is_image_network
from ._fits import check_tensors
from ._hierarchical import Hierarchical
from ._image import ImageNetwork
from ._residual import Residual
from ._seeded import seeded
from ._vit import ViT

FAMILIES: dict[str, type[ImageNetwork]] = {"residual": Residual, "vit": ViT, "hierarchical": Hierarchical}


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
